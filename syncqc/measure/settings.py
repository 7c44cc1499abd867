"""Every threshold of the measures, with its default and its source.

Knows no array: a setting out of its range is refused here, once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from syncqc.errors import UsageError, unknown_name
from syncqc.measure.decision import Decision

SmoothAlong = Literal["time", "offset"]
OnscreenBy = Literal["track", "window"]


@dataclass(frozen=True)
class MeasureSettings:
    """Thresholds of the measures; the defaults are the paper's where it gives one.

    Raises:
        UsageError: a value lies outside its range.

    Source: IC-SyncNet, App. D and E.
    """

    onscreen_by: OnscreenBy = "track"
    """Who decides when the face is the speaker, and so the offscreen ratio: the whole track at once (`measure.decision`), or the paper's
    rules, the ratio window by window (App. E) and the intervals from runs of windows (App. D)."""
    decision: Decision | None = None
    """For "track": what a window says and how rare a change is; None for the checkpoint's own, or, where it has none, the defaults."""
    candidate_threshold: float = 0.4
    """For "window": a window is a candidate for the active speaker when its probability is above this (App. D, step 4)."""
    onscreen_threshold: float = 0.66
    """For "window": least mean probability of a run of the active speaker (App. D, step 6); a window below it is offscreen (App. E)."""
    island_windows: int = 4
    """For "window": a run of fewer windows is small: an island or a piece of an archipelago (App. D, step 7)."""
    smooth_along: SmoothAlong = "time"
    """Direction of the [1 2 1]/4 filter: image time (App. E, "along the x direction") or offset (App. D, "first dimension")."""
    min_share_of_windows: float = 0.5
    """A shift with a smaller share of windows that count is null and cannot be the answer."""
    min_windows: int = 6
    """A shift with fewer windows that count is null. Six is the least that holds two windows without a common image."""

    def __post_init__(self) -> None:
        """Refuses what no measure can work with."""
        for name in ("candidate_threshold", "onscreen_threshold", "min_share_of_windows"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"{name} must lie in 0-1, not {getattr(self, name)}")
        for name in ("island_windows", "min_windows"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name, known in (("smooth_along", get_args(SmoothAlong)), ("onscreen_by", get_args(OnscreenBy))):
            if getattr(self, name) not in known:
                raise unknown_name(name, getattr(self, name), known)


DEFAULTS = MeasureSettings()
