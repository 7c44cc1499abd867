"""Whether a network can tell from a trim alone when in its file it begins: the paper's test, from prepared clips to the answer.

Knows the beginnings of clips on the disk; nothing of videos, of the engine's work or of a command line.
Source: Iashin et al., "Sparse in Space and Time" (BMVC 2022), §4.1 and 7.1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from syncqc.stages.start_time import MIN_STEPS, STEPS_PER_S
from syncqc.train.leak_data import Start
from syncqc.train.leak_loop import Guesses, Learnt, Look, learn
from syncqc.train.leak_settings import LeakSettings
from syncqc.train.leak_trims import Division, Trims, divide, trim_steps
from syncqc.train.leak_verdict import Above, Says, Verdict, above_chance, comb, folded, verdict

_N_TOP = 5


@dataclass(frozen=True)
class Asked:
    """What was asked of which clips."""

    n_steps: int
    """A trim's length and the number of starts to choose from, in steps of 0.1 s; 0: the clips are too short or too few."""
    parts: Division
    left_out: dict[str, int]
    """Prepared clips that were not used, by the reason."""
    rate_hz: int | None
    why_not: str | None = None
    """Why there is nothing to learn from."""


@dataclass(frozen=True)
class Found:
    """The answer and everything behind it; the figures are None where there was nothing to learn from."""

    asked: Asked
    verdict: Verdict
    at_1: Above | None = None
    at_5: Above | None = None
    comb: Above | None = None
    folded: list[int] | None = None
    learnt: Learnt | None = field(default=None, repr=False)

    def to_json(self) -> dict[str, Any]:
        """Everything but the network, as JSON can hold it."""
        n, parts = self.asked.n_steps, self.asked.parts
        figures = {
            name: None if one is None else asdict(one) for name, one in (("at_1", self.at_1), ("at_5", self.at_5), ("comb", self.comb))
        }
        learnt = self.learnt
        return {
            "verdict": str(self.verdict.says),
            "reason": self.verdict.reason,
            "trim_s": n / STEPS_PER_S if n else None,
            "clip_s": 2 * n / STEPS_PER_S if n else None,
            "n_classes": n or None,
            "rate_hz": self.asked.rate_hz,
            "n_clips": {name: len(getattr(parts, name)) for name in ("train", "validation", "test")},
            "n_speakers": {name: len({start.group for start in getattr(parts, name)}) for name in ("train", "validation", "test")},
            "left_out": self.asked.left_out,
            "accuracy": {"at_1": figures["at_1"], "at_5": figures["at_5"]},
            "comb": None if self.comb is None else {**asdict(self.comb), "folded": self.folded},
            "median_period_s": _median_period_s(parts.test),
            "learnt": None if learnt is None else _about(learnt),
            "errors": None if learnt is None else _errors(learnt.guesses, n),
        }


def ask(starts: Sequence[Start], settings: LeakSettings) -> Asked:
    """The clips that are used, how they are divided, and how long a trim is.

    A trim is half of what most clips reach (`LeakSettings.reached_by`), at most 5 s; clips that do not reach that are left out, and of
    sound at the files' own rates all but the commonest rate.
    """
    left_out: Counter[str] = Counter()
    rate_hz = _commonest_rate(starts)
    of_rate = [start for start in starts if start.rate_hz == rate_hz]
    left_out["another sound rate"] = len(starts) - len(of_rate)
    n_steps = trim_steps([start.n_steps for start in of_rate], settings.reached_by)
    long = [start for start in of_rate if n_steps and _reaches(start, n_steps)]
    left_out[f"shorter than {2 * (n_steps or MIN_STEPS // 2) / STEPS_PER_S:g} s"] = len(of_rate) - len(long)
    parts = divide(long, settings)
    n_judged = len({start.group for start in parts.test})
    why_not = None
    if not long:
        why_not = "there is no clip to learn from" if not starts else "too few clips reach 2 s"
    elif not (parts.train and parts.validation) or n_judged < settings.min_judged:
        why_not = (
            f"there are {n_judged} speakers or clips to judge on and {len(parts.train)} clips to learn from; "
            f"{settings.min_judged} to judge on are the least"
        )
    return Asked(n_steps, parts, {reason: n for reason, n in left_out.items() if n}, rate_hz, why_not)


def find_leak(starts: Sequence[Start], modality: str, settings: LeakSettings, told: Callable[[Look], None] = lambda look: None) -> Found:
    """The answer for these clips; `told` hears how learning goes.

    Raises:
        UsageError: CUDA is asked for and not there.
    """
    asked = ask(starts, settings)
    if asked.why_not is not None:
        return Found(asked, Verdict(Says.NOT_ENOUGH, asked.why_not))
    learnt = learn(asked.parts, Trims(modality, asked.n_steps, settings.crop_px), settings, told)
    guesses, n = learnt.guesses, asked.n_steps
    at_1 = above_chance((guesses.ranks < 1).tolist(), guesses.groups, 1 / n)
    at_5 = above_chance((guesses.ranks < _N_TOP).tolist(), guesses.groups, min(1.0, _N_TOP / n))
    of_errors = comb(guesses.true_steps, guesses.guessed_steps, guesses.periods_s, guesses.groups, n)
    answer = verdict(at_1, at_5, of_errors, len(asked.parts.train), settings)
    bins = folded(guesses.true_steps, guesses.guessed_steps, guesses.periods_s)
    return Found(asked, answer, at_1, at_5, of_errors, bins, learnt)


def _reaches(start: Start, n_steps: int) -> bool:
    """Whether the clip has every trim: long enough, and no picture missing."""
    return start.n_steps >= 2 * n_steps and bool((start.places[:n_steps, :n_steps] >= 0).all())


def _commonest_rate(starts: Sequence[Start]) -> int | None:
    counted = Counter(start.rate_hz for start in starts)
    return max(counted, key=lambda rate: (counted[rate], rate or 0)) if counted else None


def _median_period_s(starts: Sequence[Start]) -> float | None:
    known = [start.period_s for start in starts if start.period_s is not None]
    return float(np.median(known)) if known else None


def _about(learnt: Learnt) -> dict[str, Any]:
    return {
        "n_parameters": learnt.n_parameters,
        "device": learnt.device,
        "n_batches": learnt.looks[-1].n_batches,
        "best_at_batch": learnt.best.n_batches,
        "ended": learnt.ended,
        "wall_s": learnt.looks[-1].wall_s,
        "curve": learnt.curve(),
    }


def _errors(guesses: Guesses, n_steps: int) -> dict[str, list[int]]:
    """How many guesses are off by so many steps."""
    steps = np.arange(1 - n_steps, n_steps)
    counts = np.bincount(guesses.guessed_steps - guesses.true_steps + n_steps - 1, minlength=2 * n_steps - 1)
    return {"guessed_minus_true_steps": steps.tolist(), "n": counts.tolist()}
