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

    _check_place(manifests, out, force)
    if no_media and (moved or thumbnails is not None):
        raise UsageError(f"--no-media shows no clip: leave out {'--moved' if moved else '--thumbnails'}")
    with Console(stderr=True).status("counting") as status:
        gathered = gather(manifests)
        status.update("looking at clips")
        sheets = None if no_media else _sheets(manifests, moved or [], thumbnails)
    write_text(out, _page(gathered, manifests, title, sheets))
    if sheets is not None and not any(card.mouths for sheet in sheets for card in sheet.cards):
        typer.echo("warning: no face is shown, because no video was found; --moved OLD=NEW says where they are now", err=True)
    typer.echo(f"{out}: {out.stat().st_size / _BYTES_PER_MB:.1f} MB")


def _check_place(manifests: Sequence[Path], out: Path, force: bool) -> None:
    from syncqc.cli.places import check_file

    if out.resolve() in {manifest.resolve() for manifest in manifests}:
        raise UsageError(f"{out} is one of the manifests; choose another --out")
    check_file(out, ".html")
    if out.exists() and not force:
        raise UsageError(f"{out} is already there; --force replaces it")


def _sheets(manifests: Sequence[Path], moved: Sequence[str], thumbnails: int | None) -> tuple[Sheet, ...]:
    from dataclasses import replace

    from syncqc.report.sheets import SheetSettings, sheets

    settings = SheetSettings(moved=_moved(moved))
    return sheets(manifests, settings if thumbnails is None else replace(settings, n_cards=thumbnails))


def _moved(given: Sequence[str]) -> tuple[tuple[str, str], ...]:
    pairs = [text.partition("=") for text in given]
    for text, (old, _, new) in zip(given, pairs, strict=True):
        if not old or not new:
            raise UsageError(f"--moved is OLD=NEW, not {text!r}")
    return tuple((old, new) for old, _, new in pairs)


def _page(gathered: Gathered, manifests: Sequence[Path], title: str | None, sheets: Sequence[Sheet] | None) -> str:
    from datetime import datetime

    from syncqc.report.dataset_page import dataset_page

    names = ", ".join(source.manifest for source in gathered.sources)
    return dataset_page(
        gathered,
        title or f"Voice and lips: {names}",
        [path.name for path in manifests] if sheets is None else [_place(path) for path in manifests],
        sheets=sheets,
        run_in="Run this in the manifest's folder." if sheets is None else "Run this in the folder in which this page was made.",
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
