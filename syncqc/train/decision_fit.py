"""Tracks whose sound is another speaker's for a known run of windows, and the decision fitted to them.

::

    heard      own own own own other other other other own own      truth 0.4: in these windows the face is not the speaker
    measured    on  on  on off   off   off   off   off  on  on      0.5: an error of 0.1

The run lies at the start, in the middle or at the end, at the track's own offset, and the other is as loud. A window counts as replaced
when the image for which it speaks is. All shares, none and all included, weigh the same. Knows matrices; no file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from syncqc.errors import UsageError
from syncqc.measure.decision import Decision
from syncqc.measure.sync import EVEN, Sync
from syncqc.train.calibrate import N_FOLDS, folds
from syncqc.train.stretches import Measuring, TrackMatrices

F64 = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

LEAST_SPEECH = 0.7
"""Tracks with less voice are left out: where nobody speaks there is no speaker to tell."""
_STEP = 0.25
"""Shares are told apart to this."""
_WEIGHTS = (0.07, 0.1, 0.15, 0.22, 0.33, 0.5, 0.75, 1.0)
_SHIFTS = (-0.6, -0.4, -0.2, 0.0, 0.2, 0.4)
_CHANGES = (0.1, 0.03, 0.01, 0.003)


@dataclass(frozen=True, eq=False)
class ReplacedRow:
    """What was measured of one track with a part of its sound replaced, over its measured windows."""

    speaker: str
    share: float
    """What was asked for: 0 ... 1."""
    logits: F64
    """(n,), cosine at the offset over tau, smoothed; NaN where a window has none."""
    is_replaced: Bools
    """(n,)."""
    sync: Sync
    is_measured: Bools
    """(n,)."""

    @property
    def true_ratio(self) -> float:
        """The share of the measured windows that are replaced."""
        return float(self.is_replaced[self.is_measured].mean())


def rows(tracks: Sequence[TrackMatrices], measuring: Measuring) -> list[ReplacedRow]:
    """Every track that speaks and has mixtures: with its own sound, and with each mixture; what cannot be measured is left out."""
    found = []
    for track in tracks:
        if track.speech_ratio < LEAST_SPEECH or not track.mixtures:
            continue
        nothing = np.zeros(track.own[0].shape[1], np.bool_)
        for pair, is_replaced in ((track.own, nothing), *((mixture.pair, mixture.is_replaced) for mixture in track.mixtures)):
            sync = measuring(pair)
            if sync is not None:
                share = round(float(is_replaced.mean()) / _STEP) * _STEP
                is_measured = ~np.isnan(sync.window_probability)
                found.append(ReplacedRow(track.speaker, share, measuring.logits(pair, sync), is_replaced, sync, is_measured))
    return found


def fit(found: Sequence[ReplacedRow]) -> Decision:
    """The decision with which the offscreen ratio is nearest to the truth, the mean over shares of the mean absolute error.

    Raises:
        UsageError: there are no rows, or no share but one.
    """
    return _best(_tried(found, _candidates(found)), np.ones(len(found), np.bool_), found)


def cross_validated(found: Sequence[ReplacedRow], n_folds: int = N_FOLDS) -> list[F64]:
    """Per row the probability per window that the face is the speaker, by a decision that was fitted without the row's speaker.

    Raises:
        UsageError: there are fewer speakers than folds, or no share but one.
    """
    n_speakers = len({row.speaker for row in found})
    if n_speakers < n_folds:
        raise UsageError(f"a decision over {n_folds} groups of speakers needs as many speakers who speak; here there are {n_speakers}")
    tried = _tried(found, _candidates(found))
    which = folds([row.speaker for row in found], n_folds)
    decisions = [_best(tried, which != fold, found) for fold in range(n_folds)]
    return [decisions[fold].probability(row.logits) for fold, row in zip(which.tolist(), found, strict=True)]


def cross_validated_error(found: Sequence[ReplacedRow], n_folds: int = N_FOLDS) -> float:
    """The mean over shares of the mean absolute error of the offscreen ratio, each row judged as in `cross_validated`.

    Raises:
        UsageError: there are fewer speakers than folds, or no share but one.
    """
    errors = [
        abs(float((said[row.is_measured] < EVEN).mean()) - row.true_ratio)
        for row, said in zip(found, cross_validated(found, n_folds), strict=True)
    ]
    return over_shares(np.array(errors), np.array([row.share for row in found]), np.ones(len(found)))


def _candidates(found: Sequence[ReplacedRow]) -> list[Decision]:
    """Decisions around what single windows say: the logistic map of the logits of all rows, shares weighing the same."""
    if len({row.share for row in found}) < 2:
        raise UsageError("a decision needs tracks that speak, each beside the sound of another speaker")
    has_logit = [row.is_measured & ~np.isnan(row.logits) for row in found]
    logits = np.concatenate([row.logits[chosen] for row, chosen in zip(found, has_logit, strict=True)])
    is_own = np.concatenate([~row.is_replaced[chosen] for row, chosen in zip(found, has_logit, strict=True)])
    slope, zero = _logistic(logits, is_own)
    return [
        Decision(weight=weight * slope, threshold_logit=zero + shift / slope, change_probability=change)
        for weight in _WEIGHTS
        for shift in _SHIFTS
        for change in _CHANGES
    ]


def _logistic(values: F64, truth: Bools) -> tuple[float, float]:
    """Slope and zero of the balanced logistic map from the values to the truth; a slope that is not above 0 becomes a small one."""
    shares = np.where(truth, 0.5 / max(1, truth.sum()), 0.5 / max(1, (~truth).sum()))
    centre, scale = float(values.mean()), float(values.std()) or 1.0
    x = (values - centre) / scale
    beta = np.zeros(2)
    design = np.column_stack([np.ones_like(x), x])
    for _ in range(25):
        p = 0.5 * (1 + np.tanh(0.5 * design @ beta))
        gradient = design.T @ (shares * (p - truth)) + 1e-4 * beta
        beta -= np.linalg.solve((design * (shares * p * (1 - p))[:, None]).T @ design + 1e-4 * np.eye(2), gradient)
    slope = max(float(beta[1]), 0.05)
    return slope / scale, centre - scale * float(beta[0]) / slope


def _tried(found: Sequence[ReplacedRow], decisions: Sequence[Decision]) -> list[tuple[Decision, F64]]:
    """Each decision with the absolute error of every row."""
    n = max(len(row.logits) for row in found)
    logits = np.full((len(found), n), np.nan)
    is_measured = np.zeros((len(found), n), np.bool_)
    for i, row in enumerate(found):
        logits[i, : len(row.logits)], is_measured[i, : len(row.logits)] = row.logits, row.is_measured
    truth = np.array([row.true_ratio for row in found])
    n_measured = is_measured.sum(axis=1)
    # Places beyond a row's end have no evidence and change nothing.
    return [
        (decision, np.abs(((decision.probability(logits) < EVEN) & is_measured).sum(axis=1) / n_measured - truth)) for decision in decisions
    ]


def _best(tried: Sequence[tuple[Decision, F64]], chosen: Bools, found: Sequence[ReplacedRow]) -> Decision:
    shares = np.array([row.share for row in found])
    errors = [over_shares(errors, shares, chosen.astype(np.float64)) for _, errors in tried]
    return tried[int(np.argmin(errors))][0]


def over_shares(values: F64, shares: F64, weights: F64) -> float:
    """The mean over shares of the weighted mean of the values; shares without weight are left out."""
    means = [np.average(values[at], weights=weights[at]) for share in np.unique(shares) if weights[at := shares == share].sum() > 0]
    return float(np.mean(means)) if means else float("nan")
