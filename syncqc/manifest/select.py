"""Which rows are good enough, said once for everything that counts or keeps them.

Knows rows; neither files nor commands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np

MAX_IN_TIME_FRAMES = 1
"""A sound that is off by at most so many images counts as in time: nobody sees less."""


@dataclass(frozen=True)
class Thresholds:
    """From where on voice and lips belong together. Source: IC-SyncNet, App. E.

    The manifest holds 32-bit numbers: a limit is rounded to one before it is compared, so that a stored 0.9 is not below 0.9.
    """

    p: float = 0.9
    """Least `probability_at_offset`."""
    offscreen: float = 0.2
    """Largest `offscreen_ratio`."""

    def is_good(self, row: Mapping[str, object]) -> bool:
        """Whether the row is its part's chosen track and within both thresholds, at whatever offset."""
        probability, offscreen = row.get("probability_at_offset"), row.get("offscreen_ratio")
        if not row.get("is_chosen_track") or probability is None or offscreen is None:
            return False
        return as_stored(cast(float, probability)) >= as_stored(self.p) and as_stored(cast(float, offscreen)) <= as_stored(self.offscreen)


def as_stored(number: float) -> float:
    """The number as a 32-bit column holds it."""
    return float(np.float32(number))


def is_in_time(row: Mapping[str, object]) -> bool:
    """Whether the row's sound is off by at most `MAX_IN_TIME_FRAMES`; False where that was not measured."""
    offset = row.get("offset_frames")
    return offset is not None and abs(cast(int, offset)) <= MAX_IN_TIME_FRAMES
