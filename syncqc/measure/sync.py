"""All numbers of one track from its similarity matrix, in one call.

Knows no manifest: the calibrated probability and the seconds are added by whoever knows the checkpoint and the clip.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from syncqc.clock import offset_of_shift
from syncqc.measure.active_speaker import onscreen, onscreen_windows
from syncqc.measure.decision import Decision
from syncqc.measure.offset import best_shift, is_at_edge, margin
from syncqc.measure.probability import best_cosines, offscreen_ratio, probability_at_offset, smooth, window_probability
from syncqc.measure.settings import DEFAULTS, MeasureSettings
from syncqc.measure.similarity import F64, Bools, Floats, mean_curve

EVEN = 0.5
"""From this probability on the face counts as the speaker."""


@dataclass(frozen=True, eq=False)
class Sync:
    """How far sound and lips of one track are apart, and how well they belong together."""

    offset_frames: int
    """Images of 1/25 s; > 0: the sound comes early (it leads the picture). The checkpoint's own zero is taken off."""
    shift: int
    """Row of the similarity matrix that is the answer."""
    is_offset_at_edge: bool
    """The answer is the first or last shift that could be it: the true one may lie beyond."""
    margin: float
    """Best mean cosine minus the median over the shifts that are not null."""
    probability_at_offset: float
    """Sigmoid of the mean best cosine within 1 of the offset, over tau."""
    offscreen_ratio: float
    """Share of measured windows in which the face is not the speaker."""
    n_windows: int
    """Windows that were measured: with at least one cell that counts within 1 of the best shift."""
    onscreen_windows: list[tuple[int, int]]
    """Runs (first window, one past the last) in which the face is the speaker. Decided by the track, the measured windows
    outside them are exactly the share `offscreen_ratio`; by the paper's rules the two are found apart and may differ."""
    window_probability: F64
    """(n,), NaN for a window that was not measured."""
    curve: F64
    """(2 w + 1,), mean cosine per shift, not smoothed; NaN for a shift with too few windows."""
    onscreen_probability: F64 = field(default_factory=lambda: np.zeros(0))
    """(n,), probability that the face is the speaker, from which `offscreen_ratio` and `onscreen_windows` are; NaN for a window that was
    not measured."""


def measure(
    similarity: Floats,
    is_valid: Bools,
    tau: float,
    zero_offset_frames: int = 0,
    settings: MeasureSettings = DEFAULTS,
) -> Sync | None:
    """All numbers of one track; None where no shift has enough windows, so that nothing can be said.

    `similarity` and `is_valid` are (2 w + 1, n) for any w of 1 or more. A cell with a non-finite cosine does not count.
    `zero_offset_frames` is what the checkpoint reads on clips that are in sync.

    Raises:
        ValueError: the shapes do not fit, or tau is not above 0.

    Source: IC-SyncNet, §4, App. D and E.
    """
    if similarity.ndim != 2 or similarity.shape != is_valid.shape or similarity.shape[0] < 3 or similarity.shape[0] % 2 == 0:
        raise ValueError(f"similarity and is_valid must be (2 w + 1, n) with w >= 1, got {similarity.shape = }, {is_valid.shape = }")
    if not (tau > 0 and math.isfinite(tau)):
        raise ValueError(f"tau must be above 0, got {tau}")
    is_valid = is_valid & np.isfinite(similarity)
    curve = mean_curve(similarity, is_valid, settings)
    shift, above_median = best_shift(curve), margin(curve)
    if shift is None or above_median is None:
        return None
    smoothed = smooth(similarity, is_valid, settings)
    cosines = best_cosines(smoothed, shift)
    probabilities = window_probability(cosines, tau)
    said, is_on, off_share = _judged(smoothed[shift] / tau, probabilities, settings)
    w = similarity.shape[0] // 2
    return Sync(
        offset_frames=offset_of_shift(shift, w) - zero_offset_frames,
        shift=shift,
        is_offset_at_edge=is_at_edge(curve),
        margin=above_median,
        probability_at_offset=probability_at_offset(cosines, tau),
        offscreen_ratio=off_share,
        n_windows=int((~np.isnan(probabilities)).sum()),
        onscreen_windows=onscreen_windows(is_on),
        window_probability=probabilities,
        curve=curve,
        onscreen_probability=said,
    )


def _judged(logits: F64, probabilities: F64, settings: MeasureSettings) -> tuple[F64, Bools, float]:
    """The probability per window that the face is the speaker, whether it is, and the share of the measured windows in which it is not.

    `logits` (n,) are those of the offset's own row, NaN where a window has none; `probabilities` (n,) are the paper's, NaN for a window
    that was not measured.
    """
    if settings.onscreen_by == "window":
        return probabilities, onscreen(probabilities, settings), offscreen_ratio(probabilities, settings)
    is_measured = ~np.isnan(probabilities)
    said = np.where(is_measured, (settings.decision or Decision()).probability(logits), np.nan)
    is_on = said >= EVEN
    return said, is_on, float((~is_on[is_measured]).mean()) if is_measured.any() else math.nan
