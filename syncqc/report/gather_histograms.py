"""How often each value of a column occurs, per dataset, and two columns against each other.

Knows rows; no files. Bins hold their lower edge and are compared as the filter compares, in float32.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from syncqc.report.gather_rows import Rows
from syncqc.report.gathered import Density, Histogram
from syncqc.report.sums import Indices, Sparse

N_BINS = 50
"""So that the default thresholds lie between two bins."""
SHARES = {
    "probability_at_offset": "probability at offset",
    "offscreen_ratio": "offscreen ratio",
    "probability_in_sync": "probability in sync",
    "speech_ratio": "share of speech",
    "frozen_ratio": "share that stands still",
}
OFFSETS = {"offset_frames": "offset of rows", "clip_offset_frames": "offset of whole clips"}
X_NAME, Y_NAME = "probability_at_offset", "offscreen_ratio"
LEAST_SHOWN_FRAMES = 15
MOST_SHOWN_FRAMES = 250
_OFFSET_BITS = 32
_EDGES = tuple(round(k / N_BINS, 6) for k in range(N_BINS + 1))


class HistogramSums:
    """The counts of all blocks so far; measured rows of chosen tracks, and for clips' offsets clips."""

    def __init__(self, n_datasets: int) -> None:
        self._n_datasets = n_datasets
        self._shares = {name: np.zeros((n_datasets, N_BINS), np.int64) for name in SHARES}
        self._n_null = {name: np.zeros(n_datasets, np.int64) for name in (*SHARES, *OFFSETS)}
        self._joint = np.zeros((n_datasets, N_BINS, N_BINS), np.int64)
        self.offsets = {name: OffsetCounts() for name in OFFSETS}
        """Datasets are the groups."""

    def add(self, rows: Rows) -> None:
        """Counts the rows."""
        dataset = rows.dataset[rows.is_scored]
        bins = {name: _bins(rows.numbers(name)[rows.is_scored]) for name in SHARES}
        for name, found in bins.items():
            there = found >= 0
            self._shares[name] += _table(dataset[there], found[there], self._shares[name].shape)
            self._n_null[name] += np.bincount(dataset[~there], minlength=self._n_datasets)
        x, y = bins[X_NAME], bins[Y_NAME]
        there = (x >= 0) & (y >= 0)
        cells = _table(dataset[there], y[there] * N_BINS + x[there], (self._n_datasets, N_BINS * N_BINS))
        self._joint += cells.reshape(self._joint.shape)
        self._add_offsets("offset_frames", dataset, rows.numbers("offset_frames")[rows.is_scored])
        self._add_offsets("clip_offset_frames", rows.dataset[rows.block.clip_starts], rows.of_clip("clip_offset_frames"))

    def histograms(self) -> dict[str, Histogram]:
        """By the columns' names."""
        found = {name: self._of_offsets(name) for name in OFFSETS}
        for name, title in SHARES.items():
            counts = tuple(tuple(of_it) for of_it in self._shares[name].tolist())
            found[name] = Histogram(name, title, "", _EDGES, counts, tuple(self._n_null[name].tolist()))
        return found

    def density(self) -> Density:
        """Probability at offset to the right, offscreen ratio upwards."""
        counts = tuple(tuple(tuple(row) for row in of_it) for of_it in self._joint.tolist())
        return Density(X_NAME, Y_NAME, _EDGES, _EDGES, counts)

    def n_far(self, name: str) -> int:
        """How many offsets lie outside of the histogram."""
        _, frames, counts = self.offsets[name].lines()
        return int(counts[np.abs(frames) > MOST_SHOWN_FRAMES].sum())

    def _add_offsets(self, name: str, dataset: Indices, frames: npt.NDArray[np.generic]) -> None:
        there = ~np.isnan(frames)
        self.offsets[name].add(dataset[there], frames[there])
        self._n_null[name] += np.bincount(dataset[~there], minlength=self._n_datasets)

    def _of_offsets(self, name: str) -> Histogram:
        dataset, frames, counts = self.offsets[name].lines()
        most = min(max(LEAST_SHOWN_FRAMES, int(np.abs(frames).max(initial=0))), MOST_SHOWN_FRAMES)
        near = np.abs(frames) <= most
        table = np.zeros((self._n_datasets, 2 * most + 1), np.int64)
        table[dataset[near], frames[near] + most] = counts[near]
        edges = tuple(k - 0.5 for k in range(-most, most + 2))
        return Histogram(
            name, OFFSETS[name], "images of 1/25 s", edges, tuple(map(tuple, table.tolist())), tuple(self._n_null[name].tolist())
        )


class OffsetCounts:
    """How often each offset occurs in each group."""

    def __init__(self) -> None:
        self._counts = Sparse()

    def add(self, groups: Indices, frames: npt.NDArray[np.generic]) -> None:
        """Counts one offset for each of the groups; none may be nan."""
        self._counts.add((groups << _OFFSET_BITS) + frames.astype(np.int64) + (1 << _OFFSET_BITS - 1))

    def lines(self) -> tuple[Indices, Indices, Indices]:
        """Group, offset and how often, by group, then offset."""
        keys, counts = self._counts.keys, self._counts.sums[0]
        return keys >> _OFFSET_BITS, _frames(keys), counts.astype(np.int64)

    def of_group(self, group: int) -> tuple[Indices, Indices]:
        """The group's offsets, rising, and how often."""
        keys = self._counts.keys
        first, last = np.searchsorted(keys, [group << _OFFSET_BITS, group + 1 << _OFFSET_BITS])
        return _frames(keys[first:last]), self._counts.sums[0, first:last].astype(np.int64)


def _frames(keys: Indices) -> Indices:
    return (keys & (1 << _OFFSET_BITS) - 1) - (1 << _OFFSET_BITS - 1)


def _bins(values: npt.NDArray[np.float32]) -> Indices:
    """The bin of each value from 0 to 1; -1 where there is none."""
    bins = np.searchsorted(np.array(_EDGES, np.float32), values, side="right") - 1
    bins = np.where(bins == N_BINS, np.where(values <= 1, N_BINS - 1, -1), bins)
    return np.where(np.isnan(values), -1, bins)


def _table(rows: Indices, columns: Indices, shape: tuple[int, int]) -> Indices:
    return np.bincount(rows * shape[1] + columns, minlength=shape[0] * shape[1]).reshape(shape)
