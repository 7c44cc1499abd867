from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncqc.errors import UsageError
from syncqc.measure.calibration import DEFAULT_FEATURES, Calibration, TrackNumbers, features, fit
from syncqc.measure.decision import Decision
from syncqc.measure.probability import sigmoid
from syncqc.measure.sync import measure

STORED: dict[str, object] = {"version": 1, "feature_names": ["margin", "log_windows"], "weights": [10.0, -0.5], "bias": -1.5}


def drawn(n_positive: int, n_negative: int, seed: int = 0) -> tuple[list[TrackNumbers], np.ndarray]:
    """Tracks like a network's: margins and cosines of the positives are higher, with overlap."""
    random = np.random.default_rng(seed)
    labels = np.arange(n_positive + n_negative) < n_positive
    margins = np.abs(np.where(labels, 0.3, 0.1) + 0.1 * random.normal(size=labels.size))
    logits = np.where(labels, 1.0, -1.0) + 1.5 * random.normal(size=labels.size)
    n_windows = random.integers(6, 122, labels.size)
    tracks = [TrackNumbers(m, float(sigmoid(z)), int(n)) for m, z, n in zip(margins, logits, n_windows, strict=True)]
    return tracks, labels


def test_features_by_hand() -> None:
    # p = 3/4: logit ln 3; n = 8: 0.32 s
    line = features([TrackNumbers(margin=0.25, probability_at_offset=0.75, n_windows=8)])[0]
    assert DEFAULT_FEATURES == ("logit_at_offset", "seconds", "margin_x_seconds", "logit_x_seconds")
    np.testing.assert_allclose(line, [math.log(3), 0.32, 0.25 * 0.32, math.log(3) * 0.32])
    older = features([TrackNumbers(0.25, 0.75, 8)], ["margin", "log_windows", "margin_x_log_windows", "logit_x_log_windows"])[0]
    np.testing.assert_allclose(older, [0.25, math.log(8), 0.25 * math.log(8), math.log(3) * math.log(8)])


def test_windows_beyond_a_row_add_nothing() -> None:
    for n_windows, seconds in ((25, 1.0), (125, 5.0), (5000, 5.0)):
        assert features([TrackNumbers(0.1, 0.5, n_windows)], ["seconds"])[0, 0] == seconds


@pytest.mark.parametrize(("p", "logit"), [(0.0, -12.0), (1.0, 12.0), (1 - 1e-9, 12.0), (1e-9, -12.0), (0.5, 0.0)])
def test_logit_is_limited_where_the_manifest_cannot_hold_more(p: float, logit: float) -> None:
    assert features([TrackNumbers(0.1, p, 10)], ["logit_at_offset"])[0, 0] == pytest.approx(logit)


@pytest.mark.parametrize("p", [math.nan, 1.5])
def test_a_probability_that_is_none_is_refused(p: float) -> None:
    with pytest.raises(ValueError, match="probability_at_offset must lie in 0-1"):
        features([TrackNumbers(0.1, p, 10)])


def test_probability_by_hand() -> None:
    # 10 x 0.2 - 0.5 ln 1 - 1.5 = 0.5
    calibration = Calibration(("margin", "log_windows"), (10.0, -0.5), -1.5)
    assert calibration.probability_in_sync(TrackNumbers(0.2, 0.9, 1)) == pytest.approx(1 / (1 + math.exp(-0.5)))


def test_a_measured_track_can_be_calibrated_as_it_is() -> None:
    similarity = np.zeros((3, 8))
    similarity[1] = 0.2
    sync = measure(similarity, np.ones((3, 8), np.bool_), tau=0.1)
    assert sync is not None
    # margin 0.2: 10 x 0.2 - 0.5 ln 8 - 1.5
    expected = sigmoid(0.5 - 0.5 * math.log(8))
    assert Calibration(("margin", "log_windows"), (10.0, -0.5), -1.5).probability_in_sync(sync) == pytest.approx(float(expected))


def test_fit_finds_the_law_the_labels_were_drawn_from() -> None:
    random = np.random.default_rng(3)
    margins = random.uniform(0, 1, 20_000)
    is_in_sync = random.random(20_000) < sigmoid(8 * (margins - 0.5))
    calibration = fit(margins[:, None], is_in_sync, ["margin"])
    for margin, expected in [(0.25, sigmoid(-2)), (0.5, 0.5), (0.75, sigmoid(2))]:
        assert calibration.probability_in_sync(TrackNumbers(margin, 0.5, 10)) == pytest.approx(float(expected), abs=0.02)


def test_prior_is_one_half_whatever_the_numbers_of_positives_and_negatives() -> None:
    tracks, labels = drawn(4000, 4000)
    lines = features(tracks)
    few_positives = np.concatenate([np.arange(400), np.arange(4000, 8000)])
    balanced, unbalanced = fit(lines, labels), fit(lines[few_positives], labels[few_positives])
    difference = [balanced.probability_in_sync(t) - unbalanced.probability_in_sync(t) for t in tracks[3900:4100]]
    assert np.abs(np.mean(difference)) < 0.03


def test_classes_without_overlap_give_finite_weights() -> None:
    lines = np.array([[0.1], [0.2], [0.8], [0.9]])
    calibration = fit(lines, np.array([False, False, True, True]), ["margin"])
    low, high = (calibration.probability_in_sync(TrackNumbers(m, 0.5, 10)) for m in (0.15, 0.85))
    assert 0 < low < 0.1 < 0.9 < high < 1


def test_a_weight_that_would_let_the_probability_fall_is_dropped_and_the_rest_fitted_again() -> None:
    # margin speaks against the positives here, which no true network does; the logit speaks for them
    random = np.random.default_rng(1)
    labels = np.arange(400) % 2 == 0
    lines = np.column_stack([0.5 - 0.2 * labels + 0.1 * random.normal(size=400), labels + random.normal(size=400)])
    both, alone = fit(lines, labels, ["margin", "logit_at_offset"]), fit(lines[:, 1:], labels, ["logit_at_offset"])
    assert both.weights == pytest.approx((0.0, *alone.weights))
    assert both.bias == pytest.approx(alone.bias)


def test_number_of_windows_may_speak_either_way() -> None:
    labels = np.arange(400) % 2 == 0
    lines = (3.0 - labels + 0.5 * np.random.default_rng(1).normal(size=400))[:, None]
    assert fit(lines, labels, ["log_windows"]).weights[0] < -1


def test_a_feature_that_never_changes_has_no_weight() -> None:
    tracks, labels = drawn(100, 100)
    alike = [TrackNumbers(t.margin, t.probability_at_offset, 121) for t in tracks]
    calibration = fit(features(alike), labels)
    assert calibration.weights[DEFAULT_FEATURES.index("seconds")] == 0
    assert np.isfinite(calibration.weights).all()


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 500),
    label_seed=st.one_of(st.none(), st.integers(0, 500)),
    margin=st.floats(0, 1),
    more_margin=st.floats(0, 1),
    logit=st.floats(-15, 15),
    more_logit=st.floats(0, 15),
    n_windows=st.integers(1, 2000),
)
def test_probability_never_falls_when_margin_or_probability_at_offset_rises(
    seed: int, label_seed: int | None, margin: float, more_margin: float, logit: float, more_logit: float, n_windows: int
) -> None:
    tracks, labels = drawn(30, 30, seed)
    if label_seed is not None:  # also where the labels say nothing, or the opposite
        labels = np.random.default_rng(label_seed).permutation(labels)
    calibration = fit(features(tracks), labels)
    low, high = float(sigmoid(logit)), float(sigmoid(logit + more_logit))
    before = calibration.probability_in_sync(TrackNumbers(margin, low, n_windows))
    assert calibration.probability_in_sync(TrackNumbers(margin + more_margin, low, n_windows)) >= before
    assert calibration.probability_in_sync(TrackNumbers(margin, high, n_windows)) >= before
    assert 0 <= before <= 1


def test_json_gives_the_same_probabilities_back() -> None:
    tracks, labels = drawn(50, 50)
    calibration = fit(features(tracks), labels)
    stored = json.loads(json.dumps(calibration.to_json()))
    assert Calibration.from_json(stored) == calibration


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"version": 2}, "the calibration has version 2; this syncqc reads version 1", id="version"),
        pytest.param({"feature_names": ["margins", "log_windows"]}, "did you mean 'margin'?", id="feature"),
        pytest.param({"wieghts": [1.0]}, "unknown key of a calibration 'wieghts'; did you mean 'weights'?", id="key"),
        pytest.param({"bias": None}, "a calibration holds finite numbers, not None", id="bias is none"),
        pytest.param({"weights": [1.0]}, "as many weights", id="lengths"),
        pytest.param({"weights": [1.0, math.inf]}, "a calibration holds finite numbers, not inf", id="not finite"),
        pytest.param({"weights": [-1.0, 0.0]}, "the weight of margin in a calibration may not be negative, got -1.0", id="falling"),
    ],
)
def test_a_stored_calibration_that_cannot_be_used_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as refusal:
        Calibration.from_json(STORED | change)
    assert message in str(refusal.value)


@pytest.mark.parametrize("key", list(STORED))
def test_a_missing_key_is_named(key: str) -> None:
    with pytest.raises(UsageError, match=f"the calibration lacks '{key}'"):
        Calibration.from_json({k: v for k, v in STORED.items() if k != key})


@pytest.mark.parametrize(
    ("lines", "labels", "names", "error", "message"),
    [
        pytest.param(
            np.ones((4, 1)), [True] * 4, ["margin"], UsageError, "needs tracks that are in sync and tracks that are not", id="one class"
        ),
        pytest.param(np.full((2, 1), np.nan), [True, False], ["margin"], UsageError, "needs finite features", id="nan"),
        pytest.param(np.ones((2, 1)), [True, False], ["margn"], UsageError, "did you mean 'margin'", id="name"),
        pytest.param(np.ones((2, 2)), [True, False], ["margin"], ValueError, "tracks must be", id="shape"),
    ],
)
def test_what_cannot_be_fitted_is_named(lines: np.ndarray, labels: list[bool], names: list[str], error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        fit(lines, np.array(labels), names)


def test_the_decision_travels_with_the_map_and_may_be_missing() -> None:
    without = Calibration(("margin",), (1.0,), -0.5)
    assert "decision" not in without.to_json()
    assert Calibration.from_json(without.to_json()) == without
    both = Calibration(("margin",), (1.0,), -0.5, Decision(0.2, -0.3, 0.01))
    assert Calibration.from_json(json.loads(json.dumps(both.to_json()))) == both
    with pytest.raises(UsageError, match="the decision lacks 'weight'"):
        Calibration.from_json({**without.to_json(), "decision": {}})
