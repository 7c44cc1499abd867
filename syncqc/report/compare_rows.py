"""The rows of a piece that are compared, side by side in arrays: what differs in which of them, and any of them for people.

Knows paired parts; sums nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Generic, TypeVar

import numpy as np

from syncqc.clock import IMAGE_RATE_HZ
from syncqc.report.compare_pairs import Pairs
from syncqc.report.compare_side import Flags, Indices, Names, Numbers, Side
from syncqc.report.compared import Reading, Row

_HALF_AN_IMAGE_S = 0.5 / IMAGE_RATE_HZ

Shown = TypeVar("Shown")


@dataclass(frozen=True, eq=False)
class Rows:
    """Pairs of rows; every array is as long as there are pairs."""

    pairs: Pairs
    reasons: list[str | None]
    datasets: list[str | None]
    rules: tuple[str, ...]

    def old(self, name: str) -> Numbers:
        """A column of OLD."""
        values: Numbers = getattr(self.pairs.old, name)[self.pairs.parts_old]
        return values

    def new(self, name: str) -> Numbers:
        """A column of NEW."""
        values: Numbers = getattr(self.pairs.new, name)[self.pairs.parts_new]
        return values

    def __len__(self) -> int:
        return len(self.pairs.parts_old)

    @cached_property
    def old_kept(self) -> Flags:
        """Whether OLD keeps the row."""
        return np.equal(self.old("level"), len(self.rules))

    @cached_property
    def new_kept(self) -> Flags:
        """Whether NEW keeps the row."""
        return np.equal(self.new("level"), len(self.rules))

    @cached_property
    def is_measured(self) -> Flags:
        """Whether both sides have an offset."""
        return ~np.isnan(self.moved)

    @cached_property
    def moved(self) -> Numbers:
        """By how many images the offset moved; nan where a side has none."""
        return self.new("offset") - self.old("offset")

    @cached_property
    def dataset(self) -> Indices:
        """The dataset's number: NEW's, else OLD's."""
        new = self.pairs.new.datasets[self.pairs.clips_new][self.pairs.clip]
        old = self.pairs.old.datasets[self.pairs.clips_old][self.pairs.clip]
        return np.where(new != 0, new, old)

    @cached_property
    def is_other_stretch(self) -> Flags:
        """Whether the rows begin or end at another image; where a place is unknown they don't."""
        starts, ends = (self.new(name) - self.old(name) for name in ("row_start_s", "row_end_s"))
        is_other: Flags = (np.abs(starts) > _HALF_AN_IMAGE_S) | (np.abs(ends) > _HALF_AN_IMAGE_S)
        return is_other

    @cached_property
    def differences(self) -> dict[str, Flags]:
        """For each thing that is compared, in which rows it differs."""
        found = {"failure": self.old("reason") != self.new("reason"), "kept": (self.old_kept != self.new_kept) | self._is_kept_otherwise}
        for name, column in (("track", "track"), ("offset", "offset"), ("p", "p"), ("offscreen", "offscreen")):
            old, new = self.old(column), self.new(column)
            found[name] = (old != new) & ~(np.isnan(old) & np.isnan(new))
        found["stretch"] = self.is_other_stretch
        return found

    @cached_property
    def _is_kept_otherwise(self) -> Flags:
        """Whether both keep the part, but another time of it: it has several tracks that are kept, and another one of them is."""
        is_known = ~np.isnan(self.new("row_end_s") - self.new("row_start_s") + self.old("row_end_s") - self.old("row_start_s"))
        is_other: Flags = np.abs(self.new("kept_s") - self.old("kept_s")) > _HALF_AN_IMAGE_S
        return self.old_kept & self.new_kept & is_other & is_known & ~self.is_other_stretch

    @cached_property
    def is_changed(self) -> Flags:
        """Whether anything that is compared differs."""
        is_changed: Flags = np.logical_or.reduce(list(self.differences.values()))
        return is_changed

    def row(self, i: int) -> Row:
        """Pair number `i` for people."""
        p = self.pairs
        k, first, second = int(p.clip[i]), int(p.parts_old[i]), int(p.parts_new[i])
        in_old, in_new = int(p.clips_old[k]), int(p.clips_new[k])
        # Of a clip that one side could not read the other one knows the part.
        side, part = (p.old, first) if p.new.is_unread[in_new] else (p.new, second)
        return Row(
            clip_id=p.new.clip_ids[in_new].as_py(),
            dataset=self.datasets[int(self.dataset[i])],
            speaker=p.new.speakers[in_new].as_py() or p.old.speakers[in_old].as_py(),
            part_index=int(side.part_index[part]),
            start_s=_known(side.row_start_s[part]),
            end_s=_known(side.row_end_s[part]),
            old=self._reading(p.old, first),
            new=self._reading(p.new, second),
        )

    def _reading(self, side: Side, part: int) -> Reading:
        level = int(side.level[part])
        return Reading(
            reason=self.reasons[int(side.reason[part])],
            track=_whole(side.track[part]),
            offset=_whole(side.offset[part]),
            p=_known(side.p[part]),
            offscreen=_known(side.offscreen[part]),
            dropped_by=None if level == len(self.rules) else self.rules[level],
        )


def rows_of(pairs: Pairs, reasons: Names, datasets: Names, rules: tuple[str, ...]) -> Rows:
    """The pairs with the names that their numbers stand for."""
    return Rows(pairs, reasons.all(), datasets.all(), rules)


@dataclass
class Most(Generic[Shown]):
    """The few things with the largest scores, of equal ones those that came first; a score of 0 is none."""

    n: int
    _found: list[tuple[float, Shown]] = field(default_factory=list)

    def add(self, scores: Numbers, shown: Callable[[int], Shown]) -> None:
        """Looks at more of them; `shown` makes number i of these and is asked only where it may stay."""
        least = self._found[-1][0] if len(self._found) == self.n else 0.0
        may_stay = np.flatnonzero(scores > least)
        best = may_stay[np.argsort(-scores[may_stay], kind="stable")[: self.n]]
        self._found += [(float(scores[i]), shown(int(i))) for i in best]
        self._found = sorted(self._found, key=lambda found: -found[0])[: self.n]

    def all(self) -> tuple[Shown, ...]:
        """The largest first."""
        return tuple(shown for _, shown in self._found)


def _known(number: float) -> float | None:
    return None if math.isnan(number) else float(number)


def _whole(number: float) -> int | None:
    return None if math.isnan(number) else int(number)
