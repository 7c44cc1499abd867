"""The map from a row's numbers to `probability_in_sync`, fitted on speakers the network never saw; and its own zero.

Positives are stretches with their own sound, moved or not; negatives have the speech of another speaker. Half and half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from syncqc.measure.calibration import Calibration, features, fit
from syncqc.measure.sync import Sync
from syncqc.train.evaluate import EvalSettings, Stretch, TrackMatrices, stretches

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Reliability:
    """How far the calibrated probability is from the truth, on speakers that were left out of the fit."""

    expected_error: float
    """Mean distance of probability and observed share over ten equal bins, weighted by their size."""
    auc: float
    n_positive: int
    n_negative: int
    bins: list[dict[str, float]]


def labelled(tracks: Sequence[TrackMatrices], tau: float, settings: EvalSettings) -> list[tuple[str, Sync, bool]]:
    """(speaker, numbers, belongs together) for stretches of every duration, own, moved and foreign sound."""
    found: list[tuple[str, Sync, bool]] = []
    for duration in settings.durations_s:
        for stretch in stretches(tracks, duration, tau, settings):
            found += [(stretch.speaker, sync, is_own) for sync, is_own in _pairs(stretch)]
    return found


def _pairs(stretch: Stretch) -> list[tuple[Sync, bool]]:
    # As many positives as negatives, so that a stretch weighs the same on both sides.
    positives = [stretch.own, *stretch.moved.values()][: max(1, len(stretch.foreign))]
    return [(sync, True) for sync in positives] + [(sync, False) for sync in stretch.foreign]


def calibrate(tracks: Sequence[TrackMatrices], tau: float, settings: EvalSettings, n_folds: int = 5) -> tuple[Calibration, Reliability]:
    """The map fitted on all speakers, and its reliability with each speaker judged by a map that left them out."""
    items = labelled(tracks, tau, settings)
    speakers = sorted({speaker for speaker, _, _ in items})
    fold_of = {speaker: i % n_folds for i, speaker in enumerate(speakers)}
    probabilities = np.zeros(len(items))
    for fold in range(n_folds):
        seen = [(sync, is_own) for speaker, sync, is_own in items if fold_of[speaker] != fold]
        left_out = fit(features([sync for sync, _ in seen]), np.array([is_own for _, is_own in seen]))
        for i, (speaker, sync, _) in enumerate(items):
            if fold_of[speaker] == fold:
                probabilities[i] = left_out.probability_in_sync(sync)
    truth = np.array([is_own for _, _, is_own in items])
    return fit(features([sync for _, sync, _ in items]), truth), reliability(probabilities, truth)


def reliability(probabilities: F64, truth: npt.NDArray[np.bool_], n_bins: int = 10) -> Reliability:
    """The calibration error with classes weighted to one half each."""
    weights = np.where(truth, 0.5 / max(1, truth.sum()), 0.5 / max(1, (~truth).sum()))
    which = np.minimum((probabilities * n_bins).astype(int), n_bins - 1)
    bins = []
    error = 0.0
    for i in range(n_bins):
        inside = which == i
        mass = float(weights[inside].sum())
        if mass > 0:
            said = float((weights * probabilities)[inside].sum() / mass)
            seen = float(weights[inside & truth].sum() / mass)
            error += mass * abs(said - seen)
            bins.append({"said": said, "seen": seen, "mass": mass, "n": int(inside.sum())})
    own, foreign = probabilities[truth], probabilities[~truth]
    auc = float((own[:, None] > foreign[None, :]).mean() + 0.5 * (own[:, None] == foreign[None, :]).mean())
    return Reliability(error, auc, int(truth.sum()), int((~truth).sum()), bins)
