"""Ablations of IC-SyncNet's Tables 2, 3 and 4 on any crop caches: many short runs of a tiny network, each a small change of one base.

The runs are those of ``grid.toml``. WORK keeps them; the same command goes on where it stopped, and may be started twice to use two cores.

    python reports/ablations/run.py TRAIN_CACHE... DEV_CACHE WORK --publish
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judged import judged
from series import Job, OutOfTime, between_markers, corrections, figures_of, parser_of, published, work_on, write_json
from tables import Line, page

from syncqc.errors import UsageError
from syncqc.train.batches import examples
from syncqc.train.cache import CropCache, Entry
from syncqc.train.config import TrainConfig, from_values
from syncqc.train.stretches import EvalSettings

HERE = Path(__file__).parent
ASKED = EvalSettings(moves=())
LEAST_DEV_IMAGES = 60
"""As ``syncqc train`` chooses: tracks alone in the picture, of 2.4 s or more."""
WATCHED_EVERY = 4
"""On its way a run is looked at by every fourth of them."""
COUNTS = ("n_batches", "tune_batches", "decay_batches", "warmup_batches", "validate_every")


@dataclass(frozen=True)
class Variant(Line):
    """One run of the grid."""

    begins_with: str | None
    values: Mapping[str, Any]
    """Settings besides the seed."""
    seeds_from: int

    def config(self, seed: int, share: float = 1.0) -> TrainConfig:
        """The settings of the run with this seed, all lengths times `share`."""
        counts = {name: max(1, round(self.values[name] * share)) if self.values[name] else 0 for name in COUNTS}
        return from_values({**self.values, **counts, "seed": self.seeds_from + seed, "n_loader_workers": 0})


def variants(grid: Mapping[str, Any]) -> list[Variant]:
    """The runs of the grid, in order.

    Raises:
        UsageError: a run begins with one that does not stand before it.
    """
    found: list[Variant] = []
    for run in grid["runs"]:
        phase = grid["phases"][run["phase"]]
        begins_with = run.get("begins_with")
        if begins_with is not None and begins_with not in {one.name for one in found}:
            raise UsageError(f"{run['name']} begins with {begins_with}, which does not stand before it")
        values = {**grid["base"], **phase["set"], **run.get("set", {})}
        paper = tuple(run["paper"]) if "paper" in run else None
        found.append(Variant(run["name"], run["says"], run["table"], paper, begins_with, values, phase["seeds_from"]))
    return found


def wanted(every: Sequence[Variant], only: Sequence[str]) -> list[Variant]:
    """The variants of these names or tables (all where none is named), and those that they begin with.

    Raises:
        UsageError: there is no such name.
    """
    by_name = {one.name: one for one in every}
    unknown = sorted(set(only) - by_name.keys() - {one.table for one in every})
    if unknown:
        raise UsageError(f"grid.toml has no {', '.join(unknown)}; it has {', '.join(by_name)}")
    names = {one.name for one in every if not only or one.name in only or one.table in only}
    for one in reversed(every):
        if one.name in names and one.begins_with is not None:
            names.add(one.begins_with)
    return [one for one in every if one.name in names]


def main(options: argparse.Namespace) -> None:
    """Does the runs and writes the tables."""
    grid = tomllib.loads((HERE / "grid.toml").read_text(encoding="utf-8"))
    every = variants(grid)
    share = options.batches / grid["base"]["n_batches"] if options.batches else 1.0
    training, dev = [CropCache(folder) for folder in options.caches[:-1]], CropCache(options.caches[-1])
    corrected = corrections(options.work, training, dev, options.clean_with)
    judged_by = dev_tracks(dev)[:: options.dev_every]

    def job(one: Variant, seed: int) -> Job:
        config = one.config(seed, share)
        folder = options.work / one.name / f"seed-{seed}"
        begin = options.work / one.begins_with / f"seed-{seed}" if one.begins_with else None
        tracks = examples(training, config, corrected)
        return Job(one.name, seed, folder, config, tracks, lambda network: judged(network, judged_by, ASKED), begin)

    jobs = [job(one, seed) for seed in options.seeds for one in wanted(every, options.only)]
    try:
        work_on(jobs, judged_by[::WATCHED_EVERY], options.minutes)
    except OutOfTime:
        print(f"the {options.minutes:g} minutes are over; the same command goes on", flush=True)
    finished = [kept for kept in map(figures_of, jobs) if kept is not None]
    text = page(every, grid["comparisons"], finished)
    (options.work / "tables.md").write_text(text, encoding="utf-8")
    if options.publish:
        write_json(HERE / "results.json", [published(kept) for kept in finished])
        between_markers(HERE / "README.md", text)
    print(f"{len(finished)} of {len(jobs)} runs are finished; tables: {options.work / 'tables.md'}")


def dev_tracks(dev: CropCache) -> list[tuple[CropCache, Entry]]:
    """The tracks that every run is judged by."""
    return [(dev, entry) for entry in dev.entries if entry.n_images >= LEAST_DEV_IMAGES and entry.n_tracks == 1]


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The options."""
    parser = parser_of(__doc__, "to judge by", [0, 1, 2])
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="runs or tables (2, 3, 4, random), and what they begin with")
    parser.add_argument("--batches", type=int, help="length of the main runs, the others in proportion, to try; default: grid.toml's")
    parser.add_argument("--dev-every", type=int, default=1, metavar="N", help="judge by every Nth track only, to try")
    options = parser.parse_args(arguments)
    if len(options.caches) < 2:
        parser.error("at least one cache to train on, one to judge by, and WORK")
    if options.publish and (options.batches or options.dev_every != 1 or options.only):
        parser.error("--publish is for the whole grid as it stands in grid.toml")
    return options


if __name__ == "__main__":
    try:
        main(parsed(sys.argv[1:]))
    except UsageError as error:
        sys.exit(f"error: {error}")
