"""``syncqc inspect``: one video, its numbers, and a picture of when and at which offset sound and lips agree."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from syncqc.cli.lazy_default import default_of
from syncqc.cli.options import DetectorOption, DetectorRootOption
from syncqc.errors import UsageError

if TYPE_CHECKING:
    from syncqc.cli.inspect_view import Matrices
    from syncqc.engine.assemble import ClipResult

EXIT_FAILED = 1


def inspect(
    video: Annotated[Path, typer.Argument(help="The video to look at.", show_default=False)],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The picture to write, a .png.", show_default="./<name>.sync.png")] = None,
    audio: Annotated[Path | None, typer.Option(help="Take the sound from this file.", show_default=False)] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="The network: a name from `syncqc models`, or a file.", show_default=default_of("syncqc.stages.score:Score.model")
        ),
    ] = None,
    detector: DetectorOption = None,
    detector_root: DetectorRootOption = None,
    track: Annotated[
        int | None, typer.Option(min=0, help="Draw this face track of each part.", show_default="the best-synced of each part")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a picture that is already there.")] = False,
) -> None:
    """Measures one video and draws its probability map: time across, offset up, and below it when the face is the speaker."""
    from syncqc.cli.logs import set_up_logs

    out = Path(f"{video.stem}.sync.png") if out is None else out
    refuse_what_cannot_be_done(video, audio, out, force)
    set_up_logs(None, False)
    result, matrices = measure(video, audio, model, detector, detector_root)
    show(video, out, result, matrices, track)


def refuse_what_cannot_be_done(video: Path, audio: Path | None, out: Path, force: bool) -> None:
    """Nothing, when there is something to read and a place to write.

    Raises:
        UsageError: an input is missing or no file, or the picture would go where it must not.
    """
    for path in filter(None, (video, audio)):
        if not path.exists():
            raise UsageError(f"there is no file {path}")
        if not path.is_file():
            raise UsageError(f"{path} is no file; inspect looks at one video (for a folder: syncqc score)")
        if out.exists() and out.samefile(path):
            raise UsageError(f"{out} is an input; choose another --out")
    if out.suffix.lower() != ".png":
        raise UsageError(f"--out must end in .png, not {out.name}")
    if not out.parent.is_dir():
        raise UsageError(f"there is no folder {out.parent} to write {out.name} into")
    if out.is_dir():
        raise UsageError(f"{out} is a folder")
    if out.exists() and not force:
        raise UsageError(f"{out} is already there; --force replaces it")


def measure(
    video: Path, audio: Path | None, model: str | None, detector: str | None, detector_root: Path | None
) -> tuple[ClipResult, Matrices]:
    """The rows of the video, made by the same plan as those of a manifest, and its similarity matrices.

    Raises:
        UsageError: no such model or detector.
    """
    from rich.console import Console

    from syncqc.cli.inspect_view import Matrices
    from syncqc.engine import plan as plans
    from syncqc.engine.local import run_local
    from syncqc.manifest.row import Clip
    from syncqc.nets.checkpoint import find, read_header
    from syncqc.stages.score import Score

    plan = plans.default_plan(model=model, detector=detector, detector_root=detector_root, keep_similarity=True)
    header = read_header(find(next(stage.model for stage in plan.far if isinstance(stage, Score))))
    clip = Clip(video.stem, str(video.resolve()), None if audio is None else str(audio.resolve()))
    with Console(stderr=True).status(f"measuring {video.name!r}"):
        (result,) = run_local(plan, [clip], keep_similarity=True)
    return result, Matrices(result.similarities, header.tau, header.zero_offset_frames)


def show(video: Path, out: Path, result: ClipResult, matrices: Matrices, track: int | None) -> None:
    """Prints the table, the verdict and every reason, and writes the picture.

    Raises:
        UsageError: there is no such track, or the picture cannot be written.
        typer.Exit: with 1 where nothing was measured of what was asked for.
    """
    from rich.console import Console
    from rich.text import Text

    from syncqc.cli.inspect_view import is_measured, map_parts, notes, reason, shown_rows, table_of, verdict
    from syncqc.report.map_figure import draw_map, write_png

    shown = shown_rows(result.rows, track)
    console = Console()
    console.print(table_of(result.rows, shown))
    for line in notes(result.rows):
        console.print(Text(line), soft_wrap=True)
    if not any(map(is_measured, shown)):
        typer.echo(f"not measured: {reason(shown[0])}; no picture was written", err=True)
        raise typer.Exit(EXIT_FAILED)
    sentence = verdict(shown)
    console.print(Text(f"{video.name}: {sentence}"), soft_wrap=True)
    which = "best-synced face of each part" if track is None else f"face track {track}"
    try:
        write_png(draw_map(map_parts(shown, matrices), f"{video.name}, {which}\n{sentence}"), out)
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror or error}") from None
    console.print(Text(f"wrote {out}"), soft_wrap=True)
