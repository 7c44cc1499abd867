"""Options that several commands have in common, spelt once, and the engine that some of them describe.

Knows no command.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from syncqc.cli.lazy_default import default_of

if TYPE_CHECKING:
    from syncqc.datasets.listing import Listing
    from syncqc.engine.isolate import Limits

_FACES = "syncqc.stages.find_faces:FindFaces"
_LIMITS = "syncqc.engine.isolate:Limits"

DetectorOption = Annotated[str | None, typer.Option(help="The face detector.", show_default=default_of(f"{_FACES}.detector"))]
DetectorRootOption = Annotated[Path | None, typer.Option(help="Where the detector's weights lie.", show_default=False)]
DetectEveryOption = Annotated[
    int | None, typer.Option(help="Detect faces on every so many images.", show_default=default_of(f"{_FACES}.every"))
]
AudioRootOption = Annotated[
    Path | None, typer.Option(help="Take the sound from files of the same relative path under this folder.", show_default=False)
]
LayoutOption = Annotated[
    str | None,
    typer.Option(
        help="How SOURCE is laid out: voxceleb2, avspeech, talkinghead1kh, lrs2, lrs3, or folder for none of them.",
        show_default="recognised",
    ),
]
SplitOption = Annotated[
    str | None, typer.Option(help="Only this split of a published set, or of a list with a column split.", show_default="all")
]
SegmentsOption = Annotated[
    Path | None, typer.Option(help="AVSpeech: the list with ytid,start,end,x,y.", show_default="a .csv in or beside SOURCE")
]
ChunksOption = Annotated[
    Path | None,
    typer.Option(help="TalkingHead-1KH: the chunks, which say where in --audio-root a clip begins.", show_default="1min_clips in SOURCE"),
]
RestartOption = Annotated[bool, typer.Option("--restart", help="Throw away what is done and start over.")]
EngineOption = Annotated[str, typer.Option(help="local, ray, or auto.")]
RayAddressOption = Annotated[
    str | None, typer.Option(help="A running Ray cluster, on whose nodes this syncqc is installed.", show_default=False)
]
WorkersOption = Annotated[int | None, typer.Option(min=1, help="Reading processes.", show_default="by the number of cores")]
TimeLimitOption = Annotated[
    float | None,
    typer.Option(min=1, help="Give a file up when nothing was read for so long.", show_default=default_of(f"{_LIMITS}.time_limit_s")),
]
MemoryLimitOption = Annotated[
    float | None,
    typer.Option(min=0.1, help="Memory that reading one file may take.", show_default=default_of(f"{_LIMITS}.memory_limit_gb")),
]
LogOption = Annotated[Path | None, typer.Option(help="Write everything that happens into this file.", show_default=False)]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Show it on the terminal.")]


def limits_of(time_limit_s: float | None, memory_limit_gb: float | None) -> Limits:
    """The limits that were given, the others as they are by default."""
    from syncqc.engine.isolate import Limits

    given = {"time_limit_s": time_limit_s, "memory_limit_gb": memory_limit_gb}
    return Limits(**{name: value for name, value in given.items() if value is not None})


def listing_of(
    source: Path,
    audio_root: Path | None,
    layout: str | None = None,
    split: str | None = None,
    segments: Path | None = None,
    chunks: Path | None = None,
    *,
    is_verbose: bool = False,
) -> Listing:
    """The clips of SOURCE; how it is laid out is told on the terminal where nobody said it (and with `is_verbose` the log does).

    Raises:
        UsageError: SOURCE or what describes it is missing or wrong, or holds no clips.
    """
    from syncqc.datasets.layout import list_source

    listing = list_source(source, layout=layout, split=split, audio_root=audio_root, segments=segments, chunks=chunks)
    if listing.recognised_by is not None and not is_verbose:
        typer.echo(listing.told(), err=True)
    return listing


def read_from(
    source: Path,
    audio_root: Path | None,
    listing: Listing,
    split: str | None = None,
    segments: Path | None = None,
    chunks: Path | None = None,
) -> dict[str, str | None]:
    """What a run's settings say of where it reads: what was named, and what was found beside SOURCE and used."""
    from syncqc.datasets.listing import FOLDER

    named = {"source": source, "audio_root": audio_root, "segments": segments, "chunks": chunks}
    return {
        **{name: None if path is None else str(path.resolve()) for name, path in named.items()},
        "split": split,
        "layout": None if listing.layout == FOLDER else listing.layout,
        **listing.found,
    }
