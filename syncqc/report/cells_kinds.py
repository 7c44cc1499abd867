"""Kinds of sets of cells: of each set only the cells that no other one of it makes needless, sets that are then equal as one.

A set stays where one of its cells stays. A cell is needless beside another that meets every limit and every rule that it meets.
Knows levels and bits of cells; neither limits nor rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_PAIRS_AT_ONCE = 2_000_000
_MANY_CELLS = 200


@dataclass(frozen=True)
class Marks:
    """What tells cells apart: ``levels`` (sliders, cells), and per cell its bits and its dataset."""

    levels: Indices
    bits: Indices
    dataset: Indices

    def covered(self, by: Indices, which: Indices) -> Flags:
        """Whether cell ``by[i]`` makes cell ``which[i]`` needless, or is the same."""
        is_covered: Flags = self.dataset[by] == self.dataset[which]
        is_covered &= (self.bits[by] & ~self.bits[which]) == 0
        for level in self.levels:
            is_covered &= level[by] >= level[which]
        return is_covered


def needed(owners: Indices, cells: Indices, marks: Marks) -> tuple[Indices, Indices]:
    """The pairs of owner and cell that are left when each pair is there once and needless cells are gone; by owner, then cell."""
    order = np.lexsort((cells, owners))
    owners, cells = owners[order], cells[order]
    is_first = np.ones(len(owners), bool)
    is_first[1:] = (owners[1:] != owners[:-1]) | (cells[1:] != cells[:-1])
    owners, cells = owners[is_first], cells[is_first]
    starts = np.flatnonzero(np.diff(owners, prepend=-1)) if len(owners) else np.zeros(0, np.int64)
    counts = np.diff(starts, append=len(owners))
    is_needed = np.ones(len(owners), bool)
    for start, count in zip(starts[counts > _MANY_CELLS].tolist(), counts[counts > _MANY_CELLS].tolist(), strict=True):
        is_needed[start : start + count] = _needed_of_many(cells[start : start + count], marks)
    for first, second in _pairs(starts, counts):
        is_covered = marks.covered(by=cells[second], which=cells[first])
        is_needed[first[is_covered]] = False
    return owners[is_needed], cells[is_needed]


def kinds(owners: Indices, cells: Indices) -> tuple[Indices, list[tuple[int, ...]]]:
    """Which kind each owner is of, in the order of the owners, and the cells of each kind; both by owner, then cell, as `needed` gives."""
    starts = np.flatnonzero(np.diff(owners, prepend=-1)) if len(owners) else np.zeros(0, np.int64)
    counts = np.diff(starts, append=len(owners))
    kind_of, found = np.zeros(len(starts), np.int64), list[tuple[int, ...]]()
    for count in np.unique(counts).tolist():
        which = np.flatnonzero(counts == count)
        sets = cells[starts[which][:, None] + np.arange(count)]
        order = np.lexsort(sets.T[::-1])
        is_new = np.ones(len(order), bool)
        is_new[1:] = (sets[order[1:]] != sets[order[:-1]]).any(axis=1)
        kind_of[which[order]] = len(found) + np.cumsum(is_new) - 1
        found += [tuple(one) for one in sets[order[is_new]].tolist()]
    return kind_of, found


def _pairs(starts: Indices, counts: Indices) -> Iterator[tuple[Indices, Indices]]:
    """All ordered pairs of different places within each run that is neither single nor very long, some at a time."""
    for count in np.unique(counts[(counts > 1) & (counts <= _MANY_CELLS)]).tolist():
        first, second = np.nonzero(~np.eye(count, dtype=bool))
        runs = starts[counts == count]
        at_once = max(1, _PAIRS_AT_ONCE // len(first))
        for i in range(0, len(runs), at_once):
            some = runs[i : i + at_once, None]
            yield (some + first).reshape(-1), (some + second).reshape(-1)


def _needed_of_many(cells: Indices, marks: Marks) -> Flags:
    """Which of one set's cells are needed, where the set is too large for all its pairs."""
    n_met = marks.levels[:, cells].sum(axis=0)
    is_needed = np.ones(len(cells), bool)
    for i in np.argsort(-n_met, kind="stable").tolist():
        if is_needed[i]:
            alive = np.flatnonzero(is_needed)
            is_covered = marks.covered(by=np.full(len(alive), cells[i]), which=cells[alive])
            is_covered &= alive != i
            is_needed[alive[is_covered]] = False
    return is_needed
