"""``syncqc report``: one page about one or more manifests. Spells the options and says where the page went."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from syncqc.cli.lazy_default import default_of
from syncqc.errors import UsageError

if TYPE_CHECKING:
    from syncqc.report.gathered import Gathered
    from syncqc.report.sheets import Sheet

_SHEETS = "syncqc.report.sheets:SheetSettings"
_BYTES_PER_MB = 1_000_000


def report(
    manifests: Annotated[list[Path], typer.Argument(help="Manifests to set side by side.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="The page to write.")] = Path("report.html"),
    no_media: Annotated[
        bool, typer.Option("--no-media", help="No faces, and of paths no folders: for a page that leaves the house.")
    ] = False,
    title: Annotated[str | None, typer.Option(help="What stands on top.", show_default="the manifests' names")] = None,
    moved: Annotated[
        list[str] | None,
        typer.Option(metavar="OLD=NEW", help="Where videos are that were moved; can be given several times.", show_default=False),
    ] = None,
    thumbnails: Annotated[
        int | None, typer.Option(min=1, help="Most clips that are shown.", show_default=default_of(f"{_SHEETS}.n_cards"))
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a page that is already there.")] = False,
) -> None:
    """Writes one page about MANIFESTS: which dataset is worse and why, what any thresholds keep, and the clips to look at.

    The page is one file that asks no network for anything.
    """
    from rich.console import Console

    from syncqc.cli.places import write_text
    from syncqc.report.gather import gather
    from syncqc.report.sheets import why_no_faces

    _check_place(manifests, out, force)
    if no_media and moved:
        raise UsageError("--no-media opens no clip: leave out --moved")
    with Console(stderr=True).status("counting") as status:
        gathered = gather(manifests)
        status.update("looking at clips")
        made = _sheets(manifests, moved or [], thumbnails, has_media=not no_media)
    no_faces = why_no_faces(made)
    write_text(out, _page(gathered, manifests, title, made, no_faces, has_media=not no_media))
    if no_faces is not None:
        typer.echo(f"warning: no face is shown: {no_faces}; --moved OLD=NEW says where videos are that were moved", err=True)
    typer.echo(f"{out}: {out.stat().st_size / _BYTES_PER_MB:.1f} MB")


def _check_place(manifests: Sequence[Path], out: Path, force: bool) -> None:
    from syncqc.cli.places import check_file, refuse_present

    check_file(out, ".html", inputs=manifests)
    refuse_present(out, force)


def _sheets(manifests: Sequence[Path], moved: Sequence[str], thumbnails: int | None, *, has_media: bool) -> tuple[Sheet, ...]:
    from dataclasses import replace

    from syncqc.report.sheets import SheetSettings, sheets

    settings = SheetSettings(moved=_moved(moved), has_media=has_media)
    return sheets(manifests, settings if thumbnails is None else replace(settings, n_cards=thumbnails))


def _moved(given: Sequence[str]) -> tuple[tuple[str, str], ...]:
    pairs = [text.partition("=") for text in given]
    for text, (old, _, new) in zip(given, pairs, strict=True):
        if not old or not new:
            raise UsageError(f"--moved is OLD=NEW, not {text!r}")
    return tuple((old, new) for old, _, new in pairs)


def _page(
    gathered: Gathered, manifests: Sequence[Path], title: str | None, made: Sequence[Sheet], no_faces: str | None, *, has_media: bool
) -> str:
    from datetime import datetime

    from syncqc.report.dataset_page import dataset_page

    names = ", ".join(source.manifest for source in gathered.sources)
    return dataset_page(
        gathered,
        title or f"Voice and lips: {names}",
        [_place(path) if has_media else path.name for path in manifests],
        sheets=made,
        no_faces=no_faces,
        run_in=f"Run this in {'the folder in which this page was made' if has_media else 'the folder of the manifest'}.",
        made_at=f"{datetime.now().astimezone():%Y-%m-%d}",
    )


def _place(manifest: Path) -> str:
    """The manifest as a command names it, without the name of the home folder."""
    if not manifest.is_absolute():
        return str(manifest)
    try:
        return f"~/{manifest.relative_to(Path.home())}"
    except (ValueError, RuntimeError):
        return str(manifest)
