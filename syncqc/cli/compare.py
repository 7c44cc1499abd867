"""``syncqc compare``: what changed between two manifests of the same clips. Spells the options."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from syncqc.cli import rule_options as options
from syncqc.errors import UsageError

if TYPE_CHECKING:
    from syncqc.manifest.rules import Rules
    from syncqc.report.compare_made_by import Fact
    from syncqc.report.compared import Comparison


def compare(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="The manifest to compare with.", show_default=False)],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The manifest of another model, version or setting.", show_default=False)],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Where the page goes (.html).", show_default=False)] = None,
    csv: Annotated[
        Path | None,
        typer.Option(
            help="Where every row that changed goes (.csv). Names that a spreadsheet would run as a formula begin with an apostrophe.",
            show_default=False,
        ),
    ] = None,
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
    force: Annotated[bool, typer.Option("--force", help="Replace files that are already there.")] = False,
) -> None:
    """Shows what changed from OLD to NEW: what is kept and dropped, offsets, probabilities, failures.

    A row is the chosen track of a part; rows of the same clip and part are compared. Both manifests are judged by the same rules, as
    `syncqc filter` does. The exit code is 0, whatever changed.
    """
    from rich.console import Console

    from syncqc.report.compare import compare as compare_manifests
    from syncqc.report.compare_made_by import made_by

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
    places = {".html": out, ".csv": csv}
    facts = made_by(old, new)
    _check_places(places, force)
    with Console(stderr=True).status("comparing"):
        found = compare_manifests(old, new, rules, changes=csv)
        if out is not None:
            _write_page(out, found, facts, old, new, rules)
    _show(found, facts, old, new)
    for place in places.values():
        if place is not None:
            typer.echo(str(place))


def _check_places(places: dict[str, Path | None], force: bool) -> None:
    """Refuses places that would lose something, before any work."""
    for suffix, place in places.items():
        if place is None:
            continue
        option = "--out" if suffix == ".html" else "--csv"
        if place.suffix.lower() != suffix:
            raise UsageError(f"{option} must name a {suffix} file, not {place}")
        if not place.parent.is_dir():
            raise UsageError(f"there is no folder {place.parent}")
        if place.is_dir():
            raise UsageError(f"{place} is a folder")
        if place.exists() and not force:
            raise UsageError(f"{place} is already there; --force replaces it")


def _write_page(out: Path, found: Comparison, facts: tuple[Fact, ...], old: Path, new: Path, rules: Rules) -> None:
    from syncqc.manifest.aside import written_aside
    from syncqc.report.compare_made_by import notes, shortened
    from syncqc.report.compare_page import About, comparison_page

    about = About(
        old=shortened(str(old)),
        new=shortened(str(new)),
        facts=facts,
        notes=notes(old, new),
        limits={"probability_at_offset": rules.p, "offscreen_ratio": rules.offscreen},
        command=_command(old, new, out, rules),
    )
    text = comparison_page(found, about)
    with written_aside(out) as aside:
        aside.write_text(text, encoding="utf-8", newline="\n")


def _command(old: Path, new: Path, out: Path, rules: Rules) -> str:
    """The command that makes the page again; of paths the last two names, as a page travels farther than its folder."""
    import shlex

    words = ["syncqc", "compare", *("/".join(path.parts[-2:]) for path in (old, new)), "--out", out.name]
    for name, value in rules.with_defaults_left_out().items():
        option = "--" + name.replace("_", "-")
        words += [option] if value is True else [option, ",".join(value) if isinstance(value, tuple) else f"{value}"]
    return shlex.join(words)


def _show(found: Comparison, facts: tuple[Fact, ...], old: Path, new: Path) -> None:
    from rich.console import Console

    from syncqc.cli.compare_view import shown
    from syncqc.report.compare_made_by import notes

    console = Console()
    for item in shown(found, facts, notes(old, new)):
        console.print(item)
