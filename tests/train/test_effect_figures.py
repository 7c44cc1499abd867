from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from syncqc.measure.calibration import Calibration
from syncqc.measure.sync import Sync, measure
from syncqc.train.effect_figures import (
    Numbers,
    Pair,
    TurnedRow,
    effect,
    head_turns,
    kept_share,
    median_change_interval95,
    passes,
    turn_name,
)

MATRIX = np.where(np.arange(31)[:, None] == 15, 0.4, 0.0) * np.ones((31, 40))
MEASURED = measure(MATRIX, np.ones((31, 40), np.bool_), 0.1)
RISES = Calibration(("margin",), (1.0,), 0.0)


def sync(p: float = 0.95, offset: int = 0, offscreen: float = 0.0, margin: float = 0.3) -> Sync:
    """Numbers as they come from a matrix, with those that matter here replaced."""
    assert MEASURED is not None
    return replace(MEASURED, probability_at_offset=p, offset_frames=offset, offscreen_ratio=offscreen, margin=margin)


def numbers(p: float = 0.95, offset: int = 0, foreign: tuple[float, ...] = (0.3,), **more: float) -> Numbers:
    return Numbers(sync(p, offset, **more), [sync(value) for value in foreign])


def pair(before: Numbers, after: Numbers, speaker: str = "a") -> Pair:
    return Pair(speaker, before, after)


def test_nothing_disturbed_changes_nothing() -> None:
    rows = [pair(numbers(0.95 - i / 100), numbers(0.95 - i / 100), f"s{i}") for i in range(5)]
    found = effect(rows, RISES)
    assert (found["n_rows"], found["n_measured"], found["lost"]) == (5, 5, {})
    assert (found["offset_agrees"], found["offset_agrees_interval95"]) == (1.0, [1.0, 1.0])
    assert found["median_probability_at_offset"] == pytest.approx(0.93)
    assert found["median_probability_at_offset_change"] == 0
    assert found["median_probability_at_offset_change_interval95"] == [0, 0]
    assert (found["pass_share_before"], found["pass_share"], found["pass_share_change"]) == (1.0, 1.0, 0.0)
    assert (found["foreign_auc_before"], found["foreign_auc"]) == (1.0, 1.0)


def test_offsets_agree_within_the_tolerance() -> None:
    rows = [pair(numbers(offset=2), numbers(offset=offset)) for offset in (1, 2, 3, 4, -9)]
    assert effect(rows, None)["offset_agrees"] == pytest.approx(3 / 5)
    assert effect(rows, None, tolerance_images=2)["offset_agrees"] == pytest.approx(4 / 5)
    assert effect(rows, None)["mean_offset_change_images"] == pytest.approx((-1 + 0 + 1 + 2) / 4), "the lost one tells of no delay"


def test_lost_rows_are_counted_by_reason_and_pass_nothing() -> None:
    lost = [Numbers(None, failure=reason) for reason in ("no_face", "no_face", "not_made")]
    found = effect([pair(numbers(), numbers()), *(pair(numbers(), one) for one in lost)], None)
    assert found["lost"] == {"no_face": 2, "not_made": 1}
    assert (found["n_rows"], found["n_measured"], found["offset_agrees"]) == (4, 1, 1.0)
    assert (found["pass_share_before"], found["pass_share"], found["pass_share_change"]) == (1.0, 0.25, -0.75)
    assert kept_share(found) == 0.25


def test_medians_and_their_change() -> None:
    before, after = (0.9, 0.8, 0.7), (0.6, 0.9, 0.2)
    rows = [pair(numbers(b, margin=b), numbers(a, margin=a)) for b, a in zip(before, after, strict=True)]
    found = effect(rows, RISES)
    assert found["median_probability_at_offset_change"] == pytest.approx(0.6 - 0.8)
    assert found["median_probability_in_sync"] == pytest.approx(1 / (1 + np.exp(-0.6)))
    assert found["median_probability_at_offset_change_interval95"] is None, "one speaker"
    assert effect(rows, None)["median_probability_in_sync"] is None, "no calibration"


def test_own_and_foreign_are_compared_on_rows_that_have_both_before_and_after() -> None:
    rows = [
        pair(numbers(0.9, foreign=(0.5, 0.3)), numbers(0.6, foreign=(0.7, 0.2))),
        pair(numbers(0.1, foreign=(0.9,)), numbers(0.1, foreign=())),
        pair(numbers(0.1, foreign=(0.9,)), Numbers(None, failure="no_face")),
    ]
    found = effect(rows, None)
    assert (found["foreign_auc_before"], found["foreign_auc"]) == (1.0, 0.5)


def test_without_rows_nothing_is_said() -> None:
    found = effect([], RISES)
    nothing = ("offset_agrees", "median_probability_at_offset_change", "pass_share", "foreign_auc", "median_probability_in_sync_before")
    assert [found[key] for key in nothing] == [None] * 5
    assert (found["n_rows"], kept_share(found)) == (0, 0.0)


def test_the_range_of_a_change_draws_the_same_speakers_for_both_sides() -> None:
    speakers = ["a", "b", "c", "d"]
    before = [0.9, 0.5, 0.3, 0.1]
    assert median_change_interval95(before, [value - 0.1 for value in before], speakers) == pytest.approx([-0.1, -0.1])
    low, high = median_change_interval95(before, [0.1, 0.3, 0.5, 0.9], speakers) or []
    assert low < 0 < high


@pytest.mark.parametrize(
    ("p", "offscreen", "good"), [(0.9, 0.2, True), (0.89, 0.0, False), (0.99, 0.21, False)], ids=["corner", "unsure", "offscreen"]
)
def test_what_passes(p: float, offscreen: float, good: bool) -> None:
    assert passes(sync(p, offscreen=offscreen)) is good


def test_a_lost_row_does_not_pass() -> None:
    assert not passes(None)


@pytest.mark.parametrize(
    ("yaw", "name"), [(0, "frontal"), (-9.9, "frontal"), (10, "half"), (-24.9, "half"), (25, "strong"), (-90, "strong")]
)
def test_groups_of_turns(yaw: float, name: str) -> None:
    assert turn_name(yaw) == name


def test_turned_heads_are_judged_by_group() -> None:
    same, apart = (sync(), sync(offset=1)), (sync(), sync(offset=2))
    rows = [
        TurnedRow("a", 3, numbers(0.95), same),
        TurnedRow("b", -5, numbers(0.5, foreign=(0.6,)), apart),
        TurnedRow("a", -20, numbers(0.8), None),
    ]
    frontal, half, strong = head_turns(rows, RISES)
    assert [group["turn"] for group in (frontal, half, strong)] == ["frontal", "half", "strong"]
    assert (frontal["n_rows"], frontal["n_speakers"], frontal["median_yaw_deg"]) == (2, 2, 4)
    assert (frontal["halves_agree"], frontal["pass_share"], frontal["foreign_auc"]) == (0.5, 0.5, 0.75)
    assert (half["n_rows"], half["halves_agree"], half["median_probability_at_offset"]) == (1, None, 0.8)
    assert (strong["n_rows"], strong["median_probability_in_sync"], strong["foreign_auc"]) == (0, None, None)
