"""How fast rows of a manifest come out of the loaders, beside plain decoding of the same stretches with PyAV.

    python reports/loader-speed/run.py MANIFEST [N_ROWS]

Each way reads the same rows, and the ways take turns row by row, so that whatever else the machine does slows all of them. A line gives
items per second of one core's time and how many seconds of video that is (25 images are one second), that as a share of plain
decoding, and seconds of video per second by the clock, which only a machine that does nothing else shows undisturbed.

- plain, from the start: PyAV decodes from the file's first picture to the end of the stretch, to RGB of the same size, and all the
  sound until then to 16 kHz mono; what is written without an index of key frames.
- plain, sought: PyAV goes to the key frame before the stretch; otherwise the same. The least that reading the stretch can cost.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import av
import torch
from torch.utils.data import DataLoader, Subset

from syncqc.loaders.collate import collate
from syncqc.loaders.index import Segment
from syncqc.loaders.segments import SegmentDataset
from syncqc.loaders.settings import LoaderSettings

PICTURE = LoaderSettings()
MOUTH = LoaderSettings(images="none", crops=True)
N_WORKERS = 2
SHORT_SIDE_PX = PICTURE.max_short_side_px


def plainly(segment: Segment, is_sought: bool) -> int:
    """Decodes the stretch and its sound; gives the number of pictures that were turned into RGB."""
    begin_s, end_s = segment.first_image / 25, (segment.first_image + segment.n_images) / 25
    with av.open(segment.path) as container:
        video = container.streams.video[0]
        video.thread_type, video.codec_context.thread_count = "AUTO", 1
        if is_sought:
            container.seek(int(begin_s / video.time_base), stream=video)
        n = 0
        for frame in container.decode(video):
            if frame.time >= end_s:
                break
            if frame.time >= begin_s - 0.5 / 25:
                scale = min(1.0, SHORT_SIDE_PX / min(frame.width, frame.height))
                frame.reformat(round(frame.width * scale), round(frame.height * scale), "rgb24").to_ndarray()
                n += 1
    with av.open(segment.audio_path or segment.path) as container:
        sound = container.streams.audio[0]
        resampler = av.AudioResampler("flt", "mono", 16_000)
        if is_sought:
            container.seek(int(begin_s / sound.time_base), stream=sound)
        for block in container.decode(sound):
            if block.time >= end_s:
                break
            for piece in resampler.resample(block):
                piece.to_ndarray()
    return n


def one_by_one(rows: list[int], read: Callable[[int], object]) -> Iterator[int]:
    """Reads the rows, each as it is asked for."""
    for row in rows:
        read(row)
        yield 1


def in_workers(data: SegmentDataset, rows: list[int]) -> Iterator[int]:
    """The rows out of a DataLoader with workers."""
    for batch in DataLoader(Subset(data, rows), 1, num_workers=N_WORKERS, collate_fn=collate):
        yield len(batch["row"])


def main(manifest: Path, n_rows: int) -> None:
    """Prints one line per way."""
    torch.set_num_threads(1)
    picture, mouth = (SegmentDataset(manifest, settings=settings) for settings in (PICTURE, MOUTH))
    rows = torch.randperm(len(picture), generator=torch.Generator().manual_seed(0))[:n_rows].tolist()
    seconds = sum(picture.index[row].n_images for row in rows) / 25
    size = replace(PICTURE, size_px=(128, 128), images="face")
    face = SegmentDataset(manifest, settings=size)
    alone = {
        "plain, from the start": one_by_one(rows, lambda row: plainly(picture.index[row], False)),
        "plain, sought": one_by_one(rows, lambda row: plainly(picture.index[row], True)),
        "whole picture, 1 process": one_by_one(rows, picture.__getitem__),
        "face 128 x 128, 1 process": one_by_one(rows, face.__getitem__),
        "mouth 48 x 96, 1 process": one_by_one(rows, mouth.__getitem__),
    }
    core_s, clock_s = ({name: 0.0 for name in alone} for _ in range(2))
    for _ in rows:
        for name, way in alone.items():
            began = time.process_time(), time.perf_counter()
            next(way)
            core_s[name] += time.process_time() - began[0]
            clock_s[name] += time.perf_counter() - began[1]
    for what, data in (("whole picture", picture), ("mouth 48 x 96", mouth)):
        name = f"{what}, {N_WORKERS} workers"
        began = all_cores_s(), time.perf_counter()
        assert sum(in_workers(data, rows)) == len(rows)
        core_s[name], clock_s[name] = all_cores_s() - began[0], time.perf_counter() - began[1]
    print(f"{len(rows)} rows of {len({picture.index[row].clip_id for row in rows})} clips, {seconds:.0f} s of video")
    print("| way | items per core second | x real time per core | of plain, sought | x real time by the clock |\n|---|---:|---:|---:|---:|")
    for name, took in core_s.items():
        share = core_s["plain, sought"] / took
        print(f"| {name} | {len(rows) / took:.1f} | {seconds / took:.0f} | {share:.2f} | {seconds / clock_s[name]:.0f} |")


def all_cores_s() -> float:
    """Time on cores of this process and of all its children that have ended."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 36)
