"""What changed, summed over the pieces of two manifests. In memory are sums, one number per dataset, and the rows that are shown.

Knows paired parts; neither files nor how the sums are shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from syncqc.manifest.judge import Judge
from syncqc.manifest.rules import CLIP, WHERE, Rule
from syncqc.report.compare_change import ChangeSum
from syncqc.report.compare_pairs import Pairs
from syncqc.report.compare_rows import Most, Rows, rows_of
from syncqc.report.compare_side import Indices, Names, Numbers, Side
from syncqc.report.compared import Amount, ClipChange, Comparison, DatasetLine, Kept, Matching, Moves, Row, Total

SHOWN_ROWS = 20
SHOWN_CLIPS = 20
SHOWN_NAMES = 10
_NEITHER, _ONLY_NEW, _ONLY_OLD, _BOTH = range(4)
_REASONS = 1 << 16
_PER_SECOND = 1000.0
"""In the order of clips, a second of kept time weighs more than any offset."""


class Sums:
    """The sums so far."""

    def __init__(self, judge: Judge, reasons: Names, datasets: Names) -> None:
        self._judge, self._reasons, self._datasets = judge, reasons, datasets
        self._rules = tuple(rule.name for rule in judge.steps)
        self._totals = [_TotalSum(len(self._rules)) for _ in range(2)]
        self._kept = _KeptSum()
        self._matching: Counter[str] = Counter()
        self._only: list[Amount] = [Amount(), Amount()]
        self._names: list[list[str]] = [[], []]
        self._offsets, self._kept_offsets, self._clip_offsets = (Counter[int]() for _ in range(3))
        self._failures, self._gained, self._lost = (Counter[int]() for _ in range(3))
        self._p = ChangeSum("probability_at_offset", "probability at offset", "p")
        self._offscreen = ChangeSum("offscreen_ratio", "offscreen ratio", "offscreen")
        self._moved: Most[Row] = Most(SHOWN_ROWS)
        self._failed: Most[Row] = Most(SHOWN_ROWS)
        self._clips: Most[ClipChange] = Most(SHOWN_CLIPS)

    def add(self, pairs: Pairs) -> Rows:
        """Counts the piece; gives its rows that are compared."""
        rows = rows_of(pairs, self._reasons, self._datasets, self._rules)
        for total, side in zip(self._totals, (pairs.old, pairs.new), strict=True):
            total.add(side)
        self._add_matching(rows)
        self._kept.add(rows)
        self._add_offsets(rows)
        self._add_clips(rows)
        _count(self._failures, rows.old("reason") * _REASONS + rows.new("reason"))
        self._gained.update(rows.old("level")[rows.new_kept & ~rows.old_kept].tolist())
        self._lost.update(rows.new("level")[rows.old_kept & ~rows.new_kept].tolist())
        self._failed.add((rows.old("reason") != rows.new("reason")).astype(np.float64), rows.row)
        self._p.add(rows)
        self._offscreen.add(rows)
        return rows

    def comparison(self) -> Comparison:
        """The sums so far."""
        names, rules = self._reasons.all(), self._rules
        failures = {(names[code // _REASONS], names[code % _REASONS]): n for code, n in self._failures.most_common() if code}
        return Comparison(
            rules=tuple(_in_words(rule) for rule in self._judge.steps),
            old=self._totals[0].total(),
            new=self._totals[1].total(),
            matching=self._matched(),
            kept=self._kept.kept(),
            datasets=self._kept.lines(self._datasets.all()),
            gained_from={rules[level]: n for level, n in self._gained.most_common()},
            lost_to={rules[level]: n for level, n in self._lost.most_common()},
            offsets=Moves(dict(self._offsets)),
            kept_offsets=Moves(dict(self._kept_offsets)),
            clip_offsets=Moves(dict(self._clip_offsets)),
            n_clip_offsets_gained=self._matching["clip_offsets_gained"],
            n_clip_offsets_lost=self._matching["clip_offsets_lost"],
            failures=failures,
            p=self._p.change(),
            offscreen=self._offscreen.change(),
            moved_most=self._moved.all(),
            failed_otherwise=self._failed.all(),
            clips=self._clips.all(),
            n_changed_rows=self._matching["changed"],
        )

    def _add_matching(self, rows: Rows) -> None:
        pairs, count = rows.pairs, self._matching
        is_same = rows.old("track") == rows.new("track")
        count["clips"] += len(pairs.clips_old)
        count["rows"] += len(rows)
        count["changed"] += int(rows.is_changed.sum())
        count["recut"] += int(pairs.is_recut.sum())
        count["elsewhere_old"] += len(pairs.elsewhere_old)
        count["elsewhere_new"] += len(pairs.elsewhere_new)
        count["same_track"] += int((is_same & rows.is_measured).sum())
        count["other_track"] += int((~is_same & rows.is_measured).sum())
        count["other_stretch"] += int(rows.is_other_stretch.sum())
        for i, (side, parts, clips) in enumerate(
            ((pairs.old, pairs.only_old, pairs.clips_old), (pairs.new, pairs.only_new, pairs.clips_new))
        ):
            alone = np.setdiff1d(np.arange(side.n_clips), clips, assume_unique=True)
            self._only[i] += Amount(len(parts), len(alone), float(side.length_s[parts].sum()))
            room = SHOWN_NAMES - len(self._names[i])
            self._names[i] += [side.clip_ids[int(clip)].as_py() for clip in alone[:room]]

    def _matched(self) -> Matching:
        count = self._matching
        return Matching(
            n_clips=count["clips"],
            n_rows=count["rows"],
            only_old=self._only[0],
            only_new=self._only[1],
            n_recut_clips=count["recut"],
            elsewhere_old=count["elsewhere_old"],
            elsewhere_new=count["elsewhere_new"],
            n_same_track=count["same_track"],
            n_other_track=count["other_track"],
            n_other_stretch=count["other_stretch"],
            names_only_old=tuple(self._names[0]),
            names_only_new=tuple(self._names[1]),
        )

    def _add_offsets(self, rows: Rows) -> None:
        _count(self._offsets, rows.moved[rows.is_measured])
        _count(self._kept_offsets, rows.moved[rows.is_measured & rows.old_kept & rows.new_kept])
        sizes = np.abs(np.where(rows.is_measured & (rows.old_kept | rows.new_kept), rows.moved, 0))
        surest = np.fmin(rows.old("p"), rows.new("p"))
        # Of rows that moved as far, those that both sides are sure of come first.
        self._moved.add(np.where(sizes > 1, sizes + np.nan_to_num(surest) / 2, 0), rows.row)

    def _add_clips(self, rows: Rows) -> None:
        pairs = rows.pairs
        old, new = pairs.old.clip_offset[pairs.clips_old], pairs.new.clip_offset[pairs.clips_new]
        moved = new - old
        _count(self._clip_offsets, moved[~np.isnan(moved)])
        self._matching["clip_offsets_gained"] += int((np.isnan(old) & ~np.isnan(new)).sum())
        self._matching["clip_offsets_lost"] += int((~np.isnan(old) & np.isnan(new)).sum())
        n = len(pairs.clips_old)
        old_s, new_s = (np.bincount(pairs.clip, values, n) for values in (rows.old("kept_s"), rows.new("kept_s")))
        n_rows = np.bincount(pairs.clip, minlength=n)
        far = np.where(np.abs(moved) > 1, np.abs(moved), 0)
        scores = np.where(n_rows > 0, np.round(np.abs(new_s - old_s), 6) * _PER_SECOND + far, 0)

        def change(k: int) -> ClipChange:
            one = rows.row(int(np.searchsorted(pairs.clip, k)))
            of = [None if np.isnan(offset) else int(offset) for offset in (old[k], new[k])]
            return ClipChange(one.clip_id, one.dataset, one.speaker, int(n_rows[k]), float(old_s[k]), float(new_s[k]), *of)

        self._clips.add(scores, change)


class _TotalSum:
    """The sums of one side, whatever the other one has."""

    def __init__(self, kept_level: int) -> None:
        self._kept_level = kept_level
        self._source, self._kept = Amount(), Amount()

    def add(self, side: Side) -> None:
        if not side.n_clips:
            return
        is_kept = side.level == self._kept_level
        n_kept_clips = int(np.logical_or.reduceat(is_kept, side.first_part[:-1]).sum())
        self._source += Amount(len(is_kept), side.n_clips, float(side.length_s.sum()))
        self._kept += Amount(int(is_kept.sum()), n_kept_clips, float(side.kept_s.sum()))

    def total(self) -> Total:
        return Total(self._source, self._kept)


class _KeptSum:
    """Rows, clips and seconds by dataset and by who keeps them."""

    def __init__(self) -> None:
        self._sums: dict[str, npt.NDArray[np.float64]] = {}

    def add(self, rows: Rows) -> None:
        cell = rows.old_kept * _ONLY_OLD + rows.new_kept * _ONLY_NEW
        of = rows.dataset * 4 + cell
        old_s, new_s, length_s = rows.old("kept_s"), rows.new("kept_s"), (rows.old("length_s"), rows.new("length_s"))
        neither_s = np.where(np.minimum(*length_s) > 0, (length_s[0] + length_s[1]) / 2, np.maximum(*length_s))
        seconds = np.choose(cell, [neither_s, new_s, old_s, (old_s + new_s) / 2])
        self._add("rows", np.bincount(of))
        self._add("seconds", np.bincount(of, seconds))
        self._add("old_s", np.bincount(of, old_s))
        self._add("new_s", np.bincount(of, new_s))
        self._add("clips", np.bincount(self._of_clips(rows)))
        measured = rows.is_measured
        self._add("measured", np.bincount(of[measured]))
        self._add("moved", np.bincount(of[measured], np.abs(rows.moved[measured]) > 1))
        p = rows.new("p") - rows.old("p")
        there = ~np.isnan(p)
        self._add("p", np.bincount(of[there], p[there]))
        self._add("n_p", np.bincount(of[there]))

    def _of_clips(self, rows: Rows) -> Indices:
        """Dataset and who keeps any row of it, for each clip with rows that are compared."""
        if not len(rows):
            return np.zeros(0, np.int64)
        starts = np.flatnonzero(np.diff(rows.pairs.clip, prepend=-1))
        old, new = (np.logical_or.reduceat(kept, starts) for kept in (rows.old_kept, rows.new_kept))
        of_clips: Indices = rows.dataset[starts] * 4 + old * _ONLY_OLD + new * _ONLY_NEW
        return of_clips

    def _add(self, name: str, counts: npt.NDArray[np.float64] | Indices) -> None:
        known = self._sums.get(name, np.zeros(0))
        n = -(-max(len(known), len(counts)) // 4) * 4
        self._sums[name] = np.pad(known, (0, n - len(known))) + np.pad(counts.astype(np.float64), (0, n - len(counts)))

    def _table(self, name: str, n: int) -> npt.NDArray[np.float64]:
        """(n datasets, 4)."""
        known = self._sums.get(name, np.zeros(0))
        return np.pad(known, (0, n * 4 - len(known))).reshape(n, 4)

    def _kept_of(self, of: Sequence[int], n: int) -> Kept:
        at = np.array(of, np.int64)
        rows, clips, seconds = (self._table(name, n)[at].sum(axis=0) for name in ("rows", "clips", "seconds"))
        old_s, new_s = (float(self._table(name, n)[at].sum()) for name in ("old_s", "new_s"))
        cells = [Amount(int(rows[cell]), int(clips[cell]), float(seconds[cell])) for cell in range(4)]
        return Kept(cells[_BOTH], cells[_ONLY_OLD], cells[_ONLY_NEW], cells[_NEITHER], old_s, new_s)

    def kept(self) -> Kept:
        n = max((len(sums) for sums in self._sums.values()), default=0) // 4
        return self._kept_of(range(n), n)

    def lines(self, names: list[str | None]) -> tuple[DatasetLine, ...]:
        n = len(names)
        there = np.flatnonzero(self._table("rows", n).sum(axis=1)).tolist()
        sums = {name: self._table(name, n).sum(axis=1) for name in ("measured", "moved", "p", "n_p")}
        lines = [
            DatasetLine(
                name=names[i],
                kept=self._kept_of([i], n),
                n_measured=int(sums["measured"][i]),
                n_moved=int(sums["moved"][i]),
                mean_p=float(sums["p"][i] / sums["n_p"][i]) if sums["n_p"][i] else None,
            )
            for i in there
        ]
        return tuple(sorted(lines, key=lambda line: (-line.kept.all.length_s, line.name or "")))


def _in_words(rule: Rule) -> str:
    """What the rule wants, as far as its name does not say it."""
    return f"{rule.name} {rule.wanted}" if rule.sign or rule.name in (WHERE, CLIP) else rule.name


def _count(counts: Counter[int], values: Numbers | Indices) -> None:
    """Counts whole numbers."""
    found, n = np.unique(values.astype(np.int64), return_counts=True)
    counts.update(dict(zip(found.tolist(), n.tolist(), strict=True)))
