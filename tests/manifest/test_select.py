from __future__ import annotations

import pytest

from syncqc.manifest.row import Row
from syncqc.manifest.select import Thresholds, is_in_time

GOOD: Row = {"is_chosen_track": True, "probability_at_offset": 0.9, "offscreen_ratio": 0.2}


@pytest.mark.parametrize(
    ("change", "is_good"),
    [
        ({}, True),
        ({"probability_at_offset": 0.8999}, False),
        ({"offscreen_ratio": 0.2001}, False),
        ({"is_chosen_track": False}, False),
        ({"is_chosen_track": None}, False),
        ({"probability_at_offset": None}, False),
        ({"offscreen_ratio": None}, False),
    ],
    ids=["both at the limit", "improbable", "offscreen", "other track", "no track", "no probability", "no ratio"],
)
def test_a_row_is_good_within_both_thresholds_and_only_if_measured(change: Row, is_good: bool) -> None:
    assert Thresholds().is_good(GOOD | change) is is_good


def test_thresholds_can_be_chosen() -> None:
    assert not Thresholds(p=0.95).is_good(GOOD)
    assert Thresholds(p=0.5, offscreen=0.5).is_good(GOOD | {"probability_at_offset": 0.6, "offscreen_ratio": 0.4})


@pytest.mark.parametrize(("offset", "in_time"), [(0, True), (1, True), (-1, True), (2, False), (-2, False), (None, False)])
def test_one_image_early_or_late_is_in_time(offset: int | None, in_time: bool) -> None:
    assert is_in_time({"offset_frames": offset}) is in_time
