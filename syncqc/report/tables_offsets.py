"""Offsets of whole clips: how each dataset lies, how far it spreads, and what it says of itself where it ships offsets.

Knows rows; no files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from syncqc.report.gather_histograms import OffsetCounts
from syncqc.report.gather_rows import Rows
from syncqc.report.gathered import Group, GroupTable, OwnOffsets
from syncqc.report.sums import Sparse, quantile

NEAR_FRAMES = 1
COLUMNS = ("clip_offset_frames", "dataset_offset_frames")
MOST_PAIRS = 2_000
_FRAME_BITS = 24
_MASK = (1 << _FRAME_BITS) - 1
_ZERO = 1 << _FRAME_BITS - 1

HEADS = {
    "n_clips": "clips with an offset",
    "median_frames": "median, images",
    "lower_frames": "lower quartile",
    "upper_frames": "upper quartile",
    "near_zero_share": "share within 1 image of 0",
    "near_median_share": "share within 1 image of the median",
}


class OwnOffsetSums:
    """How often clips have this offset by their dataset and that one by us."""

    def __init__(self) -> None:
        self._pairs = Sparse()

    def add(self, rows: Rows) -> None:
        """Counts the clips that have both."""
        theirs, ours = rows.of_clip("dataset_offset_frames"), rows.of_clip("clip_offset_frames")
        there = ~(np.isnan(theirs) | np.isnan(ours)) & (np.abs(theirs) < _ZERO) & (np.abs(ours) < _ZERO)
        dataset = rows.dataset[rows.block.clip_starts][there]
        packed = (theirs[there].astype(np.int64) + _ZERO << _FRAME_BITS) + ours[there].astype(np.int64) + _ZERO
        self._pairs.add((dataset << 2 * _FRAME_BITS) + packed)

    def own_offsets(self, datasets: Sequence[str]) -> tuple[OwnOffsets, ...]:
        """Of each dataset that has any; its most frequent pairs."""
        keys, counts = self._pairs.keys, self._pairs.sums[0].astype(np.int64)
        found = []
        for place, name in enumerate(datasets):
            of_it = keys >> 2 * _FRAME_BITS == place
            if of_it.any():
                theirs = (keys[of_it] >> _FRAME_BITS & _MASK) - _ZERO
                found.append(_own_offsets(name, theirs, (keys[of_it] & _MASK) - _ZERO, counts[of_it]))
        return tuple(found)


def offsets_table(of_clips: OffsetCounts, datasets: Sequence[str]) -> GroupTable:
    """One line per dataset; `of_clips` has the datasets as its groups."""
    lines = tuple(Group(name, name, _numbers(*of_clips.of_group(place))) for place, name in enumerate(datasets))
    return GroupTable("offsets", "offsets of whole clips", HEADS, lines, 0)


def _own_offsets(name: str, theirs: npt.NDArray[np.int64], ours: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> OwnOffsets:
    differences = ours - theirs
    order = np.argsort(differences, kind="stable")
    bias = quantile(differences[order], counts[order], 0.5) or 0.0
    n_agreeing = int(counts[np.abs(differences - bias) <= NEAR_FRAMES].sum())
    most = np.argsort(-counts, kind="stable")[:MOST_PAIRS]
    pairs = tuple(zip(theirs[most].tolist(), ours[most].tolist(), counts[most].tolist(), strict=True))
    return OwnOffsets(name, pairs, n_agreeing, int(counts.sum()), bias)


def _numbers(frames: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> Mapping[str, float | None]:
    n_clips = int(counts.sum())
    median = quantile(frames, counts, 0.5)
    return {
        "n_clips": float(n_clips),
        "median_frames": median,
        "lower_frames": quantile(frames, counts, 0.25),
        "upper_frames": quantile(frames, counts, 0.75),
        "near_zero_share": _near(frames, counts, 0.0),
        "near_median_share": None if median is None else _near(frames, counts, median),
    }


def _near(frames: npt.NDArray[np.int64], counts: npt.NDArray[np.int64], middle: float) -> float | None:
    n_clips = int(counts.sum())
    return float(counts[np.abs(frames - middle) <= NEAR_FRAMES].sum()) / n_clips if n_clips else None
