"""Stages without videos for the tests of the engines: what a clip does is written in its path.

The path is ``<behaviour>-<number of parts>``: ``ok-3``, ``segfault-2`` (dies after two parts of four), ``hang-1``, ...
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
from syncqc.errors import ClipError, Failure, UsageError
from syncqc.manifest import columns as c
from syncqc.manifest.row import Clip, Row
from syncqc.stages.base import CROPS, IMAGES, MEL, SOUND, Closing, Payload, Source, Stage
from syncqc.stages.part import Mel, Part, Sound, Track


@dataclass
class FakeRead(Source):
    images_per_part: int = 10
    slowness_s: float = 0.0
    note_path: str | None = None
    """A file in which every clip that is read leaves a line."""

    writes: ClassVar[tuple[c.Column | Payload, ...]] = (IMAGES, SOUND, c.START_S, c.END_S, c.N_IMAGES, c.DURATION_S)

    def __call__(self, clip: Clip) -> Iterator[Part]:
        behaviour, _, count = Path(clip.path).stem.partition("-")
        n_good = int(count or 2)
        n_parts = n_good if behaviour == "ok" else n_good + 2
        if self.note_path is not None:
            with Path(self.note_path).open("a", encoding="utf-8") as notes:
                notes.write(clip.clip_id + "\n")
        if behaviour == "none":
            return
        for index in range(n_parts):
            time.sleep(self.slowness_s)
            if index == n_good:
                misbehave(behaviour)
            yield self._part(clip, index, n_parts)

    def _part(self, clip: Clip, index: int, n_parts: int) -> Part:
        n = self.images_per_part
        random = np.random.default_rng([index, *clip.clip_id.encode("utf-8", "replace")])
        part = Part(clip, index, n_parts, index * n, n)
        part.images = random.integers(0, 255, (n, 8, 8, 3), np.uint8)
        part.sound = Sound(random.random(640, np.float32), 0, np.ones(640, np.bool_))
        part.row = {"start_s": index * n / 25, "end_s": (index + 1) * n / 25, "n_images": n, "duration_s": n_parts * n / 25}
        return part


def misbehave(how: str) -> None:
    match how:
        case "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "exit":
            os._exit(7)
        case "hang":
            time.sleep(3600)
        case "spin":
            while True:
                sum(range(10**6))
        case "memory":
            hoard = [bytearray(2**24) for _ in range(10**6)]
            print(len(hoard))
        case "raise":
            raise ValueError("the stage has\na bug")
        case "clip_error":
            raise ClipError(Failure.UNREADABLE, "half a file")
        case "chatter":
            os.write(2, b"terminate called after throwing an instance of 'std::bad_alloc'\n")
            os.abort()
        case _:
            pass


@dataclass
class FakeFaces(Stage):
    n_tracks: int = 2
    refusal: str | None = None

    reads: ClassVar[tuple[c.Column | Payload, ...]] = (IMAGES, SOUND)
    writes: ClassVar[tuple[c.Column | Payload, ...]] = (CROPS, MEL, c.TRACK_INDEX)

    def open(self) -> None:
        if self.refusal is not None:
            raise UsageError(self.refusal)

    def __call__(self, parts: list[Part]) -> list[Part]:
        for part in parts:
            if part.failure is not None:
                continue
            assert part.images is not None
            assert part.sound is not None
            part.mel = Mel(part.sound.samples.reshape(8, 80), 0, np.ones(8, np.bool_))
            if "faceless" in part.clip.path and part.part_index == 1:
                part.fail(Failure.NO_FACE, "nobody there")
                continue
            part.tracks = [self._track(part, i) for i in range(self.n_tracks)]
        return parts

    def _track(self, part: Part, i: int) -> Track:
        assert part.images is not None
        return Track(
            part.first_image,
            part.images[:, i:] if i else part.images,
            np.array([part.first_image, part.first_image + 5], np.int32),
            np.full((2, 4), i, np.float32),
            np.full((2, 5, 2), i, np.float32),
            np.full(2, 0.5, np.float32),
            {"track_index": i},
        )


@dataclass
class FakeScore(Stage):
    gain: float = 1.0

    reads: ClassVar[tuple[c.Column | Payload, ...]] = (CROPS, MEL)
    writes: ClassVar[tuple[c.Column | Payload, ...]] = (c.MARGIN, c.OFFSET_FRAMES, c.PROBABILITY_IN_SYNC, c.N_WINDOWS)

    def __call__(self, parts: list[Part]) -> list[Part]:
        for part in parts:
            assert part.images is None, "pictures must not travel"
            assert part.sound is None, "sound must not travel"
            if part.failure is not None:
                continue
            assert part.mel is not None
            if "farbug" in part.clip.clip_id and part.part_index == 1:
                raise RuntimeError("cannot score this")
            for track in part.tracks:
                value = float(track.crops.mean()) / 255 * self.gain + float(part.mel.columns.mean())
                track.row |= {
                    "margin": value,
                    "offset_frames": int(track.crops.sum()) % 7,
                    "probability_in_sync": value / 2,
                    "n_windows": 6,
                }
                track.similarity = np.full((31, 6), value, np.float16)
        return parts


@dataclass
class FakePool(Closing):
    reads: ClassVar[tuple[c.Column, ...]] = (c.OFFSET_FRAMES,)
    writes: ClassVar[tuple[c.Column, ...]] = (c.CLIP_OFFSET_FRAMES,)

    def __call__(self, rows: list[Row]) -> list[Row]:
        known = [row["offset_frames"] for row in rows if row.get("offset_frames") is not None]
        return [{**row, "clip_offset_frames": known[0] if known else None} for row in rows]


def fake_plan(read: FakeRead | None = None, faces: FakeFaces | None = None, score: FakeScore | None = None) -> Plan:
    return Plan(read or FakeRead(), [faces or FakeFaces()], [score or FakeScore()], [FakePool()])


def fake_clips(*behaviours: str) -> list[Clip]:
    return [Clip(f"{number:03d}/{behaviour}", f"/nowhere/{number:03d}/{behaviour}.mp4") for number, behaviour in enumerate(behaviours)]


def score_into(out: Path, n_clips: int, slowness_s: float) -> None:
    """A whole run with a journal, as a process of its own can do it."""
    from syncqc.engine import journal as journals
    from syncqc.engine.local import run_local

    usual, journals.CLIPS_PER_SHARD = journals.CLIPS_PER_SHARD, 3
    plan = fake_plan(FakeRead(slowness_s=slowness_s))
    settings = {name: value for name, value in plan.settings().items() if name != "fake_read.slowness_s"}
    clips = fake_clips(*[f"ok-{1 + i % 3}" for i in range(n_clips)])
    try:
        with journals.Journal(out, settings, {"syncqc": "0"}, keep_similarity=True).open() as journal:
            missing = [clip for clip in clips if clip.clip_id not in journal.done]
            for result in run_local(plan, missing, workers=1, in_order=False, keep_similarity=True):
                journal.add(result)
            journal.finish()
    finally:
        journals.CLIPS_PER_SHARD = usual
