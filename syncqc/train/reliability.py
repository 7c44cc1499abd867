"""Whether a probability means what it says: what was said against what was seen, in ten bins, with the range over speakers.

Knows probabilities, truths and names of speakers; no clip and no map.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from syncqc.train.intervals import Interval, auc, drawn_interval95

F64 = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Table = tuple[str, list[str], list[list[str]]]
"""Title, header, rows."""

N_BINS = 10
LENGTHS_S = ((1.0, 3.0), (3.0, 5.0))
"""Short and long stretches, from ... to."""
_N_CHANCE_DRAWS = 200


@dataclass(frozen=True)
class Said:
    """Probabilities of stretches, whether they belong together, how long they last, and whose they are; all (n,)."""

    probabilities: F64
    truth: Bools
    durations_s: F64
    speakers: list[str]

    def at(self, chosen: Bools) -> Said:
        """Those that are chosen, (n,)."""
        names = [speaker for speaker, is_chosen in zip(self.speakers, chosen, strict=True) if is_chosen]
        return Said(self.probabilities[chosen], self.truth[chosen], self.durations_s[chosen], names)


@dataclass(frozen=True)
class Reliability:
    """How far a probability is from the truth."""

    expected_error: float
    """Mean distance of probability and observed share over ten equal bins, weighted by their size."""
    auc: float
    n_positive: int
    n_negative: int
    n_speakers: int
    bins: list[dict[str, float]]
    """Of each bin that holds anything: `said`, `seen`, `mass`, `n`, `low` and `high` (the range of `seen` over speakers, where known)."""
    expected_error_interval95: Interval | None = None
    by_chance: float | None = None
    """The expected error that so few stretches would show if every probability were exactly right and all were independent."""


def reliability(said: Said) -> Reliability:
    """The calibration error with classes weighted to one half each.

    Raises:
        ValueError: one of the classes is missing.
    """
    above = auc(said.probabilities[said.truth].tolist(), said.probabilities[~said.truth].tolist())
    if above is None:
        raise ValueError("reliability needs stretches that belong together and stretches that do not")
    which = np.minimum((said.probabilities * N_BINS).astype(int), N_BINS - 1)
    ones = np.ones(len(said.truth))
    interval = drawn_interval95(lambda weights: _expected_error(said, which, weights), said.speakers)
    return Reliability(
        expected_error=_expected_error(said, which, ones),
        auc=above,
        n_positive=int(said.truth.sum()),
        n_negative=int((~said.truth).sum()),
        n_speakers=len(set(said.speakers)),
        bins=[_bin(said, which == i) for i in range(N_BINS) if (which == i).any()],
        expected_error_interval95=interval,
        by_chance=_by_chance(said, which),
    )


def _masses(said: Said, weights: F64) -> F64:
    """The weights with each class scaled to one half; NaN where a class has none."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(weights * np.where(said.truth, 0.5 / weights[said.truth].sum(), 0.5 / weights[~said.truth].sum()))


def _expected_error(said: Said, which: Ints, weights: F64) -> float:
    masses = _masses(said, weights)
    differences = np.bincount(which, masses * (said.probabilities - said.truth), N_BINS)
    return float(np.abs(differences).sum())


def _bin(said: Said, inside: Bools) -> dict[str, float]:
    def seen(weights: F64) -> float:
        masses = _masses(said, weights)[inside]
        return float((masses * said.truth[inside]).sum() / masses.sum()) if masses.sum() > 0 else float("nan")

    masses = _masses(said, np.ones(len(said.truth)))[inside]
    mean = float((masses * said.probabilities[inside]).sum() / masses.sum())
    values = {"said": mean, "seen": seen(np.ones(len(said.truth))), "mass": float(masses.sum()), "n": int(inside.sum())}
    interval = drawn_interval95(seen, said.speakers)
    return values if interval is None else {**values, "low": interval[0], "high": interval[1]}


def _by_chance(said: Said, which: Ints) -> float | None:
    """The mean expected error over draws of the truth from the probabilities themselves."""
    rng = np.random.default_rng(0)
    # Stretches as they would come if half belonged together: the probability of each, tilted to the shares that are there.
    share = said.truth.mean()
    odds = said.probabilities / np.maximum(1 - said.probabilities, 1e-12) * share / (1 - share)
    tilted = odds / (1 + odds)
    ones = np.ones(len(said.truth))
    errors = []
    for _ in range(_N_CHANCE_DRAWS):
        truth = rng.random(len(ones)) < tilted
        if truth.any() and not truth.all():
            errors.append(_expected_error(Said(said.probabilities, truth, said.durations_s, said.speakers), which, ones))
    return float(np.mean(errors)) if errors else None


def section(said: Mapping[str, Said], lengths_s: Sequence[tuple[float, float]] = LENGTHS_S) -> dict[str, dict[str, Any]]:
    """For each map the reliability per range of lengths, JSON-able: ``{map: {"1-3 s": {...} or None, "3-5 s": ..., "all": ...}}``.

    A range holds its lower end and not its upper one; the last holds its upper end too. None where a class is missing.
    """
    found: dict[str, dict[str, Any]] = {}
    for name, one in said.items():
        ranges = {f"{low:g}-{high:g} s": _in_range(one, low, high, high == lengths_s[-1][1]) for low, high in lengths_s}
        ranges["all"] = one
        found[name] = {length: asdict(reliability(part)) if _has_both(part) else None for length, part in ranges.items()}
    return found


def _in_range(said: Said, low: float, high: float, is_last: bool) -> Said:
    slack = 1e-6
    upper = said.durations_s <= high + slack if is_last else said.durations_s < high - slack
    return said.at((said.durations_s >= low - slack) & upper)


def _has_both(said: Said) -> bool:
    return bool(said.truth.any()) and not bool(said.truth.all())


def table(found: Mapping[str, Mapping[str, Any]]) -> list[Table]:
    """The section as one table of text."""
    header = ["map", "length", "stretches", "speakers", "expected error", "by chance", "AUC"]
    rows = []
    for name, by_length in found.items():
        for length, one in by_length.items():
            if one is not None:
                n = one["n_positive"] + one["n_negative"]
                error = in_words(one["expected_error"], one["expected_error_interval95"])
                rows.append([name, length, str(n), str(one["n_speakers"]), error, in_words(one["by_chance"]), in_words(one["auc"])])
    return [("probability_in_sync: what it says against what is seen", header, rows)] if rows else []


def in_words(value: object, interval: object = None) -> str:
    """A figure with three digits and, where it is known, its range: ``0.031 (0.020-0.052)``; empty for None."""
    if value is None:
        return ""
    text = f"{float(str(value)):.3f}"
    return text if not isinstance(interval, list | tuple) else f"{text} ({interval[0]:.3f}-{interval[1]:.3f})"
