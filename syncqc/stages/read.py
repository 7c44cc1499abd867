"""A clip becomes its parts: images at 25 fps with the sound around them, and what the container says.

Knows nothing of faces or networks. Holds one part at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar

import numpy as np

from syncqc.clock import DEFAULT_W, IMAGE_RATE_HZ, MAX_PART_S, SAMPLES_PER_IMAGE, WINDOW_MEL, cut_into_parts, first_mel_column
from syncqc.errors import ClipError, Failure
from syncqc.manifest import columns as c
from syncqc.manifest.row import Clip
from syncqc.media.mel import reach
from syncqc.media.probe import Facts, probe
from syncqc.media.sound import SoundReader
from syncqc.media.still import stillness
from syncqc.media.video import image_scale, read_images
from syncqc.stages.base import IMAGES, SOUND, Payload, Source
from syncqc.stages.part import F32, U8, Bools, Part, Sound


@dataclass
class ReadClip(Source):
    """Every part of the clip, in order, with its pictures and its sound; a clip that cannot be read is one failed part."""

    max_part_s: float = MAX_PART_S
    max_short_side_px: int = 720
    """Larger pictures are reduced to this; faces stay far larger than a crop."""
    w: int = DEFAULT_W
    """Sound is kept for shifts of up to 2 w images on both sides."""
    silence_peak: float = 1e-3
    """Sound that never exceeds this (-60 dB) counts as digital silence."""
    n_threads: int = 1

    writes: ClassVar[tuple[c.Column | Payload, ...]] = (
        IMAGES, SOUND, c.PART_INDEX, c.N_PARTS, c.START_S, c.END_S, c.N_IMAGES,
        c.CONTAINER_FORMAT, c.VIDEO_CODEC, c.AUDIO_CODEC, c.WIDTH_PX, c.HEIGHT_PX, c.SOURCE_FPS, c.IS_VFR, c.ROTATION_DEG,
        c.KEY_FRAME_GAP_FRAMES, c.SOURCE_AUDIO_RATE_HZ, c.SOURCE_AUDIO_CHANNELS, c.DURATION_S, c.AUDIO_DURATION_S,
        c.AV_START_GAP_MS, c.FROZEN_RATIO, c.FROZEN_START_S,
        c.VIDEO_PROFILE, c.VIDEO_TAG, c.VIDEO_ENCODER, c.VIDEO_BIT_RATE_KBPS, c.KEY_FRAME_SPREAD_FRAMES, c.GOP_IS_REGULAR,
        c.GOP_IS_OPEN, c.HAS_B_FRAMES, c.I_FRAME_SHARE, c.P_FRAME_SHARE, c.B_FRAME_SHARE, c.FRAME_TYPES_DETAIL,
        c.AUDIO_PROFILE, c.AUDIO_BIT_RATE_KBPS, c.AUDIO_PRIMING_SAMPLES, c.AUDIO_BLOCK_START_MS,
    )  # fmt: skip

    def __call__(self, clip: Clip) -> Iterator[Part]:
        """The parts of the clip; see `Source`."""
        try:
            facts = probe(clip.path, clip.audio_path, clip.audio_start_s)
        except ClipError as error:
            yield failed_clip(clip, error.failure, error.detail)
            return
        if facts.audio_codec is None:
            yield failed_clip(clip, Failure.NO_AUDIO, "the file has no sound track and no sidecar sound is given", facts)
            return
        yield from self._parts(clip, facts)

    def _parts(self, clip: Clip, facts: Facts) -> Iterator[Part]:
        edges = cut_into_parts(facts.n_images, self.max_part_s)
        images = read_images(clip.path, facts, self.max_short_side_px, self.n_threads)
        sound = SoundReader(clip.audio_path or clip.path, facts.sound_zero_s(is_sidecar=clip.audio_path is not None))
        before: U8 | None = None
        for index, (first, end) in enumerate(edges):
            part = Part(clip, index, len(edges), first, end - first, image_scale=image_scale(facts, self.max_short_side_px))
            part.row = facts.row()
            try:
                notes = self._fill(part, images, before, sound)
                if notes or facts.notes:
                    part.row["detail"] = "; ".join([*facts.notes, *notes])
            except ClipError as error:
                part.fail(error.failure, error.detail)
            part.row |= _stretch(part)
            before = None if part.images is None else part.images[-1].copy()
            yield part

    def _fill(self, part: Part, images: Iterator[U8], before: U8 | None, reader: SoundReader) -> list[str]:
        """Fills the part with its pictures and its sound; gives sentences about what is unusual."""
        part.images = together(images, part.n_images)
        if part.images is None:
            raise ClipError(Failure.UNREADABLE, f"no picture can be decoded from {part.first_image / IMAGE_RATE_HZ:.2f} s on")
        notes = []
        if len(part.images) < part.n_images:
            part.n_images = len(part.images)
            notes.append(f"decoding ends after {(part.first_image + part.n_images) / IMAGE_RATE_HZ:.2f} s")
        still = stillness(part.images, before)
        part.row |= {"frozen_ratio": still.frozen_ratio, "frozen_start_s": still.frozen_start_s}
        hear(part, reader.read, self.w, self.silence_peak)
        return notes


def hear(part: Part, read: Callable[[int, int], tuple[F32, Bools]], w: int, silence_peak: float) -> None:
    """The part has its sound, with that of shifts up to 2 `w` images on both sides, or the reason why there is none worth measuring."""
    first_sample, end_sample = reach(*mel_span(part.first_image, part.n_images, 2 * w))
    samples, is_present = read(first_sample, end_sample)
    part.sound = Sound(samples, first_sample, is_present)
    begin, end = (image * SAMPLES_PER_IMAGE - first_sample for image in (part.first_image, part.first_image + part.n_images))
    if not is_present[begin:end].any():
        part.fail(Failure.NO_AUDIO, "there is no sound in this part")
    elif np.abs(samples[begin:end]).max() < silence_peak:
        part.fail(Failure.SILENT, "the sound of this part is digital silence")


def together(images: Iterator[U8], n: int) -> U8 | None:
    """The next `n` images as one array (n, height, width, 3), fewer where they end, None where there is none left.

    Images are copied as they come, so that a part's pictures are in memory once.
    """
    first = next(images, None)
    if first is None:
        return None
    filled = np.empty((n, *first.shape), np.uint8)
    filled[0] = first
    count = 1
    for image in islice(images, n - 1):
        filled[count] = image
        count += 1
    return filled[:count]


def mel_span(first_image: int, n_images: int, reach_images: int) -> tuple[int, int]:
    """First mel column and number of columns that all windows of these images need at shifts up to `reach_images`."""
    first = first_mel_column(first_image - reach_images, "floor")
    last = first_mel_column(first_image + n_images - 1 + reach_images, "round") + WINDOW_MEL
    return first, last - first


def failed_clip(clip: Clip, failure: Failure, detail: str, facts: Facts | None = None) -> Part:
    """The one part of a clip that cannot be measured at all."""
    n_images = facts.n_images if facts else 0
    part = Part(clip, 0, 1, 0, n_images)
    part.fail(failure, detail)
    part.row = {**facts.row(), **_stretch(part)} if facts else {}
    return part


def _stretch(part: Part) -> dict[str, object]:
    return {
        "start_s": part.first_image / IMAGE_RATE_HZ,
        "end_s": (part.first_image + part.n_images) / IMAGE_RATE_HZ,
        "n_images": part.n_images,
    }
