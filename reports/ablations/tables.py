"""The tables of finished runs: figures with their range over seeds, and whether differences between runs have the paper's order.

A difference is told where two intervals leave zero out: over seeds (the chance of training: Student's t over the seeds' differences) and
over speakers (the chance of who was in the development clips: whole speakers drawn again). Where nothing was run, the cell is empty.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from syncqc.train.intervals import mean_interval95

KS = ("K=5", "K=7", "K=9", "K=11", "K=13", "K=15")
JUDGED_AT = KS[0]
Kept = Mapping[str, Any]
"""figures.json of one run."""


@dataclass(frozen=True)
class Line:
    """A run of the grid, as far as the tables know it."""

    name: str
    says: str
    table: str
    paper: tuple[float, ...] | None
    """K = 5, 7, 9, 11, 13, 15 in per cent, where the paper has such a row."""


TITLES = {
    "2": "Table 2, from the common start",
    "3": "Table 3, from the common start",
    "4": "Table 4, further training of Table 3's networks",
    "random": "Tables 2 and 3 from random weights",
    "": "Where the runs begin",
}
ALSO = {"3": ("no-easy",)}
"""Runs that stand in a second table."""


def page(lines: Sequence[Line], comparisons: Sequence[Mapping[str, str]], finished: Sequence[Kept]) -> str:
    """All tables in Markdown."""
    runs: dict[str, list[Kept]] = defaultdict(list)
    for kept in finished:
        runs[kept["name"]].append(kept)
    counts = sorted({len(some) for some in runs.values()})
    seeds = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}" if counts else "no"
    head = f"{len(finished)} runs, {seeds} per line; per cent, mean (lowest to highest over seeds). {_judged_on(finished)}"
    out = [head, "", "## Does the order hold?", "", _order(lines, comparisons, runs)]
    for table, title in TITLES.items():
        chosen = [one for one in lines if one.table == table or one.name in ALSO.get(table, ())]
        out += ["", f"## {title}", "", _figures(chosen, runs)]
    out += ["", "## On the way from random weights", "", _way([one for one in lines if one.table == "random"], runs)]
    return "\n".join(out) + "\n"


def _judged_on(finished: Sequence[Kept]) -> str:
    sizes = {(kept["figures"]["n_tracks"], kept["figures"]["n_speakers"]) for kept in finished}
    return "; ".join(f"Judged on {tracks} face tracks of {speakers} speakers." for tracks, speakers in sorted(sizes))


def _figures(lines: Sequence[Line], runs: Mapping[str, Sequence[Kept]]) -> str:
    header = ["run", "", *KS, "halves agree", "AUC own/foreign", "processor s per batch", "paper, K=5", "K=15"]
    rows = []
    for one in lines:
        some = runs.get(one.name, ())
        accuracy = [_range(some, lambda kept, k=k: _share(kept, k), 100, 1) for k in KS]  # type: ignore[misc]
        rest = [
            _range(some, lambda kept: kept["figures"]["halves_agree"], 100, 0),
            _range(some, lambda kept: kept["figures"]["foreign_auc"], 1, 3),
            _range(some, lambda kept: kept["processor_s_per_batch"], 1, 2),
        ]
        paper = ["", ""] if one.paper is None else [f"{one.paper[0]}", f"{one.paper[-1]}"]
        rows.append([f"`{one.name}`", one.says, *accuracy, *rest, *paper])
    return _markdown(header, rows)


def _share(kept: Kept, k: str) -> float:
    """Window accuracy, the mean over tracks."""
    return float(np.mean(kept["figures"]["accuracy"][k]))


def _range(some: Sequence[Kept], value: Callable[[Kept], float | None], times: float, digits: int) -> str:
    """The mean over seeds and, of several, the lowest and the highest."""
    values = [times * found for kept in some if (found := value(kept)) is not None]
    if not values:
        return ""
    text = f"{np.mean(values):.{digits}f}"
    return text if len(values) == 1 else f"{text} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def _order(lines: Sequence[Line], comparisons: Sequence[Mapping[str, str]], runs: Mapping[str, Sequence[Kept]]) -> str:
    papers = {one.name: one.paper for one in lines}
    ours = ["seed by seed, K=5", "mean", "95 % over seeds", "over speakers", "K=15"]
    header = ["compared", "runs", *ours, "paper, K=5", "K=15", "order as in the paper"]
    rows = []
    for comparison in comparisons:
        run, than = comparison["run"], comparison["than"]
        pairs = [(one, other) for one in runs.get(run, ()) for other in runs.get(than, ()) if one["seed"] == other["seed"]]
        paper, given = papers[run], papers[than]
        ends = None if paper is None or given is None else (round(paper[0] - given[0], 1), round(paper[-1] - given[-1], 1))
        told = ["", ""] if ends is None else [f"{end:+.1f}" for end in ends]
        answer = verdict(pairs, None if ends is None else ends[0])
        rows.append([comparison["says"], f"`{run}` against `{than}`", *_difference(pairs), *told, answer])
    return _markdown(header, rows)


def _difference(pairs: Sequence[tuple[Kept, Kept]]) -> list[str]:
    if not pairs:
        return [""] * 5
    values, far = differences(pairs, JUDGED_AT), differences(pairs, KS[-1])
    texts = [" ".join(f"{100 * value:+.1f}" for value in values), f"{100 * np.mean(values):+.1f}"]
    both = over_seeds(values), over_speakers(pairs, JUDGED_AT)
    intervals = [f"{100 * ends[0]:+.1f} to {100 * ends[1]:+.1f}" if ends else "" for ends in both]
    return [*texts, *intervals, f"{100 * np.mean(far):+.1f}"]


def differences(pairs: Sequence[tuple[Kept, Kept]], k: str) -> list[float]:
    """By how much window accuracy differs, for each seed."""
    return [_share(one, k) - _share(other, k) for one, other in pairs]


def over_seeds(values: Sequence[float]) -> tuple[float, float] | None:
    """Student's 95 % interval of the mean; None for fewer than two values."""
    if len(values) < 2:
        return None
    half = float(stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return float(np.mean(values)) - half, float(np.mean(values)) + half


def over_speakers(pairs: Sequence[tuple[Kept, Kept]], k: str) -> tuple[float, float] | None:
    """The 95 % interval of the difference, a mean over seeds, over draws of speakers."""
    by_seed = [np.subtract(one["figures"]["accuracy"][k], other["figures"]["accuracy"][k]) for one, other in pairs]
    found = mean_interval95(np.mean(by_seed, axis=0).tolist(), pairs[0][0]["figures"]["speakers"][k])
    return None if found is None else (found[0], found[1])


def verdict(pairs: Sequence[tuple[Kept, Kept]], paper: float | None) -> str:
    """Whether the order is the paper's, whose difference at K=5 is `paper`."""
    if not pairs:
        return ""
    seeds, speakers = over_seeds(differences(pairs, JUDGED_AT)), over_speakers(pairs, JUDGED_AT)
    intervals = [both for both in (seeds, speakers) if both is not None]
    sign = 0
    if len(intervals) == 2 and all(low > 0 for low, _ in intervals):
        sign = 1
    elif len(intervals) == 2 and all(high < 0 for _, high in intervals):
        sign = -1
    if paper is None:
        return {1: "(better)", -1: "(worse)", 0: "cannot be told"}[sign]
    if paper == 0:
        return {1: "no: better here, equal there", -1: "no: worse here, equal there", 0: "cannot be told; equal there"}[sign]
    if sign == 0:
        return "cannot be told"
    return "yes" if sign == np.sign(paper) else "no"


def _way(lines: Sequence[Line], runs: Mapping[str, Sequence[Kept]]) -> str:
    """Window accuracy of the watched tracks while a run learns."""
    batches = sorted({batch for one in lines for kept in runs.get(one.name, ()) for batch, _ in kept["way"]})
    if not batches:
        return ""
    rows = []
    for one in lines:
        by_batch = {batch: [dict(map(tuple, kept["way"])).get(batch) for kept in runs.get(one.name, ())] for batch in batches}
        means = {batch: [value for value in values if value is not None] for batch, values in by_batch.items()}
        rows.append([f"`{one.name}`", *(f"{100 * np.mean(values):.1f}" if values else "" for values in means.values())])
    return _markdown(["run, K=5 after batch", *(f"{batch:.0f}" for batch in batches)], rows)


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
