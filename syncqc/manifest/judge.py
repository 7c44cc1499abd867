"""Which rule takes a row, or that it is kept: for all rows of whole clips at once.

Knows rules and blocks; neither files nor sums.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from syncqc.manifest.blocks import Block
from syncqc.manifest.rules import CHOSEN, CLIP, MEASURED, WHERE_COLUMN, Flags, Numbers, Rule, Rules

Levels = npt.NDArray[np.int64]
_ROUNDING = 1e-9
INSTEAD_P = (0.8, 0.9, 0.95)
"""What other values of `p` would keep is counted beside."""


@dataclass(frozen=True)
class Judged:
    """What the rules say of the rows of a block."""

    taken_by: Levels
    """Number of the rule that takes the row: the first it does not meet. The number of rules where it is kept."""
    met: tuple[Flags, ...]
    """For each rule but `clip`, whether each row meets it."""
    values: tuple[Numbers | None, ...]
    """For each rule but `clip`, the numbers that are compared with its limit; None where it has none."""
    clip_shares: npt.NDArray[np.float64] | None
    """Per clip: the share of its parts' time that meets the rules; None where rows are judged for themselves."""
    kept_instead: tuple[Flags, ...]
    """For each of `INSTEAD_P`, which rows it would keep with the other rules as they are."""


class Judge:
    """The rules of a filter, ready to judge blocks."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.asked = rules.in_order()
        """All rules but `clip`."""
        last = [Rule(CLIP, "", f">= {rules.min_share:.0%} of its time", _nothing)] if rules.per == "clip" else []
        self.steps: tuple[Rule, ...] = (*self.asked, *last)
        """All rules, in order; `Judged.taken_by` counts along them."""
        self.columns = tuple(rule.column for rule in self.asked if rule.column != WHERE_COLUMN)
        """The columns that the rules look at."""

    def __call__(self, block: Block) -> Judged:
        """What the rules say of the rows."""
        met = tuple(self._measured(block) if rule.name == MEASURED else rule.met(block.column(rule.column)) for rule in self.asked)
        first = self._first_unmet(met)
        taken_by, shares = (first, None) if self.rules.per == "row" else self._per_clip(block, first)
        return Judged(taken_by, met, tuple(self._values(block)), shares, tuple(self._instead(block, met)))

    @property
    def least_share(self) -> float:
        """A clip stays that meets the rules for at least this share of its time; one that nowhere meets them never does."""
        return max(self.rules.min_share - _ROUNDING, _ROUNDING)

    def names(self, block: Block, judged: Judged) -> pa.Array:
        """For each row the rule that takes it, as `dropped_by` says it; null where it is kept.

        ``measured`` is followed by what was not: the failure, or the first column that is null.
        """
        names = pa.array([rule.name for rule in self.steps] + [None], pa.string())
        by = names.take(pa.array(judged.taken_by))
        return pc.if_else(pc.equal(by, MEASURED), pc.binary_join_element_wise(by, self.not_measured(block), ": "), by)

    def not_measured(self, block: Block) -> pa.Array:
        """For each row its failure, else the first column that a rule asks for and that is null; null where all is there."""
        reason = block.column("failure")
        for name in self._needed():
            missing = pc.if_else(pc.is_null(block.column(name)), name, pa.scalar(None, pa.string()))
            reason = pc.coalesce(reason, missing)
        return reason

    def _needed(self) -> Iterable[str]:
        return dict.fromkeys(rule.column for rule in self.asked if rule.name != MEASURED and rule.column != WHERE_COLUMN)

    def _measured(self, block: Block) -> Flags:
        is_there = pc.is_null(block.column("failure"))
        for name in self._needed():
            is_there = pc.and_(is_there, pc.is_valid(block.column(name)))
        flags: Flags = is_there.to_numpy(zero_copy_only=False)
        return flags

    def _first_unmet(self, met: tuple[Flags, ...]) -> Levels:
        first = np.full(len(met[0]), len(self.steps), np.int64)
        for number in reversed(range(len(met))):
            first[~met[number]] = number
        return first

    def _per_clip(self, block: Block, first: Levels) -> tuple[Levels, npt.NDArray[np.float64]]:
        """Clips as a whole: of those that stay the rows of measured, chosen tracks are kept whatever other rules they miss."""
        parts, clips = block.part_starts, block.clip_starts
        lengths_s = np.maximum.reduceat(block.ends_s, parts) - np.minimum.reduceat(block.starts_s, parts)
        is_met = np.maximum.reduceat(first, parts) == len(self.steps)
        clips_in_parts = np.searchsorted(parts, clips)
        total = np.add.reduceat(lengths_s, clips_in_parts)
        counts = np.diff(clips_in_parts, append=len(parts))
        weights = np.where(np.repeat(total > 0, counts), lengths_s, 1.0)
        shares = np.add.reduceat(weights * is_met, clips_in_parts) / np.add.reduceat(weights, clips_in_parts)
        stays = np.repeat(shares >= self.least_share, np.diff(clips, append=len(first)))
        n_first = 1 + any(rule.name == CHOSEN for rule in self.asked)
        taken = np.where(first < n_first, first, len(self.steps))
        return np.where(stays, taken, np.minimum(first, len(self.steps) - 1)), shares

    def _values(self, block: Block) -> Iterable[Numbers | None]:
        return (rule.values(block.column(rule.column)) if rule.sign else None for rule in self.asked)

    def _instead(self, block: Block, met: tuple[Flags, ...]) -> Iterable[Flags]:
        number = next(i for i, rule in enumerate(self.asked) if rule.name == "p")
        values = self.asked[number].values(block.column(self.asked[number].column))
        for p in INSTEAD_P:
            first = self._first_unmet((*met[:number], values >= np.float32(p), *met[number + 1 :]))
            yield (first if self.rules.per == "row" else self._per_clip(block, first)[0]) == len(self.steps)


def _nothing(_: pa.Array) -> Flags:
    return np.zeros(0, bool)
