"""``syncqc evaluate``: what a network is worth on clips it never saw. ``syncqc calibrate``: makes its probability mean what it says."""

from __future__ import annotations

import shlex
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syncqc.cli.lazy_default import default_of
from syncqc.cli.places import check_file, write_text
from syncqc.errors import UsageError

if TYPE_CHECKING:
    from syncqc.manifest.row import Clip
    from syncqc.measure.calibration import Calibration
    from syncqc.stages.score import Score
    from syncqc.train.calibrate import Labelled
    from syncqc.train.stretches import EvalSettings, TrackMatrices

FORMAT = "syncqc-evaluation-1"

_Model = Annotated[str, typer.Argument(help="A name from `syncqc models`, or a weights file.", show_default=False)]
_Source = Annotated[
    Path,
    typer.Argument(help="Clips of speakers it never saw: a folder, or a list (.csv with path, dataset, speaker).", show_default=False),
]
_Detector = Annotated[
    str | None, typer.Option(help="The face detector.", show_default=default_of("syncqc.stages.find_faces:FindFaces.detector"))
]


def evaluate(
    model: _Model,
    source: _Source,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the figures as JSON.", show_default="only shown")] = None,
    detector: _Detector = None,
) -> None:
    """Moves the sound of SOURCE and swaps voices, and says how often MODEL notices."""
    import json

    if out is not None:
        check_file(out, ".json")
        _refuse_other_json(out)
    clips, detector = _checked(model, source, detector)

    from dataclasses import asdict

    from syncqc.engine.provenance import versions
    from syncqc.nets.checkpoint import file_sha256, find, read_header
    from syncqc.train.calibrate import labelled
    from syncqc.train.evaluate import figures
    from syncqc.train.stretches import EvalSettings, Measuring

    settings = EvalSettings()
    score, tracks, left_out = _matrices(model, clips, detector, settings)
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
    for sentence in [_left_out_in_words(left_out), *sentences]:
        typer.echo(sentence)
    if out is not None:
        write_text(out, json.dumps(about, indent=2) + "\n")


def calibrate(
    model: _Model,
    source: _Source,
    out: Annotated[Path, typer.Option("--out", "-o", help="Weights file to write, with the calibration in it.", show_default=False)],
    name: Annotated[str | None, typer.Option(help="Name for the header.", show_default="unchanged")] = None,
    zero: Annotated[
        int | None, typer.Option(help="What the network reads on material that is in sync, in images.", show_default="unchanged")
    ] = None,
    detector: _Detector = None,
) -> None:
    """Fits the temperature and the map to `probability_in_sync` on SOURCE and writes MODEL with them to OUT."""
    check_file(out, ".safetensors")
    clips, detector = _checked(model, source, detector)
    _refuse_other_weights(out, model)

    from dataclasses import replace

    from syncqc.nets.checkpoint import load, store
    from syncqc.train.calibrate import calibrate as fitted
    from syncqc.train.calibrate import cross_validated, labelled, row_tau
    from syncqc.train.stretches import EvalSettings, Measuring

    score, tracks, left_out = _matrices(model, clips, detector, EvalSettings())
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
    typer.echo(_left_out_in_words(left_out))
    typer.echo(
        f"tau {measuring.tau:.3f} (learnt: {loaded.network.tau:.3f}); "
        f"fitted on {len(items)} stretches of {reliability.n_speakers} speakers; "
        f"on left-out speakers the expected error is {reliability.expected_error:.3f} and the AUC {reliability.auc:.3f}; {out}"
    )


def _checked(model: str, source: Path, detector: str | None) -> tuple[list[Clip], str]:
    """The clips and the detector, when everything that is named is there.

    Raises:
        UsageError: no such model, detector or source, or nothing in it.
    """
    from syncqc.datasets.folder import list_clips
    from syncqc.faces.registry import check_detector
    from syncqc.nets.checkpoint import find, read_header
    from syncqc.stages.find_faces import FindFaces

    read_header(find(model))
    detector = FindFaces.detector if detector is None else detector
    check_detector(detector)
    return list_clips(source).clips, detector


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


def _command(name: str, model: str, source: Path, detector: str) -> str:
    """The command line that asks for the same again, with the paths as they were given."""
    from syncqc.stages.find_faces import FindFaces

    options = [] if detector == FindFaces.detector else ["--detector", detector]
    return shlex.join(["syncqc", name, model, str(source), *options])


def _matrices(model: str, clips: list[Clip], detector: str, settings: EvalSettings) -> tuple[Score, list[TrackMatrices], Counter[str]]:
    """The opened network, what it says of every track, and why other parts are left out.

    Raises:
        UsageError: no clip has a track that can be judged.
    """
    from rich.console import Console
    from rich.progress import track

    from syncqc.stages.score import Score
    from syncqc.train.stretches import matrices

    score = Score(model=model)
    score.open()
    labelled = [(clip, clip.dataset or "", clip.speaker or clip.clip_id) for clip in clips]
    left_out: Counter[str] = Counter()
    console = Console(stderr=True)
    read = track(labelled, "reading", transient=True, console=console, disable=not console.is_terminal)
    tracks = list(matrices(read, score, detector, settings, left_out))
    if not tracks:
        n = len(clips)
        of = "the clip has no face track" if n == 1 else f"none of the {n} clips has a face track"
        raise UsageError(f"{of} that can be judged ({_reasons(left_out)})")
    return score, tracks, left_out


def _reasons(left_out: Counter[str]) -> str:
    return ", ".join(f"{reason} {n}" for reason, n in left_out.most_common())


def _left_out_in_words(left_out: Counter[str]) -> str:
    return f"parts left out: {_reasons(left_out) or 'none'}"


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
