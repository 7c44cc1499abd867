"""What an earlier coding left in the pictures: how much still areas change from image to image, beyond what their neighbours in time do.

A key frame is coded without its past, so that also what stands still is drawn anew: all still blocks change a little, at once. Later
codings keep most of it. Knows neither key frames nor periods: `ghost_period` looks for those.

Source: Iashin et al., "Sparse in Space and Time" (SparseSync), appendix 7.1 and Fig. 6: the first temporal difference.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy.ndimage import median_filter, uniform_filter1d

from syncqc.clock import IMAGE_RATE_HZ

U8 = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

BLOCK_PX = 16
MAX_PX = 320_000
"""Of larger pictures evenly spaced rows of blocks are looked at, together at most so many pixels."""
AROUND = 11
"""Images, itself in the middle, against which a change is held."""
RHYTHMS = (2, 3, 4, 5)
"""Periods in pictures that B-frames, pulldown and dropped pictures make; they are taken out."""
REPEAT_SHARE = 0.12
"""A picture repeats the one before where it changes by less than this share of what its neighbours do, ..."""
REPEAT_LEVEL = 0.02
"""... or by less than so many grey levels of 255 on average."""
_SMALL_LEVEL = 0.05
_STILL_LEVEL = 0.15
_MOST = 2.5
_LOW, _HIGH = -2.5, 6.0
_OUTLYING = 3.0
_RESTLESS = 0.05
_FAST_FPS = 40.0
_ALMOST = 1e-3


@dataclass(frozen=True)
class Plane:
    """What is kept of an image to hold the next one against: its number in the clip and its grey rows."""

    image: int
    grey: U8


def block_changes(images: U8, first_image: int, before: Plane | None = None) -> tuple[F32, Plane]:
    """Mean absolute change of luma per block of 16 x 16 px against the image before, (n, blocks), and what is kept of the last image.

    `images` are (n, height, width, 3) RGB, n >= 1, the first of them image `first_image` of the clip. The first row is nan where
    `before` is not the image ahead of it.
    """
    rows = _rows(images.shape[1], images.shape[2])
    last = _grey(images[0], rows)
    width, height = (max(1, side // BLOCK_PX) for side in (last.shape[1], last.shape[0]))
    changes = np.full((len(images), height * width), np.nan, np.float32)

    def change(one: U8, other: U8) -> F32:
        difference = cv2.absdiff(one, other)[: height * BLOCK_PX, : width * BLOCK_PX].astype(np.float32)
        return np.asarray(cv2.resize(difference, (width, height), interpolation=cv2.INTER_AREA), np.float32).ravel()

    if before is not None and before.image == first_image - 1 and before.grey.shape == last.shape:
        changes[0] = change(last, before.grey)
    for i in range(1, len(images)):
        grey = _grey(images[i], rows)
        changes[i] = change(grey, last)
        last = grey
    return changes, Plane(first_image + len(images) - 1, last)


def picture_on_show(images: Ints, fps: float) -> Ints:
    """The number of the file's picture that each image (at 25 per second) shows, for pictures at even distances; both count from 0."""
    return np.asarray(np.floor(images * (fps / IMAGE_RATE_HZ) + _ALMOST), np.int64)


def change_trace(changes: F32, first_image: int, fps: float) -> F32:
    """How much more than around it in time still areas change in each image, (n,), in robust standard deviations, within -2.5 ... 6.

    Each block's log change is held against its mean over 11 images; blocks weigh by how little they change in the middle. Nan where
    nothing was compared or nothing at all changed, and everywhere where too little is left to hold it against.
    """
    trace = np.full(len(changes), np.nan, np.float32)
    at = np.flatnonzero(np.nan_to_num(changes).max(axis=1) > 0)
    if len(at) < 2 * AROUND:
        return trace
    moved = changes[at]
    logs = np.log(moved + _SMALL_LEVEL)
    # Blocks weigh by how little they change, and then also by how seldom they stand out from what is around them in time.
    stillness = np.asarray(1 / (_STILL_LEVEL + np.median(moved, axis=0)), np.float32)
    pooled = _pooled(_excess(logs, np.ones(len(at), np.float32)), stillness**2)
    # What stands out must not raise what its neighbours are held against: between two of them there would be an echo.
    counts = (pooled < _OUTLYING * _spread(pooled)).astype(np.float32)
    excess = _excess(logs, counts)
    restless = np.asarray(counts @ excess**2 / max(1.0, float(counts.sum())), np.float32)
    pooled = _pooled(excess, stillness / (_RESTLESS + restless))
    shown = picture_on_show(first_image + at, fps)
    steps = shown - picture_on_show(first_image + at - 1, fps)
    if fps < _FAST_FPS:  # beyond it key frames every 12 pictures are themselves as short a rhythm of images
        for label in (steps, *(shown % rhythm for rhythm in RHYTHMS)):
            pooled = _without_levels(pooled, label)
    trace[at] = np.clip(pooled / (_spread(pooled) + 1e-6), _LOW, _HIGH)
    return trace


def repeated_share(changes: F32, first_image: int, fps: float) -> float | None:
    """Share of the images that equal the one before although the file has another picture there; None where none was compared.

    `changes` are those of `block_changes`. Repeats that reading fewer than 25 pictures per second makes do not count.
    """
    means = changes.mean(axis=1)
    images = first_image + np.arange(len(changes), dtype=np.int64)
    is_new = picture_on_show(images, fps) > picture_on_show(images - 1, fps)
    is_new &= np.isfinite(means)
    if not is_new.any():
        return None
    at = np.flatnonzero(is_new)
    # Where every second picture is a repeat the median is none of the real changes; a high one is.
    around = np.array([np.quantile(means[at[max(0, i - 6) : i + 7]], 0.75) for i in range(len(at))])
    is_repeat = (means[at] < REPEAT_LEVEL) | (means[at] < REPEAT_SHARE * around)
    return float(is_repeat.mean())


def _rows(height: int, width: int) -> Ints | None:
    """The first lines of the rows of blocks to look at; None: all of the picture."""
    n_all, n = height // BLOCK_PX, max(1, MAX_PX // (BLOCK_PX * width))
    if n >= n_all or height * width <= MAX_PX:
        return None
    return np.asarray(np.floor((np.arange(n) + 0.5) * (n_all / n)) * BLOCK_PX, np.int64)


def _grey(image: U8, rows: Ints | None) -> U8:
    if rows is not None:
        image = np.concatenate([image[row : row + BLOCK_PX] for row in rows])
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)


def _excess(logs: F32, counts: F32) -> F32:
    """How far each block's logs (images, blocks) lie above their mean over those images around that count, within bounds."""
    around = uniform_filter1d(logs * counts[:, None], AROUND, axis=0, mode="nearest")
    around /= np.maximum(uniform_filter1d(counts, AROUND, mode="nearest"), _ALMOST)[:, None]
    return np.asarray(np.clip(logs - around, -_MOST, _MOST), np.float32)


def _pooled(excess: F32, weights: F32) -> F32:
    """Per image the weighted mean over the blocks, above its median around it in time."""
    pooled = excess @ (weights / weights.sum())
    return np.asarray(pooled - median_filter(pooled, AROUND, mode="nearest"), np.float32)


def _spread(values: F32) -> float:
    """The standard deviation that values around 0 would have by the median of their size."""
    return 1.4826 * float(np.median(np.abs(values)))


def _without_levels(values: F32, label: Ints) -> F32:
    """The values, those of equal label moved so that their median is 0; labels that are few are left."""
    moved = values.copy()
    for one in np.unique(label):
        where = label == one
        if where.sum() >= AROUND:
            moved[where] -= np.median(values[where])
    return moved
