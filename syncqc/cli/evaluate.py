"""``syncqc evaluate``: what a network is worth on clips it never saw."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syncqc.cli.places import check_file, write_text
from syncqc.cli.unseen import DetectorOption, ModelArgument, SourceArgument, checked, left_out_in_words, matrices_of
from syncqc.errors import UsageError

if TYPE_CHECKING:
    from syncqc.measure.calibration import Calibration
    from syncqc.train.calibrate import Labelled

FORMAT = "syncqc-evaluation-1"


def evaluate(
    model: ModelArgument,
    source: SourceArgument,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the figures as JSON.", show_default="only shown")] = None,
    detector: DetectorOption = None,
) -> None:
    """Moves the sound of SOURCE and swaps voices, and says how often MODEL notices."""
    import json

    if out is not None:
        check_file(out, ".json")
        _refuse_other_json(out)
    clips, detector = checked(model, source, detector)

    from dataclasses import asdict

    from syncqc.engine.provenance import versions
    from syncqc.nets.checkpoint import file_sha256, find, read_header
    from syncqc.train.calibrate import labelled
    from syncqc.train.evaluate import figures
    from syncqc.train.stretches import EvalSettings, Measuring

    settings = EvalSettings()
    score, tracks, left_out = matrices_of(model, clips, detector, settings)
    measuring = Measuring.of(score)
    weights = find(model)
    header = read_header(weights)
    result = figures(tracks, measuring, settings)
    calibration, sentences = _calibration(header.calibration, labelled(tracks, measuring))
    about = {
        "format": FORMAT,
        "command": _command("evaluate", model, source, detector),
        "model": header.name,
        "weights_sha256": file_sha256(str(weights), weights.stat().st_mtime_ns),
        "made_with": versions(),
        "settings": {**asdict(settings), **asdict(measuring)},
        "n_clips_read": len(clips),
        "parts_left_out": dict(left_out),
        "figures": result,
        "calibration": calibration,
    }
    _show(result)
    for sentence in [left_out_in_words(left_out), *sentences]:
        typer.echo(sentence)
    if out is not None:
        write_text(out, json.dumps(about, indent=2) + "\n")


def _refuse_other_json(out: Path) -> None:
    """Refuses to replace a file that is no evaluation."""
    import json

    if not out.exists():
        return
    try:
        found = json.loads(out.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    if not (isinstance(found, dict) and "figures" in found):
        raise UsageError(f"{out} is there and holds no evaluation; choose another --out")


def _command(name: str, model: str, source: Path, detector: str) -> str:
    """The command line that asks for the same again, with the paths as they were given."""
    from syncqc.stages.find_faces import FindFaces

    options = [] if detector == FindFaces.detector else ["--detector", detector]
    return shlex.join(["syncqc", name, model, str(source), *options])


def _calibration(stored: dict[str, Any] | None, items: list[Labelled]) -> tuple[dict[str, object], list[str]]:
    """How reliable the checkpoint's own map is here, and one fitted here, judged on left-out speakers; and both in sentences."""
    from dataclasses import asdict

    from syncqc.measure.calibration import Calibration
    from syncqc.train.calibrate import cross_validated, judged

    own: Calibration | None = Calibration.from_json(stored) if stored else None
    found: dict[str, object] = {}
    sentences = []
    for key, what, ask in (
        ("of_the_checkpoint", "probability_in_sync", (lambda: judged(own, items)) if own else None),
        ("cross_validated_over_speakers", "the same fitted here, on left-out speakers", lambda: cross_validated(items)),
    ):
        if ask is None:
            found[key] = None
            sentences.append("the checkpoint holds no calibration; `syncqc calibrate` makes one")
            continue
        try:
            reliability = ask()
        except UsageError as error:
            found |= {key: None, f"{key}_detail": str(error)}
            sentences.append(f"{what}: not judged, {error}")
            continue
        found[key] = asdict(reliability)
        sentences.append(f"{what}: expected error {reliability.expected_error:.3f}, AUC {reliability.auc:.3f}")
    return found, sentences


def _show(figures: dict[str, Any]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    for group, values in figures.items():
        title = Text(f"{group}: {values['n_clips']} clips, {values['n_speakers']} speakers, {values['n_tracks']} parts; shares in %")
        table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=0)
        for name in ("length", "n", "rows\nfollow", "clips\nfollow", "agree with\ntheir clip", "foreign\nis lower", "AUC"):
            table.add_column(name, justify="right", no_wrap=True)
        for line in [*values["by_duration"], values["rows"]]:
            if line["n_stretches"]:
                length = f"{line['duration_s']:g} s" if "duration_s" in line else "whole rows"
                keys = ("offset_follows_rows", "offset_follows_clips", "offset_agrees_with_clip", "foreign_lower_share")
                auc = "" if line["foreign_auc"] is None else f"{line['foreign_auc']:.3f}"
                table.add_row(length, str(line["n_stretches"]), *(_cell(line, key) for key in keys), auc)
        Console().print(table)
        by_listening = values["rows"]["foreign_follows_rows"]
        if by_listening is not None:
            typer.echo(f"moved foreign sound, where there is nothing to find, is followed in {by_listening:.0%} of whole rows")
        accuracy = ", ".join(f"{k} {share:.1%}" for k, share in values["window_accuracy"].items() if share is not None)
        typer.echo(f"windows right around the track's own offset: {accuracy or 'none was judged'}\n")


def _cell(line: dict[str, Any], key: str) -> str:
    """The share in percent and, where it is known, the range in which 95 % of other samples of speakers would have it."""
    share, interval = line[key], line[f"{key}_interval95"]
    if share is None:
        return ""
    return f"{100 * share:.0f}" + (f" ({100 * interval[0]:.0f}-{100 * interval[1]:.0f})" if interval else "")
