from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncqc.manifest.row import Row
from syncqc.stages.pool import PoolClip


def row(part: int, p: float | None, offset: int | None = 0, track: int | None = 0, peak: float = 0.5, **more: object) -> Row:
    """A measured row; its curve over 41 shifts is flat but for its offset."""
    measured = {"offset_frames": offset, "probability_in_sync": p, "margin": 0.1, "n_windows": 100, "is_offset_at_edge": False}
    curve = [peak if offset == 20 - shift else 0.0 for shift in range(41)]
    return {"part_index": part, "track_index": track, "similarity": curve, **measured, **more}


def failed(part: int, failure: str = "no_face") -> Row:
    return {"part_index": part, "failure": failure}


def pooled(*rows: Row) -> tuple[Any, Any, Any]:
    done = PoolClip()(list(rows))
    ((offset, probability, drifting),) = {
        (r["clip_offset_frames"], r["clip_probability_in_sync"], r["is_offset_drifting"]) for r in done
    }  # equal in all rows
    return offset, probability, drifting


@pytest.mark.parametrize(
    ("rows", "chosen"),
    [
        ([row(0, 0.3), row(0, 0.9, track=1)], [False, True]),
        ([row(0, 0.9, margin=0.1), row(0, 0.9, margin=0.2, track=1)], [False, True]),
        ([row(0, 0.9), row(0, 0.9, track=1)], [True, False]),
        ([row(0, 0.9, failure="too_short"), row(0, 0.1, track=1)], [False, True]),
        ([failed(0), row(1, 0.1)], [None, True]),
        ([row(0, 0.9, failure="too_short", track=0), row(0, None, None, failure="too_short", track=1)], [None, None]),
        ([row(0, None, margin=0.1), row(0, None, margin=0.3, track=1)], [False, True]),
    ],
    ids=["probability", "margin", "first", "failed track", "failed part", "nothing measured", "no calibration"],
)
def test_the_best_synced_measured_track_of_each_part_is_chosen(rows: list[Row], chosen: list[bool | None]) -> None:
    assert [r["is_chosen_track"] for r in PoolClip()(rows)] == chosen


NOTE = "no face where the dataset's list says"
LISTED, OTHER = {"is_listed_face": True}, {"is_listed_face": False}


@pytest.mark.parametrize(
    ("rows", "chosen", "details"),
    [
        ([row(0, 0.99, **OTHER), row(0, 0.1, track=1, **LISTED)], [False, True], [None, None]),
        ([row(0, 0.1, **LISTED), row(0, 0.99, track=1, **OTHER)], [True, False], [None, None]),
        (
            [row(0, None, None, failure="too_short", detail="9 images", **LISTED), row(0, 0.9, track=1, **OTHER)],
            [None, False],
            ["9 images", None],
        ),
        ([row(0, 0.2, **OTHER), row(0, 0.9, track=1, detail="late", **OTHER)], [False, True], [NOTE, f"late; {NOTE}"]),
        ([row(0, None, None, failure="too_short", **OTHER)], [None], [NOTE]),
        ([row(0, 0.9, **OTHER), row(1, 0.2, **LISTED), row(1, 0.9, track=1, **OTHER)], [True, True, False], [NOTE, None, None]),
        ([{**failed(0), **LISTED}, failed(1)], [None, None], [None, None]),
    ],
    ids=[
        "though worse synced",
        "as well as the best",
        "not measured",
        "nobody there",
        "nobody there, nothing measured",
        "in one part only",
        "all failed",
    ],
)
def test_the_face_that_the_list_points_at_is_chosen_whatever_its_sync(
    rows: list[Row], chosen: list[bool | None], details: list[str | None]
) -> None:
    done = PoolClip()(rows)
    assert [r["is_chosen_track"] for r in done] == chosen
    assert [r.get("detail") for r in done] == details


def test_the_clips_offset_is_that_of_the_listed_face() -> None:
    # The other face is surer of another offset in part 0, and alone in part 1, where the listed one could not be measured.
    lost = row(1, None, None, failure="too_short", **LISTED)
    assert pooled(row(0, 0.9, 3, **LISTED), row(0, 0.99, 7, track=1, **OTHER), lost, row(1, 0.99, 7, track=1, **OTHER)) == (
        3,
        pytest.approx(0.9),
        False,
    )


@pytest.mark.parametrize(
    ("rows", "offset", "is_drifting"),
    [
        ([row(0, 0.9, 3)], 3, False),
        ([row(0, 0.9, 3), row(1, 0.9, 3), row(2, 0.9, 4)], 3, False),
        ([row(0, 0.9, 3, n_windows=50), row(1, 0.9, 5, n_windows=60)], 5, True),
        ([row(0, 0.9, -2), row(1, 0.9, 2)], -2, True),
        ([row(0, 0.9, 3), row(1, 0.5, 9)], 3, False),
        ([row(0, 0.9, 3), row(1, 0.9, 15, is_offset_at_edge=True)], 3, False),
        ([row(0, 0.9, 3), row(0, 0.85, 9, track=1)], 3, False),
        ([row(0, 0.9, 3, peak=0.1), row(1, 0.9, 3, peak=0.1), row(2, 0.9, 7, peak=0.4)], 7, True),
        ([row(0, 0.79, 3)], 3, None),
        ([row(0, None, 3)], 3, None),
        ([failed(0), failed(1)], None, None),
    ],
    ids=[
        "one",
        "most",
        "weighted",
        "tie",
        "not confident",
        "at the edge",
        "other track",
        "flat curves have less say",
        "none confident",
        "no calibration",
        "all failed",
    ],
)
def test_the_clips_offset_is_voted_by_confident_parts(rows: list[Row], offset: int | None, is_drifting: bool | None) -> None:
    voted, _, drifting = pooled(*rows)
    assert (voted, drifting) == (offset, is_drifting)


def test_curves_of_different_reach_are_laid_over_each_other_by_offset() -> None:
    narrow = row(0, 0.9, 2, similarity=[None, 0.1, 0.4, 0.1, 0.0])  # best shift 2 of w = 2 stands for offset 2: the zero is -2
    wide = row(1, 0.9, 3, n_windows=120)
    assert pooled(narrow, wide)[0] == 3
    assert pooled(narrow, {**wide, "n_windows": 60})[0] == 2


def test_probabilities_are_pooled_as_logits_weighted_by_windows() -> None:
    _, probability, _ = pooled(row(0, 0.9, n_windows=100), row(1, 0.99, n_windows=300), row(2, 0.1))
    logit = (math.log(9) * 100 + math.log(99) * 300) / 400
    assert probability == pytest.approx(1 / (1 + math.exp(-logit)))


def test_without_a_confident_part_all_chosen_tracks_are_pooled() -> None:
    _, probability, _ = pooled(row(0, 0.2), row(0, 0.1, track=1), row(1, 0.8, is_offset_at_edge=True))
    assert probability == pytest.approx(1 / (1 + math.exp(-(math.log(0.25) + math.log(4)) / 2)))


def test_nothing_measured_gives_no_probability() -> None:
    assert pooled(failed(0))[1] is None


@given(ps=st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_the_pooled_probability_lies_among_those_it_pools(ps: list[float]) -> None:
    _, probability, _ = pooled(*[row(i, p) for i, p in enumerate(ps)])
    assert min(ps) - 1e-5 <= probability <= max(ps) + 1e-5


def test_the_rows_stay_in_their_order_with_what_they_held() -> None:
    rows = [row(1, 0.2), failed(0), row(1, 0.3, track=1)]
    assert [{name: after[name] for name in before} for before, after in zip(rows, PoolClip()(rows), strict=True)] == rows
