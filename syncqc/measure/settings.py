"""Every threshold of the measures, with its default and its source.

Knows no array: a setting out of its range is refused here, once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from syncqc.errors import UsageError, unknown_name

SmoothAlong = Literal["time", "offset"]


@dataclass(frozen=True)
class MeasureSettings:
    """Thresholds of the measures; the defaults are the paper's where it gives one.

    Raises:
        UsageError: a value lies outside its range.

    Source: IC-SyncNet, App. D and E.
    """

    candidate_threshold: float = 0.4
    """A window is a candidate for the active speaker when its probability is above this (App. D, step 4)."""
    onscreen_threshold: float = 0.66
    """Least mean probability of a run of the active speaker (App. D, step 6); a window below it is offscreen (App. E)."""
    island_windows: int = 4
    """A run of fewer windows is small: an island or a piece of an archipelago (App. D, step 7)."""
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
        if self.smooth_along not in get_args(SmoothAlong):
            raise unknown_name("smooth_along", self.smooth_along, get_args(SmoothAlong))


DEFAULTS = MeasureSettings()
