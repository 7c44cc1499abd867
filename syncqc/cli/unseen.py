"""What `evaluate` and `calibrate` share: clips of speakers a network never saw, each with its own, moved and foreign sound.

Knows no figure and no file to write.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from syncqc.cli.lazy_default import default_of
from syncqc.errors import UsageError

if TYPE_CHECKING:
    from syncqc.manifest.row import Clip
    from syncqc.stages.score import Score
    from syncqc.train.stretches import EvalSettings, TrackMatrices

ModelArgument = Annotated[str, typer.Argument(help="A name from `syncqc models`, or a weights file.", show_default=False)]
SourceArgument = Annotated[
    Path,
    typer.Argument(help="Clips of speakers it never saw: a folder, or a list (.csv with path, dataset, speaker).", show_default=False),
]
DetectorOption = Annotated[
    str | None, typer.Option(help="The face detector.", show_default=default_of("syncqc.stages.find_faces:FindFaces.detector"))
]


def checked(model: str, source: Path, detector: str | None) -> tuple[list[Clip], str]:
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


def matrices_of(model: str, clips: list[Clip], detector: str, settings: EvalSettings) -> tuple[Score, list[TrackMatrices], Counter[str]]:
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


def left_out_in_words(left_out: Counter[str]) -> str:
    """One sentence about the parts that could not be used, by reason."""
    return f"parts left out: {_reasons(left_out) or 'none'}"
