"""What guesses of start times say about a dataset: accuracies against chance, the comb of the errors, and the verdict.

Trims of one clip, and clips of one speaker, are no independent guesses: every test and every range counts speakers (or clips, where no
speakers are named). Knows numbers only; no network and no file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from scipy import stats

from syncqc.stages.start_time import STEPS_PER_S
from syncqc.train.intervals import mean_interval95
from syncqc.train.leak_settings import LeakSettings

F64 = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
N_TESTS = 3
"""Accuracy at 1, at 5, and the comb: the level is divided among them."""


class Says(StrEnum):
    """The three answers."""

    LEAKS = "leaks"
    DOES_NOT = "does not leak"
    NOT_ENOUGH = "not enough data"


@dataclass(frozen=True)
class Above:
    """A mean over speakers against what it would be by chance."""

    value: float
    chance: float
    interval95: list[float] | None
    """Of the mean, speakers drawn again; None for fewer than two."""
    p_value: float
    """One-sided: so far above chance or farther, were there nothing to find."""
    upper95: float
    """One-sided: what it could be at most."""
    n_speakers: int
    n_trims: int


@dataclass(frozen=True)
class Verdict:
    """The answer and the sentence behind it."""

    says: Says
    reason: str


def above_chance(values: Sequence[float] | F64, groups: Sequence[str], chance: float) -> Above:
    """The mean of the speakers' means against `chance`, by a one-sided t test over speakers.

    A standard error smaller than that of independent guesses at `chance` is not believed: few speakers may be alike by accident.
    A network that says always the same is right exactly as often as chance, and its p value is one half.
    """
    names, which = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    numbers = np.asarray(values, np.float64)
    means = np.bincount(which, numbers) / np.bincount(which)
    mean, n = float(means.mean()), len(names)
    least = float(np.sqrt(max(chance * (1 - chance), 0.0) / len(numbers)))
    error = max(float(means.std(ddof=1)) / np.sqrt(n) if n > 1 else 0.0, least)
    freedom = max(1, n - 1)
    p_value = float(stats.t.sf((mean - chance) / error, freedom)) if error > 0 else float(mean <= chance)
    upper = float(mean + stats.t.ppf(0.95, freedom) * error)
    once = mean_interval95(means.tolist(), names.tolist())
    return Above(mean, chance, once, p_value, upper, n, len(numbers))


def comb(true_steps: Ints, guessed_steps: Ints, periods_s: Sequence[float | None], groups: Sequence[str], n_steps: int) -> Above | None:
    """How far wrong guesses keep to whole periods away from the truth: the mean cosine of their errors folded by the period, less chance.

    1: every error is a whole number of key-frame distances; 0: errors do not know the period. By chance is what the same guesses would
    give for all other starts, which is taken off guess by guess. None where no clip has a period or no guess is wrong.
    Source: Iashin et al. (BMVC 2022), 7.1: "any class where class id mod 12 = 3".
    """
    is_known = np.array([period is not None for period in periods_s]) & (guessed_steps != true_steps)
    if not is_known.any():
        return None
    period = np.array([np.nan if p is None else p for p in periods_s])[is_known] * STEPS_PER_S
    true, guessed = true_steps[is_known], guessed_steps[is_known]
    found = np.cos(2 * np.pi * (guessed - true) / period)
    others = np.cos(2 * np.pi * (guessed[:, None] - np.arange(n_steps)[None, :]) / period[:, None])
    by_chance = (others.sum(1) - 1) / (n_steps - 1)
    return above_chance(found - by_chance, [group for group, is_one in zip(groups, is_known, strict=True) if is_one], 0.0)


def folded(true_steps: Ints, guessed_steps: Ints, periods_s: Sequence[float | None], n_bins: int = 12) -> list[int] | None:
    """How many wrong guesses are off by a whole number of periods and k / 12 of one, `(12,)`, k = 0 first; None without a period."""
    counts = np.zeros(n_bins, np.int64)
    for true, guessed, period_s in zip(true_steps, guessed_steps, periods_s, strict=True):
        if period_s is not None and guessed != true:
            share = (guessed - true) / (period_s * STEPS_PER_S) % 1
            counts[round(share * n_bins) % n_bins] += 1
    return counts.tolist() if any(period is not None for period in periods_s) else None


def verdict(at_1: Above, at_5: Above, comb: Above | None, n_learnt: int, settings: LeakSettings) -> Verdict:
    """What the accuracies and the comb come to."""
    tests = {"accuracy at 1": at_1, "accuracy at 5": at_5, "the comb of errors": comb}
    known = {name: test.p_value for name, test in tests.items() if test is not None}
    name = min(known, key=lambda test: known[test])
    p_value = min(1.0, N_TESTS * known[name])
    if p_value < settings.level:
        above = f"{name} is above chance (p = {p_value:.2g}, {N_TESTS} tests counted, level {settings.level:g})"
        return Verdict(Says.LEAKS, f"{above}; {_what_tells(comb, settings)}")
    bound, upper = at_1.chance * (1 + settings.margin), at_1.upper95
    if n_learnt < settings.min_learnt:
        return Verdict(
            Says.NOT_ENOUGH,
            f"nothing was found (p = {p_value:.2g}), but of {n_learnt} clips, fewer than {settings.min_learnt}, little can be learnt",
        )
    if upper >= bound:
        return Verdict(
            Says.NOT_ENOUGH,
            f"nothing was shown (p = {p_value:.2g}), but accuracy at 1 could be {upper:.1%} (one-sided 95 %), and {bound:.1%} would count",
        )
    missed = max(0.0, upper - at_1.chance)
    return Verdict(
        Says.DOES_NOT,
        f"p = {p_value:.2g}; at most {100 * missed:.1f} points above chance could have been missed (one-sided 95 %); what another network "
        "or more clips would find is not known",
    )


def _what_tells(comb: Above | None, settings: LeakSettings) -> str:
    """Whether it is the coding that tells the time, as far as the errors show it."""
    if comb is None:
        return "whether by the coding or by what the clips show is not known"
    if N_TESTS * comb.p_value < settings.level:
        return "wrong guesses keep to the distance of key frames or blocks: it is the coding that tells the time"
    return (
        "wrong guesses do not keep to the distance of key frames or blocks: they do not show whether it is the coding that tells the time"
    )
