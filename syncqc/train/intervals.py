"""Means and rank figures over stretches, with the range in which they would lie for other speakers of the same kind.

Stretches of one speaker are not independent, so whole speakers are drawn again, with replacement and from a fixed seed.
Knows numbers and names only.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

N_DRAWS = 1000
SEED = 0
Interval = list[float]


def mean(values: Sequence[float]) -> float | None:
    """The mean; None without any value."""
    return float(np.mean(values)) if len(values) else None


def mean_interval95(values: Sequence[float], speakers: Sequence[str]) -> Interval | None:
    """The range [low, high] of the mean in 95 % of draws of speakers; None for fewer than two speakers."""
    names, which = np.unique(np.asarray(speakers, dtype=str), return_inverse=True)
    if len(names) < 2:
        return None
    draws = _draws(len(names))
    sums = np.bincount(which, np.asarray(values, np.float64), len(names))
    return _middle95((draws @ sums) / (draws @ np.bincount(which, minlength=len(names))))


def auc(own: Sequence[float], foreign: Sequence[float]) -> float | None:
    """Chance that an own value is above a foreign one, ties counting one half; None without either."""
    if not len(own) or not len(foreign):
        return None
    classes, n_classes = _classes(own, foreign)
    return float(_auc(classes[: len(own)], classes[len(own) :], np.ones(len(own)), np.ones(len(foreign)), n_classes))


def auc_interval95(
    own: Sequence[float], own_speakers: Sequence[str], foreign: Sequence[float], foreign_speakers: Sequence[str]
) -> Interval | None:
    """The range [low, high] of `auc` in 95 % of draws of speakers; None for fewer than two speakers, or without either.

    A foreign value belongs to the speaker who is seen.
    """
    names, which = np.unique(np.asarray([*own_speakers, *foreign_speakers], dtype=str), return_inverse=True)
    if len(names) < 2 or not len(own) or not len(foreign):
        return None
    classes, n_classes = _classes(own, foreign)
    n = len(own)
    drawn = [_auc(classes[:n], classes[n:], draw[which[:n]], draw[which[n:]], n_classes) for draw in _draws(len(names))]
    return _middle95(np.array(drawn))


def _draws(n_speakers: int) -> Counts:
    """How often each speaker is drawn, (draws, speakers)."""
    return np.random.default_rng(SEED).multinomial(n_speakers, np.full(n_speakers, 1 / n_speakers), size=N_DRAWS)


def _classes(own: Sequence[float], foreign: Sequence[float]) -> tuple[Counts, int]:
    """Ranks of all values, own ones first, equal ones alike; and how many there are."""
    values, classes = np.unique(np.asarray([*own, *foreign], np.float64), return_inverse=True)
    return classes, len(values)


def _auc(own: Counts, foreign: Counts, own_weights: npt.NDArray[np.number], foreign_weights: npt.NDArray[np.number], n: int) -> float:
    """NaN where one side has no weight."""
    own_mass, foreign_mass = np.bincount(own, own_weights, n), np.bincount(foreign, foreign_weights, n)
    total = own_mass.sum() * foreign_mass.sum()
    below = np.cumsum(foreign_mass) - foreign_mass / 2
    return float(own_mass @ below / total) if total else float("nan")


def _middle95(drawn: F64) -> Interval | None:
    known = drawn[~np.isnan(drawn)]
    return [float(edge) for edge in np.quantile(known, (0.025, 0.975))] if len(known) else None
