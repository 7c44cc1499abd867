"""Pictures that stand still: how much of a part is frozen.

Knows nothing of faces. Looks at small grey thumbnails, so that coding noise does not pass for motion.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

U8 = npt.NDArray[np.uint8]

THUMB_PX = (64, 36)
STILL_LEVEL = 0.08
"""Mean absolute difference of thumbnails, in grey levels of 255, below which an image repeats the one before."""
MIN_FROZEN_IMAGES = 10
"""0.4 s: shorter repeats come from low frame rates."""


def frozen_ratio(images: U8, before: U8 | None = None, still_level: float = STILL_LEVEL) -> float:
    """Share of `images` (n, h, w, 3) that belong to a stretch of at least 0.4 s without any change.

    `before` is the image ahead of the first one, if there is one.
    """
    if len(images) == 0:
        return 0.0
    thumbs = np.stack([_thumb(image) for image in images])
    changes = np.abs(np.diff(thumbs, axis=0)).mean(axis=(1, 2))
    first = np.inf if before is None else float(np.abs(thumbs[0] - _thumb(before)).mean())
    repeats = np.concatenate([[first], changes]) < still_level
    frozen = 0
    run = 0
    for is_repeat in [*repeats.tolist(), False]:
        if is_repeat:
            run += 1
        else:
            # A run of repeats also holds still the image it repeats.
            frozen += run if run + 1 >= MIN_FROZEN_IMAGES else 0
            run = 0
    return min(1.0, frozen / max(1, len(images) - (before is None)))


def _thumb(image: U8) -> npt.NDArray[np.float32]:
    small = cv2.resize(image, THUMB_PX, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.float32)
