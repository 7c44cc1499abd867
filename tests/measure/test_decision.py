from __future__ import annotations

import itertools
import math
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncqc.errors import UsageError
from syncqc.measure.decision import Decision, chained_log_odds


def by_counting(evidence: list[float], change: float) -> list[float]:
    """Log odds of True at each place, by weighing every way to fill the chain."""
    n = len(evidence)
    mass = np.zeros((n, 2))
    for flags in itertools.product((0, 1), repeat=n):
        changes = sum(a != b for a, b in itertools.pairwise(flags))
        weight = change**changes * (1 - change) ** (n - 1 - changes) * math.exp(sum(e for e, on in zip(evidence, flags, strict=True) if on))
        for j, on in enumerate(flags):
            mass[j, on] += weight
    return np.log(mass[:, 1] / mass[:, 0]).tolist()  # type: ignore[no-any-return]


@settings(max_examples=40, deadline=None)
@given(evidence=st.lists(st.floats(-5, 5), min_size=1, max_size=7), change=st.floats(0.001, 0.5))
def test_the_chain_weighs_every_way_to_fill_it(evidence: list[float], change: float) -> None:
    np.testing.assert_allclose(chained_log_odds(np.array(evidence), change), by_counting(evidence, change), atol=1e-8)


def test_two_places_by_hand() -> None:
    # both on: 0.9 * 3, both off: 0.9, on-off: 0.1 * 3, off-on: 0.1 -> first (2.7 + 0.3) / (0.9 + 0.1), second (2.7 + 0.1) / (0.9 + 0.3)
    odds = np.exp(chained_log_odds(np.array([math.log(3), 0.0]), 0.1))
    np.testing.assert_allclose(odds, [3.0, 2.8 / 1.2])


def test_many_tracks_at_once_are_what_each_is_alone_and_nothing_at_the_end_changes_nothing() -> None:
    rng = np.random.default_rng(3)
    evidence = rng.normal(size=(4, 3, 9))
    together = chained_log_odds(evidence, 0.05)
    np.testing.assert_allclose(together[2, 1], chained_log_odds(evidence[2, 1], 0.05))
    longer = np.concatenate([evidence, np.zeros((4, 3, 5))], axis=-1)
    np.testing.assert_allclose(chained_log_odds(longer, 0.05)[..., :9], together, atol=1e-12)
    assert chained_log_odds(np.zeros(0), 0.05).shape == (0,)


def test_where_a_change_is_as_likely_as_none_each_window_stands_alone() -> None:
    decision = Decision(weight=0.5, threshold_logit=1.0, change_probability=0.5)
    probability = decision.probability(np.array([1.0, 3.0, -1.0]))
    np.testing.assert_allclose(probability, [0.5, 1 / (1 + math.exp(-1)), 1 / (1 + math.exp(1))])


def test_a_window_without_a_cosine_is_what_the_others_say() -> None:
    decision = Decision(weight=1.0, threshold_logit=0.0, change_probability=0.1)
    probability = decision.probability(np.array([2.0, math.nan, 2.0]))
    assert probability[1] == pytest.approx(decision.probability(np.array([2.0, 0.0, 2.0]))[1])
    assert 0.9 < probability[1] < probability[0]


def test_extreme_cosines_stay_probabilities() -> None:
    probability = Decision(weight=1.0).probability(np.array([1e6, -1e6, 1e6, 1e6]))
    assert ((probability >= 0) & (probability <= 1)).all()
    assert (probability >= 0.5).tolist() == [True, False, True, True]


WRONG: dict[str, tuple[Any, str]] = {
    "no table": ([1], "a decision is a table with weight, threshold_logit, change_probability, not"),
    "an unknown key": ({**asdict(Decision()), "wieght": 1}, "unknown key of a decision 'wieght'; did you mean 'weight'"),
    "a missing key": ({"weight": 1.0, "threshold_logit": 0.0}, "the decision lacks 'change_probability'"),
    "no number": ({**asdict(Decision()), "weight": "much"}, "weight of a decision must be a finite number, not 'much'"),
    "not finite": ({**asdict(Decision()), "threshold_logit": math.inf}, "threshold_logit of a decision must be a finite number, not inf"),
    "agreement against the face": ({**asdict(Decision()), "weight": 0.0}, "weight of a decision must be above 0, got 0.0"),
    "likelier than not": ({**asdict(Decision()), "change_probability": 0.6}, "above 0 and at most 0.5, got 0.6"),
    "never": ({**asdict(Decision()), "change_probability": 0.0}, "above 0 and at most 0.5, got 0.0"),
}


@pytest.mark.parametrize(("stored", "message"), WRONG.values(), ids=WRONG)
def test_a_stored_decision_that_is_none_is_refused(stored: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("(", r"\(")):
        Decision.from_json(stored)


def test_a_stored_decision_comes_back() -> None:
    decision = Decision(0.2, -0.3, 0.01)
    assert Decision.from_json(asdict(decision)) == decision
