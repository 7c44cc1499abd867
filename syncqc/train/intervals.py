"""Means and rank figures over stretches, with the range in which they would lie for other speakers of the same kind.

Stretches of one speaker are not independent, so whole speakers are drawn again, with replacement and from a fixed seed.
Knows numbers and names only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

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
    nobody = np.zeros(len(own), np.int64), np.zeros(len(foreign), np.int64)
    wins = _wins(np.asarray(own, np.float64), nobody[0], np.asarray(foreign, np.float64), nobody[1], 1)
    return float(wins[0, 0] / (len(own) * len(foreign)))


def auc_interval95(
    own: Sequence[float], own_speakers: Sequence[str], foreign: Sequence[float], foreign_speakers: Sequence[str]
) -> Interval | None:
    """The range [low, high] of `auc` in 95 % of draws of speakers; None for fewer than two speakers, or without either.

    A foreign value belongs to the speaker who is seen.
    """
    names, which = np.unique(np.asarray([*own_speakers, *foreign_speakers], dtype=str), return_inverse=True)
    if len(names) < 2 or not len(own) or not len(foreign):
        return None
    of_own, of_foreign = which[: len(own)], which[len(own) :]
    wins = _wins(np.asarray(own, np.float64), of_own, np.asarray(foreign, np.float64), of_foreign, len(names))
    draws = _draws(len(names)).astype(np.float64)
    n_pairs = (draws @ np.bincount(of_own, minlength=len(names))) * (draws @ np.bincount(of_foreign, minlength=len(names)))
    with np.errstate(invalid="ignore"):
        return _middle95(((draws @ wins) * draws).sum(axis=1) / n_pairs)


def median_interval95(values: Sequence[float], speakers: Sequence[str]) -> Interval | None:
    """The range [low, high] of the median in 95 % of draws of speakers; None for fewer than two speakers."""
    numbers = np.asarray(values, np.float64)
    return drawn_interval95(lambda weights: float(np.median(np.repeat(numbers, weights.astype(np.int64)))), speakers)


def drawn_interval95(ask: Callable[[F64], float], speakers: Sequence[str]) -> Interval | None:
    """The range [low, high] of any figure in 95 % of draws of speakers; None for fewer than two speakers, or where it is never known.

    `ask` gives the figure when each item weighs as often as its speaker was drawn, weights (items,); NaN where it is not known.
    """
    names, which = np.unique(np.asarray(speakers, dtype=str), return_inverse=True)
    if len(names) < 2:
        return None
    return _middle95(np.array([ask(draw[which].astype(np.float64)) for draw in _draws(len(names))]))


def _draws(n_speakers: int) -> Counts:
    """How often each speaker is drawn, (draws, speakers)."""
    return np.random.default_rng(SEED).multinomial(n_speakers, np.full(n_speakers, 1 / n_speakers), size=N_DRAWS)


def _wins(own: F64, of_own: Counts, foreign: F64, of_foreign: Counts, n_speakers: int) -> F64:
    """How many pairs of an own value of the first speaker and a foreign one of the second the own one wins, (speakers, speakers).

    Ties count one half.
    """
    wins = np.zeros((n_speakers, n_speakers))
    for speaker in range(n_speakers):
        values = np.sort(foreign[of_foreign == speaker])
        below = 0.5 * (np.searchsorted(values, own, "left") + np.searchsorted(values, own, "right"))
        wins[:, speaker] = np.bincount(of_own, below, n_speakers)
    return wins


def _middle95(drawn: F64) -> Interval | None:
    known = drawn[~np.isnan(drawn)]
    return [float(edge) for edge in np.quantile(known, (0.025, 0.975))] if len(known) else None
