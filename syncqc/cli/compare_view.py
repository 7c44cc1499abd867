"""What ``syncqc compare`` shows: the verdict, and tables of what differs. Fits 80 columns.

Knows sums; compares nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from syncqc.report.compare_made_by import Fact
    from syncqc.report.compared import Comparison, Row

_SHOWN_FACTS = 12
_SHOWN_DATASETS = 12
_SHOWN_FAILURES = 8
_SHOWN_ROWS = 5


def shown(found: Comparison, facts: Sequence[Fact], notes: Sequence[str]) -> list[Any]:
    """Everything that is printed, in order; what there is nothing of is left out."""
    from rich.text import Text

    from syncqc.report import compare_words as words

    items: list[Any] = [Text(words.verdict(found), style="bold"), Text()]
    items += [*_made_by(facts), _labelled(words.matched(found.matching)), *map(Text, notes), Text()]
    if found.matching.n_rows and not found.is_same:
        items += [*_kept(found), *_offsets(found), *_changes(found), *_failures(found), *_rows(found.p.changed_most[:_SHOWN_ROWS])]
    return items


def _made_by(facts: Sequence[Fact]) -> Iterable[Any]:
    from rich.text import Text

    differing = [fact for fact in facts if fact.differs]
    if not differing:
        yield Text("versions, model and settings are the same")
        return
    table = _table(["differs", "OLD", "NEW"], n_left=3)
    for fact in differing[:_SHOWN_FACTS]:
        table.add_row(Text(fact.label), Text(fact.old), Text(fact.new))
    yield table
    if len(differing) > _SHOWN_FACTS:
        yield Text(f"and {len(differing) - _SHOWN_FACTS} more")
    yield Text()


def _labelled(lines: Sequence[tuple[str, str]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for label, text in lines:
        table.add_row(label, Text(text))
    return table


def _kept(found: Comparison) -> Iterable[Any]:
    from rich.text import Text

    from syncqc.report.words import length_in_words

    kept = found.kept
    yield Text(f"rules: {', '.join(found.rules)}")
    table = _table(["kept", "rows", "clips", "time"])
    for label, amount in (
        ("by both", kept.both),
        ("only by OLD", kept.only_old),
        ("only by NEW", kept.only_new),
        ("by neither", kept.neither),
    ):
        table.add_row(label, f"{amount.n_rows:,}", f"{amount.n_clips:,}", length_in_words(amount.length_s))
    yield table
    for label, by in (("OLD dropped what only NEW keeps", found.gained_from), ("NEW drops what only OLD keeps", found.lost_to)):
        if by:
            yield Text(f"{label} by: {', '.join(f'{rule} {n:,}' for rule, n in by.items())}")
    yield Text()
    if len(found.datasets) > 1:
        yield _datasets(found)
        if len(found.datasets) > _SHOWN_DATASETS:
            yield Text(f"and {len(found.datasets) - _SHOWN_DATASETS} more datasets")
        yield Text()


def _datasets(found: Comparison) -> Table:
    from rich.text import Text

    from syncqc.report import compare_words as words
    from syncqc.report.words import length_in_words

    table = _table(["dataset", "rows", "time", "OLD keeps", "NEW keeps", "NEW - OLD", "moved > 1"])
    for line in found.datasets[:_SHOWN_DATASETS]:
        kept = line.kept
        table.add_row(
            Text(line.name or "no dataset"),
            f"{kept.all.n_rows:,}",
            length_in_words(kept.all.length_s),
            length_in_words(kept.old_s),
            length_in_words(kept.new_s),
            words.more(kept.new_s - kept.old_s),
            words.share(line.n_moved, line.n_measured),
        )
    return table


def _offsets(found: Comparison) -> Iterable[Any]:
    from rich.text import Text

    from syncqc.report import compare_words as words

    columns = (found.offsets, found.kept_offsets, found.clip_offsets)
    table = _table(["offset moved", "rows", "share", "kept by both", "share", "clips", "share"])
    for label, counts in words.move_lines(*columns):
        cells = [(f"{n:,}", words.share(n, column.n)) for n, column in zip(counts, columns, strict=True)]
        table.add_row(label, *(text for cell in cells for text in cell))
    within = [(f"{one.n - one.n_beyond():,}", words.share(one.n - one.n_beyond(), one.n)) for one in columns]
    table.add_section()
    table.add_row("within 1 image", *(text for cell in within for text in cell))
    yield table
    shift = words.shift(found.kept_offsets) or words.shift(found.offsets)
    if shift is not None:
        yield Text(shift)
    yield Text()


def _changes(found: Comparison) -> Iterable[Any]:
    from rich.text import Text

    from syncqc.report import compare_words as words

    for change in (found.p, found.offscreen):
        yield Text(words.change(change))
    yield Text()


def _failures(found: Comparison) -> Iterable[Any]:
    from rich.text import Text

    differing = [(old, new, n) for (old, new), n in found.failures.items() if old != new]
    if not differing:
        return
    table = _table(["failure in OLD", "in NEW", "rows"], n_left=2)
    for old, new, n in differing[:_SHOWN_FAILURES]:
        table.add_row(Text(old or "measured"), Text(new or "measured"), f"{n:,}")
    yield table
    if len(differing) > _SHOWN_FAILURES:
        yield Text(f"and {len(differing) - _SHOWN_FAILURES} more pairs of reasons")
    yield Text()


def _rows(rows: Sequence[Row]) -> Iterable[Any]:
    from rich.text import Text

    from syncqc.report.words import signed

    if not rows:
        return
    table = _table(["p changed most", "part", "p OLD", "NEW", "offset OLD", "NEW"])
    for row in rows:
        offsets = signed(row.old.offset), signed(row.new.offset)
        table.add_row(Text(row.clip_id), f"{row.part_index}", f"{row.old.p:.3f}", f"{row.new.p:.3f}", *offsets)
    yield table
    yield Text()


def _table(headings: Sequence[str], n_left: int = 1) -> Table:
    """Numbers on the right; the first `n_left` columns are text, which may be broken."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for number, heading in enumerate(headings):
        is_text = number < n_left
        table.add_column(heading, justify="left" if is_text else "right", no_wrap=not is_text, overflow="fold")
    return table
