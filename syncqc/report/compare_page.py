"""The page of `syncqc compare`: what changed between two manifests, as one self-contained HTML text.

Knows sums and templates; reads no manifest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from syncqc.errors import Failure
from syncqc.report import compare_words as words
from syncqc.report.compare_made_by import Fact
from syncqc.report.compared import DIFFERENCE_STEP, Change, Comparison, Moves, Row
from syncqc.report.html import finite, page
from syncqc.report.words import length_in_words

SHOWN_DATASETS = 50
_DRAWN_DATASETS = 12
_SHOWN_ROWS = 20
_FEW_MINUTES_S = 5400


@dataclass(frozen=True)
class About:
    """What the page says of the two manifests beside the sums."""

    old: str
    """Name of the manifest."""
    new: str
    facts: Sequence[Fact]
    notes: Sequence[str]
    limits: Mapping[str, float]
    """What the rules want of columns that are drawn, by column."""
    command: str
    """What makes the page again."""


def comparison_page(found: Comparison, about: About) -> str:
    """The page as HTML."""
    return page(
        "compare.html.j2",
        "What changed between two manifests",
        _data(found, about.limits),
        scripts=("compare.js",),
        styles=("compare.css",),
        found=found,
        about=about,
        words=words,
        cells=_cells(found),
        moves=(found.offsets, found.kept_offsets, found.clip_offsets),
        datasets=found.datasets[:SHOWN_DATASETS],
        n_datasets_left_out=max(0, len(found.datasets) - SHOWN_DATASETS),
        failures=[(_reason(old), _reason(new), n) for (old, new), n in found.failures.items()],
        tables=_tables(found),
        figures=_figures(found),
    )


def _cells(found: Comparison) -> list[tuple[str, list[str]]]:
    """The lines of the table of who keeps what."""
    kept = found.kept
    lines = [
        ("OLD keeps", [kept.both, kept.only_old, kept.both + kept.only_old]),
        ("OLD drops", [kept.only_new, kept.neither, kept.only_new + kept.neither]),
        ("together", [kept.both + kept.only_new, kept.only_old + kept.neither, kept.all]),
    ]
    return [(label, [words.amount(one) for one in amounts]) for label, amounts in lines]


def _tables(found: Comparison) -> list[tuple[str, str, tuple[Row, ...]]]:
    """The rows that changed most: title, what they are, the rows."""
    return [
        ("Probability", "The largest differences of the probability at offset.", found.p.changed_most[:_SHOWN_ROWS]),
        (
            "Offset",
            "Moved by more than 1 image, of rows that a side keeps. Of rows that moved as far, those that both are sure of come first.",
            found.moved_most,
        ),
        ("Offscreen ratio", "The largest differences of the offscreen ratio.", found.offscreen.changed_most[:_SHOWN_ROWS]),
        ("Failures", "The first rows whose reason is another one.", found.failed_otherwise),
    ]


def _reason(name: str | None) -> str:
    if name is None:
        return "measured"
    meaning = Failure(name).meaning if name in list(Failure) else None
    return f"{name}: {meaning}" if meaning else name


def _figures(found: Comparison) -> dict[str, dict[str, str]]:
    """Title and sentence of each figure."""
    kept, offsets = found.kept, found.offsets
    n_drawn = min(len(found.datasets), _DRAWN_DATASETS)
    most = f", the {n_drawn} datasets with the most time" if n_drawn < len(found.datasets) else ""
    figures = {
        "kept": {
            "title": "Time kept, by dataset",
            "says": f"Both keep {length_in_words(kept.both.length_s)}, only OLD {length_in_words(kept.only_old.length_s)}, "
            f"only NEW {length_in_words(kept.only_new.length_s)}{most}.",
        },
        "moves": {
            "title": "Offsets, NEW minus OLD",
            "says": f"{words.share(offsets.n - offsets.n_beyond(), offsets.n)} of {offsets.n:,} rows moved by at most 1 image."
            if offsets.n
            else "No row has an offset on both sides.",
        },
    }
    for name, change in (("p", found.p), ("offscreen", found.offscreen)):
        points = "Every row is a point" if change.all_rows is not None else "Colour: rows per cell; points: the rows that changed most"
        figures[f"{name}-both"] = {
            "title": f"{change.title.capitalize()}, NEW against OLD",
            "says": f"{points}. Dashed: no change. Dotted: the rules' limits.",
        }
        figures[f"{name}-difference"] = {
            "title": f"{change.title.capitalize()}, NEW minus OLD",
            "says": f"Rows by difference, in steps of {DIFFERENCE_STEP:g}.",
        }
    return figures


def _data(found: Comparison, limits: Mapping[str, float]) -> dict[str, Any]:
    drawn = found.datasets[:_DRAWN_DATASETS]
    # What a few clips are long reads better in minutes.
    unit, unit_s = (
        ("hours", 3600.0) if max((line.kept.all.length_s for line in drawn), default=0.0) >= _FEW_MINUTES_S else ("minutes", 60.0)
    )
    return {
        "kept": {
            "datasets": [line.name or "no dataset" for line in drawn],
            "unit": unit,
            "times": {
                label: [finite(getattr(line.kept, name).length_s / unit_s, 6) for line in drawn]
                for label, name in (("both", "both"), ("only OLD", "only_old"), ("only NEW", "only_new"), ("neither", "neither"))
            },
        },
        "moves": _move_data({"all rows with an offset in both": found.offsets, "rows that both keep": found.kept_offsets}),
        "changes": {
            name: _change_data(change, limits.get(change.name)) for name, change in (("p", found.p), ("offscreen", found.offscreen))
        },
    }


def _move_data(by_label: Mapping[str, Moves]) -> dict[str, Any]:
    by_label = {label: moves for label, moves in by_label.items() if moves.n}
    moved = sorted({move for moves in by_label.values() for move in moves.counts})
    return {"moved": moved, "rows": {label: [moves.counts.get(move, 0) for move in moved] for label, moves in by_label.items()}}


def _change_data(change: Change, limit: float | None) -> dict[str, Any]:
    is_few = change.all_rows is not None
    rows = change.changed_most if change.all_rows is None else change.all_rows
    of = "p" if change.name == "probability_at_offset" else "offscreen"
    return {
        "title": change.title,
        "limit": limit,
        "step": DIFFERENCE_STEP,
        "differences": change.differences,
        "density": None if is_few else change.density,
        "old": [finite(getattr(row.old, of), 4) for row in rows],
        "new": [finite(getattr(row.new, of), 4) for row in rows],
        "clips": [row.clip_id for row in rows],
        "parts": [row.part_index for row in rows],
    }
