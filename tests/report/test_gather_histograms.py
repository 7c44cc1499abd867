from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from syncqc.report.gather_histograms import MOST_SHOWN_FRAMES, HistogramSums, OffsetCounts

sys.path.insert(0, str(Path(__file__).parent))

from made_manifest import rows_of


def row(clip_id: str, **more: object) -> dict[str, object]:
    return {"clip_id": clip_id, "part_index": 0, "is_chosen_track": True} | more


def summed(rows: list[dict[str, object]], dataset: list[int], n_datasets: int = 2) -> HistogramSums:
    sums = HistogramSums(n_datasets)
    sums.add(rows_of(rows, dataset))
    return sums


def test_shares_fall_into_the_bin_whose_lower_edge_they_reach() -> None:
    values = [0.0, 0.01, 0.02, 0.8999, 0.9, 1.0, None]
    rows = [row(f"{i}", probability_at_offset=value) for i, value in enumerate(values)]
    found = summed([*rows, row("x", probability_at_offset=0.5, failure="silent"), row("y", is_chosen_track=False)], [0] * 7 + [1] * 2)
    histogram = found.histograms()["probability_at_offset"]
    counts = np.array(histogram.counts)
    assert histogram.edges[45] == 0.9
    assert counts[0, [0, 1, 44, 45, 49]].tolist() == [2, 1, 1, 1, 1]
    assert counts.sum(axis=1).tolist() == [6, 0]
    assert histogram.n_null == (1, 0)


def test_offsets_have_a_bin_per_image_as_far_as_they_reach() -> None:
    rows = [row("a", offset_frames=-3), row("b", offset_frames=20), row("c", offset_frames=20), row("d", offset_frames=None)]
    histogram = summed(rows, [0, 1, 1, 1]).histograms()["offset_frames"]
    assert (histogram.edges[0], histogram.edges[-1]) == (-20.5, 20.5)
    counts = np.array(histogram.counts)
    assert counts[0, 17] == 1
    assert counts[1, 40] == 2
    assert counts.sum() == 3
    assert histogram.n_null == (0, 1)


def test_far_offsets_are_counted_apart() -> None:
    sums = summed([row("a", offset_frames=MOST_SHOWN_FRAMES + 1), row("b", offset_frames=-MOST_SHOWN_FRAMES)], [0, 0])
    assert sums.n_far("offset_frames") == 1
    assert np.array(sums.histograms()["offset_frames"].counts).sum() == 1


def test_clips_count_once_and_under_their_first_rows_dataset() -> None:
    rows = [row("a", clip_offset_frames=None), row("a", part_index=1, clip_offset_frames=2), row("b", clip_offset_frames=None)]
    histogram = summed(rows, [0, 1, 1]).histograms()["clip_offset_frames"]
    assert np.array(histogram.counts).sum(axis=1).tolist() == [1, 0]
    assert histogram.counts[0][17] == 1
    assert histogram.n_null == (0, 1)


def test_the_density_has_both_columns_of_rows_that_have_both() -> None:
    rows = [
        row("a", probability_at_offset=0.9, offscreen_ratio=0.2), row("b", probability_at_offset=1.0, offscreen_ratio=1.0),
        row("c", probability_at_offset=0.9), row("d", offscreen_ratio=0.2),
    ]  # fmt: skip
    density = summed(rows, [0, 1, 1, 1]).density()
    counts = np.array(density.counts)
    assert counts.sum() == 2
    assert counts[0, density.y_edges.index(0.2), density.x_edges.index(0.9)] == 1
    assert counts[1, -1, -1] == 1


def test_offsets_of_a_group_come_back_rising() -> None:
    counts = OffsetCounts()
    counts.add(np.array([5, 0, 5, 5]), np.array([3.0, 7.0, -2.0, 3.0]))
    assert [column.tolist() for column in counts.of_group(5)] == [[-2, 3], [1, 2]]
    assert [column.tolist() for column in counts.of_group(0)] == [[7], [1]]
    assert [column.tolist() for column in counts.of_group(1)] == [[], []]
    assert [column.tolist() for column in counts.lines()] == [[0, 5, 5], [7, -2, 3], [1, 1, 2]]
