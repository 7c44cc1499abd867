"""The limits that the page's sliders can take: fine ones, and ever coarser ones for manifests whose rows would fill too many cells.

Knows the rules of `syncqc filter`; no rows. Coarser limits are always some of the finer ones, so that rows that were counted by the
finer ones need not be seen again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from syncqc.manifest.rules import ARTEFACTS, Rule, Rules
from syncqc.report.gathered import Slider

Levels = npt.NDArray[np.int64]
Limits = tuple[float, ...]

SWITCHES = ("no_edge",)
DEFAULTS = Rules()
_HUNDREDTHS = tuple(k / 100 for k in range(100))


@dataclass(frozen=True)
class Threshold:
    """A number that the filter can ask for, and its limits from fine to coarse; the limits of each are rising."""

    name: str
    title: str
    rungs: tuple[Limits, ...]


THRESHOLDS = (
    Threshold(
        "p",
        "probability at offset, at least",
        (
            (*_HUNDREDTHS, 0.995, 0.999),
            (*_HUNDREDTHS[::5], 0.98, 0.99, 0.995),
            (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99),
            (0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98),
            (0, 0.5, 0.8, 0.9, 0.95),
        ),
    ),
    Threshold(
        "offscreen",
        "offscreen ratio, at most",
        (
            (0, 0.01, 0.02, 0.03, 0.04, *_HUNDREDTHS[5::5], 1),
            (0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.8, 1),
            (0, 0.05, 0.1, 0.2, 0.3, 0.5, 1),
            (0, 0.1, 0.2, 0.5, 1),
        ),
    ),
    Threshold(
        "max_offset",
        "offset, early or late, at most",
        (
            (*range(16), 20, 25, 30),
            (*range(6), 7, 10, 12, 15),
            (0, 1, 2, 3, 5, 10),
            (1, 2, 5),
            (1, 5),
        ),
    ),
    Threshold(
        "min_speech",
        "share of speech, at least",
        (
            (*_HUNDREDTHS[::5], 1),
            (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
            (0.2, 0.4, 0.6, 0.8),
            (0.2, 0.6),
        ),
    ),
    Threshold(
        "max_frozen",
        "share that stands still, at most",
        (
            (0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1),
            (0, 0.02, 0.05, 0.1, 0.2, 0.5),
            (0, 0.1, 0.5),
            (0.1,),
        ),
    ),
    Threshold(
        "min_face_px",
        "width of the face, at least",
        (
            (16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 512),
            (32, 48, 64, 96, 128, 192, 256),
            (48, 96, 192),
            (96,),
        ),
    ),
)
COARSENED_FIRST = ("min_face_px", "max_frozen", "min_speech", "max_offset", "offscreen", "p")
"""The names of the thresholds in the order in which they lose limits."""
BY_NAME: Mapping[str, Threshold] = {threshold.name: threshold for threshold in THRESHOLDS}


@dataclass(frozen=True)
class Ladder:
    """One threshold with the limits that are in use, from the loosest on."""

    threshold: Threshold
    rung: int
    rule: Rule
    is_gone: bool = False
    """No limits are left: the page cannot ask for it."""

    @classmethod
    def of(cls, threshold: Threshold, rung: int = 0) -> Ladder:
        """The threshold with that rung's limits."""
        return cls(threshold, rung, ASKED[threshold.name])

    @property
    def limits(self) -> Limits:
        """From the loosest to the strictest; the default is always one of them."""
        rising = set(() if self.is_gone else self.threshold.rungs[self.rung])
        default = self.default
        if default is not None:
            rising.add(default)
        return tuple(sorted(rising, key=lambda limit: self.rule.sign * limit))

    @property
    def default(self) -> float | None:
        """What `syncqc filter` asks for by itself."""
        value: float | None = getattr(DEFAULTS, self.threshold.name)
        return value

    @property
    def coarser(self) -> Ladder | None:
        """The same with fewer limits, but some; None where there are no fewer."""
        return Ladder.of(self.threshold, self.rung + 1) if not self.is_gone and self.rung + 1 < len(self.threshold.rungs) else None

    @property
    def without(self) -> Ladder | None:
        """The same without limits; None where it has none, or is always asked."""
        return None if self.is_gone or self.default is not None else replace(self, is_gone=True)

    @property
    def slider(self) -> Slider:
        """What the page shows of it."""
        place = None if self.default is None else self.limits.index(self.default)
        return Slider(
            self.threshold.name, self.rule.option, self.threshold.title, self.rule.sign, self.limits, place, can_be_off=place is None
        )

    def levels(self, values: npt.NDArray[np.float32]) -> Levels:
        """How many of the limits each value meets, compared as the rule compares; none where it was not measured."""
        sign = np.float32(self.rule.sign)
        limits = sign * np.array(self.limits, np.float32)
        met = np.searchsorted(limits, sign * values, side="right")
        return np.where(np.isnan(values), 0, met)

    def levels_in(self, coarser: Ladder) -> Levels:
        """Per level of this ladder the level in the coarser one."""
        kept = np.isin(self.limits, coarser.limits)
        return np.concatenate([[0], np.cumsum(kept)])


def _asked() -> Mapping[str, Rule]:
    """By their names, all rules that the page can ask, as the filter asks them."""
    numbers = {threshold.name: threshold.rungs[0][0] for threshold in THRESHOLDS}
    switches = dict.fromkeys(SWITCHES, True)
    rules = Rules(**numbers, **switches, artefacts=tuple(ARTEFACTS))  # type: ignore[arg-type]
    return {rule.name: rule for rule in rules.in_order()}


ASKED = _asked()
BITS: tuple[Rule, ...] = (*(ASKED[f"artefacts: {name}"] for name in ARTEFACTS), *(ASKED[name] for name in SWITCHES))
"""The rules without a number, in the order of their bits."""
