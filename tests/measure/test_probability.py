from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncqc.measure.probability import (
    best_cosines,
    offscreen_ratio,
    probability_at_offset,
    probability_map,
    sigmoid,
    smooth,
    window_probability,
)
from syncqc.measure.settings import MeasureSettings

NAN = np.nan
ALONG_OFFSET = MeasureSettings(smooth_along="offset")


def everywhere(similarity: np.ndarray) -> np.ndarray:
    return np.ones(similarity.shape, np.bool_)


def test_sigmoid_of_known_values() -> None:
    # 1 / (1 + e^-ln 3) = 3/4; far out it neither overflows nor leaves 0-1
    np.testing.assert_allclose(sigmoid(np.array([0.0, math.log(3), -math.log(3), 1e6, -1e6])), [0.5, 0.75, 0.25, 1.0, 0.0])
    assert np.isnan(sigmoid(NAN))


def test_probability_map_is_the_sigmoid_over_tau_where_cells_count() -> None:
    similarity = np.array([[0.0, 0.1], [-0.1, 0.5]])
    is_valid = np.array([[True, True], [True, False]])
    # tau = 0.1 / ln 3: 0.1 / tau = ln 3
    np.testing.assert_allclose(probability_map(similarity, is_valid, 0.1 / math.log(3)), [[0.5, 0.75], [0.25, NAN]])


def test_smoothing_along_time_by_default() -> None:
    similarity = np.array([[4.0, 0.0, 8.0, 4.0], [0.0, 0.0, 0.0, 0.0]])
    # inside: (4 + 2*0 + 8)/4 = 3, (0 + 2*8 + 4)/4 = 5; at the ends two weights are left: (2*4 + 0)/3 = 8/3, (8 + 2*4)/3 = 16/3
    # the row of zeros takes nothing from its neighbour
    np.testing.assert_allclose(smooth(similarity, everywhere(similarity)), [[8 / 3, 3, 5, 16 / 3], [0, 0, 0, 0]])


def test_smoothing_along_offset_as_an_option() -> None:
    similarity = np.array([[4.0, 0.0], [0.0, 0.0], [8.0, 0.0], [4.0, 0.0]])
    # the same numbers, standing up; the column of zeros takes nothing from its neighbour
    np.testing.assert_allclose(smooth(similarity, everywhere(similarity), ALONG_OFFSET), [[8 / 3, 0], [3, 0], [5, 0], [16 / 3, 0]])


@pytest.mark.parametrize("hidden", [NAN, np.inf, 99.0], ids=["nan", "inf", "number"])
def test_smoothing_never_reads_a_cell_that_does_not_count(hidden: float) -> None:
    similarity = np.array([[3.0, 6.0, hidden, 9.0, hidden]])
    is_valid = np.array([[True, True, False, True, False]])
    # window 0: (2*3 + 6)/3 = 4; window 1: (3 + 2*6)/3 = 5; window 3 has no neighbour that counts: itself
    np.testing.assert_allclose(smooth(similarity, is_valid), [[4, 5, NAN, 9, NAN]])


@pytest.mark.parametrize("settings", [MeasureSettings(), ALONG_OFFSET], ids=["time", "offset"])
@given(value=st.floats(-1, 1), bits=st.lists(st.booleans(), min_size=15, max_size=15))
def test_smoothing_leaves_a_constant_alone_whatever_counts(settings: MeasureSettings, value: float, bits: list[bool]) -> None:
    is_valid = np.array(bits).reshape(3, 5)
    np.testing.assert_allclose(smooth(np.full((3, 5), value), is_valid, settings), np.where(is_valid, value, NAN), atol=1e-12)


@pytest.mark.parametrize(
    ("shift", "expected"),
    [
        pytest.param(2, [0.7, 0.9, 0.3, NAN], id="rows 1 2 3"),
        pytest.param(0, [0.7, 0.9, 0.1, NAN], id="rows 0 1 at the upper border"),
        pytest.param(4, [0.8, 0.4, 0.6, 0.5], id="rows 3 4 at the lower border"),
    ],
)
def test_best_cosine_within_one_of_the_shift(shift: int, expected: list[float]) -> None:
    smoothed = np.array(
        [
            [0.2, 0.0, 0.1, NAN],
            [0.7, 0.9, NAN, NAN],
            [0.1, 0.2, 0.3, NAN],
            [0.0, 0.4, -0.5, NAN],
            [0.8, NAN, 0.6, 0.5],
        ]
    )
    np.testing.assert_allclose(best_cosines(smoothed, shift), expected)


def test_best_cosine_may_be_negative() -> None:
    np.testing.assert_allclose(best_cosines(np.array([[-0.5], [-0.2], [-0.9]]), 1), [-0.2])


def test_window_probability_keeps_windows_that_were_not_measured_null() -> None:
    np.testing.assert_allclose(window_probability(np.array([0.0, 0.2 * math.log(3), NAN]), tau=0.2), [0.5, 0.75, NAN])


def test_probability_at_offset_is_of_the_mean_cosine_not_the_mean_probability() -> None:
    # mean of (0, 0.4, not measured) is 0.2; 0.2 / tau = ln 3 with tau = 0.2 / ln 3; the mean probability would be (0.5 + 0.9) / 2 = 0.7
    assert probability_at_offset(np.array([0.0, 0.4, NAN]), tau=0.2 / math.log(3)) == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("probabilities", "expected"),
    [
        pytest.param([0.9, 0.1, 0.7, 0.65], 0.5, id="two of four are below 0.66"),
        pytest.param([0.66, 0.66], 0.0, id="0.66 itself is on screen"),
        pytest.param([0.9, NAN, 0.1, NAN], 0.5, id="not measured is in neither count"),
        pytest.param([0.1, 0.2], 1.0, id="all"),
    ],
)
def test_offscreen_ratio(probabilities: list[float], expected: float) -> None:
    assert offscreen_ratio(np.array(probabilities)) == pytest.approx(expected)


def test_offscreen_ratio_follows_its_threshold() -> None:
    assert offscreen_ratio(np.array([0.6, 0.8]), MeasureSettings(onscreen_threshold=0.5)) == 0.0


def test_nothing_measured_is_no_number() -> None:
    nothing = np.full(3, NAN)
    assert math.isnan(offscreen_ratio(nothing))
    assert math.isnan(probability_at_offset(nothing, tau=0.1))


@given(st.lists(st.one_of(st.floats(0, 1), st.just(NAN)), min_size=1).filter(lambda p: not all(map(math.isnan, p))))
def test_offscreen_ratio_is_a_share_of_the_measured_windows(probabilities: list[float]) -> None:
    n_measured = sum(not math.isnan(p) for p in probabilities)
    ratio = offscreen_ratio(np.array(probabilities))
    assert 0 <= ratio <= 1
    assert ratio * n_measured == pytest.approx(round(ratio * n_measured))
