"""What ``syncqc score`` says at the end: how many were measured, how many are good, and why the others were not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from rich.table import Table

COLUMNS = (
    "clip_id", "part_index", "start_s", "end_s", "failure", "is_chosen_track", "offset_frames", "probability_at_offset", "offscreen_ratio",
)  # fmt: skip


@dataclass
class Summary:
    """Counts over the rows of whole clips, a clip's rows together."""

    n_clips: int = 0
    n_rows: int = 0
    n_measured: int = 0
    n_failed_clips: int = 0
    n_in_time: int = 0
    n_off: int = 0
    scored_s: float = 0.0
    good_s: float = 0.0
    failed_clips: Counter[str] = field(default_factory=Counter)
    failed_rows: Counter[str] = field(default_factory=Counter)
    _clip_id: object = None
    _failures: list[object] = field(default_factory=list)
    _spans_s: dict[object, tuple[float, float]] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, object]]) -> Summary:
        """The counts over all rows."""
        summary = cls()
        for row in rows:
            summary._add(row)
        summary._close_clip()
        return summary

    @property
    def failed_share(self) -> float:
        """Share of clips in which no row was measured."""
        return self.n_failed_clips / self.n_clips if self.n_clips else 0.0

    def line(self) -> str:
        """The counts in one line."""
        from syncqc.manifest.select import Thresholds

        good = Thresholds()
        return (
            f"{self.n_clips} clips, {self.n_rows} rows, {hours(self.scored_s)}: {self.n_measured} rows measured, "
            f"{self.n_in_time + self.n_off} good (p >= {good.p:g}, offscreen <= {good.offscreen:g}): {self.n_in_time} in time, "
            f"{self.n_off} early or late; {self.n_failed_clips} clips not measured"
        )

    def _add(self, row: Mapping[str, object]) -> None:
        from syncqc.manifest.select import Thresholds, is_in_time

        if row["clip_id"] != self._clip_id:
            self._close_clip()
            self._clip_id = row["clip_id"]
        self.n_rows += 1
        self._failures.append(row.get("failure"))
        start_s, end_s = _span_s(row)
        first_s, last_s = self._spans_s.get(row.get("part_index"), (start_s, end_s))
        self._spans_s[row.get("part_index")] = min(start_s, first_s), max(end_s, last_s)
        if row.get("failure") is not None:
            self.failed_rows[str(row["failure"])] += 1
            return
        self.n_measured += 1
        if Thresholds().is_good(row):
            self.good_s += end_s - start_s
            self.n_in_time += is_in_time(row)
            self.n_off += not is_in_time(row)

    def _close_clip(self) -> None:
        if not self._failures:
            return
        self.n_clips += 1
        self.scored_s += sum(last_s - first_s for first_s, last_s in self._spans_s.values())
        if all(self._failures):
            self.n_failed_clips += 1
            self.failed_clips[str(self._failures[0])] += 1
        self._failures, self._spans_s = [], {}


def hours(seconds: float) -> str:
    """A length as people say it: ``12 s``, ``3.5 min``, ``2.25 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.2f} h"


def failure_table(summary: Summary) -> Table | None:
    """One line per reason: clips in which nothing was measured, rows, and what the reason means; None without failures."""
    from rich.table import Table

    from syncqc.errors import Failure

    if not summary.failed_rows:
        return None
    table = Table(box=None, pad_edge=False)
    for heading in ("not measured", "clips", "share", "rows"):
        table.add_column(heading, justify="left" if heading == "not measured" else "right", no_wrap=True)
    table.add_column("meaning")
    for failure, n_rows in summary.failed_rows.most_common():
        n_clips = summary.failed_clips[failure]
        table.add_row(failure, str(n_clips), f"{n_clips / summary.n_clips:.1%}", str(n_rows), Failure(failure).meaning)
    return table


def _span_s(row: Mapping[str, object]) -> tuple[float, float]:
    start, end = row.get("start_s"), row.get("end_s")
    return (0.0, 0.0) if start is None or end is None else (cast(float, start), cast(float, end))
