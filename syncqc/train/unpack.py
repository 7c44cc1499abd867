"""The raw form of a crop cache out of the compact one, and the raw form straight from clips.

Each shard is decoded by one of several processes and written to its place; stopped at any point, the same call goes on with the
shards that are missing. Knows no network.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from syncqc.engine.assemble import ClipResult
from syncqc.engine.local import n_cores, run_local
from syncqc.engine.plan import Plan
from syncqc.engine.provenance import versions
from syncqc.errors import UsageError
from syncqc.manifest.aside import written_aside
from syncqc.manifest.row import Clip
from syncqc.manifest.store import storable
from syncqc.media.crop_video import DamagedStreamError, decoded_crops
from syncqc.media.flac import decoded_sound
from syncqc.train.cache import ABOUT, CacheShape, CropCache, Entry
from syncqc.train.pack import Packed, PackJournal, cache_plan, open_packed

PACKED = "packed"
"""In the folder of a raw cache that was made straight from clips: its compact form."""
DONE = "unpacked.txt"
"""The digest of what is unpacked, then the shards that are."""
_LINES_AT_ONCE = 64

Run = Callable[[Plan, list[Clip]], Iterator[ClipResult]]


def prepare(
    clips: Sequence[Clip], folder: Path, shape: CacheShape | None = None, run: Run | None = None, *, restart: bool = False
) -> Iterator[tuple[Clip, int]]:
    """Yields each clip with the number of its tracks that are kept; at the end the raw cache of all of them is in `folder`.

    Packed first (into `folder`/packed, where it stays) and then unpacked. Stopped at any point, the same call goes on; clips that
    were done already come first. `run` carries out the plan (default: every core of this machine). `restart` throws away what is done.

    Raises:
        UsageError: the folder was begun with other settings, or no clip has a usable track.
    """
    shape = shape or CacheShape()
    plan = cache_plan(shape)
    with PackJournal(folder / PACKED, shape, dict(plan.settings()), versions()).open(restart=restart) as journal:
        n_kept = journal.n_kept()
        missing = []
        for clip in clips:
            if (name := storable(clip.clip_id)) in journal.done:
                yield clip, n_kept[name]
            else:
                missing.append(clip)
        for result in (run or run_here)(plan, missing) if missing else ():
            journal.add(result)
            yield result.clip, len(result.kept)
        if not journal.is_finished:
            journal.finish()
    unpack(folder / PACKED, folder)


def run_here(plan: Plan, clips: list[Clip]) -> Iterator[ClipResult]:
    """The results of the clips, from as many reading processes as there are cores."""
    return run_local(plan, clips, workers=min(n_cores(), len(clips)), in_order=False)


def unpack(packed_folder: Path, raw_folder: Path, n_workers: int | None = None) -> CropCache:
    """The raw cache in `raw_folder` of a packed one, its tracks sorted by clip, part and track; nothing is done where it is there.

    Raises:
        UsageError: there is no finished packed cache, it has no track or a damaged one, the disk is too small, or the folder holds
            the raw form of another one.
    """
    packed = open_packed(packed_folder)
    if (raw_folder / ABOUT).exists():
        if json.loads((raw_folder / ABOUT).read_text(encoding="utf-8")).get("packed") != packed.digest:
            raise UsageError(f"{raw_folder} holds a crop cache that was not made from {packed_folder} as it is now; choose another folder")
        return CropCache(raw_folder)
    entries = _entries(packed)
    if not entries:
        raise UsageError(f"{packed_folder} holds a crop cache without any face track")
    raw_folder.mkdir(parents=True, exist_ok=True)
    done = _begun(packed, raw_folder, entries)
    jobs = [job for job in _jobs(packed, raw_folder, entries) if job.shard.name not in done]
    for shard in _carried_out(jobs, n_workers or n_cores()):
        with (raw_folder / DONE).open("a", encoding="utf-8") as file:
            file.write(shard + "\n")
    with written_aside(raw_folder / "index.jsonl") as aside, aside.open("w", encoding="utf-8") as lines:
        lines.writelines(json.dumps(asdict(entry)) + "\n" for entry in entries)
    with written_aside(raw_folder / ABOUT) as aside:
        about = {**asdict(packed.shape), "sound_rate_hz": packed.about["sound_rate_hz"], "packed": packed.digest}
        aside.write_text(json.dumps(about), encoding="utf-8")
    (raw_folder / DONE).unlink()
    return CropCache(raw_folder)


@dataclass(frozen=True)
class _Job:
    """One shard and where each of its lines goes."""

    shard: Path
    raw_folder: Path
    shape: CacheShape
    places: dict[int, Entry]


def _entries(packed: Packed) -> list[Entry]:
    """The tracks in the order of the index, with their places in the raw form."""
    n_crops = n_samples = 0
    entries = []
    for line in packed.index.to_pylist():
        known = {name: line[name] for name in Entry.__dataclass_fields__ if name in line}
        present = line["present_begin"], line["present_end"]
        entries.append(Entry(**known, first_crop=n_crops, first_sample=n_samples, present=present))
        n_crops, n_samples = n_crops + line["n_images"], n_samples + line["n_samples"]
    return entries


def _jobs(packed: Packed, raw_folder: Path, entries: list[Entry]) -> list[_Job]:
    jobs: dict[str, _Job] = {}
    places = zip(packed.index.column("shard").to_pylist(), packed.index.column("line").to_pylist(), entries, strict=True)
    for shard, line, entry in places:
        job = jobs.setdefault(shard, _Job(packed.folder / shard, raw_folder, packed.shape, {}))
        job.places[line] = entry
    return list(jobs.values())


def _begun(packed: Packed, raw_folder: Path, entries: list[Entry]) -> set[str]:
    """The shards that are unpacked; the raw files are there in their full length.

    Raises:
        UsageError: the disk has too little room.
    """
    log = raw_folder / DONE
    begun = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    if begun[:1] == [packed.digest]:
        return set(begun[1:])
    last = entries[-1]
    lengths = {
        "crops.u8": (last.first_crop + last.n_images) * _bytes_per_crop(packed.shape),
        "sound.i16": (last.first_sample + last.n_samples) * 2,
    }
    needed, free = sum(lengths.values()), shutil.disk_usage(raw_folder).free
    if needed > free:
        raise UsageError(f"unpacking {packed.folder} takes {needed / 1e9:.1f} GB; on the disk of {raw_folder} {free / 1e9:.1f} GB are free")
    log.unlink(missing_ok=True)
    for name, length in lengths.items():
        with (raw_folder / name).open("wb") as file:
            file.truncate(length)
    log.write_text(packed.digest + "\n", encoding="utf-8")
    return set()


def _carried_out(jobs: list[_Job], n_workers: int) -> Iterator[str]:
    """Yields the names of the shards as they are written."""
    if min(n_workers, len(jobs)) <= 1:
        yield from map(_unpack_shard, jobs)
        return
    # A fresh process: a copy of this one could inherit a lock that another thread holds.
    with ProcessPoolExecutor(min(n_workers, len(jobs)), multiprocessing.get_context("spawn")) as pool:
        waiting = [pool.submit(_unpack_shard, job) for job in jobs]
        try:
            for future in as_completed(waiting):
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _unpack_shard(job: _Job) -> str:
    """The shard's tracks are in their places and on the disk.

    Raises:
        UsageError: a track is not what its line says.
    """
    line = 0
    with (job.raw_folder / "crops.u8").open("r+b") as crops, (job.raw_folder / "sound.i16").open("r+b") as sound:
        with pq.ParquetFile(job.shard) as file:
            for batch in file.iter_batches(_LINES_AT_ONCE, columns=["video", "sound"]):
                for kept in batch.to_pylist():
                    entry = job.places[line]
                    images, samples = _decoded(job, entry, kept["video"], kept["sound"])
                    crops.seek(entry.first_crop * _bytes_per_crop(job.shape))
                    crops.write(images.tobytes())
                    sound.seek(entry.first_sample * 2)
                    sound.write(samples.tobytes())
                    line += 1
        for written in (crops, sound):
            written.flush()
            os.fsync(written.fileno())
    if line != len(job.places):
        raise UsageError(f"{job.shard} holds {line} tracks, not {len(job.places)}; make the packed cache again")
    return job.shard.name


def _decoded(job: _Job, entry: Entry, video: bytes, sound: bytes) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int16]]:
    try:
        images = decoded_crops(video, entry.n_images, job.shape.height_px, job.shape.width_px)
        return images, decoded_sound(sound, entry.n_samples)
    except DamagedStreamError as error:
        where = f"{entry.clip_id}, part {entry.part_index}, track {entry.track_index}"
        raise UsageError(f"{job.shard} is damaged at {where}: {error}; make the packed cache again") from error


def _bytes_per_crop(shape: CacheShape) -> int:
    return shape.height_px * shape.width_px * 3
