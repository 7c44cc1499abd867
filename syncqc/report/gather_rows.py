"""What the sums of the report ask of a block's rows: which count, how much time each covers, which values are a clip's.

Knows blocks and what the default rules say of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from syncqc.manifest.blocks import Block, Indices, Seconds, newly_covered_s
from syncqc.manifest.judge import Judge, Judged
from syncqc.manifest.rules import CHOSEN, MEASURED, Flags


@dataclass(frozen=True)
class Rows:
    """The rows of a block, which dataset each is of, and what `syncqc filter` with its defaults says of them."""

    block: Block
    dataset: Indices
    judge: Judge
    judged: Judged

    @cached_property
    def is_failed(self) -> Flags:
        """The row holds no numbers and says why."""
        return _flags(pc.is_valid(self.block.column("failure")))

    @cached_property
    def is_scored(self) -> Flags:
        """The row is its part's chosen track and did not fail."""
        return ~self.is_failed & self._met(CHOSEN)

    @cached_property
    def is_measured(self) -> Flags:
        """Besides, what the default rules ask for is there."""
        return self._met(MEASURED) & self._met(CHOSEN)

    @cached_property
    def is_kept(self) -> Flags:
        """The default filter keeps the row."""
        flags: Flags = self.judged.taken_by == len(self.judge.steps)
        return flags

    @cached_property
    def time_s(self) -> Seconds:
        """Per row of a chosen track its time; what another one of its part covers counts once."""
        return time_of(self.block, self._met(CHOSEN))

    @cached_property
    def kept_s(self) -> Seconds:
        """The same for kept rows."""
        return time_of(self.block, self.is_kept)

    @cached_property
    def clip_of(self) -> Indices:
        """Which clip of the block each row is of."""
        n_rows = np.diff(self.block.clip_starts, append=len(self.dataset))
        return np.repeat(np.arange(len(n_rows)), n_rows)

    def flags(self, name: str) -> Flags:
        """Whether the column is true; null is not."""
        return _flags(self.block.column(name))

    def numbers(self, name: str) -> npt.NDArray[Any]:
        """The column's numbers, nan where it is null; float32 columns stay so."""
        values: npt.NDArray[Any] = self.block.column(name).to_numpy(zero_copy_only=False)
        return values

    def of_clip(self, name: str) -> npt.NDArray[np.float64]:
        """Per clip the first number of the column that is not null, else nan."""
        numbers = self.numbers(name).astype(np.float64)
        there = np.flatnonzero(~np.isnan(numbers))
        clips = self.clip_of[there]
        first = np.flatnonzero(np.diff(clips, prepend=-1))
        found = np.full(len(self.block.clip_starts), np.nan)
        found[clips[first]] = numbers[there[first]]
        return found

    def clips_in(self, groups: Indices) -> tuple[Indices, npt.NDArray[np.int64]]:
        """The groups that rows are in, each once, and of how many clips these rows are."""
        is_new = np.diff(groups, prepend=-1) != 0
        is_new[self.block.clip_starts] = True
        pairs = groups[is_new]
        if len(pairs) > len(self.block.clip_starts):
            pairs = np.unique(np.stack([self.clip_of[is_new], pairs]), axis=1)[1]
        found, n_clips = np.unique(pairs, return_counts=True)
        return found, n_clips

    def _met(self, name: str) -> Flags:
        return self.judged.met[next(i for i, rule in enumerate(self.judge.asked) if rule.name == name)]


def time_of(block: Block, flags: Flags) -> Seconds:
    """Per flagged row the time that it covers and no flagged row of its part before it does; 0 for the others.

    The sum over all rows is `Block.covered_s` of the flags.
    """
    time_s = np.where(flags, np.maximum(block.ends_s - block.starts_s, 0), 0.0)
    crowd, parts = crowded(block, flags)
    if len(crowd):
        order = np.lexsort((block.starts_s[crowd], parts))
        crowd, parts = crowd[order], parts[order]
        time_s[crowd] = newly_covered_s(parts, block.starts_s[crowd], block.ends_s[crowd])
    return time_s


def crowded(block: Block, flags: Flags) -> tuple[Indices, Indices]:
    """The flagged rows of parts that have several of them, and the number of each row's part."""
    n_rows = np.diff(block.part_starts, append=len(flags))
    n_flagged = np.add.reduceat(flags.astype(np.int64), block.part_starts)
    if n_flagged.max(initial=0) < 2:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    rows = np.flatnonzero(flags & np.repeat(n_flagged > 1, n_rows))
    return rows, np.repeat(np.arange(len(n_rows)), n_rows)[rows]


def value_counts(values: pa.Array) -> Sequence[tuple[Any, int]]:
    """Each value with how often it occurs."""
    return [(found["values"], found["counts"]) for found in pc.value_counts(values).to_pylist()]


def _flags(values: pa.Array) -> Flags:
    flags: Flags = pc.fill_null(values, False).to_numpy(zero_copy_only=False)
    return flags
