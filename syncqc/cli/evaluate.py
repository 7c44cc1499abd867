"""``syncqc evaluate``: what a network is worth on clips it never saw. ``syncqc calibrate``: makes its probability mean what it says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from syncqc.stages.score import Score
    from syncqc.train.evaluate import TrackMatrices

_Model = Annotated[str, typer.Argument(help="A name from `syncqc models`, or a weights file.", show_default=False)]
_Source = Annotated[
    Path,
    typer.Argument(
        help="Clips of speakers it was not trained on: a folder, or a list (.csv with path, dataset, speaker).", show_default=False
    ),
]


def evaluate(
    model: _Model,
    source: _Source,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the figures as JSON.", show_default=False)] = None,
    detector: Annotated[str, typer.Option(help="The face detector.")] = "centerface",
) -> None:
    """Moves the sound of SOURCE and swaps voices, and says how often MODEL notices."""
    import json

    from syncqc.train.calibrate import calibrate as fitted
    from syncqc.train.evaluate import EvalSettings, figures

    settings = EvalSettings()
    score, tracks = _matrices(model, source, detector)
    assert score._net is not None
    result = figures(tracks, score._net.header.tau, settings)
    _, reliability = fitted(tracks, score._net.header.tau, settings)
    command = f"syncqc evaluate {model} {source.name}"
    about = {"command": command, "model": score._net.header.name, "weights_sha256": score._net.weights_sha256, "figures": result}
    about["calibration"] = {"cross_validated_over_speakers": reliability.__dict__}
    _show(result)
    typer.echo(f"probability_in_sync, left-out speakers: expected error {reliability.expected_error:.3f}, AUC {reliability.auc:.3f}")
    if out is not None:
        out.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


def calibrate(
    model: _Model,
    source: _Source,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Weights file to write, with the calibration in its header.", show_default=False)
    ],
    name: Annotated[str | None, typer.Option(help="Name for the header.", show_default="unchanged")] = None,
    zero: Annotated[int, typer.Option(help="What the network reads on material that is in sync, in images.")] = 0,
    detector: Annotated[str, typer.Option(help="The face detector.")] = "centerface",
) -> None:
    """Fits the map to `probability_in_sync` on SOURCE and writes MODEL with it to OUT."""
    from dataclasses import replace

    from syncqc.nets.checkpoint import store
    from syncqc.train.calibrate import calibrate as fitted
    from syncqc.train.evaluate import EvalSettings

    score, tracks = _matrices(model, source, detector)
    assert score._net is not None
    header = score._net.header
    calibration, reliability = fitted(tracks, header.tau, EvalSettings())
    header = replace(header, calibration=calibration.to_json(), zero_offset_frames=zero, name=name or header.name)
    store(out, score._net.network, header)
    typer.echo(f"expected error {reliability.expected_error:.3f} on left-out speakers; written: {out}")


def _matrices(model: str, source: Path, detector: str) -> tuple[Score, list[TrackMatrices]]:
    from rich.progress import track

    from syncqc.datasets.folder import list_clips
    from syncqc.stages.score import Score
    from syncqc.train.evaluate import EvalSettings, matrices

    score = Score(model=model)
    score.open()
    clips = [(clip, clip.dataset or "", clip.speaker or clip.clip_id) for clip in list_clips(source).clips]
    return score, list(matrices(track(clips, "reading", transient=True), score, detector, EvalSettings()))


def _show(figures: dict[str, object]) -> None:
    from rich.console import Console
    from rich.table import Table

    for group, values in figures.items():
        assert isinstance(values, dict)
        table = Table(title=f"{group}: {values['n_clips']} clips, {values['n_speakers']} speakers, {values['n_tracks']} parts")
        for name in ("length", "stretches", "offset follows: rows", "clips", "foreign lower", "AUC"):
            table.add_column(name, justify="right")
        for line in values["by_duration"]:
            shares = [line[key] for key in ("offset_follows_rows", "offset_follows_clips", "foreign_lower_share", "foreign_auc")]
            shown = ["" if share is None else f"{share:.1%}" for share in shares[:3]]
            auc = "" if shares[3] is None else f"{shares[3]:.3f}"
            table.add_row(f"{line['duration_s']:g} s", str(line["n_stretches"]), *shown, auc)
        Console().print(table)
        accuracy = ", ".join(f"{k} {share:.1%}" for k, share in values["window_accuracy"].items() if share is not None)
        Console().print(f"windows right around the clip's own offset: {accuracy}")
