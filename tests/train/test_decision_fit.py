from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from syncqc.errors import UsageError
from syncqc.measure.decision import Decision
from syncqc.measure.settings import MeasureSettings
from syncqc.train import decision_fit
from syncqc.train.decision_fit import cross_validated, cross_validated_error, fit, over_shares, rows
from syncqc.train.stretches import Measuring, Mixture, TrackMatrices

MEASURING = Measuring(0.1, 15, MeasureSettings(min_windows=10))
N = 80


def pair(is_own: np.ndarray, seed: int, gap: float) -> tuple[np.ndarray, np.ndarray]:
    """A ridge at offset 2 where the own sound is heard, noise elsewhere."""
    matrix = np.random.default_rng(seed).normal(-0.1, 0.15, size=(61, N)).astype(np.float32)
    matrix[28] += np.where(is_own, gap, 0)
    return matrix, np.ones((61, N), np.bool_)


def track(speaker: str, seed: int, gap: float = 0.35, speech: float = 1.0) -> TrackMatrices:
    everywhere = np.ones(N, np.bool_)
    made = TrackMatrices("a", speaker, "made", pair(everywhere, seed, gap), speech_ratio=speech)
    for i, (first, end) in enumerate([(0, 20), (60, 80), (0, 40), (20, 60), (40, 80), (0, 60), (0, 80)]):
        is_replaced = (np.arange(N) >= first) & (np.arange(N) < end)
        made.mixtures.append(Mixture(pair(~is_replaced, 100 * seed + i + 1, gap), is_replaced))
    return made


def people(n: int, gap: float = 0.35) -> list[TrackMatrices]:
    return [track(f"speaker {i}", i, gap) for i in range(n)]


def test_every_track_that_speaks_is_a_row_with_its_own_sound_and_with_each_mixture() -> None:
    quiet, alone = track("quiet", 1, speech=0.69), replace(track("alone", 2), mixtures=[])
    found = rows([quiet, alone, track("anna", 3)], MEASURING)
    assert {row.speaker for row in found} == {"anna"}
    assert [row.share for row in found] == [0, 0.25, 0.25, 0.5, 0.5, 0.5, 0.75, 1.0]
    assert [row.true_ratio for row in found] == [row.share for row in found]
    assert len({len(row.logits) for row in found}) == 1


def test_the_truth_is_counted_over_the_windows_that_were_measured() -> None:
    made = track("anna", 3)
    is_valid = np.ones((61, N), np.bool_)
    is_valid[:, :10] = False
    made.mixtures = [Mixture((made.mixtures[0].pair[0], is_valid), made.mixtures[0].is_replaced)]
    _, mixture = rows([made], MEASURING)
    assert (mixture.share, mixture.true_ratio) == (0.25, 10 / 70)


def test_a_fitted_decision_finds_what_was_replaced() -> None:
    found = rows(people(5), MEASURING)
    decision = fit(found)
    for row in found:
        ratio = float((decision.probability(row.logits)[row.is_measured] < 0.5).mean())
        if row.share < 1:  # with nothing of its own the best shift is a guess
            assert ratio == pytest.approx(row.true_ratio, abs=0.06)
    assert cross_validated_error(found) < 0.06


def test_the_weaker_the_network_the_less_a_window_weighs() -> None:
    assert fit(rows(people(5, gap=0.2), MEASURING)).weight < fit(rows(people(5, gap=0.5), MEASURING)).weight


def test_nobody_is_judged_by_a_decision_that_saw_them(monkeypatch: pytest.MonkeyPatch) -> None:
    found = rows(people(5), MEASURING)
    seen: list[set[str]] = []
    monkeypatch.setattr(decision_fit, "_tried", lambda *_: [])

    def best(_: object, chosen: np.ndarray, of: list[decision_fit.ReplacedRow]) -> Decision:
        seen.append({row.speaker for row, is_chosen in zip(of, chosen, strict=True) if is_chosen})
        return Decision(threshold_logit=float(len(seen)))

    monkeypatch.setattr(decision_fit, "_best", best)
    said = cross_validated(found)
    everybody = {f"speaker {i}" for i in range(5)}
    assert [everybody - one for one in seen] == [{f"speaker {i}"} for i in range(5)]
    for row, one in zip(found, said, strict=True):
        np.testing.assert_array_equal(one, Decision(threshold_logit=float(row.speaker[-1]) + 1).probability(row.logits))


def test_too_little_to_fit_by_is_refused() -> None:
    with pytest.raises(UsageError, match="needs tracks that speak, each beside the sound of another speaker"):
        fit([])
    own = [row for row in rows(people(2), MEASURING) if row.share == 0]
    with pytest.raises(UsageError, match="needs tracks that speak, each beside the sound of another speaker"):
        fit(own)
    with pytest.raises(UsageError, match="over 5 groups of speakers needs as many speakers who speak; here there are 2"):
        cross_validated(rows(people(2), MEASURING))


def test_all_shares_weigh_the_same() -> None:
    values, shares = np.array([1.0, 0.0, 0.0, 0.5]), np.array([0.0, 0.5, 0.5, 1.0])
    assert over_shares(values, shares, np.ones(4)) == pytest.approx(0.5)
    assert over_shares(values, shares, np.array([0.0, 1, 1, 1])) == pytest.approx(0.25)
    assert np.isnan(over_shares(values, shares, np.zeros(4)))
