"""``syncqc calibrate``: makes a network's probability mean what it says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syncqc.cli.options import DetectorOption
from syncqc.cli.places import check_file
from syncqc.cli.unseen import ModelArgument, SourceArgument, SplitOption, checked, left_out_in_words, matrices_of
from syncqc.errors import UsageError

if TYPE_CHECKING:
    from syncqc.manifest.row import Clip
    from syncqc.measure.decision import Decision
    from syncqc.train.reliability import Said
    from syncqc.train.stretches import Measuring, TrackMatrices


def calibrate(
    model: ModelArgument,
    source: SourceArgument,
    out: Annotated[Path, typer.Option("--out", "-o", help="Weights file to write, with the calibration in it.", show_default=False)],
    name: Annotated[str | None, typer.Option(help="Name for the header.", show_default="unchanged")] = None,
    zero: Annotated[
        int | None, typer.Option(help="What the network reads on material that is in sync, in images.", show_default="unchanged")
    ] = None,
    zero_from: Annotated[
        Path | None, typer.Option(help="Clips known to be in sync, from which to measure that.", show_default="unchanged")
    ] = None,
    figure: Annotated[Path | None, typer.Option(help="Draw the reliability on left-out speakers (PNG).", show_default="none")] = None,
    split: SplitOption = None,
    detector: DetectorOption = None,
) -> None:
    """Fits the temperature, the map to `probability_in_sync` and when a face is the speaker on SOURCE; writes MODEL with them to OUT."""
    check_file(out, ".safetensors")
    if figure is not None:
        check_file(figure, ".png", name="--figure")
    if zero is not None and zero_from is not None:
        raise UsageError("--zero and --zero-from both say what the zero is; give one of them")
    clips, detector = checked(model, source, detector, split)
    in_sync = checked(model, zero_from, detector)[0] if zero_from is not None else None
    _refuse_other_weights(out, model)

    from dataclasses import replace

    from syncqc.nets.checkpoint import load, store
    from syncqc.train.calibrate import calibrate as fitted
    from syncqc.train.calibrate import labelled, row_tau, said_cross_validated
    from syncqc.train.reliability import reliability
    from syncqc.train.stretches import EvalSettings, Measuring

    if in_sync is not None:
        zero = _measured_zero(model, in_sync, detector)
    score, tracks, left_out = matrices_of(model, clips, detector, EvalSettings())
    measuring = Measuring.of(score)
    measuring = replace(measuring, tau=row_tau(labelled(tracks, measuring), measuring.tau))
    items = labelled(tracks, measuring)
    said = said_cross_validated(items)
    judged = reliability(said)
    decision, about_decision = _decided(tracks, measuring)
    calibration = replace(fitted(items), decision=decision)
    loaded = load(model)
    changed: dict[str, Any] = {"tau": measuring.tau, "calibration": calibration.to_json()}
    changed |= {key: value for key, value in (("zero_offset_frames", zero), ("name", name)) if value is not None}
    try:
        store(out, loaded.network, replace(loaded.header, **changed))
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror}") from None
    if figure is not None:
        write_reliability(said, f"{changed.get('name', loaded.header.name)} on speakers left out of the fit", figure)
    typer.echo(left_out_in_words(left_out))
    typer.echo(about_decision)
    typer.echo(
        f"tau {measuring.tau:.3f} (learnt: {loaded.network.tau:.3f}); "
        f"fitted on {len(items)} stretches of {judged.n_speakers} speakers; "
        f"on left-out speakers the expected error is {judged.expected_error:.3f} and the AUC {judged.auc:.3f}; {out}"
    )


def _measured_zero(model: str, clips: list[Clip], detector: str) -> int:
    """The zero measured on clips that are known to be in sync, said aloud."""
    from syncqc.train.own_zero import own_zero
    from syncqc.train.stretches import EvalSettings, Measuring

    score, tracks, _ = matrices_of(model, clips, detector, EvalSettings(moves=(), control_moves=(), n_foreign=0, replaced_shares=()))
    found = own_zero(tracks, Measuring.of(score))
    typer.echo(
        f"zero {found.zero_offset_frames:+d}: over {found.n_clips} clips of {found.n_speakers} speakers the median offset is "
        f"{found.median_offset_frames:+g} images ({found.interval95[0]:+g} to {found.interval95[1]:+g})"
    )
    return found.zero_offset_frames


def _decided(tracks: list[TrackMatrices], measuring: Measuring) -> tuple[Decision | None, str]:
    """When a face counts as the speaker, fitted where that can be, and a sentence about it."""
    from syncqc.train.decision_fit import cross_validated_error, fit, rows

    found = rows(tracks, measuring)
    try:
        decision, error = fit(found), cross_validated_error(found)
    except UsageError as refused:
        return None, f"when a face counts as the speaker was not fitted and keeps its defaults: {refused}"
    return decision, f"offscreen ratio: on left-out speakers the mean error is {error:.3f} where 0 to 100 % of the sound is replaced"


def write_reliability(said: Said, title: str, figure: Path) -> None:
    """The reliability of what was said, short and long stretches side by side, as a PNG at `figure`.

    Raises:
        UsageError: the file cannot be written.
    """
    from syncqc.report.map_figure import write_png
    from syncqc.report.reliability_figure import Panel, draw_reliability
    from syncqc.train.reliability import section

    panels = [
        Panel(f"{length}: expected error {one['expected_error']:.3f}, AUC {one['auc']:.3f}", one["bins"])
        for length, one in section({"": said})[""].items()
        if one is not None
    ]
    try:
        write_png(draw_reliability(panels, title), figure)
    except OSError as error:
        raise UsageError(f"cannot write {figure}: {error.strerror}") from None


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
