from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from syncqc.report.gather_histograms import OffsetCounts
from syncqc.report.gather_rows import Rows
from syncqc.report.gathered import OwnOffsets
from syncqc.report.tables_offsets import HEADS, OwnOffsetSums, offsets_table

sys.path.insert(0, str(Path(__file__).parent))

from made_manifest import rows_of


def rows(pairs: list[tuple[int | None, int | None]], dataset: list[int]) -> Rows:
    lines: list[dict[str, Any]] = [
        {"clip_id": f"{i:02d}", "dataset_offset_frames": theirs, "clip_offset_frames": ours} for i, (theirs, ours) in enumerate(pairs)
    ]
    return rows_of(lines, dataset)


def test_a_datasets_own_offsets_stand_against_ours_with_their_bias_taken_off() -> None:
    sums = OwnOffsetSums()
    # Ours minus theirs: 1, 1, 2, -6, and in the other dataset 0; the clips that lack one do not count.
    sums.add(rows([(3, 4), (3, 4), (-2, 0), (8, 2), (None, 1), (1, None)], [0] * 6))
    sums.add(rows([(0, 0)], [1]))
    assert sums.own_offsets(("vox", "lrs")) == (
        OwnOffsets("vox", ((3, 4, 2), (-2, 0, 1), (8, 2, 1)), 3, 4, 1.0),
        OwnOffsets("lrs", ((0, 0, 1),), 1, 1, 0.0),
    )


def test_datasets_without_offsets_of_their_own_are_not_there() -> None:
    sums = OwnOffsetSums()
    sums.add(rows([(None, 3)], [0]))
    assert sums.own_offsets(("vox",)) == ()


def test_offsets_of_clips_have_a_middle_and_a_spread() -> None:
    of_clips = OffsetCounts()
    of_clips.add(np.zeros(8, np.int64), np.array([1, 1, 1, 1, 2, 3, -9, 0]))
    found = offsets_table(of_clips, ("vox", "none"))
    assert found.groups[0].numbers == {
        "n_clips": 8, "median_frames": 1, "lower_frames": 0.5, "upper_frames": 1.5, "near_zero_share": 0.625, "near_median_share": 0.75,
    }  # fmt: skip
    assert found.groups[1].numbers == pytest.approx(dict.fromkeys(HEADS) | {"n_clips": 0})
    assert set(found.heads) == set(found.groups[0].numbers)
