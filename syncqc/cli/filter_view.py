"""What ``syncqc filter`` shows: the funnel as a table, the sums in words, and what the rules say of one clip.

Knows sums and verdicts; filters nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from syncqc.report.words import length_in_words

if TYPE_CHECKING:
    from rich.table import Table

    from syncqc.manifest.explain import Check, ExplainedRow
    from syncqc.manifest.funnel import Amount, Funnel, Step
    from syncqc.manifest.rules import Rules

_MANY_REASONS = 4


def funnel_table(funnel: Funnel) -> Table:
    """One line per rule, in order: what it takes first and what it leaves. Fits 80 columns."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    table.add_column("rule", overflow="fold")
    for heading in ("takes rows", "time", "speakers", "leaves rows", "time", "speakers"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_row("all", "", "", "", *_cells(funnel.source))
    for step in funnel.steps:
        table.add_row(Text(_label(step)), *_cells(step.takes, has_speakers=bool(funnel.source.n_speakers)), *_cells(step.leaves))
    return table


def closing(funnel: Funnel, rules: Rules) -> list[str]:
    """What is kept, why rows were not measured, and what other values of `p` would keep: one line each."""
    kept, source = funnel.kept, funnel.source
    speakers = f", {kept.n_speakers:,} of {source.n_speakers:,} speakers" if source.n_speakers else ""
    lines = [
        f"kept: {kept.n_rows:,} of {source.n_rows:,} rows, {kept.n_clips:,} of {source.n_clips:,} clips, "
        f"{length_in_words(kept.length_s)} of {length_in_words(source.length_s)}{speakers}"
    ]
    if funnel.not_measured:
        reasons = [f"{reason} {n_rows:,}" for reason, n_rows in funnel.not_measured.items()]
        if len(reasons) > _MANY_REASONS:
            reasons = [*reasons[:_MANY_REASONS], f"{len(reasons) - _MANY_REASONS} other reasons"]
        lines.append(f"not measured, rows: {', '.join(reasons)}")
    for p, amount in funnel.instead:
        mark = "  (as here)" if p == rules.p else ""
        lines.append(f"p {p:<4g} would keep {amount.n_rows:,} rows, {length_in_words(amount.length_s)}{mark}")
    return lines


def explanation(clip_id: str, rows: Sequence[ExplainedRow]) -> list[Any]:
    """The clip's rows one after the other: a heading with the verdict, and a table of the rules."""
    from rich.table import Table
    from rich.text import Text

    n_kept = sum(row.dropped_by is None for row in rows)
    shown: list[Any] = [Text(f"{clip_id}: {n_kept} of {len(rows)} rows kept")]
    for row in rows:
        table = Table(box=None, pad_edge=False)
        for heading in ("  rule", "value", "wanted", ""):
            table.add_column(heading, overflow="fold")
        for check in row.checks:
            table.add_row(f"  {check.rule}", Text(_value(check)), Text(check.wanted), "met" if check.is_met else "[bold]not met[/bold]")
        shown += [Text(f"\n{_place(row)}: {_verdict(row)}"), table]
    return shown


def _cells(amount: Amount, *, has_speakers: bool = True) -> tuple[str, str, str]:
    return f"{amount.n_rows:,}", length_in_words(amount.length_s), f"{amount.n_speakers:,}" if has_speakers and amount.n_speakers else "-"


def _label(step: Step) -> str:
    return f"{step.rule} {step.wanted}" if step.sign else step.rule


def _place(row: ExplainedRow) -> str:
    span = "" if row.start_s is None or row.end_s is None else f", {row.start_s:g} to {row.end_s:g} s"
    face = "no face" if row.track_index is None else f"face {row.track_index}"
    return f"part {'-' if row.part_index is None else row.part_index}, {face}{span}"


def _verdict(row: ExplainedRow) -> str:
    return "kept" if row.dropped_by is None else f"dropped by {row.dropped_by}"


def _value(check: Check) -> str:
    if check.rule == "measured":
        return "all there" if check.value is None else f"not measured: {check.value}"
    if check.rule == "clip":
        return f"the rules are met for {check.value:.0%}"
    if check.value is None:
        return "not measured"
    if isinstance(check.value, bool):
        return "true" if check.value else "false"
    shown = f"{check.value:.4g}" if isinstance(check.value, float) else f"{check.value}"
    return f"{check.column} {shown}" if check.column and check.rule != "where" else shown
