"""A source and a face finder without videos: which clips fail, and what their mouths and voices are, is written in their names.

A module of its own, because reading processes import it by name.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from syncqc.engine.plan import Plan
from syncqc.errors import Failure
from syncqc.manifest import columns as c
from syncqc.manifest.row import Clip
from syncqc.stages.base import CROPS, IMAGES, SOUND, Payload, Source, Stage
from syncqc.stages.keep_crops import KeepCrops
from syncqc.stages.part import Part, Sound, Track

SIZE = 16, 24
REACH = 33
"""How many images of sound lie around a part."""


def samples_of(clip_id: str, first: int, n: int) -> np.ndarray:
    """A ramp that tells its place, another one for each clip."""
    return (((np.arange(first, first + n) * 7 + len(clip_id) * 1000) % 40_000 - 20_000) / 32768).astype(np.float32)


def crops_of(clip_id: str, first: int, n: int, index: int) -> np.ndarray:
    """Smooth pictures that tell the image, the clip and the track."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    images = np.arange(first, first + n)[:, None, None]
    wave = 90 * np.sin((x + 2 * images) / 8) + 6 * y
    grey = 90 + wave[..., None] * np.array([0.4, 0.5, 0.3]) + 7 * (len(clip_id) % 8) + 5 * index
    return grey.clip(0, 255).astype(np.uint8)


@dataclass
class MadeRead(Source):
    """Two parts of 50 images; the file has sound from its first image on, for 90 images. What a name begins with goes wrong."""

    slowness_s: float = 0.0

    writes: ClassVar[tuple[c.Column | Payload, ...]] = (IMAGES, SOUND, c.START_S, c.END_S, c.DURATION_S)

    def __call__(self, clip: Clip) -> Iterator[Part]:
        time.sleep(self.slowness_s)
        for index in range(2):
            part = Part(clip, index, 2, 50 * index, 50)
            part.row = {"start_s": 2.0 * index, "end_s": 2.0 * (index + 1), "duration_s": 4.0}
            first, n = (part.first_image - REACH) * 640, (50 + 2 * REACH) * 640
            numbers = np.arange(first, first + n)
            is_present = (numbers >= 0) & (numbers < 90 * 640)
            part.sound = Sound(np.where(is_present, samples_of(clip.clip_id, first, n), 0).astype(np.float32), first, is_present)
            part.images = np.zeros((50, 4, 4, 3), np.uint8)
            if clip.clip_id.startswith("silent"):
                part.fail(Failure.SILENT, "silent")
            if clip.clip_id.startswith("segfault") and index == 1:
                os.kill(os.getpid(), signal.SIGSEGV)
            yield part


@dataclass
class MadeFaces(Stage):
    """One track through each part, and in the second part two more: one of 14 images, then one of 15."""

    reads: ClassVar[tuple[c.Column | Payload, ...]] = (IMAGES,)
    writes: ClassVar[tuple[c.Column | Payload, ...]] = (CROPS, c.TRACK_INDEX, c.FACE_WIDTH_PX)

    def __call__(self, parts: list[Part]) -> list[Part]:
        for part in parts:
            if part.clip.clip_id.startswith("faceless"):
                part.fail(Failure.NO_FACE, "no face")
            if part.failure is None:
                part.tracks = [self._track(part, i, n) for i, n in enumerate([50] if part.part_index == 0 else [50, 14, 15])]
        return parts

    def _track(self, part: Part, index: int, n: int) -> Track:
        first = part.first_image + 50 - n
        nothing = np.zeros(0, np.float32)
        track = Track(first, crops_of(part.clip.clip_id, first, n, index), nothing.astype(np.int32), nothing, nothing, nothing)
        track.row = {"track_index": index, "face_width_px": 60.5 + index}
        return track


def made_plan(crf: int = 10, slowness_s: float = 0.0) -> Plan:
    return Plan(MadeRead(slowness_s), [MadeFaces(), KeepCrops(crf)])


def made_clips(*names: str) -> list[Clip]:
    return [Clip(name, f"/nowhere/{name}.mp4", None, f"set of {name}", f"speaker of {name}") for name in names]


def pack_into(folder: Path, names: list[str], slowness_s: float = 0.0) -> None:
    """A whole run, as a process of its own can do it."""
    from syncqc.engine import journal as journals
    from syncqc.engine.local import run_local
    from syncqc.train.cache import CacheShape
    from syncqc.train.pack import PackJournal

    usual, journals.CLIPS_PER_SHARD = journals.CLIPS_PER_SHARD, 3
    try:
        with PackJournal(folder, CacheShape(*SIZE, 1.5), {"crf": 10}, {"syncqc": "0"}).open() as journal:
            missing = [clip for clip in made_clips(*names) if clip.clip_id not in journal.done]
            for result in run_local(made_plan(slowness_s=slowness_s), missing, in_order=False):
                journal.add(result)
            journal.finish()
    finally:
        journals.CLIPS_PER_SHARD = usual
