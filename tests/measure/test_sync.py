from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncqc.measure.decision import Decision
from syncqc.measure.settings import MeasureSettings
from syncqc.measure.similarity import similarity_matrix, validity
from syncqc.measure.sync import Sync, measure

TAU = 0.1


def talk(n: int, w: int, lead: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Similarity and validity of n windows whose sound comes `lead` images early (late where negative).

    Window j shows the mouth of moment j. Sound that leads by 3 holds at time i what belongs to moment i + 3.
    """
    moments = np.random.default_rng(seed).normal(size=(n + 2 * w + 2 * abs(lead), 24))
    moment_of_window_0 = w + abs(lead)
    video = moments[moment_of_window_0 : moment_of_window_0 + n]
    first_sound = moment_of_window_0 - w + lead
    audio = moments[first_sound : first_sound + n + 2 * w]
    return similarity_matrix(video, audio), validity(np.ones(n + 2 * w, np.bool_), w)


def measured(similarity: np.ndarray, is_valid: np.ndarray | None = None, **options: object) -> Sync:
    result = measure(similarity, np.ones(similarity.shape, np.bool_) if is_valid is None else is_valid, TAU, **options)  # type: ignore[arg-type]
    assert result is not None
    return result


@pytest.mark.parametrize(
    ("lead", "offset"),
    [
        pytest.param(3, 3, id="sound leads by 3"),
        pytest.param(-4, -4, id="sound is 4 late"),
        pytest.param(0, 0, id="in sync"),
        pytest.param(14, 14, id="inside the edge"),
    ],
)
def test_sign_of_the_offset(lead: int, offset: int) -> None:
    result = measured(*talk(n=40, w=15, lead=lead))
    assert (result.offset_frames, result.is_offset_at_edge) == (offset, False)
    assert result.shift == 15 - offset
    assert result.margin > 0.8
    assert result.offscreen_ratio == 0
    assert result.onscreen_windows == [(0, 40)]


@pytest.mark.parametrize("lead", [15, -15])
def test_an_offset_at_the_edge_says_so_and_a_larger_search_settles_it(lead: int) -> None:
    at_edge = measured(*talk(n=60, w=15, lead=lead))
    assert (at_edge.offset_frames, at_edge.is_offset_at_edge) == (lead, True)
    searched_again = measured(*talk(n=60, w=30, lead=lead))
    assert (searched_again.offset_frames, searched_again.is_offset_at_edge) == (lead, False)


def test_the_zero_of_the_checkpoint_is_taken_off() -> None:
    result = measured(*talk(n=40, w=15, lead=3), zero_offset_frames=1)
    assert (result.offset_frames, result.shift) == (2, 12)


def test_every_number_of_a_small_matrix_by_hand() -> None:
    # w = 1, n = 4, tau = 0.1 / ln 3, so that sigmoid(0.1 / tau) = 3/4 and sigmoid(0.2 / tau) = 9/10
    similarity = np.array(
        [
            [0.0, 0.0, 0.0, 0.0],  # mean 0
            [0.2, 0.2, 0.2, -0.2],  # mean 0.1, the best: offset 0
            [-0.3, -0.3, -0.3, -0.3],  # mean -0.3
        ]
    )
    # smoothed row 1: (2*.2 + .2)/3 = .2, .2, (.2 + .4 - .2)/4 = .1, (.2 - .4)/3 = -.0667; rows 0 and 2 stay 0 and -0.3
    # best of the three rows: .2, .2, .1, 0 -> probabilities .9, .9, .75, .5; mean cosine .125 -> sigmoid(1.25 ln 3) = 3^1.25/(1 + 3^1.25)
    tau = 0.1 / math.log(3)
    result = measure(similarity, np.ones((3, 4), np.bool_), tau, settings=MeasureSettings(min_windows=1))
    assert result is not None
    assert (result.offset_frames, result.shift, result.n_windows, result.is_offset_at_edge) == (0, 1, 4, False)
    np.testing.assert_allclose(result.curve, [0, 0.1, -0.3], atol=1e-12)
    assert result.margin == pytest.approx(0.1)  # 0.1 - median(-0.3, 0, 0.1)
    np.testing.assert_allclose(result.window_probability, [0.9, 0.9, 0.75, 0.5])
    assert result.probability_at_offset == pytest.approx(3**1.25 / (1 + 3**1.25))
    assert (result.offscreen_ratio, result.onscreen_windows) == (0, [(0, 4)])  # all together: evidence 0.6 ln 3 against change_probability
    by_window = measure(similarity, np.ones((3, 4), np.bool_), tau, settings=MeasureSettings(min_windows=1, onscreen_by="window"))
    assert by_window is not None
    assert by_window.offscreen_ratio == 0.25
    assert by_window.onscreen_windows == [(0, 4)]  # one run above 0.4, mean 0.7625
    np.testing.assert_array_equal(by_window.onscreen_probability, by_window.window_probability)


def test_smoothing_direction_is_the_settings() -> None:
    similarity = np.zeros((5, 6))
    similarity[2] = [0.4, -0.4, 0.4, -0.4, 0.4, -0.2]
    along_time = measured(similarity)
    along_offset = measured(similarity, settings=MeasureSettings(smooth_along="offset"))
    # along offset row 2 becomes half of itself and its neighbours a quarter: best is 0.2 where 0.4 stood, -0.1 where -0.4 did
    cosines = np.array([0.2, -0.1, 0.2, -0.1, 0.2, -0.05])
    np.testing.assert_allclose(along_offset.window_probability, 1 / (1 + np.exp(-cosines / TAU)))
    assert not np.allclose(along_time.window_probability, along_offset.window_probability)


def test_cells_that_do_not_count_change_nothing() -> None:
    similarity, is_valid = talk(n=40, w=15, lead=3)
    is_valid = validity(np.arange(70) < 60, w=15)  # the sound of the last 10 sound windows is missing
    result = measured(similarity, is_valid)
    for hidden in (np.nan, 99.0, -99.0):
        other = measured(np.where(is_valid, similarity, hidden), is_valid)
        np.testing.assert_array_equal(other.window_probability, result.window_probability)
        np.testing.assert_array_equal(other.curve, result.curve)
    assert result.offset_frames == 3


def test_windows_without_sound_near_the_offset_are_not_measured() -> None:
    # in sync, n = 40, w = 2; sound windows -2 ... 41; the sound of windows 30 ... 41 is missing.
    # window j meets windows j - 1 ... j + 1 near the offset: 31 ... 39 meet none, 30 still meets 29, whose cosine is -1
    similarity = np.full((5, 40), -1.0)
    similarity[2] = 1.0
    is_valid = validity(np.arange(-2, 42) < 30, w=2)
    result = measured(similarity, is_valid, settings=MeasureSettings(onscreen_by="window"))
    assert result.n_windows == 31
    np.testing.assert_array_equal(np.isnan(result.window_probability), np.arange(40) >= 31)
    assert result.onscreen_windows == [(0, 30)]
    assert result.offscreen_ratio == pytest.approx(1 / 31)


def test_a_non_finite_cosine_does_not_count() -> None:
    similarity, is_valid = talk(n=40, w=15, lead=-4)
    similarity[:, 7:12] = np.nan
    result = measured(similarity, is_valid)
    assert (result.offset_frames, result.n_windows) == (-4, 35)
    assert result.onscreen_windows == [(0, 7), (12, 40)]
    assert not np.isnan(result.curve).any()


@pytest.mark.parametrize(
    ("n", "n_present"),
    [
        pytest.param(40, 0, id="no sound"),
        pytest.param(40, 19, id="sound for less than half of the windows at any shift"),
        pytest.param(5, 35, id="too few windows"),
        pytest.param(0, 30, id="no windows"),
    ],
)
def test_nothing_can_be_said_without_enough_windows(n: int, n_present: int) -> None:
    is_valid = validity(np.arange(n + 30) < n_present, w=15)
    assert measure(np.ones((31, n)), is_valid, TAU) is None


def test_a_shift_without_enough_windows_cannot_be_the_answer() -> None:
    similarity, is_valid = talk(n=40, w=15, lead=3)
    is_valid[12] = np.arange(40) < 19
    result = measured(similarity, is_valid)
    assert math.isnan(result.curve[12])
    assert result.shift != 12


@pytest.mark.parametrize(
    ("shape", "valid_shape", "tau", "message"),
    [
        pytest.param((4, 9), (4, 9), 0.1, r"must be \(2 w \+ 1, n\)", id="even number of shifts"),
        pytest.param((1, 9), (1, 9), 0.1, r"must be \(2 w \+ 1, n\)", id="w is 0"),
        pytest.param((3, 9), (3, 8), 0.1, r"must be \(2 w \+ 1, n\)", id="mask of another shape"),
        pytest.param((3, 9), (3, 9), 0.0, "tau must be above 0, got 0.0", id="tau is 0"),
        pytest.param((3, 9), (3, 9), math.nan, "tau must be above 0, got nan", id="tau is no number"),
    ],
)
def test_what_cannot_be_measured_is_named(shape: tuple[int, int], valid_shape: tuple[int, int], tau: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        measure(np.ones(shape), np.ones(valid_shape, np.bool_), tau)


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
def test_both_precisions_give_the_same_answer(dtype: type) -> None:
    similarity, is_valid = talk(n=40, w=15, lead=2)
    result = measured(similarity.astype(dtype), is_valid)
    reference = measured(similarity, is_valid)
    assert result.onscreen_windows == reference.onscreen_windows
    assert result.probability_at_offset == pytest.approx(reference.probability_at_offset, abs=1e-6)


@settings(max_examples=40)
@given(lead=st.integers(-6, 6), later=st.integers(-6, 6), seed=st.integers(0, 1000), w=st.integers(13, 20))
def test_shifting_the_sound_moves_the_offset_by_as_much(lead: int, later: int, seed: int, w: int) -> None:
    n = 30
    sound = np.random.default_rng(seed).normal(size=(n + 2 * w + 40, 8))
    video = sound[w + 20 + lead : w + 20 + lead + n] + np.random.default_rng(seed + 1).normal(size=(n, 8))
    whole = np.ones(n + 2 * w, np.bool_)

    def offset_from(first: int) -> int:
        return measured(similarity_matrix(video, sound[first : first + n + 2 * w]), validity(whole, w)).offset_frames

    # the same sound played `later` images earlier than before
    assert offset_from(20 + later) - offset_from(20) == later


@settings(max_examples=60)
@given(data=st.data(), w=st.integers(1, 4), n=st.integers(0, 24))
def test_whatever_comes_in_the_numbers_are_in_range(data: st.DataObject, w: int, n: int) -> None:
    seed = data.draw(st.integers(0, 10_000))
    random = np.random.default_rng(seed)
    similarity = random.uniform(-1, 1, (2 * w + 1, n))
    similarity[random.random(similarity.shape) < data.draw(st.sampled_from([0, 0.3]))] = np.nan
    is_valid = random.random(similarity.shape) < data.draw(st.sampled_from([0.4, 0.8, 1.0]))
    result = measure(similarity, is_valid, TAU)
    if result is None:
        return
    assert -w <= result.offset_frames <= w
    assert 0 <= result.offscreen_ratio <= 1
    assert 0 <= result.probability_at_offset <= 1
    assert result.margin >= 0
    assert 0 < result.n_windows <= n
    last = 0
    for first, end in result.onscreen_windows:
        assert last <= first < end <= n
        assert not np.isnan(result.window_probability[first:end]).any()
        last = end
    n_on = sum(end - first for first, end in result.onscreen_windows)
    assert result.offscreen_ratio == pytest.approx(1 - n_on / result.n_windows), "ratio and intervals are one decision"


def test_a_window_without_a_cell_at_the_offset_goes_with_its_neighbours() -> None:
    # in sync, n = 40, w = 2: at the offset itself the sound ends with window 29, window 30 has it one image beside the offset
    similarity = np.full((5, 40), -1.0)
    similarity[2] = 1.0
    result = measured(similarity, validity(np.arange(-2, 42) < 30, w=2))
    assert result.n_windows == 31
    assert result.onscreen_windows == [(0, 31)]
    assert result.offscreen_ratio == 0
    np.testing.assert_array_equal(np.isnan(result.onscreen_probability), np.arange(40) >= 31)


def test_somebody_else_for_a_while_is_one_stretch_and_a_slip_is_none() -> None:
    similarity = np.full((5, 100), -0.3)
    similarity[2] = 0.3
    similarity[2, 20:60] = -0.3
    similarity[2, [5, 80]] = -0.3  # slips
    similarity[2, 40] = 0.3
    # 0.3 / tau is 3 logits; with 0.2 for each a window is worth 0.6, a change costs ln(0.97 / 0.03) = 3.5
    result = measured(similarity, settings=MeasureSettings(decision=Decision(weight=0.2, threshold_logit=0.0, change_probability=0.03)))
    assert result.onscreen_windows == [(0, 20), (60, 100)]
    assert result.offscreen_ratio == 0.4
    by_window = measured(similarity, settings=MeasureSettings(onscreen_by="window"))
    assert by_window.offscreen_ratio == pytest.approx(0.42)  # smoothed, a lone window is even at best: the 40 and both slips
