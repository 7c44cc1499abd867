"""What changed between two manifests: plain sums, and the rows and clips that changed most.

Knows no file and no drawing. A row stands for a part of a clip: its chosen track, or why it has none. Differences are NEW minus OLD.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate


@dataclass(frozen=True)
class Amount:
    """So many rows, the clips they are of, and how long they are."""

    n_rows: int = 0
    n_clips: int = 0
    length_s: float = 0.0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.n_rows + other.n_rows, self.n_clips + other.n_clips, self.length_s + other.length_s)


@dataclass(frozen=True)
class Kept:
    """The rows that are compared, by who keeps them. A clip is kept where one of its rows is."""

    both: Amount
    only_old: Amount
    only_new: Amount
    neither: Amount
    old_s: float
    """Time that OLD keeps; `both` and `neither` hold the mean of what both sides call the rows' length."""
    new_s: float

    @property
    def all(self) -> Amount:
        """Everything that is compared."""
        return self.both + self.only_old + self.only_new + self.neither


@dataclass(frozen=True)
class Total:
    """One manifest as a whole, also what the other one does not have."""

    source: Amount
    kept: Amount
    """Parts of which a row is kept; their time as `syncqc filter` counts it."""


@dataclass(frozen=True)
class Matching:
    """What could be compared."""

    n_clips: int
    """In both manifests."""
    n_rows: int
    """Compared."""
    only_old: Amount
    """Clips that only OLD has, and rows that only OLD has, also of clips that are in both."""
    only_new: Amount
    n_recut_clips: int
    """Clips that were cut into another number of parts."""
    elsewhere_old: int
    """Rows of those, and rows whose parts lie elsewhere in the clip: not compared."""
    elsewhere_new: int
    n_same_track: int
    """Of the rows that both measured: the chosen track has the same number."""
    n_other_track: int
    n_other_stretch: int
    """Rows compared that begin or end at another image."""
    names_only_old: tuple[str, ...]
    """The first few of those clips."""
    names_only_new: tuple[str, ...]


@dataclass(frozen=True)
class Moves:
    """How many rows, or clips, moved by how many images."""

    counts: Mapping[int, int]

    @property
    def n(self) -> int:
        """How many have an offset on both sides."""
        return sum(self.counts.values())

    @property
    def median(self) -> float | None:
        """The middle one, the mean of the two in the middle of an even number."""
        moves = sorted(self.counts)
        ends = list(accumulate(self.counts[move] for move in moves))
        if not ends:
            return None
        low, high = (self.n - 1) // 2, self.n // 2
        at = [next(move for move, end in zip(moves, ends, strict=True) if place < end) for place in (low, high)]
        return sum(at) / 2

    def n_beyond(self, n_images: int = 1, around: float = 0) -> int:
        """How many moved by more than `n_images`, seen from `around`."""
        return sum(n for move, n in self.counts.items() if abs(move - around) > n_images)


@dataclass(frozen=True)
class Change:
    """One column in both manifests, over the rows in which both have it."""

    name: str
    title: str
    n: int
    n_equal: int
    correlation: float | None
    """Pearson's; None where one of the two does not vary."""
    mean: float | None
    """Of the differences."""
    median_size: float | None
    """Of the differences' sizes, to a ten-thousandth."""
    high_size: float | None
    """Nineteen in twenty differences are no larger, to a ten-thousandth."""
    largest: float | None
    differences: tuple[int, ...]
    """Rows per bin of the difference, see `DIFFERENCE_STEP`; the middle one is around 0."""
    density: tuple[tuple[int, ...], ...]
    """Per bin of NEW, per bin of OLD: equal bins from 0 to 1."""
    all_rows: tuple[Row, ...] | None
    """Every row, where they are few."""
    changed_most: tuple[Row, ...]


DIFFERENCE_STEP = 0.02
"""Width of a bin of `Change.differences`."""


@dataclass(frozen=True)
class Reading:
    """What one manifest says of a row."""

    reason: str | None
    """Why there are no numbers."""
    track: int | None
    offset: int | None
    p: float | None
    offscreen: float | None
    dropped_by: str | None
    """The rule that takes it; None where it is kept."""


@dataclass(frozen=True)
class Row:
    """One row on both sides."""

    clip_id: str
    dataset: str | None
    speaker: str | None
    part_index: int
    start_s: float | None
    end_s: float | None
    old: Reading
    new: Reading


@dataclass(frozen=True)
class ClipChange:
    """One clip on both sides, over the rows that are compared."""

    clip_id: str
    dataset: str | None
    speaker: str | None
    n_rows: int
    old_s: float
    """Time that OLD keeps."""
    new_s: float
    old_offset: int | None
    """`clip_offset_frames`."""
    new_offset: int | None


@dataclass(frozen=True)
class DatasetLine:
    """The rows of one dataset that are compared."""

    name: str | None
    kept: Kept
    n_measured: int
    """By both."""
    n_moved: int
    """Of those: offsets that differ by more than one image."""
    mean_p: float | None
    """Mean difference of `probability_at_offset`."""


@dataclass(frozen=True)
class Comparison:
    """Everything that is shown of two manifests."""

    rules: tuple[str, ...]
    """What a row must meet to be kept, in words."""
    old: Total
    new: Total
    matching: Matching
    kept: Kept
    datasets: tuple[DatasetLine, ...]
    """Those with the most time first."""
    gained_from: Mapping[str, int]
    """Rows that only NEW keeps, by the rule by which OLD drops them."""
    lost_to: Mapping[str, int]
    """Rows that only OLD keeps, by the rule by which NEW drops them."""
    offsets: Moves
    kept_offsets: Moves
    """Of rows that both keep."""
    clip_offsets: Moves
    n_clip_offsets_gained: int
    n_clip_offsets_lost: int
    failures: Mapping[tuple[str | None, str | None], int]
    """Rows without numbers by (OLD's reason, NEW's reason); None: measured."""
    p: Change
    offscreen: Change
    moved_most: tuple[Row, ...]
    """Of the rows that a side keeps."""
    failed_otherwise: tuple[Row, ...]
    """The first rows whose reason is another one."""
    clips: tuple[ClipChange, ...]
    """Those that changed most, by kept time, then by offset."""
    n_changed_rows: int
    """Rows compared in which anything that is compared differs."""

    @property
    def is_same(self) -> bool:
        """Nothing that is compared differs, and everything was."""
        m = self.matching
        only = m.only_old.n_rows + m.only_new.n_rows + m.elsewhere_old + m.elsewhere_new
        return not (self.n_changed_rows or only or self.clip_offsets.n_beyond(0) or self.n_clip_offsets_gained or self.n_clip_offsets_lost)

    @property
    def n_appeared(self) -> int:
        """Rows that OLD measured and NEW did not."""
        return sum(n for (old, new), n in self.failures.items() if old is None and new is not None)

    @property
    def n_gone(self) -> int:
        """Rows that NEW measured and OLD did not."""
        return sum(n for (old, new), n in self.failures.items() if old is not None and new is None)

    @property
    def n_other_reason(self) -> int:
        """Rows that neither measured, for different reasons."""
        return sum(n for (old, new), n in self.failures.items() if None not in (old, new) and old != new)
