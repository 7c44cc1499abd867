"""When the face on screen is the speaker, by the paper's rules: from a probability per window to runs of windows; and runs to seconds.

The rules are for the setting ``onscreen_by = "window"``; by default `decision` judges all windows of a track together.

::

    probability > 0.4     T T T T T F F T T T T T T F T F T ...     step 4
    connected runs        [   T   ] F [     T     ] F T F T ...     step 5
    mean of a run < 0.66  -> False, and equal neighbours merge      step 6
    a lone short run between longer ones takes their value          step 7, island
    short runs in a row   -> False                                  step 7, archipelago

Knows no cosine: how the probability of a window was found is the caller's.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from syncqc.clock import IMAGE_RATE_HZ, WINDOW_CENTRE_IMAGE
from syncqc.measure.settings import DEFAULTS, MeasureSettings
from syncqc.measure.similarity import F64, Bools


class Run(NamedTuple):
    """Places `first` ... `end` - 1 of a row of flags, all of which have the same `value`."""

    first: int
    end: int
    value: bool

    @property
    def length(self) -> int:
        """How many places the run covers."""
        return self.end - self.first


def onscreen(probabilities: F64, settings: MeasureSettings = DEFAULTS) -> Bools:
    """Whether the face is the speaker, per window (n,).

    A window that was not measured (NaN) counts as no candidate, and the face is not the speaker in it even where it lies in a hole
    that is filled.

    Source: IC-SyncNet, App. D, steps 4 to 7.
    """
    candidates = probabilities > settings.candidate_threshold
    confident = _without_weak_runs(candidates, probabilities, settings.onscreen_threshold)
    return _without_small_runs(confident, settings.island_windows) & ~np.isnan(probabilities)


def runs(flags: Bools) -> list[Run]:
    """The longest runs of equal flags; they cover all places once, in order."""
    edges = [0, *(np.flatnonzero(flags[1:] != flags[:-1]) + 1).tolist(), flags.size]
    return [Run(first, end, bool(flags[first])) for first, end in pairwise(edges) if end > first]


def onscreen_windows(flags: Bools) -> list[tuple[int, int]]:
    """The runs in which the face is the speaker, as (first window, one past the last window)."""
    return [(run.first, run.end) for run in runs(flags) if run.value]


def onscreen_intervals_s(windows: list[tuple[int, int]], first_image: int) -> list[dict[str, float]]:
    """The runs of windows as seconds after the first image shown: ``{"start_s", "end_s"}``, half-open, in order.

    `first_image` is the image of the clip at which window 0 begins. A window speaks for its middle image, which lasts 1/25 s, so the two
    images at either end of a track are in no interval.
    """
    middle = first_image + WINDOW_CENTRE_IMAGE
    return [{"start_s": (middle + first) / IMAGE_RATE_HZ, "end_s": (middle + end) / IMAGE_RATE_HZ} for first, end in windows]


def _without_weak_runs(candidates: Bools, probabilities: F64, threshold: float) -> Bools:
    """The candidates without the runs whose mean probability is below the threshold (step 6)."""
    kept = candidates.copy()
    for first, end in onscreen_windows(candidates):
        kept[first:end] = probabilities[first:end].mean() >= threshold
    return kept


def _without_small_runs(flags: Bools, island_windows: int) -> Bools:
    """The flags without islands and archipelagos (step 7).

    A single small run with a longer one on either side takes their value; at either end of the track it is not surrounded and
    stays. Two or more small runs in a row become False.
    """
    settled = flags.copy()
    chunks = runs(flags)
    is_small = np.array([chunk.length < island_windows for chunk in chunks], np.bool_)
    for group in runs(is_small):
        if not group.value:
            continue
        first, end = chunks[group.first].first, chunks[group.end - 1].end
        is_surrounded = group.first > 0 and group.end < len(chunks)
        if group.length > 1:
            settled[first:end] = False
        elif is_surrounded:
            settled[first:end] = not flags[first]
    return settled
