"""``syncqc inspect``: one video, its numbers, and when and at which offset sound and lips agree, as a picture or as a page.

Spells the options and refuses what cannot be done; knows neither how things are measured nor how they look.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from syncqc.cli.lazy_default import default_of
from syncqc.cli.options import DetectorOption, DetectorRootOption
from syncqc.errors import UsageError

if TYPE_CHECKING:
    from syncqc.cli.inspect_view import Matrices, Row
    from syncqc.engine.assemble import ClipResult
    from syncqc.manifest.row import Clip

EXIT_FAILED = 1


@dataclass(frozen=True)
class Wanted:
    """What is written, and what of the clip a page shows."""

    png: Path | None = None
    page: Path | None = None
    from_s: float = 0.0
    to_s: float | None = None
    """None: `page_length_s` after `from_s`."""
    page_length_s: float = 60.0
    track: int | None = None
    """None: the best-synced face of each part."""


def inspect(
    video: Annotated[Path, typer.Argument(help="The video to look at.", show_default=False)],
    page: Annotated[Path | None, typer.Argument(help="With --html: the page to write.", show_default="./<name>.sync.html")] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The picture to write, a .png.", show_default="./<name>.sync.png; none with --html"),
    ] = None,
    html: Annotated[bool, typer.Option("--html", help="Write a page: the video beside its map, with the sound in its place.")] = False,
    from_s: Annotated[
        float,
        typer.Option("--from", min=0, metavar="SECONDS", help="The page begins here.", show_default=f"{Wanted.from_s:g}"),
    ] = Wanted.from_s,
    to_s: Annotated[
        float | None,
        typer.Option("--to", min=0, metavar="SECONDS", help="The page ends here.", show_default=f"{Wanted.page_length_s:g} s after --from"),
    ] = None,
    audio: Annotated[Path | None, typer.Option(help="Take the sound from this file.", show_default=False)] = None,
    audio_start: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Time in --audio that belongs to the start of the video file.", show_default="0"),
    ] = None,
    face: Annotated[
        str | None,
        typer.Option(
            metavar="X,Y",
            help="The face that is meant: its centre as shares of the picture's width and height.",
            show_default="the best-synced",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="The network: a name from `syncqc models`, or a file.", show_default=default_of("syncqc.stages.score:Score.model")
        ),
    ] = None,
    detector: DetectorOption = None,
    detector_root: DetectorRootOption = None,
    track: Annotated[
        int | None, typer.Option(min=0, help="Show this face track of each part.", show_default="the best-synced at each moment")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what is already there.")] = False,
) -> None:
    """Measures one video and draws its probability map: time across, offset up, and below it when the face is the speaker."""
    from syncqc.cli.logs import set_up_logs

    wanted = _wanted(video, page, out, html, from_s, to_s, track)
    clip = clip_of(video, audio, audio_start, face)
    refuse_what_cannot_be_done([video, audio], wanted, force)
    set_up_logs(None, False)
    result, matrices = measure(clip, model, detector, detector_root)
    show(video, wanted, result, matrices)


def _wanted(video: Path, page: Path | None, out: Path | None, html: bool, from_s: float, to_s: float | None, track: int | None) -> Wanted:
    if not html:
        if page is not None:
            raise UsageError(f"what is {page} for? A page is written with --html, a picture with --out")
        if from_s or to_s is not None:
            raise UsageError("--from and --to choose what a page shows: add --html")
        return Wanted(out or Path(f"{video.stem}.sync.png"), track=track)
    if not (math.isfinite(from_s) and (to_s is None or math.isfinite(to_s))):
        raise UsageError("--from and --to are numbers of seconds")
    if to_s is not None and to_s <= from_s:
        raise UsageError(f"--to must come after --from, not {to_s:g} after {from_s:g}")
    return Wanted(out, page or Path(f"{video.stem}.sync.html"), from_s, to_s, track=track)


def clip_of(video: Path, audio: Path | None, audio_start_s: float | None, face: str | None) -> Clip:
    """The clip as a list would name it.

    Raises:
        UsageError: the start speaks of no sound file, or the face is no place in a picture.
    """
    from syncqc.manifest.row import Clip

    if audio_start_s is not None and audio is None:
        raise UsageError("--audio-start speaks of the file of --audio, and there is none")
    if audio_start_s is not None and not math.isfinite(audio_start_s):
        raise UsageError(f"--audio-start must be a number of seconds, not {audio_start_s}")
    x, y = (None, None) if face is None else _place(face)
    return Clip(
        video.stem,
        str(video.resolve()),
        None if audio is None else str(audio.resolve()),
        audio_start_s=audio_start_s or None,
        listed_face_x=x,
        listed_face_y=y,
    )


def _place(face: str) -> tuple[float, float]:
    try:
        x, y = (float(share) for share in face.split(","))
    except ValueError:
        x = y = math.nan
    if not (0 <= x <= 1 and 0 <= y <= 1):
        raise UsageError(f"--face must be X,Y with both in 0-1, for instance 0.5,0.4, not {face}")
    return x, y


def refuse_what_cannot_be_done(inputs: list[Path | None], wanted: Wanted, force: bool) -> None:
    """Nothing, when there is something to read and a place to write.

    Raises:
        UsageError: an input is missing or no file, or something would be written where it must not.
    """
    from syncqc.cli.places import check_file, refuse_present

    given = [path for path in inputs if path is not None]
    for path in given:
        if not path.exists():
            raise UsageError(f"there is no file {path}")
        if not path.is_file():
            raise UsageError(f"{path} is no file; inspect looks at one video (for a folder: syncqc score)")
    for place, name, suffixes in ((wanted.png, "--out", (".png",)), (wanted.page, "the page", (".html", ".htm"))):
        if place is not None:
            check_file(place, *suffixes, name=name, inputs=given)
            refuse_present(place, force)


def measure(clip: Clip, model: str | None, detector: str | None, detector_root: Path | None) -> tuple[ClipResult, Matrices]:
    """The rows of the clip, made by the same plan as those of a manifest, and its similarity matrices.

    Raises:
        UsageError: no such model or detector.
    """
    from rich.console import Console
    from rich.text import Text

    from syncqc.cli.inspect_view import Matrices
    from syncqc.engine import plan as plans
    from syncqc.engine.local import run_local
    from syncqc.nets.checkpoint import find, read_header
    from syncqc.stages.score import Score

    plan = plans.default_plan(model=model, detector=detector, detector_root=detector_root, keep_similarity=True)
    header = read_header(find(next(stage.model for stage in plan.far if isinstance(stage, Score))))
    with Console(stderr=True).status(Text(f"measuring {Path(clip.path).name!r}")):
        (result,) = run_local(plan, [clip], keep_similarity=True)
    return result, Matrices(result.similarities, header.tau, header.zero_offset_frames, header.name)


def show(video: Path, wanted: Wanted, result: ClipResult, matrices: Matrices) -> None:
    """Prints the table, who speaks when, the verdict and every reason, and writes the picture and the page.

    Raises:
        UsageError: there is no such track, or what was asked for cannot be written.
        typer.Exit: with 1 where nothing was measured of what was asked for, or the page had to do without its video.
    """
    from rich.console import Console
    from rich.text import Text

    from syncqc.cli.inspect_strip import strips
    from syncqc.cli.inspect_view import fitting_table, is_measured, notes, reason, shown_rows, verdict

    shown = shown_rows(result.rows, wanted.track)
    drawn = _drawn(result, wanted)
    console = Console()
    table, left_out = fitting_table(result.rows, drawn, console)
    console.print(table)
    for line in (*left_out, *notes(result.rows)):
        console.print(Text(line), soft_wrap=True)
    is_any_measured = any(map(is_measured, shown))
    if is_any_measured:
        for strip in strips(drawn, matrices, console.width, is_ascii=console.options.ascii_only):
            console.print(strip, soft_wrap=True)
        console.print(Text(f"{video.name}: {verdict(shown)}"), soft_wrap=True)
    is_whole = True
    if wanted.page is not None:
        is_whole = _write_page(video, wanted.page, wanted, result, matrices)
    if not is_any_measured:
        so = ["no picture was written"] * (wanted.png is not None) + ["the page says so too"] * (wanted.page is not None)
        typer.echo("; ".join([f"not measured: {reason(shown[0])}", *so]), err=True)
        raise typer.Exit(EXIT_FAILED)
    if wanted.png is not None:
        _write_png(video, wanted.png, wanted, result, matrices)
    if not is_whole:
        raise typer.Exit(EXIT_FAILED)


def _drawn(result: ClipResult, wanted: Wanted) -> list[Row]:
    from syncqc.cli.inspect_view import at_each_moment, shown_rows

    shown = shown_rows(result.rows, wanted.track)
    return at_each_moment(result.rows, shown) if wanted.track is None else shown


def _write_png(video: Path, out: Path, wanted: Wanted, result: ClipResult, matrices: Matrices) -> None:
    from syncqc.cli.inspect_page import still_of
    from syncqc.cli.inspect_view import map_parts, shown_rows, verdict
    from syncqc.report.map_figure import draw_map, write_png

    shown = shown_rows(result.rows, wanted.track)
    which = "best-synced face at each moment" if wanted.track is None else f"face track {wanted.track}"
    still, why_not = still_of(video, result, shown)
    if still is None:
        _say(f"the picture does not show the face: {why_not}")
    try:
        write_png(draw_map(map_parts(_drawn(result, wanted), matrices), f"{video.name}, {which}\n{verdict(shown)}", still), out)
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror or error}") from None
    _say(f"wrote {out}")


def _write_page(video: Path, page: Path, wanted: Wanted, result: ClipResult, matrices: Matrices) -> bool:
    """Whether the page has its video."""
    from syncqc.cli.inspect_page import excerpt, shown_clip
    from syncqc.cli.places import write_text
    from syncqc.report.clip_page import clip_page

    to_s = wanted.from_s + wanted.page_length_s if wanted.to_s is None else wanted.to_s
    first_s, end_s = excerpt(result.duration_s, wanted.from_s, to_s)
    clip = shown_clip(video, result, matrices, wanted.track, first_s, end_s)
    write_text(page, clip_page(clip))
    _say(f"wrote {page} ({page.stat().st_size / 1e6:.1f} MB, {first_s:g} to {end_s:g} s of {result.duration_s:.1f} s)")
    if clip.recording is None:
        typer.echo(f"the page has no video: {clip.why_no_recording}", err=True)
    return clip.recording is not None


def _say(sentence: str) -> None:
    from rich.console import Console
    from rich.text import Text

    Console().print(Text(sentence), soft_wrap=True)
