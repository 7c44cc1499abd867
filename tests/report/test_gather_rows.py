from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncqc.manifest import store
from syncqc.manifest.blocks import Block
from syncqc.report.gather_rows import crowded, time_of

sys.path.insert(0, str(Path(__file__).parent))

from made_manifest import rows_of

NAN = float("nan")


def block(rows: list[dict[str, object]]) -> Block:
    return Block(store.table_of(rows))


SPANS = st.tuples(st.integers(0, 2), st.booleans(), st.integers(0, 9), st.integers(0, 9))


@given(st.lists(SPANS, min_size=1, max_size=12))
def test_times_of_rows_add_up_to_what_they_cover_together(spans: list[tuple[int, bool, int, int]]) -> None:
    spans = sorted(spans, key=lambda span: span[0])
    of = block([{"clip_id": "a", "part_index": part, "start_s": start / 4, "end_s": end / 4} for part, _, start, end in spans])
    flags = np.array([flag for _, flag, _, _ in spans])
    time_s = time_of(of, flags)
    assert time_s.sum() == pytest.approx(of.covered_s(flags.astype(np.int64), 2)[1])
    assert (time_s[~flags] == 0).all()
    assert (time_s >= 0).all()


def test_parts_with_several_flagged_rows_are_crowded() -> None:
    of = block([{"clip_id": clip, "part_index": part} for clip, part in [("a", 0), ("a", 0), ("a", 1), ("b", 1), ("b", 1), ("b", 1)]])
    found, parts = crowded(of, np.array([True, True, True, True, False, True]))
    assert (found.tolist(), parts.tolist()) == ([0, 1, 3, 5], [0, 0, 2, 2])
    assert [len(one) for one in crowded(of, np.array([True, False, True, True, False, False]))] == [0, 0]


def test_a_clips_number_is_its_first_that_is_known() -> None:
    values = {"a": [None, 2, 3], "b": [None], "c": [0]}
    rows = rows_of([{"clip_id": clip, "clip_offset_frames": value} for clip, of_it in values.items() for value in of_it])
    np.testing.assert_array_equal(rows.of_clip("clip_offset_frames"), [2, NAN, 0])


@pytest.mark.parametrize(
    ("groups", "expected"),
    [([0, 0, 0, 0], {0: 3}), ([0, 0, 1, 0], {0: 2, 1: 1}), ([1, 0, 1, 1], {0: 1, 1: 3})],
    ids=["one", "by clip", "within a clip"],
)
def test_clips_are_counted_once_in_each_group_that_a_row_of_them_is_in(groups: list[int], expected: dict[int, int]) -> None:
    rows = rows_of([{"clip_id": clip} for clip in ("a", "a", "b", "c")])
    found, n_clips = rows.clips_in(np.array(groups))
    assert dict(zip(found.tolist(), n_clips.tolist(), strict=True)) == expected


def test_a_group_that_comes_back_within_a_clip_counts_the_clip_once() -> None:
    rows = rows_of([{"clip_id": "a", "part_index": part} for part in range(3)])
    assert [column.tolist() for column in rows.clips_in(np.array([4, 7, 4]))] == [[4, 7], [1, 1]]


def test_what_the_default_filter_keeps_is_measured_and_what_failed_is_not() -> None:
    good = {"part_index": 0, "start_s": 0.0, "end_s": 2.0, "is_chosen_track": True, "probability_at_offset": 0.95, "offscreen_ratio": 0.1}
    rows = rows_of(
        [
            good | {"clip_id": "a"}, good | {"clip_id": "b", "probability_at_offset": 0.2}, good | {"clip_id": "c", "failure": "silent"},
            good | {"clip_id": "d", "offscreen_ratio": None}, good | {"clip_id": "e", "is_chosen_track": None},
        ]
    )  # fmt: skip
    assert rows.is_failed.tolist() == [False, False, True, False, False]
    assert rows.is_scored.tolist() == [True, True, False, True, False]
    assert rows.is_measured.tolist() == [True, True, False, False, False]
    assert rows.is_kept.tolist() == [True, False, False, False, False]
    assert rows.kept_s.tolist() == [2, 0, 0, 0, 0]
    assert rows.time_s.tolist() == [2, 2, 2, 2, 0]
    assert rows.block.column("failure").type == pa.string()
