"""One stretch of a row: its images and its sound on one clock, the measured offset taken away.

Knows files, stored faces and settings; neither the manifest nor the order of training.

::

    shift_frames = 2 (the sound comes early by two images)
    images          |  0    1    2    3  ...
    file's sound    | -2   -1    0    1  ...      what is given with each image: the sound, delayed by two
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NotRequired, TypedDict

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from syncqc.clock import SAMPLES_PER_IMAGE, SOUND_RATE_HZ, WINDOW_IMAGES, WINDOW_MEL, first_mel_column
from syncqc.errors import ClipError, Failure
from syncqc.faces.crop import mouth_crops
from syncqc.loaders.index import Segment
from syncqc.loaders.settings import LoaderSettings
from syncqc.loaders.stored_faces import Face
from syncqc.loaders.views import U8, covering, faces, points_in_cover, points_in_faces
from syncqc.media.mel import mel_columns, reach
from syncqc.media.probe import exact_s
from syncqc.media.sound import SoundReader
from syncqc.media.stretch import Start, open_stretch, read_start

F32 = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]


_AT_ONCE = 16
"""Pictures that are cut from at a time."""


class Item(TypedDict):
    """What a loader gives for one row. Image i is shown at i/25 s of the stretch; `sound` is at 16 kHz, in [-1, 1]."""

    row: int
    """Number of the row in the dataset."""
    clip_id: str
    part_index: int
    track_index: int
    first_image: int
    """Image of the clip at which the stretch begins."""
    n_images: int
    offset_frames: int
    """By how many images of 1/25 s the sound was delayed against how it lies in the file."""
    sound: Tensor
    """float32 ((n + 2 context) * 640,)."""
    is_sound: Tensor
    """bool, as long as `sound`; False where the file has none, or only silence that was put in to repair it."""
    sound_begins_at: int
    """Number of the first sample, counted from the first image: -640 times the context."""
    images: NotRequired[Tensor]
    """uint8 (n, 3, height, width), RGB."""
    crops: NotRequired[Tensor]
    """uint8 (n, 3, height, width), RGB mouths."""
    landmarks: NotRequired[Tensor]
    """float32 (n, 5, 2), x and y of left eye, right eye, nose, left and right mouth corner as seen, in pixels of `images`."""
    mel: NotRequired[Tensor]
    """float32 (columns, 80); column i is centred on sample 200 (i + mel_begins_at) of the stretch."""
    is_mel: NotRequired[Tensor]
    """bool (columns,), whether there is sound at the column's centre."""
    mel_begins_at: NotRequired[int]


@dataclass(frozen=True)
class Heard:
    """Sound of a clip after the repair, on the clip's clock: sample 0 belongs to its first image."""

    samples: F32
    is_sound: Bools
    first_sample: int

    def cut(self, begin: int, end: int) -> tuple[F32, Bools]:
        """Samples [begin, end) and whether there is sound."""
        at = slice(begin - self.first_sample, end - self.first_sample)
        return self.samples[at], self.is_sound[at]


def read_item(row: int, segment: Segment, first_image: int, n_images: int, settings: LoaderSettings, face: Face | None) -> Item:
    """Images [first_image, first_image + n_images) of the clip and their sound; `face` covers them.

    Raises:
        ClipError: a file cannot be read, or decoding ends before the stretch does.
    """
    item = empty_item(row, segment, first_image, n_images)
    start = add_pictures(item, segment, settings, face)
    at, (lo, hi) = first_image * SAMPLES_PER_IMAGE, sound_span(n_images, settings)
    add_sound(item, read_sound(segment, start, at + lo, at + hi), at, settings)
    return item


def empty_item(row: int, segment: Segment, first_image: int, n_images: int) -> Item:
    """An item that says what it will be of."""
    return Item(
        row=row,
        clip_id=segment.clip_id,
        part_index=segment.part_index,
        track_index=segment.track_index,
        first_image=first_image,
        n_images=n_images,
        offset_frames=segment.shift_frames,
        sound=torch.empty(0),
        is_sound=torch.empty(0, dtype=torch.bool),
        sound_begins_at=0,
    )


def add_pictures(item: Item, segment: Segment, settings: LoaderSettings, face: Face | None) -> Start:
    """Where the clocks of the picture's file begin; what is wanted of its pictures is put into the item.

    Raises:
        ClipError: the file cannot be read, or decoding ends before the stretch does.
    """
    if not settings.needs_pictures:
        return read_start(segment.path)
    first, n = item["first_image"], item["n_images"]
    with open_stretch(segment.path, first, first + n, settings.max_short_side_px, settings.n_threads) as seen:
        points, boxes = (None, None) if face is None else _scaled(face, seen.image_scale)
        # Whole pictures are kept as they are; of others no more than a few are in memory at a time.
        is_whole = settings.images == "picture" and settings.size_px is None
        count = 0
        views: list[tuple[U8, F32 | None]] = []
        crops: list[U8] = []
        for block in _blocks(seen.images, n if is_whole else min(n, _AT_ONCE)):
            here = slice(count, count + len(block))
            count += len(block)
            of_block = None if points is None else points[here]
            if settings.crops:
                assert of_block is not None
                crops.append(mouth_crops(block, of_block, settings.crop_shape))
            if settings.images != "none":
                views.append(_view(block, settings, of_block, None if boxes is None else boxes[here]))
        start = seen.start
    if count < n:
        raise ClipError(Failure.UNREADABLE, f"decoding ends at image {first + count}, before {first + n}")
    if crops:
        item["crops"] = _channels_first(_joined(crops))
    if views:
        item["images"] = _channels_first(_joined([images for images, _ in views]))
    if settings.landmarks:
        item["landmarks"] = torch.from_numpy(np.concatenate([seen_at for _, seen_at in views if seen_at is not None]))
    return start


def _scaled(face: Face, image_scale: float) -> tuple[F32, F32]:
    """Landmarks and boxes in pixels of the images that were read."""
    return (face.landmarks_px * image_scale).astype(np.float32), (face.boxes_px * image_scale).astype(np.float32)


def _blocks(images: Iterator[U8], size: int) -> Iterator[U8]:
    """The images in arrays (at most `size`, height, width, 3), each in the place of the one before."""
    block: U8 | None = None
    count = 0
    for image in images:
        if block is None:
            block = np.empty((size, *image.shape), np.uint8)
        block[count] = image
        count += 1
        if count == size:
            yield block
            count = 0
    if block is not None and count:
        yield block[:count]


def _view(images: U8, settings: LoaderSettings, points: F32 | None, boxes: F32 | None) -> tuple[U8, F32 | None]:
    """What `images` shows of these pictures, and where the points lie in it."""
    if settings.images == "face":
        assert points is not None and boxes is not None and settings.size_px is not None
        shown, centres, steps = faces(images, boxes, settings.size_px, settings.face_margin)
        return shown, points_in_faces(points, centres, steps, settings.size_px)
    if settings.size_px is None:
        return images, points
    shown, scale, cut_px = covering(images, settings.size_px)
    return shown, None if points is None else points_in_cover(points, scale, cut_px)


def _joined(pieces: list[U8]) -> U8:
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def _channels_first(images: U8) -> Tensor:
    """(n, 3, height, width) of (n, height, width, 3), without copying."""
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def sound_span(n_images: int, settings: LoaderSettings) -> tuple[int, int]:
    """The samples [begin, end) that a stretch needs, counted from its first image."""
    context = settings.sound_context_images * SAMPLES_PER_IMAGE
    begin, end = -context, n_images * SAMPLES_PER_IMAGE + context
    if settings.mel is None:
        return begin, end
    mel_begin, mel_end = reach(*mel_span(n_images))
    return min(begin, mel_begin), max(end, mel_end)


def mel_span(n_images: int) -> tuple[int, int]:
    """First mel column and number of columns that all windows of a stretch need, counted from its first image."""
    first = first_mel_column(0, "floor")
    return first, first_mel_column(max(0, n_images - WINDOW_IMAGES), "round") + WINDOW_MEL - first


def read_sound(segment: Segment, start: Start, begin: int, end: int) -> Heard:
    """Samples [begin, end) of the clip with its sound put right; `start` is that of the picture's file.

    Raises:
        ClipError: the file cannot be read.
    """
    zero_s = start.sound_zero_s(segment.audio_path, exact_s(segment.audio_start_s))
    moved = segment.shift_frames * SAMPLES_PER_IMAGE
    first, n = begin - moved, end - begin
    at_end = max(0, round(-segment.pad_s * SOUND_RATE_HZ))
    try:
        samples, is_sound = SoundReader(segment.audio_path or segment.path, zero_s).read(first, first + n + at_end)
    except ClipError as error:
        if error.failure is not Failure.NO_AUDIO:
            raise
        return Heard(np.zeros(n, np.float32), np.zeros(n, np.bool_), begin)
    if at_end:
        # What lies so near the end of the sound that so much later there is none is the silence that was put in.
        is_sound = is_sound[:n] & is_sound[at_end:]
    elif segment.pad_s > 0:
        begins_s = start.container_start_s - start.zero_s if segment.audio_path is not None else 0
        is_sound = is_sound & (np.arange(first, first + n) >= round((begins_s + exact_s(segment.pad_s)) * SOUND_RATE_HZ))
    return Heard(samples[:n], is_sound, begin)


def add_sound(item: Item, heard: Heard, at_sample: int, settings: LoaderSettings) -> None:
    """Puts the sound into the item that begins at this sample of the clip."""
    context = settings.sound_context_images * SAMPLES_PER_IMAGE
    samples, is_sound = heard.cut(at_sample - context, at_sample + item["n_images"] * SAMPLES_PER_IMAGE + context)
    item["sound"], item["is_sound"] = torch.from_numpy(samples.copy()), torch.from_numpy(is_sound.copy())
    item["sound_begins_at"] = -context
    if settings.mel is not None:
        column, n_columns = mel_span(item["n_images"])
        begin, end = reach(column, n_columns)
        mel, is_mel = mel_columns(*heard.cut(at_sample + begin, at_sample + end), settings.mel)
        item["mel"], item["is_mel"], item["mel_begins_at"] = torch.from_numpy(mel), torch.from_numpy(is_mel), column
