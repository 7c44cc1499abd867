"""The tables of networks with and without a source: what each says of it, and the gap. Where nothing was run, the cell is empty."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from syncqc.train.intervals import mean_interval95

ALL = "all"
ONE_OFFSET = ("grid-s1", "lrw-ar")
"""Sources whose clips all have the same offset, so that a row can be held against the others."""
Kept = Mapping[str, Any]
"""figures.json of one run."""


@dataclass(frozen=True, order=True)
class Group:
    """Clips that are judged together."""

    source: str
    is_dev: bool
    """They are development clips: of speakers that no network here was trained on."""

    @property
    def name(self) -> str:
        """The source, and what its clips are."""
        return f"{self.source}, {'development' if self.is_dev else 'training'}"


def page(groups: Sequence[Group], finished: Sequence[Kept], what: str) -> str:
    """All tables in Markdown."""
    by_name = {(kept["name"], kept["seed"]): kept["figures"] for kept in finished}
    seeds = sorted({seed for _, seed in by_name})
    left_out = [group for group in groups if any((without(group), seed) in by_name for seed in seeds)]
    never = [group for group in groups if group.is_dev and group not in left_out]
    out = [f"{what} per network, seeds {', '.join(map(str, seeds))}.", "", "## The left-out source", "", _gaps(left_out, by_name, seeds)]
    for group in never:
        out += ["", f"## {group.name}: clips of a source that no network was trained on", "", _same_group(group, by_name)]
    return "\n".join(out) + "\n"


def without(group: Group) -> str:
    """The run without the group's source."""
    return f"without-{group.source}"


Figures = Mapping[tuple[str, int], Mapping[str, Any]]
"""By run and seed, by group."""


def _gaps(groups: Sequence[Group], by_name: Figures, seeds: Sequence[int]) -> str:
    figures = ["K=5", "K=15", "rows agree with their clip", "rows at the source's offset", "rows follow", "AUC own/foreign"]
    header = ["clips", "tracks", "trained", *figures]
    rows = []
    for group in groups:
        pairs = {
            "without": [found[group.name] for seed in seeds if (found := by_name.get((without(group), seed)))],
            "with": [found[group.name] for seed in seeds if (found := by_name.get((ALL, seed)))],
        }
        for how, some in pairs.items():
            tracks = [f"{some[0]['n_tracks']}"] if some else [""]
            rows.append([group.name, *tracks, f"{how} the source", *_line(group, some)])
        rows.append(["", "", "gap", *(_gap(group, by_name, seeds, k) for k in ("K=5", "K=15")), "", "", "", ""])
    return _markdown(header, rows)


def _line(group: Group, some: Sequence[Mapping[str, Any]]) -> list[str]:
    def share(value: Callable[[Mapping[str, Any]], float | None], digits: int = 1, times: float = 100) -> str:
        values = [found for one in some if (found := value(one)) is not None]
        return f"{times * np.mean(values):.{digits}f}" if values else ""

    accuracy = [share(lambda one, k=k: float(np.mean(one["accuracy"][k]))) for k in ("K=5", "K=15")]  # type: ignore[misc]
    at_offset = share(lambda one: at_the_offset(one["offsets"])) if group.source in ONE_OFFSET else ""
    agree, follow = share(lambda one: one["rows_agree"]), share(lambda one: one["rows_follow"])
    return [*accuracy, agree, at_offset, follow, share(lambda one: one["foreign_auc"], 3, 1)]


def at_the_offset(offsets: Mapping[str, int]) -> float | None:
    """The share of rows within 1 of the offset that most rows have."""
    if not offsets:
        return None
    best = int(max(offsets, key=lambda offset: offsets[offset]))
    near = sum(n for offset, n in offsets.items() if abs(int(offset) - best) <= 1)
    return near / sum(offsets.values())


def _gap(group: Group, by_name: Figures, seeds: Sequence[int], k: str) -> str:
    """By how much window accuracy changes without the source, and the 95 % interval over speakers (over clips, where nobody is named)."""
    both = [seed for seed in seeds if (without(group), seed) in by_name and (ALL, seed) in by_name]
    if not both:
        return ""
    sides = [(by_name[without(group), seed][group.name], by_name[ALL, seed][group.name]) for seed in both]
    gaps = np.mean([np.subtract(out["accuracy"][k], within["accuracy"][k]) for out, within in sides], axis=0)
    interval = mean_interval95(gaps.tolist(), sides[0][0]["speakers"][k])
    text = f"{100 * gaps.mean():+.1f}"
    return text if interval is None else f"{text} ({100 * interval[0]:+.1f} to {100 * interval[1]:+.1f})"


def _same_group(group: Group, by_name: Figures) -> str:
    header = ["network", "seed", "tracks", "K=5", "K=15", "rows agree with their clip", "rows follow", "AUC own/foreign"]
    rows = []
    for (name, seed), found in sorted(by_name.items()):
        if group.name in found:
            one = found[group.name]
            k5, k15, agree, _, follow, auc = _line(group, [one])
            rows.append([name, str(seed), f"{one['n_tracks']}", k5, k15, agree, follow, auc])
    return _markdown(header, rows)


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
