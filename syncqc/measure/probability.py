"""The probability that picture and sound belong together, per cell, per window and for a whole track.

Knows how cosines become probabilities, and nothing of how the best shift was found.
"""

from __future__ import annotations

import math

import numpy as np

from syncqc.measure.settings import DEFAULTS, MeasureSettings
from syncqc.measure.similarity import F64, Bools, Floats

_KERNEL = (0.25, 0.5, 0.25)


def sigmoid(x: Floats | float) -> F64:
    """1 / (1 + exp(-x)), float64, without overflow; NaN stays NaN."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * np.asarray(x, np.float64))))


def probability_map(similarity: Floats, is_valid: Bools, tau: float) -> F64:
    """Probability of every cell by itself, (2 w + 1, n): sigmoid(S / tau), not smoothed; NaN where the cell does not count.

    Source: IC-SyncNet, Eq. 7 and Fig. 2.
    """
    return sigmoid(np.where(is_valid, similarity, np.nan) / tau)


def smooth(similarity: Floats, is_valid: Bools, settings: MeasureSettings = DEFAULTS) -> F64:
    """Cosines after a [1 2 1]/4 filter along image time or along offset, (2 w + 1, n); NaN where the cell does not count.

    At the ends and beside cells that do not count, the weights of those that do are scaled to sum to one.

    Source: IC-SyncNet, App. D, step 1 (filter size 3) and App. E ("along the x direction").
    """
    axis = 1 if settings.smooth_along == "time" else 0
    total = _filtered(np.where(is_valid, similarity, 0).astype(np.float64), axis)
    weight = _filtered(is_valid.astype(np.float64), axis)
    return np.where(is_valid, total / np.where(is_valid, weight, 1), np.nan)


def best_cosines(smoothed: F64, shift: int) -> F64:
    """Per window the highest smoothed cosine of the rows `shift` - 1, `shift`, `shift` + 1, (n,); NaN where none counts.

    Rows beyond the matrix are left out.

    Source: IC-SyncNet, App. D, step 3, and App. E, step 3.
    """
    near = smoothed[max(0, shift - 1) : shift + 2]
    best = np.where(np.isnan(near), -np.inf, near).max(axis=0)
    return np.where(np.isneginf(best), np.nan, best)


def window_probability(cosines: F64, tau: float) -> F64:
    """Probability per window, (n,): sigmoid(best cosine / tau); NaN for a window that was not measured.

    Source: IC-SyncNet, App. D, steps 2 and 3 (the sigmoid rises, so the best cosine gives the best probability).
    """
    return sigmoid(cosines / tau)


def probability_at_offset(cosines: F64, tau: float) -> float:
    """Probability of the mean best cosine over the measured windows: sigmoid(mean / tau); NaN where no window was measured.

    Source: IC-SyncNet, App. E (§4 words it as the average cosine at the offset itself, without the neighbours).
    """
    measured = cosines[~np.isnan(cosines)]
    return float(sigmoid(measured.mean() / tau)) if measured.size else math.nan


def offscreen_ratio(probabilities: F64, settings: MeasureSettings = DEFAULTS) -> float:
    """Share of the measured windows whose probability is below `onscreen_threshold`, 0-1; NaN where no window was measured.

    Source: IC-SyncNet, App. E, steps 4 and 5.
    """
    measured = probabilities[~np.isnan(probabilities)]
    return float((measured < settings.onscreen_threshold).mean()) if measured.size else math.nan


def _filtered(values: F64, axis: int) -> F64:
    """The values under the [1 2 1]/4 filter along `axis`, with zeros beyond the ends; same shape."""
    padded = np.pad(values, [(1, 1) if a == axis else (0, 0) for a in range(values.ndim)])
    n = values.shape[axis]
    parts = [weight * np.take(padded, np.arange(step, step + n), axis) for step, weight in enumerate(_KERNEL)]
    return np.asarray(sum(parts))
