"""What a network is worth on a kind of clips that it never saw: one network per left-out source, one trained on all, equally long.

Works on raw crop caches. WORK keeps the runs; the same command goes on where it stopped, and may be started twice to use two cores.

    python reports/left-out-sources/run.py TRAIN_CACHE... DEV_CACHE WORK --publish
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "ablations"))  # what both reports are made with lies there

from gaps import Group, page  # noqa: E402
from judged import judged  # noqa: E402
from series import Job, OutOfTime, between_markers, claimed, corrections, figures_of, parser_of, published, work_on, write_json  # noqa: E402

from syncqc.clock import SAMPLES_PER_IMAGE  # noqa: E402
from syncqc.errors import UsageError  # noqa: E402
from syncqc.media.speech import SpeechFinder, is_speech, speech_ratio  # noqa: E402
from syncqc.nets.ic_syncnet import IcSyncNet  # noqa: E402
from syncqc.train.batches import examples  # noqa: E402
from syncqc.train.cache import CONTEXT_IMAGES, CropCache, Entry  # noqa: E402
from syncqc.train.config import TrainConfig, load_config  # noqa: E402
from syncqc.train.stretches import EvalSettings  # noqa: E402

SOURCES = ["first-impressions", "trial", "sarcasm", "lrw-ar", "grid-s1"]
ALL = "all"
ASKED = EvalSettings(moves=(-6, 6))
LEAST_IMAGES = 25
LEAST_SPEECH = 0.5
"""As ``syncqc evaluate`` asks."""
SPEECH = "speech.json"
WATCHED_EVERY = 3
"""On its way a run is looked at by every third development track."""
Tracks = Sequence[tuple[CropCache, Entry]]


def main(options: argparse.Namespace) -> None:
    """Trains what is not trained yet and writes the tables."""
    training, dev = [CropCache(folder) for folder in options.caches[:-1]], CropCache(options.caches[-1])
    sources = {entry.source for cache in training for entry in cache.entries}
    unknown = sorted(set(options.only) - sources)
    if unknown:
        raise UsageError(f"no training clip is of {', '.join(unknown)}; there are {', '.join(sorted(sources))}")
    corrected = corrections(options.work, training, dev, options.clean_with)
    groups = groups_of(training, dev, options)
    base = config_of(options)

    def job(left_out: str | None, seed: int) -> Job:
        config = replace(base, seed=seed)
        tracks = [one for one in examples(training, config, corrected) if one.entry.source != left_out]
        name = ALL if left_out is None else f"without-{left_out}"
        asked = {
            group: some for group, some in groups.items() if left_out is None or group.source == left_out or group.source not in sources
        }
        return Job(name, seed, options.work / name / f"seed-{seed}", config, tracks, lambda network: figures(network, asked))

    jobs = [job(left_out, seed) for seed in options.seeds for left_out in (None, *options.only)]
    watched = [one for group, some in groups.items() if group.is_dev for one in some]
    try:
        work_on(jobs, watched[::WATCHED_EVERY], options.minutes)
    except OutOfTime:
        print(f"the {options.minutes:g} minutes are over; the same command goes on", flush=True)
    finished = [kept for kept in map(figures_of, jobs) if kept is not None]
    text = page(list(groups), finished, f"`{base.net}`, {base.n_batches} batches")
    (options.work / "tables.md").write_text(text, encoding="utf-8")
    if options.publish:
        write_json(HERE / "results.json", [published(kept) for kept in finished])
        between_markers(HERE / "README.md", text)
    print(f"{len(finished)} of {len(jobs)} runs are finished; tables: {options.work / 'tables.md'}")


def config_of(options: argparse.Namespace) -> TrainConfig:
    """The settings of every run, but for its seed."""
    base = load_config(HERE / "train.toml")
    n = options.batches or base.n_batches
    lengths = {
        name: max(1, round(getattr(base, name) * n / base.n_batches)) for name in ("decay_batches", "warmup_batches", "validate_every")
    }
    how = {"n_threads": options.threads, "n_loader_workers": 0, "compile": base.compile and not options.no_compile}
    return replace(base, net=options.net or base.net, n_batches=n, **lengths, **how)


def figures(network: IcSyncNet, asked: Mapping[Group, Tracks]) -> dict[str, Any]:
    """The network's figures on every group, by the group's name."""
    return {group.name: judged(network, tracks, ASKED) for group, tracks in asked.items()}


def groups_of(training: Sequence[CropCache], dev: CropCache, options: argparse.Namespace) -> dict[Group, Tracks]:
    """The tracks to judge by: one face alone, with voice, of a second or more, of each source at most so many, evenly spread."""
    speech = _speech([*training, dev], options.work)
    found: dict[Group, list[tuple[CropCache, Entry]]] = defaultdict(list)
    for cache in (*training, dev):
        for i, entry in enumerate(cache.entries):
            if entry.n_images >= LEAST_IMAGES and entry.n_tracks == 1 and speech[str(cache.folder.resolve())][i] >= LEAST_SPEECH:
                group = Group(entry.source, is_dev=cache is dev)
                if group.is_dev or group.source in options.only:
                    found[group].append((cache, entry))
    return {group: some[:: -(-len(some) // options.most_tracks)] for group, some in sorted(found.items())}


def _speech(caches: Sequence[CropCache], work: Path) -> dict[str, list[float]]:
    """By folder the share of each track in which there is a voice; heard once and kept in `work`."""
    with claimed(work, waits=True):
        kept = json.loads((work / SPEECH).read_text(encoding="utf-8")) if (work / SPEECH).exists() else {}
        missing = [cache for cache in caches if len(kept.get(str(cache.folder.resolve()), ())) != len(cache.entries)]
        if missing:
            print("listening for voices", flush=True)
            finder = SpeechFinder()
            kept |= {str(cache.folder.resolve()): [_speech_ratio(finder, cache, entry) for entry in cache.entries] for cache in missing}
            write_json(work / SPEECH, kept)
    return dict(kept)


def _speech_ratio(finder: SpeechFinder, cache: CropCache, entry: Entry) -> float:
    lead, n_samples = CONTEXT_IMAGES * SAMPLES_PER_IMAGE, entry.n_images * SAMPLES_PER_IMAGE
    chunks = is_speech(finder.speech_probability(cache.samples(entry, 0, lead + n_samples)))
    return speech_ratio(chunks, lead, lead + n_samples)


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The options."""
    parser = parser_of(__doc__, "never trained on", [0])
    parser.add_argument("--only", nargs="+", default=SOURCES, metavar="SOURCE", help="leave out these alone")
    parser.add_argument("--net", help="another network than train.toml's")
    parser.add_argument("--batches", type=int, help="length of every run; default: train.toml's")
    parser.add_argument("--most-tracks", type=int, default=300, metavar="N", help="judge by so many tracks of a source")
    parser.add_argument("--threads", type=int, default=1, help="threads of this process")
    parser.add_argument("--no-compile", action="store_true", help="for short runs")
    options = parser.parse_args(arguments)
    if len(options.caches) < 2:
        parser.error("at least one cache to train on, one never trained on, and WORK")
    return options


if __name__ == "__main__":
    try:
        main(parsed(sys.argv[1:]))
    except UsageError as error:
        sys.exit(f"error: {error}")
