"""Where one camera shot ends and the next begins, found from the pictures by PySceneDetect's adaptive detector.

Knows nothing of faces or files. A change counts as a cut where it stands out from the changes around it, so that pans,
waving hands and noise are none; a flash that gives the old picture back is none either, and dissolves are not found.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt
from scenedetect import AdaptiveDetector, ContentDetector, FrameTimecode

from syncqc.clock import IMAGE_RATE_HZ

U8 = npt.NDArray[np.uint8]

REDUCED_SIDE_PX = 160
"""Images are compared with their longer side at about this size: finer detail is motion, not a new shot."""


class ShotFinder:
    """Finds cuts in the images of one clip, which arrive in batches and in order; what was seen last is remembered."""

    def __init__(self, min_ratio: float = 3.0, min_change: float = 15.0, flash_images: int = 3) -> None:
        """Sets what counts as a cut.

        Its change of hue, saturation and brightness (0-255, mean over the pixels) must be at least `min_change`, and `min_ratio`
        times that of the two images on either side, and must not be taken back within `flash_images`. Before the first
        image and beyond the end of a batch the picture counts as standing still.
        """
        self._min_ratio = min_ratio
        self._min_change = min_change
        self._flash_images = flash_images
        self._next_image: int | None = None
        self._first_image = 0
        self._last: U8 | None = None
        self._detector = self._new_detector()

    def cuts(self, images: U8, first_image: int) -> list[int]:
        """The images of the clip, within this batch, with which a new shot begins; ascending.

        `images` are (n, height, width, 3) RGB, the first of them image `first_image` of the clip. A batch that does not
        go on where the one before ended, or whose pictures have another size, starts afresh.
        """
        small = [_reduced(image) for image in images]
        if not small:
            return []
        if first_image != self._next_image or self._last is None or self._last.shape != small[0].shape:
            self._detector, self._first_image, self._last = self._new_detector(), first_image, small[0]
            self._detect(self._detector, [small[0]] * self._n_around, first_image - self._n_around)
        changes = self._detect(self._detector, small, first_image)
        # The detector speaks of an image only after those that follow it: a copy of it sees the last one stand still.
        changes += self._detect(copy.deepcopy(self._detector), [small[-1]] * self._n_around, first_image + len(small))
        found = self._without_flashes([image - first_image for image in changes if image >= first_image], [self._last, *small])
        self._next_image, self._last = first_image + len(small), small[-1]
        return [first_image + i for i in found]

    def _new_detector(self) -> AdaptiveDetector:
        return AdaptiveDetector(adaptive_threshold=self._min_ratio, min_content_val=self._min_change, min_scene_len=0)

    @property
    def _n_around(self) -> int:
        return int(self._detector.event_buffer_length)

    def _detect(self, detector: AdaptiveDetector, small: Sequence[U8], first_image: int) -> list[int]:
        # The detector counts from 0, and that is the first of the images before the first one.
        zero = self._first_image - self._n_around
        found = []
        for image, picture in enumerate(small, first_image - zero):
            found += [int(cut.frame_num) + zero for cut in detector.process_frame(_timecode(image), picture)]
        return found

    def _without_flashes(self, changes: Sequence[int], pictures: Sequence[U8]) -> list[int]:
        """The changes without those into and out of a flash; `pictures[i]` comes before change i and `pictures[i + 1]` after it."""
        found, flash_end = [], -1
        for change in changes:
            if change <= flash_end:
                continue
            before, after = pictures[change], pictures[change + 2 : change + 2 + self._flash_images]
            back = next((i for i, picture in enumerate(after, change + 1) if not self._differ(before, picture)), None)
            if back is None:
                found.append(change)
            else:
                flash_end = back
        return found

    def _differ(self, one: U8, other: U8) -> bool:
        # Lower than for a cut: two shots that are just unlike enough must not pass for a flash.
        detector = ContentDetector(threshold=self._min_change / 2, min_scene_len=0)
        detector.process_frame(_timecode(0), one)
        return bool(detector.process_frame(_timecode(1), other))


def shots(first_image: int, end_image: int, cuts: Sequence[int]) -> list[tuple[int, int]]:
    """The stretches (first image, one past the last) into which `cuts` divide [first_image, end_image), in order.

    Cuts at the borders or outside change nothing.
    """
    inside = sorted({cut for cut in cuts if first_image < cut < end_image})
    return list(pairwise([first_image, *inside, end_image])) if end_image > first_image else []


def _timecode(image: int) -> FrameTimecode:
    return FrameTimecode(image, float(IMAGE_RATE_HZ))


def _reduced(image: U8) -> U8:
    """The image in BGR, its longer side about `REDUCED_SIDE_PX`."""
    step = max(1, max(image.shape[:2]) // REDUCED_SIDE_PX)
    if step >= 4:  # leaving out pixels first costs a quarter of averaging them all
        image, step = np.ascontiguousarray(image[:: step // 2, :: step // 2]), 2
    size = (max(1, image.shape[1] // step), max(1, image.shape[0] // step))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if step > 1 else image
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2BGR), np.uint8)
