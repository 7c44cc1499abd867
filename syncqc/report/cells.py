"""Rows counted by what thresholds could tell them apart, so that any thresholds give the numbers of `syncqc filter` without the rows.

Knows blocks and the filter's own rules; no files. One pass, in memory that does not grow with the rows: where there are too many
cells the sliders lose limits, where there are too many kinds of clips a sample of the clips is kept.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from syncqc.manifest.rules import ARTEFACTS
from syncqc.report.cells_clips import ClipSample
from syncqc.report.cells_keys import ALWAYS_ASKED, DATASET_SHIFT, NAMES, SHIFTS, marks_of, moved_by
from syncqc.report.cells_kinds import Marks, kinds, needed
from syncqc.report.cells_limits import BITS, COARSENED_FIRST, SWITCHES, THRESHOLDS, Ladder
from syncqc.report.gather_rows import Rows, crowded
from syncqc.report.gathered import Cells
from syncqc.report.sums import Indices, Sparse, n_distinct

MOST_CELLS = 50_000
MOST_KINDS = 25_000
_MOST_CELLS_UNDER_WAY = 250_000
_ENOUGH_FEWER = 0.9
_DECIMALS = 4


@dataclass(frozen=True)
class Kept:
    """So many rows, clips and seconds stay."""

    n_rows: int
    n_clips: int
    """An estimate where ``Cells.clip_sample`` is above 1."""
    length_s: float


def counted(cells: Cells, limits: Mapping[str, int | None], without: Collection[str] = ()) -> tuple[Kept, tuple[Kept, ...]]:
    """What stays, altogether and of each dataset, at these places in the sliders' limits (None: off, the default of those not named).

    `without` are artefacts and switches that are asked for. The page's script does the same.
    """
    asked = 0
    for bit, name in enumerate((*cells.artefacts, *cells.switches)):
        asked |= (name in without) << bit
    stays = (np.array(cells.artefact_bits, np.int64) & asked) == 0
    for slider, levels in zip(cells.sliders, cells.levels, strict=True):
        limit = limits.get(slider.name, slider.default)
        if limit is not None:
            stays &= np.array(levels, np.int64) > limit
    in_dataset = np.array(cells.dataset, np.int64)
    n_rows, length_s = np.array(cells.n_rows, np.int64), np.array(cells.length_s, np.float64)
    n_datasets = 1 + max(cells.dataset, default=-1)
    clips, shared_s = np.zeros(n_datasets + 1, np.int64), np.zeros(n_datasets + 1)
    for sets, weights, sums in ((cells.clips, cells.n_clips, clips), (cells.shared, cells.shared_s, shared_s)):
        for cell_set, weight in zip(sets, weights, strict=True):
            staying = {int(in_dataset[cell]) for cell in cell_set if stays[cell]}
            for place in (*staying, *([-1] if staying else [])):
                sums[place] += weight
    found = []
    for place in (*range(n_datasets), -1):
        of_it = stays & (in_dataset == place) if place >= 0 else stays
        length = float(length_s[of_it].sum() + shared_s[place])
        found.append(Kept(int(n_rows[of_it].sum()), int(clips[place]) * cells.clip_sample, length))
    return found[-1], tuple(found[:-1])


class CellSums:
    """The cells of all blocks so far."""

    def __init__(self) -> None:
        self._ladders = {threshold.name: Ladder.of(threshold) for threshold in THRESHOLDS}
        self._sums = Sparse(2)
        self._stretches: dict[tuple[int, ...], float] = {}
        self._clips = ClipSample()

    def add(self, rows: Rows) -> None:
        """Counts the rows that some setting of the sliders keeps."""
        which = np.flatnonzero(rows.is_scored)
        keys, is_in = self._keys(rows, which)
        which, keys = which[is_in], keys[is_in]
        flags = np.zeros(len(rows.dataset), bool)
        flags[which] = True
        lengths = np.maximum(rows.block.ends_s - rows.block.starts_s, 0)
        together, parts = crowded(rows.block, flags)
        if len(together):
            key_of = np.zeros(len(flags), np.int64)
            key_of[which] = keys
            self._add_together(rows, together, parts, key_of)
            lengths[together] = 0
        self._sums.add(keys, np.ones(len(keys)), lengths[which])
        self._clips.add(rows, which, keys)
        if self._sums.most_keys > 2 * _MOST_CELLS_UNDER_WAY:
            self._coarsen(_MOST_CELLS_UNDER_WAY)

    def cells(self) -> Cells:
        """All of them, with coarser limits where there are more than `MOST_CELLS`."""
        self._coarsen(MOST_CELLS)
        keys, (n_rows, length_s) = self._sums.keys, self._sums.sums
        marks = marks_of(keys)
        lone, shared = self._shared(keys, marks)
        clips, n_clips, clip_sample = self._clips.kinds(keys, marks, MOST_KINDS)
        ladders = [self._ladders[name] for name in NAMES]
        shown = [place for place, ladder in enumerate(ladders) if ladder.limits]
        return Cells(
            sliders=tuple(ladders[place].slider for place in shown),
            artefacts=tuple(ARTEFACTS),
            dataset=tuple(marks.dataset.tolist()),
            levels=tuple(tuple(marks.levels[place].tolist()) for place in shown),
            artefact_bits=tuple(marks.bits.tolist()),
            n_rows=tuple(n_rows.astype(np.int64).tolist()),
            length_s=_rounded(length_s + lone),
            clips=clips,
            n_clips=n_clips,
            clip_sample=clip_sample,
            switches=SWITCHES,
            shared=tuple(shared),
            shared_s=_rounded(np.array([*shared.values()])),
        )

    def _keys(self, rows: Rows, which: Indices) -> tuple[Indices, npt.NDArray[np.bool_]]:
        """Per row its cell as one number, and whether it meets the loosest limit of what is always asked."""
        column = {rule.column: rows.block.column(rule.column) for rule in (*BITS, *(one.rule for one in self._ladders.values()))}
        keys = rows.dataset[which] << DATASET_SHIFT
        for bit, rule in enumerate(BITS):
            keys |= (~rule.met(column[rule.column])[which]).astype(np.int64) << bit
        is_in = np.ones(len(which), bool)
        for name, ladder in self._ladders.items():
            levels = ladder.levels(ladder.rule.values(column[ladder.rule.column])[which])
            keys |= levels << SHIFTS[name]
            if name in ALWAYS_ASKED:
                is_in &= levels > 0
        return keys, is_in

    def _add_together(self, rows: Rows, together: Indices, parts: Indices, key_of: Indices) -> None:
        """Of parts with several chosen tracks, how much time which of their cells cover together."""
        borders = np.flatnonzero(np.diff(parts)) + 1
        for part in np.split(together, borders):
            starts, ends, keys = rows.block.starts_s[part], rows.block.ends_s[part], key_of[part]
            edges = np.unique(np.concatenate([starts, ends]))
            for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
                there = tuple(np.unique(keys[(starts <= start) & (ends >= end)]).tolist())
                if there:
                    self._stretches[there] = self._stretches.get(there, 0.0) + end - start

    def _shared(self, keys: Indices, marks: Marks) -> tuple[npt.NDArray[np.float64], dict[tuple[int, ...], float]]:
        """The time of `_stretches`: per cell what is its alone, and by several cells what they cover together."""
        lone, shared = np.zeros(len(keys)), defaultdict[tuple[int, ...], float](float)
        owners = np.repeat(np.arange(len(self._stretches)), [len(there) for there in self._stretches])
        flat = np.array([key for there in self._stretches for key in there], np.int64)
        kind_of, found = kinds(*needed(owners, np.searchsorted(keys, flat), marks))
        for kind, time_s in zip(kind_of.tolist(), self._stretches.values(), strict=True):
            cell_set = found[kind]
            if len(cell_set) == 1:
                lone[cell_set[0]] += time_s
            else:
                shared[cell_set] += time_s
        return lone, dict(shared)

    def _coarsen(self, most_cells: int) -> None:
        """Takes limits from the sliders until there are few enough cells; whole sliders only where that is not enough."""
        while (before := len(self._sums.keys)) > most_cells:
            for name in COARSENED_FIRST:
                if len(self._sums.keys) > most_cells:
                    self._try_coarser(name, self._ladders[name].coarser, _ENOUGH_FEWER)
            if len(self._sums.keys) < before:
                continue
            has_moved = [self._try_coarser(name, self._ladders[name].coarser) for name in COARSENED_FIRST]
            if not any(has_moved) and not any(self._try_coarser(name, self._ladders[name].without) for name in COARSENED_FIRST):
                return

    def _try_coarser(self, name: str, coarser: Ladder | None, enough: float = 1.0) -> bool:
        """Whether the slider lost limits: only where that leaves at most that share of the cells."""
        ladder, keys = self._ladders[name], self._sums.keys
        if coarser is None:
            return False
        moved = moved_by(name, ladder.levels_in(coarser))
        if n_distinct(moved(keys)) > enough * len(keys):
            return False
        self._ladders[name] = coarser
        self._sums.replace_keys(moved(keys))
        self._clips.replace_keys(moved)
        stretches = self._stretches
        self._stretches = {}
        for there, time_s in stretches.items():
            renamed = tuple(np.unique(moved(np.array(there, np.int64))).tolist())
            self._stretches[renamed] = self._stretches.get(renamed, 0.0) + time_s
        return True


def _rounded(lengths_s: npt.NDArray[np.float64]) -> tuple[float, ...]:
    """Without the digits that only sums have: rows begin and end at images."""
    return tuple(np.round(lengths_s, _DECIMALS).tolist())
