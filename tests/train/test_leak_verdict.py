from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from syncqc.train.leak_settings import LeakSettings
from syncqc.train.leak_verdict import Above, Says, above_chance, comb, folded, verdict


def test_the_test_counts_speakers_and_not_trims() -> None:
    # Speaker a is right in 2 of 4, b in 0 of 2: means 0.5 and 0, mean 0.25, standard deviation 0.3536, standard error 0.25.
    found = above_chance([1, 1, 0, 0, 0, 0], ["a", "a", "a", "a", "b", "b"], 0.25)
    assert (found.value, found.n_speakers, found.n_trims) == (0.25, 2, 6)
    assert found.p_value == pytest.approx(0.5)
    # Student's t with one degree of freedom: 6.3138 at 95 %.
    assert found.upper95 == pytest.approx(0.25 + 6.3138 * 0.25, abs=1e-4)
    # Half above: t = 1 with one degree of freedom is a quarter.
    assert above_chance([1, 1, 0, 0, 0, 0], ["a", "a", "a", "a", "b", "b"], 0.0).p_value == pytest.approx(0.25)


def test_speakers_that_are_alike_by_accident_do_not_make_a_proof() -> None:
    # Two speakers, each right in 1 of 10: no spread at all, but the error of 20 guesses at 0.02 is 0.0313; t = 0.08 / 0.0313 = 2.556.
    found = above_chance([1, *[0] * 9] * 2, ["a"] * 10 + ["b"] * 10, 0.02)
    assert found.p_value == pytest.approx(0.5 - math.atan(0.08 / math.sqrt(0.02 * 0.98 / 20)) / math.pi, rel=1e-6)
    # Who always says the same is right once in 50 starts, as by chance.
    same = above_chance([1, *[0] * 49] * 5, [str(i // 50) for i in range(250)], 0.02)
    assert (same.value, same.p_value) == (pytest.approx(0.02), pytest.approx(0.5))


def test_the_comb_of_errors_is_what_the_truth_has_over_other_starts() -> None:
    # Period 4 of 8 starts, truth 0, guess 4: the cosine is 1. Against starts 0 ... 7 the cosines are 1 0 -1 0 1 0 -1 0; the guess
    # itself (start 4) left out they sum up to -1, a seventh of which is taken off.
    found = comb(np.array([0, 0]), np.array([4, 4]), [0.4, 0.4], ["a", "b"], 8)
    assert found is not None
    assert found.value == pytest.approx(1 + 1 / 7)
    # Half a period off: -1 + 1/7.
    opposite = comb(np.array([0, 0]), np.array([2, 2]), [0.4, 0.4], ["a", "b"], 8)
    assert opposite is not None
    assert opposite.value == pytest.approx(-1 + 1 / 7)
    # Right guesses and clips without a period say nothing of errors.
    assert comb(np.array([3, 0]), np.array([3, 4]), [0.4, None], ["a", "b"], 8) is None


def test_guesses_that_do_not_know_the_period_make_no_comb() -> None:
    random = np.random.default_rng(0)
    n = 4000
    # Guesses pile up at the ends, as those of networks do; the truth is anywhere.
    guessed = np.where(random.random(n) < 0.8, random.choice([0, 1, 49], n), random.integers(0, 50, n))
    found = comb(random.integers(0, 50, n), guessed, [0.48] * n, [str(i // 25) for i in range(n)], 50)
    assert found is not None
    assert abs(found.value) < 0.05
    assert found.p_value > 0.01


def test_errors_folded_by_the_period() -> None:
    # Period 1.2 s, 12 steps: off by 12, -12 and 24 is none; by -9 three; by 5 five. Right guesses are no errors.
    true, guessed = np.array([0, 12, 0, 20, 0, 7]), np.array([12, 0, 24, 11, 5, 7])
    bins = folded(true, guessed, [1.2] * 6)
    assert bins == [3, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0]
    assert folded(true, guessed, [None] * 6) is None


FINE = Above(0.02, 0.02, [0.015, 0.025], 0.5, 0.025, 60, 1500)


@pytest.mark.parametrize(
    ("at_1", "at_5", "of_errors", "n_learnt", "says", "reason"),
    [
        (FINE, FINE, FINE, 200, Says.DOES_NOT, "at most 0.5 points above chance could have been missed"),
        (FINE, FINE, None, 200, Says.DOES_NOT, "p = 1;"),
        # Three tests at the level of 0.01: each at a third of it.
        (replace(FINE, p_value=0.0033), FINE, None, 200, Says.LEAKS, "accuracy at 1 is above chance (p = 0.0099"),
        (replace(FINE, p_value=0.0034), FINE, None, 200, Says.DOES_NOT, "p = 0.01;"),
        (FINE, replace(FINE, p_value=1e-6), None, 200, Says.LEAKS, "accuracy at 5 is above chance (p = 3e-06"),
        (FINE, FINE, replace(FINE, p_value=1e-6), 200, Says.LEAKS, "key frames or blocks: it is the coding that tells the time"),
        (replace(FINE, p_value=1e-6), FINE, FINE, 200, Says.LEAKS, "they do not show whether it is the coding"),
        (replace(FINE, p_value=1e-6), FINE, None, 200, Says.LEAKS, "is not known"),
        # What leaks leaks, however few clips showed it.
        (replace(FINE, p_value=1e-6), FINE, None, 20, Says.LEAKS, "accuracy at 1"),
        (FINE, FINE, None, 99, Says.NOT_ENOUGH, "of 99 clips, fewer than 100, little can be learnt"),
        (replace(FINE, upper95=0.04), FINE, None, 200, Says.NOT_ENOUGH, "accuracy at 1 could be 4.0%"),
        (replace(FINE, upper95=0.0399), FINE, None, 200, Says.DOES_NOT, "at most 2.0 points"),
    ],
)
def test_the_verdict(at_1: Above, at_5: Above, of_errors: Above | None, n_learnt: int, says: Says, reason: str) -> None:
    found = verdict(at_1, at_5, of_errors, n_learnt, LeakSettings())
    assert (found.says, reason in found.reason) == (says, True), found.reason
