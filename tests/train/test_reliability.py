from __future__ import annotations

import json

import numpy as np
import pytest

from syncqc.train.reliability import Said, in_words, reliability, section, table


def said(probabilities: np.ndarray, truth: np.ndarray, durations_s: float | np.ndarray = 4.0, n_speakers: int = 2) -> Said:
    n = len(probabilities)
    return Said(probabilities, truth, np.broadcast_to(np.asarray(durations_s, np.float64), n), [str(i % n_speakers) for i in range(n)])


def test_the_expected_error_by_hand() -> None:
    # One half each: 8 of 10 positives and 2 of 4 negatives are in the bin of 0.95; the rest in that of 0.05.
    probabilities = np.array([0.95] * 8 + [0.05] * 2 + [0.95] * 2 + [0.05] * 2)
    found = reliability(said(probabilities, np.arange(14) < 10))
    high_mass, low_mass = 0.8 / 2 + 0.5 / 2, 0.2 / 2 + 0.5 / 2
    assert [(one["n"], one["mass"]) for one in found.bins] == [(4, pytest.approx(low_mass)), (10, pytest.approx(high_mass))]
    assert [one["seen"] for one in found.bins] == [pytest.approx(0.1 / low_mass), pytest.approx(0.4 / high_mass)]
    assert [one["said"] for one in found.bins] == [pytest.approx(0.05), pytest.approx(0.95)]
    assert found.expected_error == pytest.approx(abs(0.05 * low_mass - 0.1) + abs(0.95 * high_mass - 0.4))
    assert found.auc == pytest.approx((8 * 2 + 0.5 * (8 * 2 + 2 * 2)) / 40)
    assert (found.n_positive, found.n_negative, found.n_speakers) == (10, 4, 2)


def test_a_probability_of_one_is_in_the_last_bin() -> None:
    found = reliability(said(np.array([1.0, 0.0]), np.array([True, False])))
    assert [one["said"] for one in found.bins] == [0.0, 1.0]
    assert found.expected_error == 0


def drawn(n: int, sharper: float = 1.0) -> Said:
    """Stretches whose true log odds are known, said `sharper` than they are."""
    rng = np.random.default_rng(2)
    odds = rng.normal(0, 2, n)
    truth = rng.random(n) < 1 / (1 + np.exp(-odds))
    return said(1 / (1 + np.exp(-sharper * odds)), truth, n_speakers=40)


def test_what_is_right_errs_by_chance_alone_and_what_is_too_sure_by_more() -> None:
    right, sure = reliability(drawn(600)), reliability(drawn(600, sharper=3))
    assert right.by_chance is not None and sure.by_chance is not None
    assert right.expected_error < 1.7 * right.by_chance
    assert sure.expected_error > 3 * sure.by_chance
    assert reliability(drawn(2000)).expected_error < 0.04


def test_the_ranges_are_over_speakers() -> None:
    found = reliability(drawn(600, sharper=3))
    assert found.expected_error_interval95 is not None
    assert found.expected_error_interval95[0] < found.expected_error < found.expected_error_interval95[1]
    for one in found.bins:
        assert one["low"] <= one["seen"] <= one["high"]
    alone = reliability(said(np.array([0.9, 0.1]), np.array([True, False]), n_speakers=1))
    assert alone.expected_error_interval95 is None
    assert "low" not in alone.bins[0]


def test_one_kind_alone_tells_nothing() -> None:
    with pytest.raises(ValueError, match="stretches that do not"):
        reliability(said(np.array([0.9]), np.array([True])))


def test_lengths_are_judged_apart() -> None:
    durations = np.array([1.0, 1.0, 2.96, 3.0, 3.0, 5.0, 0.9, 6.0])
    found = section({"own": said(np.linspace(0.1, 0.9, 8), np.arange(8) % 2 == 0, durations)})
    assert list(found["own"]) == ["1-3 s", "3-5 s", "all"]
    counts = {length: one["n_positive"] + one["n_negative"] for length, one in found["own"].items()}
    assert counts == {"1-3 s": 3, "3-5 s": 3, "all": 8}
    json.dumps(found)
    one_kind = section({"own": said(np.array([0.9, 0.8]), np.array([True, False]), np.array([1.0, 4.0]))})
    assert (one_kind["own"]["1-3 s"], one_kind["own"]["3-5 s"]) == (None, None)
    ((_, header, lines),) = table(found)
    assert header == ["map", "length", "stretches", "speakers", "expected error", "by chance", "AUC"]
    assert [line[:3] for line in lines] == [["own", "1-3 s", "3"], ["own", "3-5 s", "3"], ["own", "all", "8"]]
    assert table({}) == []


@pytest.mark.parametrize(
    ("value", "interval", "words"),
    [(None, None, ""), (0.03141, None, "0.031"), (0.5, [0.25, 0.75], "0.500 (0.250-0.750)")],
    ids=["nothing", "alone", "with its range"],
)
def test_in_words(value: float | None, interval: list[float] | None, words: str) -> None:
    assert in_words(value, interval) == words
