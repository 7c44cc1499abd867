"""``syncqc filter``: the rows of a manifest that are good enough, and what each rule takes. Spells the options."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from syncqc.cli.lazy_default import default_of
from syncqc.errors import UsageError

if TYPE_CHECKING:
    from syncqc.manifest.funnel import Funnel
    from syncqc.manifest.rules import Rules

EXIT_FAILED = 1
_RULES = "syncqc.manifest.rules:Rules"


def filter(
    manifest: Annotated[Path, typer.Argument(help="The manifest to filter.")] = Path("manifest.parquet"),
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the rows that are kept go.")] = Path("clean.parquet"),
    p: Annotated[float | None, typer.Option("--p", help="Least `probability_at_offset`.", show_default=default_of(f"{_RULES}.p"))] = None,
    offscreen: Annotated[
        float | None, typer.Option(help="Largest `offscreen_ratio`.", show_default=default_of(f"{_RULES}.offscreen"))
    ] = None,
    max_offset: Annotated[
        int | None, typer.Option(help="Largest `offset_frames`, early or late, images of 1/25 s.", show_default=False)
    ] = None,
    no_edge: Annotated[bool, typer.Option("--no-edge", help="Drop rows whose best shift is the first or last one searched.")] = False,
    min_speech: Annotated[float | None, typer.Option(help="Least `speech_ratio`.", show_default=False)] = None,
    max_frozen: Annotated[float | None, typer.Option(help="Largest `frozen_ratio`.", show_default=False)] = None,
    min_face_px: Annotated[float | None, typer.Option(help="Least `face_width_px`.", show_default=False)] = None,
    artefacts: Annotated[
        str | None,
        typer.Option(
            help="Drop rows with any of these, comma-separated: mpeg4, vfr, rotated, late_start, low_fps, leak_video, leak_audio.",
            show_default=False,
        ),
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(help="Keep only what meets this condition over the columns, as after WHERE in DuckDB's SQL.", show_default=False),
    ] = None,
    keep_all_tracks: Annotated[
        bool, typer.Option("--keep-all-tracks", help="Keep also tracks that are not their part's chosen one.")
    ] = False,
    per: Annotated[
        str | None,
        typer.Option(
            help="row: each row for itself. clip: a clip stays, with all measured rows of its chosen tracks, or goes as a whole.",
            show_default=default_of(f"{_RULES}.per"),
        ),
    ] = None,
    min_share: Annotated[
        float | None,
        typer.Option(
            help="With --per clip: at least this share of a clip's time must lie in parts with a row that meets the rules.",
            show_default=default_of(f"{_RULES}.min_share"),
        ),
    ] = None,
    drops: Annotated[Path | None, typer.Option(help="Where the other rows go, each with its `dropped_by`.", show_default=False)] = None,
    list_file: Annotated[Path | None, typer.Option("--list", help="Where a line per kept clip goes, as text.", show_default=False)] = None,
    list_style: Annotated[
        str,
        typer.Option(
            help="paths: the video's path as in the manifest, of the repaired one where there is one. "
            "voxceleb: SPEAKER ID/VIDEO/NUMBER.SUFFIX, the last three names of the clip_id with the path's suffix, "
            "behind the speaker (ID where the manifest names none). lrs: ID/NUMBER, the last two names of the clip_id."
        ),
    ] = "paths",
    explain: Annotated[
        str | None, typer.Option(metavar="CLIP", help="Show what every rule says of this clip; write nothing.", show_default=False)
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what the rules take; write nothing.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are already there.")] = False,
) -> None:
    """Keeps the rows of MANIFEST in which voice and lips belong together and that meet every other rule asked for.

    A row without a number that a rule asks for meets no such rule: it goes as not measured.
    """
    from rich.console import Console

    from syncqc.manifest.filter import filter_manifest
    from syncqc.manifest.rules import Rules

    given = {
        "p": p,
        "offscreen": offscreen,
        "max_offset": max_offset,
        "no_edge": no_edge,
        "min_speech": min_speech,
        "max_frozen": max_frozen,
        "min_face_px": min_face_px,
        "artefacts": _names(artefacts),
        "where": where,
        "keep_all_tracks": keep_all_tracks,
        "per": per,
        "min_share": min_share,
    }
    rules = Rules(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    if min_share is not None and rules.per != "clip":
        raise UsageError("--min-share needs --per clip")
    if (dry_run or explain is not None) and (drops is not None or list_file is not None):
        raise UsageError(f"{'--dry-run' if dry_run else '--explain'} writes nothing: leave out --drops and --list")
    if explain is not None:
        _explain(manifest, explain, rules)
        return
    with Console(stderr=True).status(f"filtering {manifest.name!r}"):
        funnel = filter_manifest(
            manifest, None if dry_run else out, rules, drops=drops, list_file=list_file, list_style=list_style, force=force
        )
    _show(funnel, rules, [] if dry_run else [place for place in (out, drops, list_file) if place is not None])


def _names(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise UsageError("--artefacts names none")
    return names


def _explain(manifest: Path, clip: str, rules: Rules) -> None:
    from rich.console import Console

    from syncqc.cli.filter_view import explanation
    from syncqc.manifest.explain import explain

    Console().print(*explanation(*explain(manifest, clip, rules)), sep="\n")


def _show(funnel: Funnel, rules: Rules, places: list[Path]) -> None:
    from rich.console import Console

    from syncqc.cli.filter_view import closing, funnel_table

    console = Console()
    console.print(funnel_table(funnel))
    for line in closing(funnel, rules):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    if not funnel.kept.n_rows:
        typer.echo(f"error: {funnel.why_empty()}", err=True)
        raise typer.Exit(EXIT_FAILED)
    for place in places:
        typer.echo(str(place))
