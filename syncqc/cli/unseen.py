"""What `evaluate` and `calibrate` share: clips of speakers a network never saw, each with its own, moved and foreign sound.

Knows no figure and no file to write.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from syncqc.cli.options import SplitOption as SplitOption
from syncqc.errors import UsageError

if TYPE_CHECKING:
    from syncqc.manifest.row import Clip
    from syncqc.stages.score import Score
    from syncqc.train.stretches import EvalSettings, TrackMatrices
    from syncqc.train.whole_clips import WholeClip

ModelArgument = Annotated[str, typer.Argument(help="A name from `syncqc models`, or a weights file.", show_default=False)]
SourceArgument = Annotated[
    Path,
    typer.Argument(
        help="Clips of speakers it never saw: a folder, or a list (.csv, .parquet with path, dataset, speaker).", show_default=False
    ),
]


def checked(model: str, source: Path, detector: str | None, split: str | None = None) -> tuple[list[Clip], str]:
    """The clips and the detector, when everything that is named is there.

    Raises:
        UsageError: no such model, detector, source or split, or nothing in it.
    """
    from syncqc.cli.logs import set_up_logs
    from syncqc.datasets.layout import clips_of
    from syncqc.faces.registry import check_detector
    from syncqc.nets.checkpoint import find, read_header
    from syncqc.stages.find_faces import FindFaces

    set_up_logs(None, False)
    read_header(find(model))
    detector = FindFaces.detector if detector is None else detector
    check_detector(detector)
    return clips_of(source, split), detector


def matrices_of(model: str, clips: list[Clip], detector: str, settings: EvalSettings) -> tuple[Score, list[TrackMatrices], Counter[str]]:
    """The opened network, what it says of every track, and why other parts are left out.

    Raises:
        UsageError: no clip has a track that can be judged.
    """
    from syncqc.stages.score import Score
    from syncqc.train.stretches import matrices

    score = Score(model=model)
    score.open()
    left_out: Counter[str] = Counter()
    tracks = list(matrices(_read(clips, "reading parts"), score, detector, settings, left_out))
    if not tracks:
        n = len(clips)
        of = "the clip has no face track" if n == 1 else f"none of the {n} clips has a face track"
        raise UsageError(f"{of} that can be judged ({_reasons(left_out)})")
    return score, tracks, left_out


def whole_clips_of(score: Score, clips: list[Clip], detector: str) -> tuple[list[WholeClip], Counter[str]]:
    """What the opened network says of every whole clip, and why other clips are left out."""
    from syncqc.train.whole_clips import whole_clips

    left_out: Counter[str] = Counter()
    return list(whole_clips(_read(clips, "reading whole clips"), score, detector, left_out)), left_out


def _read(clips: list[Clip], what: str) -> Iterable[tuple[Clip, str, str]]:
    """The clips with their source and speaker, and a bar that says how many have been read; a clip without a speaker is one."""
    from rich.console import Console
    from rich.progress import track

    labelled = [(clip, clip.dataset or "", clip.speaker or clip.clip_id) for clip in clips]
    console = Console(stderr=True)
    return track(labelled, what, transient=True, console=console, disable=not console.is_terminal)


def _reasons(left_out: Counter[str]) -> str:
    return ", ".join(f"{reason} {n}" for reason, n in left_out.most_common())


def left_out_in_words(left_out: Counter[str]) -> str:
    """One sentence about the parts that could not be used, by reason."""
    return f"parts left out: {_reasons(left_out) or 'none'}"
