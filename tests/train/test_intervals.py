from __future__ import annotations

import numpy as np
import pytest

from syncqc.train.intervals import auc, auc_interval95, drawn_interval95, mean, mean_interval95, median_interval95

RNG = np.random.default_rng(4)


@pytest.mark.parametrize(("values", "expected"), [([], None), ([1.0], 1.0), ([0.0, 1.0, 1.0, 1.0], 0.75)], ids=str)
def test_mean(values: list[float], expected: float | None) -> None:
    assert mean(values) == expected


@pytest.mark.parametrize(
    ("own", "foreign", "expected"),
    [
        pytest.param([2, 3], [0, 1], 1.0, id="all above"),
        pytest.param([0, 1], [2, 3], 0.0, id="all below"),
        pytest.param([1, 1], [1], 0.5, id="all equal"),
        pytest.param([1, 3], [2], 0.5, id="one of two"),
        pytest.param([2, 2, 5], [1, 2, 3, 9], (1.5 + 1.5 + 3) / 12, id="ties count one half"),
        pytest.param([], [1], None, id="no own"),
        pytest.param([1], [], None, id="no foreign"),
    ],
)
def test_auc(own: list[float], foreign: list[float], expected: float | None) -> None:
    assert auc(own, foreign) == (expected if expected is None else pytest.approx(expected))


def test_auc_is_the_share_of_pairs() -> None:
    own, foreign = RNG.integers(0, 20, 60) / 7, RNG.integers(0, 15, 45) / 7
    pairs = (own[:, None] > foreign).mean() + 0.5 * (own[:, None] == foreign).mean()
    assert auc(own.tolist(), foreign.tolist()) == pytest.approx(pairs)


def test_a_mean_over_independent_speakers_has_the_interval_of_its_standard_error() -> None:
    values = RNG.normal(5, 2, 400)
    interval = mean_interval95(values.tolist(), [str(i) for i in range(400)])
    assert interval is not None
    assert interval == pytest.approx([values.mean() - 1.96 * values.std() / 20, values.mean() + 1.96 * values.std() / 20], abs=0.04)


def test_more_stretches_of_the_same_speakers_tell_no_more() -> None:
    values, speakers = [0.1, 0.7, 0.4, 0.9, 0.2], list("abcde")
    assert mean_interval95(values * 20, speakers * 20) == pytest.approx(mean_interval95(values, speakers))
    foreign = [0.3, 0.1, 0.5, 0.2, 0.4]
    few = auc_interval95(values, speakers, foreign, speakers)
    assert auc_interval95(values * 20, speakers * 20, foreign * 20, speakers * 20) == pytest.approx(few)


def test_speakers_that_agree_leave_no_doubt_and_others_do() -> None:
    assert mean_interval95([0.0, 1.0, 0.0, 1.0], ["a", "a", "b", "b"]) == [0.5, 0.5]
    assert mean_interval95([0.0, 0.0, 1.0, 1.0], ["a", "a", "b", "b"]) == [0.0, 1.0]
    assert auc_interval95([1.0, 1.0], ["a", "b"], [0.0, 0.0], ["a", "b"]) == [1.0, 1.0]


def test_an_auc_lies_in_its_interval_and_the_interval_in_0_to_1() -> None:
    speakers = [str(i % 12) for i in range(60)]
    own, foreign = RNG.normal(1, 1, 60).tolist(), RNG.normal(0, 1, 60).tolist()
    interval, value = auc_interval95(own, speakers, foreign, speakers), auc(own, foreign)
    assert interval is not None and value is not None
    assert 0 < interval[0] < value < interval[1] < 1


def test_draws_without_one_side_are_left_out() -> None:
    # Speaker b has no foreign value: a draw of b alone says nothing.
    assert auc_interval95([1.0, 2.0], ["a", "b"], [0.0], ["a"]) == [1.0, 1.0]


def test_the_same_question_has_the_same_answer() -> None:
    values, speakers = RNG.normal(size=30).tolist(), [str(i % 6) for i in range(30)]
    assert mean_interval95(values, speakers) == mean_interval95(values, speakers)


@pytest.mark.parametrize("speakers", [[], ["a", "a"]], ids=["nobody", "one speaker"])
def test_one_speaker_says_nothing_of_others(speakers: list[str]) -> None:
    values = [0.5] * len(speakers)
    assert mean_interval95(values, speakers) is None
    assert auc_interval95(values, speakers, values, speakers) is None


def test_any_figure_has_the_interval_of_its_draws_of_speakers() -> None:
    values, speakers = np.array([0.1, 0.7, 0.4, 0.9, 0.2]), list("abcde")
    drawn = drawn_interval95(lambda weights: float(np.average(values, weights=weights)), speakers)
    assert drawn == pytest.approx(mean_interval95(values.tolist(), speakers))
    assert drawn_interval95(lambda _: float("nan"), speakers) is None
    assert drawn_interval95(lambda _: 1.0, ["a", "a"]) is None


def test_the_interval_of_a_median() -> None:
    assert median_interval95([1.0, 1.0, 1.0, 9.0], list("abcd")) == [1.0, 9.0], "nine is drawn three times in some 5 % of draws"
    assert median_interval95([1.0] * 8 + [9.0], [str(i) for i in range(9)]) == [1.0, 1.0]
    assert median_interval95([1.0], ["a"]) is None
