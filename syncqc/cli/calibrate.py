"""``syncqc calibrate``: makes a network's probability mean what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from syncqc.cli.places import check_file
from syncqc.cli.unseen import DetectorOption, ModelArgument, SourceArgument, checked, left_out_in_words, matrices_of
from syncqc.errors import UsageError


def calibrate(
    model: ModelArgument,
    source: SourceArgument,
    out: Annotated[Path, typer.Option("--out", "-o", help="Weights file to write, with the calibration in it.", show_default=False)],
    name: Annotated[str | None, typer.Option(help="Name for the header.", show_default="unchanged")] = None,
    zero: Annotated[
        int | None, typer.Option(help="What the network reads on material that is in sync, in images.", show_default="unchanged")
    ] = None,
    detector: DetectorOption = None,
) -> None:
    """Fits the temperature and the map to `probability_in_sync` on SOURCE and writes MODEL with them to OUT."""
    check_file(out, ".safetensors")
    clips, detector = checked(model, source, detector)
    _refuse_other_weights(out, model)

    from dataclasses import replace

    from syncqc.nets.checkpoint import load, store
    from syncqc.train.calibrate import calibrate as fitted
    from syncqc.train.calibrate import cross_validated, labelled, row_tau
    from syncqc.train.stretches import EvalSettings, Measuring

    score, tracks, left_out = matrices_of(model, clips, detector, EvalSettings())
    measuring = Measuring.of(score)
    measuring = replace(measuring, tau=row_tau(labelled(tracks, measuring), measuring.tau))
    items = labelled(tracks, measuring)
    reliability = cross_validated(items)
    loaded = load(model)
    changed: dict[str, Any] = {"tau": measuring.tau, "calibration": fitted(items).to_json()}
    changed |= {key: value for key, value in (("zero_offset_frames", zero), ("name", name)) if value is not None}
    try:
        store(out, loaded.network, replace(loaded.header, **changed))
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror}") from None
    typer.echo(left_out_in_words(left_out))
    typer.echo(
        f"tau {measuring.tau:.3f} (learnt: {loaded.network.tau:.3f}); "
        f"fitted on {len(items)} stretches of {reliability.n_speakers} speakers; "
        f"on left-out speakers the expected error is {reliability.expected_error:.3f} and the AUC {reliability.auc:.3f}; {out}"
    )


def _refuse_other_weights(out: Path, model: str) -> None:
    """Refuses to replace the model itself, or a file that holds no weights."""
    from syncqc.nets.checkpoint import find, read_header

    if not out.exists():
        return
    if out.samefile(find(model)):
        raise UsageError(f"{out} is the model itself; choose another --out")
    try:
        read_header(out)
    except UsageError:
        raise UsageError(f"{out} is there and holds no weights of syncqc; choose another --out") from None
