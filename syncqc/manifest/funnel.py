"""What a filter takes and leaves, rule by rule: the sums, and what to change where nothing is left.

Knows judged blocks; neither files nor how the sums are shown.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from syncqc.manifest.blocks import Block
from syncqc.manifest.judge import INSTEAD_P, Judge, Judged
from syncqc.manifest.rules import CHOSEN, CLIP, MEASURED, Rule
from syncqc.manifest.select import as_stored

_DECIMALS = 3


@dataclass(frozen=True)
class Amount:
    """So many rows, the clips and speakers they are of, and how long they are."""

    n_rows: int = 0
    n_clips: int = 0
    n_speakers: int = 0
    length_s: float = 0.0
    """Time that at least one of the rows covers; tracks that are there together count once."""


@dataclass(frozen=True)
class Step:
    """One rule of the funnel."""

    rule: str
    wanted: str
    """What it wants of a row."""
    takes: Amount
    """Rows whose first unmet rule it is, and the clips, speakers and time of which nothing is left after it."""
    leaves: Amount
    n_alone: int
    """Rows that meet every other rule: leaving this one out would keep them, where rows are judged for themselves."""
    option: str
    nearest: float | None = None
    """Of those rows' numbers the one nearest to the limit."""
    sign: int = 0

    def near_by(self) -> str | None:
        """The option with a value near by that would keep at least one row more; None where there is none."""
        if self.nearest is None:
            return None
        # Rounded, if need be, to the side on which the row stays.
        rounded = round(self.nearest, _DECIMALS)
        if self.sign * as_stored(rounded) > self.sign * self.nearest:
            rounded -= self.sign * 10**-_DECIMALS
        return f"{self.option} {rounded:g}"


@dataclass(frozen=True)
class Funnel:
    """What a filter found, what each rule took first, and what was left."""

    source: Amount
    steps: tuple[Step, ...]
    instead: tuple[tuple[float, Amount], ...]
    """For other values of `p`, with the other rules as they are: rows and time that would be kept."""
    not_measured: Mapping[str, int]
    """Rows that `measured` took, by failure or by the column that is null."""
    largest_share: float | None = None
    """With per ``clip``: the largest share of its time for which a clip that went meets the rules."""

    @property
    def kept(self) -> Amount:
        """What all rules leave."""
        return self.steps[-1].leaves

    def why_empty(self) -> str:
        """One sentence for a filter that leaves nothing: the rule that takes most, and what would keep something."""
        if not self.source.n_rows:
            return "the manifest has no rows"
        most = max(self.steps, key=lambda step: step.takes.n_rows)
        takes = f"{most.rule} ({most.wanted}) takes most, {most.takes.n_rows} of {self.source.n_rows} rows"
        return f"nothing is left: {takes}; {self._way_out(most)}"

    def _way_out(self, most: Step) -> str:
        if self.largest_share:
            return f"--min-share {math.floor(self.largest_share * 1000) / 1000:g} would keep a clip"
        alone = [step for step in (most, *sorted(self.steps, key=lambda step: -step.n_alone)) if step.n_alone and step.rule != MEASURED]
        if not alone:
            return "changing one rule alone would keep nothing"
        change = alone[0].near_by() or ("--keep-all-tracks" if alone[0].rule == CHOSEN else f"leaving out {alone[0].option}")
        return f"{change} would keep some" if self.largest_share is None else f"with {change} some rows would meet all rules"


@dataclass
class Tally:
    """The sums over the blocks of a manifest. In memory is one number per speaker, else nothing that grows."""

    judge: Judge
    _rows: npt.NDArray[np.int64] = field(init=False)
    _clips: npt.NDArray[np.int64] = field(init=False)
    _covered_s: npt.NDArray[np.float64] = field(init=False)
    _speakers: dict[str, int] = field(default_factory=dict)
    _alone: Counter[int] = field(default_factory=Counter)
    _nearest: dict[int, float] = field(default_factory=dict)
    _not_measured: Counter[str] = field(default_factory=Counter)
    _instead: list[tuple[int, float]] = field(default_factory=lambda: [(0, 0.0) for _ in INSTEAD_P])
    _largest_share: float = 0.0

    def __post_init__(self) -> None:
        """Starts at zero."""
        n_levels = len(self.judge.steps) + 1
        self._rows, self._clips = np.zeros(n_levels, np.int64), np.zeros(n_levels, np.int64)
        self._covered_s = np.zeros(n_levels)

    def add(self, block: Block, judged: Judged) -> None:
        """Counts the block."""
        levels, n_levels = judged.taken_by, len(self._rows)
        self._rows += np.bincount(levels, minlength=n_levels)
        self._clips += np.bincount(np.maximum.reduceat(levels, block.clip_starts), minlength=n_levels)
        self._covered_s += block.covered_s(levels, n_levels)
        self._add_speakers(block, judged)
        self._add_alone(judged)
        for i, kept in enumerate(judged.kept_instead):
            n_rows, length_s = self._instead[i]
            self._instead[i] = n_rows + int(kept.sum()), length_s + float(block.covered_s(kept.astype(np.int64), 2)[1])
        if (levels == 0).any():
            reasons = self.judge.not_measured(block).filter(pc.equal(levels, 0))
            self._not_measured.update({found["values"]: found["counts"] for found in pc.value_counts(reasons).to_pylist()})
        if judged.clip_shares is not None:
            is_gone = np.maximum.reduceat(levels, block.clip_starts) < n_levels - 1
            self._largest_share = max(self._largest_share, float(judged.clip_shares[is_gone].max(initial=0.0)))

    def funnel(self) -> Funnel:
        """The sums so far."""
        n_levels = len(self._rows)
        speakers = np.bincount(np.fromiter(self._speakers.values(), np.int64, len(self._speakers)), minlength=n_levels)
        left = [
            Amount(int(self._rows[k:].sum()), int(self._clips[k:].sum()), int(speakers[k:].sum()), float(self._covered_s[k]))
            for k in range(n_levels)
        ]
        return Funnel(
            left[0],
            tuple(self._step(k, rule, left[k], left[k + 1]) for k, rule in enumerate(self.judge.steps)),
            tuple((p, Amount(n_rows=n_rows, length_s=length_s)) for p, (n_rows, length_s) in zip(INSTEAD_P, self._instead, strict=True)),
            dict(self._not_measured.most_common()),
            self._largest_share if self.judge.rules.per == "clip" else None,
        )

    def _step(self, number: int, rule: Rule, before: Amount, after: Amount) -> Step:
        takes = Amount(
            before.n_rows - after.n_rows,
            before.n_clips - after.n_clips,
            before.n_speakers - after.n_speakers,
            before.length_s - after.length_s,
        )
        option = "--min-share" if rule.name == CLIP else rule.option
        return Step(rule.name, rule.wanted, takes, after, self._alone[number], option, self._nearest.get(number), rule.sign)

    def _add_speakers(self, block: Block, judged: Judged) -> None:
        encoded = block.column("speaker").dictionary_encode()
        is_known = encoded.indices.is_valid().to_numpy(zero_copy_only=False)
        best = np.full(len(encoded.dictionary), -1, np.int64)
        np.maximum.at(best, pc.fill_null(encoded.indices, 0).to_numpy()[is_known], judged.taken_by[is_known])
        for speaker, level in zip(encoded.dictionary.to_pylist(), best.tolist(), strict=True):
            self._speakers[speaker] = max(level, self._speakers.get(speaker, level))

    def _add_alone(self, judged: Judged) -> None:
        n_unmet = np.zeros(len(judged.taken_by), np.int8)
        for met in judged.met:
            n_unmet += ~met
        is_alone = n_unmet == 1
        for number, (met, values, rule) in enumerate(zip(judged.met, judged.values, self.judge.asked, strict=True)):
            alone = is_alone & ~met
            self._alone[number] += int(alone.sum())
            if values is None or not alone.any():
                continue
            nearest = float(values[alone].max() if rule.sign > 0 else values[alone].min())
            known = self._nearest.get(number, nearest)
            self._nearest[number] = max(known, nearest) if rule.sign > 0 else min(known, nearest)
