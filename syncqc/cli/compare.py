"""``syncqc compare``: what changed between two manifests of the same clips. Spells the options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from syncqc.cli import rule_options as options

if TYPE_CHECKING:
    from syncqc.manifest.rules import Rules
    from syncqc.report.compare_made_by import Fact
    from syncqc.report.compared import Comparison

_SUFFIXES = {"--out": ".html", "--csv": ".csv"}


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
    facts = made_by(old, new)
    places = _checked_places({"--out": out, "--csv": csv}, [old, new], force)
    with Console(stderr=True).status("comparing"):
        found = compare_manifests(old, new, rules, changes=csv)
        if out is not None:
            _write_page(out, found, facts, old, new, rules)
    _show(found, facts, old, new)
    for place in places:
        typer.echo(str(place))


def _checked_places(named: Mapping[str, Path | None], inputs: Sequence[Path], force: bool) -> list[Path]:
    """The places that are written to; refuses those that would lose something, before any work."""
    from syncqc.cli.places import check_file, refuse_present

    places = [(option, place) for option, place in named.items() if place is not None]
    for option, place in places:
        check_file(place, _SUFFIXES[option], name=option, inputs=inputs)
        refuse_present(place, force)
    return [place for _, place in places]


def _write_page(out: Path, found: Comparison, facts: tuple[Fact, ...], old: Path, new: Path, rules: Rules) -> None:
    from syncqc.cli.places import write_text
    from syncqc.report.compare_made_by import notes
    from syncqc.report.compare_page import About, comparison_page
    from syncqc.report.words import shortened_path

    about = About(
        old=shortened_path(str(old)),
        new=shortened_path(str(new)),
        facts=facts,
        notes=notes(old, new),
        limits={"probability_at_offset": rules.p, "offscreen_ratio": rules.offscreen},
        command=_command(old, new, out, rules),
    )
    write_text(out, comparison_page(found, about))


def _command(old: Path, new: Path, out: Path, rules: Rules) -> str:
    """The command that makes the page again; of paths the last two names, as a page travels farther than its folder."""
    import shlex

    from syncqc.report.words import last_names

    words = ["syncqc", "compare", *(last_names(str(path)) for path in (old, new)), "--out", out.name]
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
