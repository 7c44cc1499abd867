"""``syncqc evaluate``: what a network is worth on clips it never saw."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from syncqc.cli.effects import effect_names
from syncqc.cli.options import DetectorOption
from syncqc.cli.places import check_file, write_text
from syncqc.cli.unseen import (
    ModelArgument,
    SourceArgument,
    SplitOption,
    checked,
    left_out_in_words,
    matrices_of,
    whole_clips_of,
)
from syncqc.errors import UsageError

if TYPE_CHECKING:
    from syncqc.measure.calibration import Calibration
    from syncqc.train.calibrate import Labelled

FORMAT = "syncqc-evaluation-2"


def evaluate(
    model: ModelArgument,
    source: SourceArgument,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Write the figures as JSON, and as tables in a .md beside it.", show_default="only shown"),
    ] = None,
    protocol: Annotated[
        Literal["strict", "vocalist"],
        typer.Option(help="How windows are judged: all of them, or with the quirks of the published figures (VocaLiST's code)."),
    ] = "strict",
    split: SplitOption = None,
    effects: Annotated[
        str | None,
        typer.Option(help="Also disturb the clips: `all`, or names with commas, such as `babble-10db,fps-15`.", show_default="none"),
    ] = None,
    detector: DetectorOption = None,
) -> None:
    """Asks MODEL at every window of SOURCE where the sound belongs, moves the sound, swaps voices, and says how often it is right."""
    import json

    if out is not None:
        check_file(out, ".json")
        _refuse_other_json(out)
        _refuse_other_markdown(out.with_suffix(".md"))
    if effects is not None:
        effect_names(effects)
    clips, detector = checked(model, source, detector, split)

    from dataclasses import asdict

    from syncqc.cli.evaluate_sections import Evaluated, sections
    from syncqc.cli.evaluate_view import show
    from syncqc.engine.provenance import versions
    from syncqc.nets.checkpoint import file_sha256, find, read_header
    from syncqc.train.calibrate import labelled
    from syncqc.train.evaluate import figures
    from syncqc.train.evaluation_words import page
    from syncqc.train.protocol import protocol_figures
    from syncqc.train.stretches import EvalSettings, Measuring

    settings = EvalSettings()
    score, tracks, left_out = matrices_of(model, clips, detector, settings)
    whole, clips_left_out = whole_clips_of(score, clips, detector)
    measuring = Measuring.of(score)
    weights = find(model)
    header = read_header(weights)
    items = labelled(tracks, measuring)
    calibration, sentences = _calibration(header.calibration, items)
    more = sections(Evaluated(score, clips, detector, tracks, measuring, settings, items, effects))
    options = {"protocol": protocol, "split": split, "effects": effects, "detector": detector}
    about = {
        "format": FORMAT,
        "command": _command("evaluate", model, source, options),
        "model": header.name,
        "weights_sha256": file_sha256(str(weights), weights.stat().st_mtime_ns),
        "made_with": versions(),
        "settings": {**asdict(settings), **asdict(measuring)},
        "n_clips_read": len(clips),
        "parts_left_out": dict(left_out),
        "protocol": protocol_figures(whole, protocol, measuring, settings, header.zero_offset_frames, clips_left_out),
        "figures": figures(tracks, measuring, settings),
        "calibration": calibration,
        **{section.key: section.data for section in more},
    }
    show(about, more)
    for sentence in [left_out_in_words(left_out), *sentences, *(line for section in more for line in section.sentences)]:
        typer.echo(sentence)
    if out is not None:
        write_text(out, json.dumps(about, indent=2) + "\n")
        write_text(out.with_suffix(".md"), page(about, more))
        typer.echo(f"per source and per speaker: {out.with_suffix('.md')}")


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


def _refuse_other_markdown(page: Path) -> None:
    """Refuses to replace a page that is no evaluation."""
    from syncqc.train.evaluation_words import HEADING

    if not page.exists():
        return
    try:
        is_ours = page.read_text(encoding="utf-8").startswith(HEADING)
    except (OSError, ValueError):
        is_ours = False
    if not is_ours:
        raise UsageError(f"{page}, where the tables would go, is there and holds no evaluation; choose another --out")


def _command(name: str, model: str, source: Path, options: dict[str, str | None]) -> str:
    """The command line that asks for the same again, with the paths as they were given and without what is the default."""
    from syncqc.stages.find_faces import FindFaces
    from syncqc.train.protocol import DEFAULT_PROTOCOL

    defaults = {"protocol": DEFAULT_PROTOCOL, "detector": FindFaces.detector}
    given = [part for key, value in options.items() if value is not None and value != defaults.get(key) for part in (f"--{key}", value)]
    return shlex.join(["syncqc", name, model, str(source), *given])


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
