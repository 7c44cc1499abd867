"""Options that several commands have in common, spelt once, and the engine that some of them describe.

Knows no command.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from syncqc.cli.lazy_default import default_of

if TYPE_CHECKING:
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


def read_from(source: Path, audio_root: Path | None) -> dict[str, str | None]:
    """What a run's settings say of where it reads."""
    return {"source": str(source.resolve()), "audio_root": None if audio_root is None else str(audio_root.resolve())}
