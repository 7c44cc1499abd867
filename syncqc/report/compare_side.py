"""One of two manifests that are compared: its parts, each with what its chosen track says and whether a filter keeps it.

Knows manifests and rules; nothing of the other manifest. A part stands for its chosen track; where it has none, for why not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from syncqc.manifest.blocks import Block, newly_covered_s, whole_clips
from syncqc.manifest.judge import Judge

Flags = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]

NO_CHOICE = "no chosen track"
"""Why a part whose rows name no failure has no numbers."""
COLUMNS = (
    "dataset", "n_parts", "track_index", "is_chosen_track", "offset_frames", "probability_at_offset", "offscreen_ratio",
    "clip_offset_frames", "failure",
)  # fmt: skip
_PARTS_PER_CLIP = np.int64(1) << 32


class Names:
    """Texts that come again and again, by number; 0 stands for none."""

    def __init__(self) -> None:
        self._numbers: dict[str | None, int] = {None: 0}

    def numbers(self, texts: pa.Array) -> Indices:
        """The number of each text."""
        encoded = texts.dictionary_encode()
        of_entry = np.array([self.number(text) for text in encoded.dictionary.to_pylist()] + [0], np.int64)
        found: Indices = of_entry[pc.fill_null(encoded.indices, len(encoded.dictionary)).to_numpy(zero_copy_only=False)]
        return found

    def number(self, text: str) -> int:
        """The number of one text, from now on if not before."""
        return self._numbers.setdefault(text, len(self._numbers))

    def all(self) -> list[str | None]:
        """The texts in the order of their numbers."""
        return list(self._numbers)


@dataclass(frozen=True, eq=False)
class Side:
    """Parts of whole clips, sorted by clip and part; numbers are nan where they were not measured."""

    clip_ids: pa.Array
    speakers: pa.Array
    """Both per clip, as `datasets`, `clip_offset` and `is_unread`; the others, but `first_part`, are per part."""
    datasets: Indices
    clip_offset: Numbers
    is_unread: Flags
    """The clip is one failed part of unknown length: nobody knows into which parts it would have been cut."""
    part_index: Indices
    n_parts: Numbers
    start_s: Numbers
    """Where the first of the part's rows begins."""
    end_s: Numbers
    """Where the last of the part's rows ends."""
    track: Numbers
    reason: Indices
    """Why there are no numbers; 0 where there are."""
    offset: Numbers
    p: Numbers
    offscreen: Numbers
    level: Indices
    """How far the part came: the number of the rule that takes the last of its rows; the number of rules where one is kept."""
    row_start_s: Numbers
    """Where the row begins that the part stands for."""
    row_end_s: Numbers
    """Where it ends."""
    length_s: Numbers
    """How long it is; 0 where that is not known."""
    kept_s: Numbers
    """Time that those of its rows cover that are kept."""
    first_part: Indices
    """Per clip the number of its first part, and at the end how many parts there are."""

    def between(self, first: int, last: int) -> Side:
        """The clips from number `first` on, up to `last`, which is not among them."""
        parts = slice(int(self.first_part[first]), int(self.first_part[last]))
        cut = {item.name: getattr(self, item.name)[slice(first, last) if item.name in _PER_CLIP else parts] for item in fields(self)}
        return Side(**(cut | {"first_part": self.first_part[first : last + 1] - self.first_part[first]}))

    @property
    def n_clips(self) -> int:
        """How many clips there are."""
        return len(self.clip_ids)

    def parts_of(self, clips: Indices) -> tuple[Indices, Indices]:
        """The numbers of all parts of these clips, in order, and for each which of `clips` it is of."""
        counts = self.first_part[clips + 1] - self.first_part[clips]
        of_clip = np.repeat(np.arange(len(clips)), counts)
        within = np.arange(len(of_clip)) - np.repeat(np.cumsum(counts) - counts, counts)
        return self.first_part[clips][of_clip] + within, of_clip


_PER_CLIP = ("clip_ids", "speakers", "datasets", "clip_offset", "is_unread", "first_part")


def empty_side() -> Side:
    """No clips at all."""
    kinds: dict[str, Any] = {"clip_ids": pa.array([], pa.string()), "speakers": pa.array([], pa.string()), "is_unread": np.zeros(0, bool)}
    whole = ("datasets", "part_index", "reason", "level")
    made = {item.name: np.zeros(0, np.int64 if item.name in whole else np.float64) for item in fields(Side)}
    return Side(**(made | kinds | {"first_part": np.zeros(1, np.int64)}))


def sides(manifest: Path, judge: Judge, datasets: Names, reasons: Names) -> Iterator[Side]:
    """The manifest's parts some ten thousand rows at a time, in constant memory.

    Raises:
        UsageError: no manifest, a condition that cannot be carried out, or rows that are not sorted by clip_id.
    """
    for block in whole_clips(manifest, [*judge.columns, *COLUMNS], judge.rules.where):
        yield _side(block, judge(block).taken_by, len(judge.steps), datasets, reasons)


def _side(block: Block, level: Indices, kept_level: int, datasets: Names, reasons: Names) -> Side:
    rows = _InOrder(block)
    level = level[rows.order]
    starts = rows.part_starts
    n_rows = np.diff(starts, append=len(level))
    of_part = np.repeat(np.arange(len(starts)), n_rows)
    is_chosen = pc.fill_null(rows.column("is_chosen_track"), False).to_numpy(zero_copy_only=False)
    far = len(level)
    chosen = np.minimum.reduceat(np.where(is_chosen, np.arange(far), far), starts)
    shown = np.where(chosen < far, chosen, starts)
    reason = reasons.numbers(rows.column("failure").take(pa.array(shown)))
    reason[(reason == 0) & (chosen == far)] = reasons.number(NO_CHOICE)
    start_s, end_s = rows.numbers("start_s"), rows.numbers("end_s")
    first_part = np.append(np.searchsorted(starts, block.clip_starts), len(starts))

    def measured(name: str) -> Numbers:
        numbers = rows.numbers(name)[shown]
        return np.where((reason == 0) & np.isfinite(numbers), numbers, np.nan)

    earliest, latest = np.fmin.reduceat(start_s, starts), np.fmax.reduceat(end_s, starts)
    clip_rows = pa.array(block.clip_starts)
    return Side(
        clip_ids=block.column("clip_id").take(clip_rows),
        speakers=block.column("speaker").take(clip_rows),
        datasets=datasets.numbers(block.column("dataset").take(clip_rows)),
        clip_offset=rows.numbers("clip_offset_frames")[block.clip_starts],
        is_unread=(np.diff(first_part) == 1) & np.isnan(earliest[first_part[:-1]]) & (reason[first_part[:-1]] != 0),
        part_index=rows.part_index[starts],
        n_parts=rows.numbers("n_parts")[starts],
        start_s=earliest,
        end_s=latest,
        track=measured("track_index"),
        reason=reason,
        offset=measured("offset_frames"),
        p=measured("probability_at_offset"),
        offscreen=measured("offscreen_ratio"),
        level=np.maximum.reduceat(level, starts),
        row_start_s=start_s[shown],
        row_end_s=end_s[shown],
        length_s=np.nan_to_num(np.maximum(end_s[shown] - start_s[shown], 0)),
        kept_s=_covered_s(of_part, start_s, end_s, level == kept_level, len(starts)),
        first_part=first_part,
    )


class _InOrder:
    """The rows of a block sorted by clip and part, a part's rows in their order."""

    def __init__(self, block: Block) -> None:
        self._block = block
        part_index = pc.fill_null(block.column("part_index"), -1).to_numpy(zero_copy_only=False).astype(np.int64)
        clips = np.repeat(np.arange(len(block.clip_starts)), np.diff(block.clip_starts, append=len(part_index)))
        keys = clips * _PARTS_PER_CLIP + part_index + 1
        self._is_sorted = bool((np.diff(keys) >= 0).all())
        self.order = np.arange(len(keys)) if self._is_sorted else np.argsort(keys, kind="stable")
        self.part_index = part_index[self.order]
        self.part_starts = np.concatenate([[0], np.flatnonzero(np.diff(keys[self.order])) + 1])

    def column(self, name: str) -> pa.Array:
        column = self._block.column(name)
        return column if self._is_sorted else column.take(pa.array(self.order))

    def numbers(self, name: str) -> Numbers:
        numbers: Numbers = self.column(name).to_numpy(zero_copy_only=False).astype(np.float64)
        return numbers


def _covered_s(of_part: Indices, start_s: Numbers, end_s: Numbers, is_kept: Flags, n_parts: int) -> Numbers:
    """Per part the time that at least one of its rows that are kept covers; rows of unknown place are no time long."""
    counts = is_kept & ~(np.isnan(start_s) | np.isnan(end_s))
    of_part, start_s, end_s = of_part[counts], start_s[counts], end_s[counts]
    covered: Numbers = np.bincount(of_part, np.maximum(end_s - start_s, 0), n_parts).astype(np.float64)
    crowded = np.flatnonzero(np.bincount(of_part, minlength=n_parts) > 1)
    if len(crowded):
        rows = np.flatnonzero(np.isin(of_part, crowded))
        rows = rows[np.lexsort((start_s[rows], of_part[rows]))]
        covered[crowded] = np.bincount(of_part[rows], newly_covered_s(of_part[rows], start_s[rows], end_s[rows]), n_parts)[crowded]
    return covered
