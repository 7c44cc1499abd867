"""A cell as one number: its dataset, its level on each slider, and the bits of the rules that it does not meet.

Knows the names of sliders and rules; no rows.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from syncqc.report.cells_kinds import Indices, Marks
from syncqc.report.cells_limits import BITS, THRESHOLDS

ALWAYS_ASKED = ("p", "offscreen")
"""Sliders that cannot be off: a row that meets none of their limits is never kept, and in no cell."""

_LEVEL_BITS = 7
_LEVEL_MASK = (1 << _LEVEL_BITS) - 1
NAMES = tuple(threshold.name for threshold in THRESHOLDS)
SHIFTS = {name: len(BITS) + _LEVEL_BITS * place for place, name in enumerate(NAMES)}
DATASET_SHIFT = len(BITS) + _LEVEL_BITS * len(NAMES)
MOST_DATASETS = 1 << (63 - DATASET_SHIFT)


def marks_of(keys: Indices) -> Marks:
    """What the numbers say of their cells."""
    levels = np.stack([keys >> SHIFTS[name] & _LEVEL_MASK for name in NAMES])
    return Marks(levels, keys & (1 << len(BITS)) - 1, keys >> DATASET_SHIFT)


def moved_by(name: str, level_in: Indices) -> Callable[[Indices], Indices]:
    """Gives cells their numbers after the slider's level l became ``level_in[l]``."""

    def moved(keys: Indices) -> Indices:
        levels = keys >> SHIFTS[name] & _LEVEL_MASK
        found: Indices = keys + ((level_in[levels] - levels) << SHIFTS[name])
        return found

    return moved
