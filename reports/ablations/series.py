"""A series of training runs in one folder that may be stopped at any time, goes on where it was, and may be worked on by several processes.

::

    WORK/made-from.json       what the series is made from; another call with something else is refused
    WORK/corrections.json     offsets and weights of the training tracks, measured once
    WORK/NAME/seed-0/         a run's folder as `train` keeps it, and figures.json when it is finished

A run belongs to the process that holds the lock on its folder; locks go with their process, so that nothing stays locked.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from syncqc.errors import UsageError
from syncqc.manifest.aside import written_aside
from syncqc.media.mel import MelFrontEnd
from syncqc.nets.checkpoint import load
from syncqc.nets.ic_syncnet import IcSyncNet
from syncqc.train.batches import Example
from syncqc.train.cache import CropCache, Entry
from syncqc.train.clean import CleanSettings, Key, clean
from syncqc.train.config import TrainConfig
from syncqc.train.loop import train
from syncqc.train.state import LOG, WEIGHTS, batches_in_weights, refuse_other_settings

FIGURES, MADE_FROM, CORRECTIONS, LOCK = "figures.json", "made-from.json", "corrections.json", "lock"
WAIT_S = 10
Judge = Callable[[IcSyncNet], dict[str, Any]]


class OutOfTime(Exception):
    """The minutes are over; what was saved stays."""


@dataclass(frozen=True)
class Job:
    """One run of the series."""

    name: str
    seed: int
    folder: Path
    config: TrainConfig
    tracks: Sequence[Example]
    judge: Judge
    begins_with: Path | None = None
    """Folder of the run whose weights it begins with; random weights where there is none."""


def work_on(jobs: Sequence[Job], watched: Sequence[tuple[CropCache, Entry]], minutes: float | None) -> None:
    """Every run is finished, or, when the minutes are over, as far as it came; runs that another process holds are left to it.

    `watched` are the tracks by which a run is looked at on its way.

    Raises:
        OutOfTime: the minutes are over before the series is.
        UsageError: a folder holds a run with other settings.
    """
    deadline = time.monotonic() + 60 * minutes if minutes else float("inf")
    while True:
        left = [job for job in jobs if figures_of(job) is None]
        did = [job for job in left if _worked_on(job, watched, deadline)]
        if len(did) == len(left):
            return
        if not did:
            time.sleep(WAIT_S)
        if time.monotonic() > deadline:
            raise OutOfTime


def _worked_on(job: Job, watched: Sequence[tuple[CropCache, Entry]], deadline: float) -> bool:
    """Whether the run was finished here: not, while another process holds it, or the run that it begins with is not finished."""
    if job.begins_with is not None and not (job.begins_with / FIGURES).exists():
        return False
    with claimed(job.folder) as is_mine:
        if not is_mine:
            return False
        if figures_of(job) is None:
            _finish(job, watched, deadline)
    return True


def _finish(job: Job, watched: Sequence[tuple[CropCache, Entry]], deadline: float) -> None:
    def watch(record: Mapping[str, float]) -> None:
        text = " ".join(f"{key} {value:.4g}" for key, value in record.items() if key != "batch")
        print(f"{job.name} seed {job.seed} {record['batch']:.0f} {text}", flush=True)
        if time.monotonic() > deadline:
            raise OutOfTime

    if time.monotonic() > deadline:
        raise OutOfTime
    start = load(str(job.begins_with / WEIGHTS)).network if job.begins_with else None
    n_here, began = job.config.n_batches + job.config.tune_batches - batches_in_weights(job.folder), time.process_time()
    network = train(job.config, job.tracks, watched, job.folder, watch, start)
    trained = time.process_time()
    figures = job.judge(network)
    made = {
        "name": job.name,
        "seed": job.seed,
        "config": asdict(job.config),
        "processor_s_per_batch": (trained - began) / n_here if n_here else None,
        "processor_s_judging": time.process_time() - trained,
        "way": _way(job),
    }
    write_json(job.folder / FIGURES, made | {"figures": figures})
    print(f"{job.name} seed {job.seed} is finished", flush=True)


def _way(job: Job) -> list[list[float]]:
    """How the watched tracks did on the run's way: batch and window accuracy."""
    log = job.folder / LOG
    records = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()] if log.exists() else []
    return [[one["batch"], one["window_accuracy"]] for one in records if "window_accuracy" in one]


def figures_of(job: Job) -> dict[str, Any] | None:
    """What the finished run says; None where it is not finished.

    Raises:
        UsageError: the folder holds a run with other settings.
    """
    path = job.folder / FIGURES
    if not path.exists():
        return None
    kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    refuse_other_settings(job.folder, job.config, kept["config"])
    return kept


@contextmanager
def claimed(folder: Path, *, waits: bool = False) -> Iterator[bool]:
    """Whether the folder is this process's until the end of the block."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX if waits else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def write_json(path: Path, values: object) -> None:
    """The file holds the values, as a whole or not at all."""
    with written_aside(path) as aside:
        aside.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


def corrections(work: Path, training: Sequence[CropCache], dev: CropCache, clean_with: str) -> dict[Key, tuple[int, float]]:
    """Offset and weight of every training track as the model measures them; measured once and kept in `work`.

    Raises:
        UsageError: `work` holds a series that is made from something else.
    """
    model = load(clean_with)
    made_from = {
        "training": [_told(cache) for cache in training],
        "dev": _told(dev),
        "clean_with": f"{model.header.name} ({model.weights_sha256[:12]})",
    }
    with claimed(work, waits=True):
        _refuse_other_series(work, made_from)
        if not (work / CORRECTIONS).exists():
            print(f"measuring the training clips with {clean_with}", flush=True)
            found = clean(model.network, training, MelFrontEnd(**(model.header.mel or {})), CleanSettings())
            write_json(work / CORRECTIONS, [[*key, one.offset_frames, one.weight, one.reason] for key, one in found.items()])
    rows = json.loads((work / CORRECTIONS).read_text(encoding="utf-8"))
    print("; ".join(f"{reason} {n}" for reason, n in Counter(row[5] for row in rows).most_common()), flush=True)
    return {(clip, part, track): (offset, weight) for clip, part, track, offset, weight, _ in rows}


def _told(cache: CropCache) -> str:
    """The cache in a line that is another one for other tracks, wherever it lies."""
    index = (cache.folder / "index.jsonl").read_bytes()
    return f"{len(cache.entries)} tracks ({hashlib.sha256(index).hexdigest()[:12]})"


def _refuse_other_series(work: Path, made_from: Mapping[str, object]) -> None:
    path = work / MADE_FROM
    then = json.loads(path.read_text(encoding="utf-8")) if path.exists() else made_from
    changed = [f"{name}: {then.get(name)} -> {now}" for name, now in made_from.items() if then.get(name) != now]
    if changed:
        raise UsageError(f"{work} holds a series on something else ({'; '.join(changed)}); choose another folder")
    if not path.exists():
        write_json(path, made_from)


def parser_of(about: str | None, judged_by: str, seeds: Sequence[int]) -> argparse.ArgumentParser:
    """The options that every series of runs takes."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("caches", nargs="+", type=Path, metavar="CACHE", help=f"raw crop caches to train on, the last one {judged_by}")
    parser.add_argument("work", type=Path, help="folder of the runs")
    parser.add_argument("--seeds", nargs="+", type=int, default=list(seeds), help="one pass over all runs per seed")
    parser.add_argument("--minutes", type=float, help="stop after so long; the same command goes on")
    parser.add_argument("--clean-with", default="ic-syncnet.small", help="model that measures the training clips' own offsets")
    parser.add_argument("--publish", action="store_true", help="write results.json and the tables of README.md beside this file")
    return parser


def published(kept: Mapping[str, Any]) -> dict[str, Any]:
    """What is published of a finished run: its figures, means in place of a number for every track, without its settings."""
    return {key: value for key, value in _means(kept).items() if key != "config"}


def _means(values: Mapping[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in values.items():
        if key == "accuracy":
            out[key] = {k: sum(shares) / len(shares) if shares else None for k, shares in value.items()}
        elif key != "speakers":
            out[key] = _means(value) if isinstance(value, Mapping) else value
    return out


def between_markers(page: Path, text: str) -> None:
    """The page holds the text between its markers, and is otherwise as it was.

    Raises:
        UsageError: the page has no markers.
    """
    begin, end = "<!-- tables: begin -->", "<!-- tables: end -->"
    before, found, rest = page.read_text(encoding="utf-8").partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found and found_end):
        raise UsageError(f"{page} has no place for tables ({begin} ... {end})")
    with written_aside(page) as aside:
        aside.write_text(f"{before}{begin}\n{text.strip()}\n{end}{after}", encoding="utf-8")
