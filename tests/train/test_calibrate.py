from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest

from syncqc.errors import UsageError
from syncqc.measure.calibration import DEFAULT_FEATURES, Calibration
from syncqc.measure.settings import MeasureSettings
from syncqc.measure.sync import Sync
from syncqc.train.calibrate import Labelled, _pairs, calibrate, cross_validated, judged, labelled, row_tau, said_cross_validated
from syncqc.train.stretches import Measuring, Stretch, TrackMatrices

MEASURING = Measuring(0.1, 15, MeasureSettings(min_windows=10))


def sync(name: float, margin: float = 0.2, n: int = 40) -> Sync:
    """Numbers that are told apart by their probability at offset."""
    return Sync(0, 15, False, margin, name, 0.0, n, [], np.zeros(n), np.zeros(31))


def stretch(n_moved: int = 6, n_foreign: int = 2) -> Stretch:
    """Own 0.5, moved 0.6 0.61 ..., foreign 0.1 0.11."""
    moved = {move: sync(0.6 + 0.01 * move) for move in range(n_moved)}
    return Stretch("a", "anna", "made", 2.0, sync(0.5), moved, [sync(0.1 + 0.01 * i) for i in range(n_foreign)], {})


def names(items: list[Labelled]) -> tuple[list[float], list[float]]:
    return [s.probability_at_offset for _, s, is_own in items if is_own], [s.probability_at_offset for _, s, is_own in items if not is_own]


@pytest.mark.parametrize(
    ("n_moved", "n_foreign", "most", "n"),
    [(6, 2, 2, 2), (6, 1, 2, 1), (6, 0, 2, 0), (0, 2, 2, 1), (6, 2, 1, 1)],
    ids=["all", "one foreign", "no foreign", "no moved", "one of each"],
)
@pytest.mark.parametrize("turn", [0, 1, 2, 7])
def test_there_are_as_many_positives_as_negatives(n_moved: int, n_foreign: int, most: int, n: int, turn: int) -> None:
    positives, negatives = names(_pairs(stretch(n_moved, n_foreign), most, turn))
    assert (len(positives), len(negatives)) == (n, n)
    assert len({*positives, *negatives}) == 2 * n, "nothing is taken twice"


def test_a_whole_row_gives_its_own_sound_and_one_that_was_moved() -> None:
    for turn in range(4):
        positives, _ = names(_pairs(stretch(), 2, turn))
        assert 0.5 in positives


def test_every_move_and_every_foreign_sound_gets_its_turn() -> None:
    taken = [names(_pairs(stretch(), 1, turn)) for turn in range(24)]
    positives = Counter(round(p, 2) for own, _ in taken for p in own)
    assert positives == {0.5: 12, 0.6: 2, 0.61: 2, 0.62: 2, 0.63: 2, 0.64: 2, 0.65: 2}
    assert Counter(round(p, 2) for _, foreign in taken for p in foreign) == {0.1: 12, 0.11: 12}


def track(n_images: int, speaker: str, n_foreign: int = 2) -> TrackMatrices:
    rng = np.random.default_rng(n_images)
    pair: Any = lambda: (rng.normal(size=(61, n_images - 4)).astype(np.float32), np.ones((61, n_images - 4), np.bool_))  # noqa: E731
    return TrackMatrices("a", speaker, "made", pair(), {3: pair(), -3: pair()}, [pair() for _ in range(n_foreign)])


@pytest.mark.parametrize(
    ("n_images", "windows"),
    [
        pytest.param(125, {121: 4, 21: 2, 46: 2}, id="5 s: half of it whole rows"),
        pytest.param(63, {59: 4, 21: 2}, id="2.5 s: 2 s would be nearly the same again"),
        pytest.param(29, {25: 4}, id="1.2 s: only the whole row"),
    ],
)
def test_stretches_are_mainly_whole_rows(n_images: int, windows: dict[int, int]) -> None:
    assert Counter(len(s.window_probability) for _, s, _ in labelled([track(n_images, "anna")], MEASURING)) == windows


def test_each_speaker_is_balanced_and_whoever_has_no_foreign_sound_is_left_out() -> None:
    items = labelled([track(125, "anna", 0), track(125, "bert", 1), track(63, "cleo")], MEASURING)
    by_speaker = Counter((speaker, is_own) for speaker, _, is_own in items)
    assert by_speaker == {("bert", True): 3, ("bert", False): 3, ("cleo", True): 3, ("cleo", False): 3}


def people(n: int, of: str = "abcdefghijkl") -> list[Labelled]:
    """Stretches of `n` speakers whose logit at offset is 2 higher in sync than not, with noise."""
    rng = np.random.default_rng(1)
    items: list[Labelled] = []
    for i in range(40 * n):
        is_own = i % 2 == 0
        logit = rng.normal(1.0 if is_own else -1.0, 1.0)
        items.append((of[i // 2 % n], sync(1 / (1 + math.exp(-logit)), margin=float(rng.uniform(0.1, 0.3))), is_own))
    return items


def test_the_map_says_what_share_belongs_together() -> None:
    # Two normal classes of equal width, 2 apart: the log odds are exactly twice the logit.
    calibration = calibrate(people(12))
    for logit in (-1.0, 0.0, 1.0):
        said = calibration.probability_in_sync(sync(1 / (1 + math.exp(-logit))))
        assert said == pytest.approx(1 / (1 + math.exp(-2 * logit)), abs=0.06)


def test_cross_validation_is_honest() -> None:
    found = cross_validated(people(10))
    assert found.expected_error < 0.08
    assert found.auc == pytest.approx(0.92, abs=0.03)  # two normals 2 apart: Phi(sqrt 2)
    assert (found.n_positive, found.n_negative, found.n_speakers) == (200, 200, 10)
    assert sum(one["mass"] for one in found.bins) == pytest.approx(1)


def test_nobody_is_judged_by_a_map_that_saw_them(monkeypatch: pytest.MonkeyPatch) -> None:
    items = people(5)
    # The margin names the speaker, so that the lines of a fit tell whom it saw: 25 windows are one second.
    items = [(who, sync(s.probability_at_offset, margin=float(ord(who)), n=25), is_own) for who, s, is_own in items]
    fits: list[set[float]] = []

    def fit(lines: np.ndarray, truth: np.ndarray) -> Calibration:
        fits.append(set(lines[:, DEFAULT_FEATURES.index("margin_x_seconds")].tolist()))
        return Calibration(DEFAULT_FEATURES, (1.0, 0.0, 0.0, 0.0), 0.0)

    monkeypatch.setattr("syncqc.train.calibrate.fit", fit)
    cross_validated(items)
    everybody = {float(ord(who)) for who in "abcde"}
    assert sorted(sorted(everybody - seen) for seen in fits) == [[float(ord(who))] for who in "abcde"]


@pytest.mark.parametrize(("n", "words"), [(4, "here there are 4"), (1, "here there is 1"), (0, "here there are 0")])
def test_fewer_speakers_than_folds_are_refused_in_a_sentence(n: int, words: str) -> None:
    with pytest.raises(UsageError, match=f"over 5 groups of speakers needs as many speakers with usable stretches.*{words}"):
        cross_validated(people(n) if n else [])


@pytest.mark.parametrize("ask", [calibrate, lambda items: judged(calibrate(people(5)), items)], ids=["calibrate", "judged"])
def test_nothing_to_judge_by_is_refused(ask: Any) -> None:
    with pytest.raises(UsageError, match="here there are 0"):
        ask([])


def test_a_map_that_is_there_is_judged_as_it_is() -> None:
    items = people(3)
    good = calibrate(items)
    sure = Calibration(good.feature_names, tuple(20 * weight for weight in good.weights), 20 * good.bias)
    assert judged(good, items).n_speakers == 3
    assert judged(sure, items).auc == pytest.approx(judged(good, items).auc, abs=0.01)
    assert judged(sure, items).expected_error > 0.1 > judged(good, items).expected_error


def test_what_is_said_of_a_stretch_goes_with_its_length_and_its_speaker() -> None:
    found = said_cross_validated(people(5))
    assert set(found.durations_s) == {44 / 25}  # 40 windows
    assert found.speakers == [who for who, _, _ in people(5)]
    assert found.truth.tolist() == [is_own for _, _, is_own in people(5)]


def rows(own: list[float], foreign: list[float], tau: float) -> list[Labelled]:
    """One row per mean cosine, measured with `tau`."""
    return [(str(i), sync(1 / (1 + math.exp(-cosine / tau))), cosine in own) for i, cosine in enumerate([*own, *foreign])]


@pytest.mark.parametrize("measured_with", [0.05, 0.2])
def test_the_temperature_of_rows_is_that_which_explains_them(measured_with: float) -> None:
    # With tau 0.04 a cosine of 0.04 is own in 73 of 100 cases and one of -0.04 in 27: so they are drawn.
    own, foreign = [0.04] * 731 + [-0.04] * 269, [0.04] * 269 + [-0.04] * 731
    items = [(str(i), sync(1 / (1 + math.exp(-cosine / measured_with))), i < 1000) for i, cosine in enumerate([*own, *foreign])]
    assert row_tau(items, measured_with) == pytest.approx(0.04, rel=0.03)


def test_rows_that_are_told_apart_better_have_a_lower_temperature() -> None:
    near = rows([0.05, 0.03, -0.01], [-0.05, -0.03, 0.01], 0.1)
    far = rows([0.05, 0.03, 0.01], [-0.05, -0.03, -0.01], 0.1)
    assert row_tau(far, 0.1) < row_tau(near, 0.1)


def test_a_temperature_needs_both_kinds() -> None:
    with pytest.raises(UsageError, match="as many speakers"):
        row_tau([], 0.1)
