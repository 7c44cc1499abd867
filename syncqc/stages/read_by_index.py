"""A clip becomes its parts as readers see it that never look at a timestamp: picture i is shown at i/fps, sample n heard at n/rate.

So do OpenCV and a WAV file made with ``ffmpeg -i x -vn a.wav``, and so do most training scripts. It shares no code with `read`, so it
is the second opinion on files that were put right. Knows nothing of faces or networks. Holds one part at a time.
"""

from __future__ import annotations

import os
import tempfile
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np

from syncqc.clock import DEFAULT_W, IMAGE_RATE_HZ, MAX_PART_S, SOUND_RATE_HZ, cut_into_parts
from syncqc.errors import ClipError, Failure
from syncqc.manifest import columns as c
from syncqc.manifest.row import Clip
from syncqc.media.mux import MuxError, run_ffmpeg
from syncqc.media.probe import first_image_at, probe
from syncqc.media.still import frozen_ratio
from syncqc.media.video import frames_on_show
from syncqc.stages.base import IMAGES, SOUND, Payload, Source
from syncqc.stages.part import F32, U8, Bools, Part
from syncqc.stages.read import ReadClip, failed_clip, hear, together

BY_TIME = "read by time: its pictures come at irregular distances, so their numbers say nothing about when they are shown"


@dataclass
class ReadByIndex(Source):
    """Every part of the clip with its pictures and its sound, both counted and never timed.

    Clips whose pictures come at irregular distances cannot be read so: they are read by `ReadClip`, and `detail` says it.
    """

    max_part_s: float = MAX_PART_S
    max_short_side_px: int = 720
    w: int = DEFAULT_W
    silence_peak: float = 1e-3

    writes: ClassVar[tuple[c.Column | Payload, ...]] = (
        IMAGES, SOUND, c.PART_INDEX, c.N_PARTS, c.START_S, c.END_S, c.N_IMAGES, c.DURATION_S, c.FROZEN_RATIO,
    )  # fmt: skip

    def __call__(self, clip: Clip) -> Iterator[Part]:
        """The parts of the clip; see `Source`."""
        try:
            if probe(clip.path, clip.audio_path).is_vfr:
                yield from self._by_time(clip)
                return
            with tempfile.TemporaryDirectory(prefix="syncqc-") as folder, _Pictures(clip.path) as pictures:
                yield from self._parts(clip, pictures, _Wave(clip.audio_path or clip.path, Path(folder) / "sound.wav"))
        except ClipError as error:
            yield failed_clip(clip, error.failure, error.detail)

    def _by_time(self, clip: Clip) -> Iterator[Part]:
        for part in ReadClip(self.max_part_s, self.max_short_side_px, self.w, self.silence_peak)(clip):
            part.row["detail"] = BY_TIME
            yield part

    def _parts(self, clip: Clip, pictures: _Pictures, sound: _Wave) -> Iterator[Part]:
        edges = cut_into_parts(pictures.n_images, self.max_part_s)
        images = pictures.images(self.max_short_side_px)
        before: U8 | None = None
        for index, (first, end) in enumerate(edges):
            part = Part(clip, index, len(edges), first, end - first, image_scale=pictures.scale(self.max_short_side_px))
            part.row = {"duration_s": float(pictures.duration_s)}
            part.images = together(images, part.n_images)
            if part.images is None:
                part.fail(Failure.UNREADABLE, f"OpenCV reads no picture from {first / IMAGE_RATE_HZ:.2f} s on")
            else:
                part.n_images = len(part.images)
                part.row["frozen_ratio"] = frozen_ratio(part.images, before)
                before = part.images[-1].copy()
                hear(part, sound.read, self.w, self.silence_peak)
            part.row |= {"start_s": first / IMAGE_RATE_HZ, "end_s": (first + part.n_images) / IMAGE_RATE_HZ, "n_images": part.n_images}
            yield part


class _Pictures:
    """The pictures of a file as OpenCV counts them; a context manager."""

    def __init__(self, path: str) -> None:
        self._capture = cv2.VideoCapture(path, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
        rate = self._capture.get(cv2.CAP_PROP_FPS) if self._capture.isOpened() else 0.0
        count = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)) if rate > 0 else 0
        if count < 1:
            self._capture.release()
            raise ClipError(Failure.UNREADABLE, "OpenCV cannot read the file")
        self._fps = Fraction(rate).limit_denominator(1001 * 1000)
        self._short_side_px = min(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH), self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        self.duration_s = count / self._fps
        self.n_images = max(1, first_image_at(self.duration_s))

    def __enter__(self) -> _Pictures:
        return self

    def __exit__(self, *_: object) -> None:
        self._capture.release()

    def scale(self, max_short_side_px: int) -> float:
        return float(min(1.0, max_short_side_px / max(1.0, self._short_side_px)))

    def images(self, max_short_side_px: int) -> Iterator[U8]:
        """Images 0, 1, 2 ... at 25 per second, RGB."""
        scale = self.scale(max_short_side_px)
        shown: object = None
        for frame in frames_on_show(self._frames(), self.n_images):
            if frame is not shown:
                shown = frame
                small = frame if scale == 1 else cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
                image = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2RGB), np.uint8)
            yield image

    def _frames(self) -> Iterator[tuple[cv2.typing.MatLike, Fraction, Fraction]]:
        i = 0
        while True:
            is_there, frame = self._capture.read()
            if not is_there:
                return
            yield frame, i / self._fps, 1 / self._fps
            i += 1


class _Wave:
    """The sound of a file as a WAV made of it holds it; sample 0 belongs to the first picture."""

    def __init__(self, path: str, wav: Path) -> None:
        try:
            run_ffmpeg(["-i", os.path.abspath(path), "-vn", "-ac", "1", "-ar", str(SOUND_RATE_HZ), "-c:a", "pcm_s16le", str(wav)])  # noqa: PTH100
        except MuxError as error:
            raise ClipError(Failure.NO_AUDIO, f"no sound can be taken from the file: {error}") from None
        self._path = wav

    def read(self, first_sample: int, end_sample: int) -> tuple[F32, Bools]:
        """Samples [first_sample, end_sample) and whether the file has them."""
        n = end_sample - first_sample
        samples, is_present = np.zeros(n, np.float32), np.zeros(n, np.bool_)
        with wave.open(str(self._path), "rb") as file:
            begin, end = max(0, first_sample), min(file.getnframes(), end_sample)
            if begin < end:
                file.setpos(begin)
                at = slice(begin - first_sample, end - first_sample)
                samples[at] = np.frombuffer(file.readframes(end - begin), "<i2").astype(np.float32) / 32768
                is_present[at] = True
        return samples, is_present
