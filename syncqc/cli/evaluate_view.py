"""What ``syncqc evaluate`` shows in a terminal: the windows' table, and the rows' table over all sources.

Knows the evaluation as it is written, and no network. What is said per source and per speaker stands in the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from syncqc.cli.effects import Table
from syncqc.cli.effects import show as show_tables

if TYPE_CHECKING:
    from syncqc.train.evaluate import Section

_LINES = (
    ("own offset, by clip", "around_own_offset", "macro"),
    ("own offset, by window", "around_own_offset", "micro"),
    ("zero, by clip", "around_zero", "macro"),
    ("zero, by window", "around_zero", "micro"),
)


def show(about: dict[str, Any], sections: Sequence[Section]) -> None:
    """Two tables on stdout, each under 80 columns wide, and those that were asked for by name."""
    _show_protocol(about["protocol"])
    _show_rows("all", about["figures"]["all"])
    for section in sections:
        if section.is_shown:
            show_tables([Table(title, tuple(header), [tuple(row) for row in rows]) for title, header, rows in section.tables])


def _show_protocol(protocol: dict[str, Any]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table as Shown
    from rich.text import Text

    everything = protocol["all"]
    title = f"windows right within {protocol['tolerance_images']} of {2 * protocol['w'] + 1} shifts, in % ({protocol['name']} protocol)\n"
    title += f"{everything['n_clips']} clips, {everything['n_speakers']} speakers, {everything['n_windows']} windows"
    table = Shown(title=Text(title), title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("around", no_wrap=True)
    for name in everything["around_zero"]:
        table.add_column(name.replace("=", " = "), justify="right", no_wrap=True)
    for words, truth, kind in _LINES:
        line = everything[truth].values()
        table.add_row(words, *(_share(cell[kind]) for cell in line))
        if any(cell[f"{kind}_interval95"] for cell in line):
            table.add_row("  95 % over speakers", *(_range(cell[f"{kind}_interval95"]) for cell in line), style="dim")
    table.add_row("chance", *(_share(cell["chance_macro"]) for cell in everything["around_zero"].values()))
    Console().print(table)
    if protocol["clips_left_out"]:
        left_out = ", ".join(f"{reason} {n}" for reason, n in protocol["clips_left_out"].items())
        typer.echo(f"clips left out: {left_out}\n")


def _share(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"


def _range(interval: list[float] | None) -> str:
    return "" if interval is None else f"{100 * interval[0]:.0f}-{100 * interval[1]:.0f}"


def _show_rows(group: str, values: dict[str, Any]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table as Shown
    from rich.text import Text

    title = Text(f"{group}: {values['n_clips']} clips, {values['n_speakers']} speakers, {values['n_tracks']} parts; shares in %")
    table = Shown(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=0)
    for name in ("length", "n", "rows\nfollow", "clips\nfollow", "agree with\ntheir clip", "foreign\nis lower", "AUC"):
        table.add_column(name, justify="right", no_wrap=True)
    for line in [*values["by_duration"], values["rows"]]:
        if line["n_stretches"]:
            length = f"{line['duration_s']:g} s" if "duration_s" in line else "whole rows"
            keys = ("offset_follows_rows", "offset_follows_clips", "offset_agrees_with_clip", "foreign_lower_share")
            auc = "" if line["foreign_auc"] is None else f"{line['foreign_auc']:.3f}"
            table.add_row(length, str(line["n_stretches"]), *(_cell(line, key) for key in keys), auc)
    Console().print(table)
    by_listening = values["rows"]["foreign_follows_rows"]
    if by_listening is not None:
        typer.echo(f"moved foreign sound, where there is nothing to find, is followed in {by_listening:.0%} of whole rows")


def _cell(line: dict[str, Any], key: str) -> str:
    """The share in percent and, where it is known, the range in which 95 % of other samples of speakers would have it."""
    share, interval = line[key], line[f"{key}_interval95"]
    if share is None:
        return ""
    return f"{100 * share:.0f}" + (f" ({_range(interval)})" if interval else "")
