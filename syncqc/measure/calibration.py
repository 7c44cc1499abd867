"""From the numbers of a track to the probability that it is in sync, learned once per checkpoint.

A logistic regression on a few features, small enough to travel inside a checkpoint. With a balanced prior: of tracks with this value, that
share belongs together when half of all tracks do. Knows no clip, no file and no network; who is a positive and who a negative is
the caller's (true sound at any shift against foreign speech).

The probability never falls when the margin or the probability at offset rises, all else equal: the weights of the features that rise with
either may not be negative.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

import numpy as np

from syncqc.clock import IMAGE_RATE_HZ, MAX_PART_S
from syncqc.errors import UsageError, unknown_name
from syncqc.measure.decision import Decision
from syncqc.measure.probability import sigmoid
from syncqc.measure.similarity import F64, Bools

VERSION = 1
LOGIT_LIMIT = 12.0
"""Probabilities are told apart up to sigmoid(12) = 1 - 6e-6: as far as 32-bit columns of a manifest hold them."""
_RIDGE = 1e-3
_MAX_NEWTON_STEPS = 100


class Numbers(Protocol):
    """What a track must tell to be calibrated; a `Sync` does, and so does `TrackNumbers`."""

    @property
    def margin(self) -> float:
        """Best mean cosine minus the median over the shifts."""

    @property
    def probability_at_offset(self) -> float:
        """Sigmoid of the mean best cosine over tau, 0-1."""

    @property
    def n_windows(self) -> int:
        """Windows that were measured, 1 or more."""


@dataclass(frozen=True)
class TrackNumbers:
    """The numbers of a track as they stand in a row of a manifest."""

    margin: float
    probability_at_offset: float
    n_windows: int


def _logit(numbers: Numbers) -> float:
    """Mean best cosine over tau, recovered from the probability at offset and limited to -12 ... 12."""
    p = float(numbers.probability_at_offset)
    if not 0 <= p <= 1:
        raise ValueError(f"probability_at_offset must lie in 0-1, got {p}")
    if p in (0, 1):
        return math.copysign(LOGIT_LIMIT, p - 0.5)
    return max(-LOGIT_LIMIT, min(LOGIT_LIMIT, math.log(p) - math.log1p(-p)))


def _log_windows(numbers: Numbers) -> float:
    """Natural logarithm of the number of measured windows, 0 or more."""
    return math.log(numbers.n_windows)


def _seconds(numbers: Numbers) -> float:
    """How long the measured windows last, s; what each of them says adds up. At most as long as a row is by default."""
    return min(numbers.n_windows / IMAGE_RATE_HZ, MAX_PART_S)


@dataclass(frozen=True)
class _Feature:
    """How a number for the regression is made, and whether it rises with the margin or the probability at offset."""

    of: Callable[[Numbers], float]
    may_only_help: bool


FEATURES: Mapping[str, _Feature] = {
    "margin": _Feature(lambda numbers: float(numbers.margin), may_only_help=True),
    "logit_at_offset": _Feature(_logit, may_only_help=True),
    "log_windows": _Feature(_log_windows, may_only_help=False),
    "seconds": _Feature(_seconds, may_only_help=False),
    "margin_x_seconds": _Feature(lambda numbers: float(numbers.margin) * _seconds(numbers), may_only_help=True),
    "logit_x_seconds": _Feature(lambda numbers: _logit(numbers) * _seconds(numbers), may_only_help=True),
    "margin_x_log_windows": _Feature(lambda numbers: float(numbers.margin) * _log_windows(numbers), may_only_help=True),
    "logit_x_log_windows": _Feature(lambda numbers: _logit(numbers) * _log_windows(numbers), may_only_help=True),
}
DEFAULT_FEATURES = ("logit_at_offset", "seconds", "margin_x_seconds", "logit_x_seconds")
"""What is fitted unless it is said otherwise; the others are those of older checkpoints."""


def features(tracks: Sequence[Numbers], feature_names: Sequence[str] = DEFAULT_FEATURES) -> F64:
    """One line of features per track, (tracks, features).

    Raises:
        UsageError: a feature name is unknown.
    """
    _check_names(feature_names)
    return np.array([[FEATURES[name].of(track) for name in feature_names] for track in tracks], np.float64).reshape(-1, len(feature_names))


@dataclass(frozen=True)
class Calibration:
    """A logistic map from the numbers of a track to the probability that it is in sync, and how its windows are judged."""

    feature_names: tuple[str, ...]
    weights: tuple[float, ...]
    bias: float
    decision: Decision | None = None
    """When the face is the speaker; None where that was never fitted."""

    def probability_in_sync(self, numbers: Numbers) -> float:
        """Of tracks with these numbers, the share that belongs together where half of all tracks do, 0-1."""
        line = features([numbers], self.feature_names)[0]
        return float(sigmoid(float(line @ np.array(self.weights)) + self.bias))

    def to_json(self) -> dict[str, object]:
        """The calibration as a dictionary that JSON can hold; `from_json` gives it back unchanged."""
        stored: dict[str, object] = {"version": VERSION, "feature_names": list(self.feature_names), "weights": list(self.weights)}
        decision = {} if self.decision is None else {"decision": asdict(self.decision)}
        return {**stored, "bias": self.bias, **decision}

    @classmethod
    def from_json(cls, stored: Mapping[str, object]) -> Calibration:
        """The calibration that `to_json` stored.

        Raises:
            UsageError: another version, an unknown or missing key or feature, a number that is none, or a weight that would let
                the probability fall when the margin or the probability at offset rises.
        """
        expected = ("version", "feature_names", "weights", "bias", "decision")
        if stored.get("version", VERSION) != VERSION:
            raise UsageError(f"the calibration has version {stored['version']!r}; this syncqc reads version {VERSION}")
        for key in stored:
            if key not in expected:
                raise unknown_name("key of a calibration", key, expected)
        for key in expected:
            if key not in stored and key != "decision":
                raise UsageError(f"the calibration lacks {key!r}")
        names, weights = stored["feature_names"], stored["weights"]
        if not isinstance(names, list | tuple) or not isinstance(weights, list | tuple) or len(names) != len(weights):
            raise UsageError("a calibration needs a list of feature_names and a list of as many weights")
        _check_names(names)
        numbers = [_finite(weight) for weight in weights]
        for name, weight in zip(names, numbers, strict=True):
            if FEATURES[name].may_only_help and weight < 0:
                raise UsageError(f"the weight of {name} in a calibration may not be negative, got {weight}")
        decision = Decision.from_json(stored["decision"]) if "decision" in stored else None
        return cls(tuple(names), tuple(numbers), _finite(stored["bias"]), decision)


def fit(tracks: F64, labels: Bools, feature_names: Sequence[str] = DEFAULT_FEATURES) -> Calibration:
    """The calibration that makes the labels most probable, both classes weighing one half.

    `tracks` are the lines made by `features`, (tracks, features); `labels` (tracks,) say which of them are in sync. A small ridge on the
    standardised weights keeps them finite where the classes can be told apart without error. A feature whose weight may not be
    negative but would be is dropped, the worst first, and the rest fitted again; a dropped or constant feature has weight 0.

    Raises:
        UsageError: one of the classes is missing, a feature is not finite, or a name is unknown.
        ValueError: the shapes do not fit.
    """
    _check_names(feature_names)
    if tracks.shape != (labels.size, len(feature_names)):
        raise ValueError(f"tracks must be (tracks, features), got {tracks.shape = } for {labels.size} labels, {len(feature_names)} names")
    is_in_sync = labels.astype(np.bool_)
    if is_in_sync.all() or not is_in_sync.any():
        raise UsageError("a calibration needs tracks that are in sync and tracks that are not")
    if not np.isfinite(tracks).all():
        raise UsageError("a calibration needs finite features; leave out tracks that were not measured")
    # Tracks of one class share one half, however many they are: prior 1/2.
    shares = np.where(is_in_sync, 0.5 / is_in_sync.sum(), 0.5 / (~is_in_sync).sum())
    centre, scale = tracks.mean(axis=0), tracks.std(axis=0)
    kept = scale > 1e-9 * np.maximum(1, np.abs(centre))
    may_only_help = np.array([FEATURES[name].may_only_help for name in feature_names])
    standardised = (tracks - centre) / np.where(kept, scale, 1)
    weights = np.zeros(len(feature_names))
    while True:
        weights[:] = 0
        bias, weights[kept] = _newton(standardised[:, kept], is_in_sync, shares)
        wrong = np.where(may_only_help, weights, 0)
        if wrong.min(initial=0) >= 0:
            break
        kept[np.argmin(wrong)] = False
    raw = weights / np.where(scale > 0, scale, 1)
    return Calibration(tuple(feature_names), tuple(raw.tolist()), float(bias - raw @ centre))


def _newton(x: F64, is_in_sync: Bools, shares: F64) -> tuple[float, F64]:
    """Bias and weights of the ridge logistic regression on standardised features, by Newton's method with step halving."""
    design = np.column_stack([np.ones(len(x)), x])
    ridge = np.full(design.shape[1], _RIDGE)
    ridge[0] = 0
    signs = np.where(is_in_sync, 1.0, -1.0)

    def loss(beta: F64) -> float:
        return float(shares @ np.logaddexp(0, -signs * (design @ beta)) + 0.5 * ridge @ beta**2)

    beta = np.zeros(design.shape[1])
    for _ in range(_MAX_NEWTON_STEPS):
        p = sigmoid(design @ beta)
        gradient = design.T @ (shares * (p - is_in_sync)) + ridge * beta
        curvature = (design * (shares * p * (1 - p))[:, None]).T @ design + np.diag(ridge)
        step = np.linalg.solve(curvature + 1e-12 * np.eye(len(beta)), gradient)
        size = 1.0
        while loss(beta - size * step) > loss(beta) and size > 1e-6:
            size /= 2
        beta = beta - size * step
        if np.abs(size * step).max() < 1e-9:
            break
    return float(beta[0]), beta[1:]


def _check_names(names: Sequence[object]) -> None:
    """Refuses a feature this version does not know."""
    for name in names:
        if name not in FEATURES:
            raise unknown_name("calibration feature", str(name), FEATURES)


def _finite(value: object) -> float:
    """The value as a finite float, or a sentence about what stands there instead."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise UsageError(f"a calibration holds finite numbers, not {value!r}")
    return float(value)
