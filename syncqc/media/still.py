"""Pictures that stand still: how much of a part is frozen.

Knows nothing of faces. Looks at small grey thumbnails, so that coding noise does not pass for motion.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from syncqc.clock import IMAGE_RATE_HZ

U8 = npt.NDArray[np.uint8]

THUMB_PX = (64, 36)
STILL_LEVEL = 0.08
"""Mean absolute difference of thumbnails, in grey levels of 255, below which an image repeats the one before."""
MIN_FROZEN_IMAGES = 10
"""0.4 s: shorter repeats come from low frame rates."""
POP_LEVEL = 0.5
"""A still picture may change by so much at a key frame: at H.264's crf 23-28 it was 0.25-0.39, in moving pictures of faces 1-2."""
_MOST_POPS = 2
"""In a row."""


@dataclass(frozen=True)
class Stillness:
    """How much of a stretch of images stands still; stretches of less than 0.4 s do not count."""

    frozen_ratio: float
    """Share of the images."""
    frozen_start_s: float
    """How long they stand still from the first one on, s; key frames of the same picture do not end it."""


def stillness(images: U8, before: U8 | None = None, still_level: float = STILL_LEVEL) -> Stillness:
    """How much of `images` (n, h, w, 3), 25 per second, belongs to stretches of at least 0.4 s without any change.

    `before` is the image ahead of the first one, if there is one: then a picture that stood still already counts from the first on.
    """
    if len(images) == 0:
        return Stillness(0.0, 0.0)
    thumbs = np.stack([_thumb(image) for image in images])
    changes = np.abs(np.diff(thumbs, axis=0)).mean(axis=(1, 2))
    first = np.inf if before is None else float(np.abs(thumbs[0] - _thumb(before)).mean())
    changes = np.concatenate([[first], changes])
    frozen = 0
    run = 0
    for is_repeat in [*(changes < still_level).tolist(), False]:
        if is_repeat:
            run += 1
        else:
            # A run of repeats also holds still the image it repeats.
            frozen += run if run + 1 >= MIN_FROZEN_IMAGES else 0
            run = 0
    ratio = min(1.0, frozen / max(1, len(images) - (before is None)))
    return Stillness(ratio, _n_still_from_start(changes, still_level) / IMAGE_RATE_HZ)


def _n_still_from_start(changes: npt.NDArray[np.float64], still_level: float) -> int:
    """How many images from the first on show the same: long runs of repeats, a key frame between them; `changes` (n,) to the one before."""
    n, end = len(changes), 0
    start = 1
    while True:
        at = start
        while at < min(n, start + _MOST_POPS) and still_level <= changes[at] < POP_LEVEL:
            at += 1
        moving = np.flatnonzero(changes[at:] >= still_level)
        run = int(moving[0]) if len(moving) else n - at
        began_before = at == 1 and changes[0] < still_level
        is_long = run + 1 + began_before >= MIN_FROZEN_IMAGES or (run > 0 and end > 0 and at + run == n)
        if not is_long:
            return end
        end = start = at + run


def frozen_ratio(images: U8, before: U8 | None = None, still_level: float = STILL_LEVEL) -> float:
    """Share of `images` that belong to a stretch without any change; see `stillness`."""
    return stillness(images, before, still_level).frozen_ratio


def frozen_start_s(images: U8, before: U8 | None = None, still_level: float = STILL_LEVEL) -> float:
    """How long the picture stands still from the first of `images` on, 0 where it moves within 0.4 s; see `stillness`."""
    return stillness(images, before, still_level).frozen_start_s


def _thumb(image: U8) -> npt.NDArray[np.float32]:
    small = cv2.resize(image, THUMB_PX, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.float32)
