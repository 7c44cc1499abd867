"""``syncqc filter``: the rows of a manifest that are good enough, and what each rule takes. Spells the options."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from syncqc.cli import rule_options as options
from syncqc.errors import UsageError

if TYPE_CHECKING:
    from syncqc.manifest.funnel import Funnel
    from syncqc.manifest.rules import Rules

EXIT_FAILED = 1


def filter(
    manifest: Annotated[Path, typer.Argument(help="The manifest to filter.")] = Path("manifest.parquet"),
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the rows that are kept go.")] = Path("clean.parquet"),
    p: options.POption = None,
    offscreen: options.OffscreenOption = None,
    max_offset: options.MaxOffsetOption = None,
    no_edge: options.NoEdgeOption = False,
    min_speech: options.MinSpeechOption = None,
    max_frozen: options.MaxFrozenOption = None,
    min_face_px: options.MinFaceOption = None,
    artefacts: options.ArtefactsOption = None,
    where: options.WhereOption = None,
    keep_all_tracks: options.KeepAllTracksOption = False,
    per: options.PerOption = None,
    min_share: options.MinShareOption = None,
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

    rules = options.rules_of(
        artefacts,
        p=p,
        offscreen=offscreen,
        max_offset=max_offset,
        no_edge=no_edge,
        min_speech=min_speech,
        max_frozen=max_frozen,
        min_face_px=min_face_px,
        where=where,
        keep_all_tracks=keep_all_tracks,
        per=per,
        min_share=min_share,
    )
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
