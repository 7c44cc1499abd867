"""What every face detector gives: boxes, five landmarks and confidences, in pixels of the picture it was handed.

Knows no particular detector.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Faces:
    """The faces of one picture, most confident first."""

    boxes_px: F32
    """(n, 4), left, top, right, bottom."""
    landmarks_px: F32
    """(n, 5, 2), x and y of left eye, right eye, nose, left and right mouth corner as seen in the picture."""
    confidences: F32
    """(n,), 0-1."""

    def __len__(self) -> int:
        return len(self.confidences)


class Detector(Protocol):
    """A face detector whose weights are loaded."""

    name: str

    def detect(self, images: U8) -> list[Faces]:
        """The faces of each of `images`, (n, height, width, 3) RGB."""
        ...


def no_faces() -> Faces:
    """A picture without faces."""
    return Faces(np.zeros((0, 4), np.float32), np.zeros((0, 5, 2), np.float32), np.zeros(0, np.float32))


def overlap(box: F32, others: F32) -> F32:
    """Intersection over union of `box` (4,) with each of `others` (n, 4)."""
    left_top = np.maximum(box[:2], others[:, :2])
    right_bottom = np.minimum(box[2:], others[:, 2:])
    common = np.prod(np.maximum(right_bottom - left_top, 0.0), axis=1)
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1) + np.prod(box[2:] - box[:2]) - common
    shares: F32 = (common / np.maximum(areas, 1e-9)).astype(np.float32)
    return shares
