"""One mouth crop per image: the lower half of the face, placed by the five landmarks alone.

Because the boxes play no part, every detector gives the same crop. Knows no detector.

::

    left eye  *-------- e --------*  right eye        e: midpoint of the eyes, m: midpoint of the mouth corners
                        |                             side = max(EYE_SIDES * eye distance, DROP_SIDES * |e m|)
                        |
         +--------------|--------------+              the crop: `side` wide, half as high, centred on m,
         |        *---- m ----*        |              turned with the face so that the eyes are level
         +-----------------------------+
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from syncqc.faces.detector import F32, U8

EYE_SIDES = 2.1
"""Side of the face in eye distances (frontal faces)."""
DROP_SIDES = 1.9
"""Side of the face in distances from eyes to mouth; takes over where the head turns and the eyes draw together."""


@dataclass(frozen=True)
class CropShape:
    """How large a crop is in pixels, and how much more than the lower half of the face it shows."""

    height_px: int = 48
    width_px: int = 96
    margin: float = 1.0
    """1: the crop is one side wide; 1.5: half a side more (for training, which shifts and scales)."""


def placement(landmarks: F32) -> tuple[F32, F32, F32]:
    """Centre (n, 2), side (n,) and turn in radians (n,) of the mouth crops for landmarks (n, 5, 2)."""
    eyes = (landmarks[:, 0] + landmarks[:, 1]) / 2
    mouth = (landmarks[:, 3] + landmarks[:, 4]) / 2
    across = landmarks[:, 1] - landmarks[:, 0]
    side = np.maximum(EYE_SIDES * np.linalg.norm(across, axis=1), DROP_SIDES * np.linalg.norm(mouth - eyes, axis=1))
    # Two readings of the same turn: along the eyes, and across the line from eyes to mouth; a profile blurs the first.
    down = mouth - eyes
    level = across + np.stack([down[:, 1], -down[:, 0]], axis=1)
    turn = np.arctan2(level[:, 1], level[:, 0])
    return mouth.astype(np.float32), side.astype(np.float32), turn.astype(np.float32)


def mouth_crops(images: U8, landmarks: F32, shape: CropShape) -> U8:
    """Crops (n, height, width, 3) uint8 RGB for `images` (n, h, w, 3) and landmarks (n, 5, 2) in their pixels.

    Beyond the picture's border its edge is repeated.
    """
    return crops_at(images, *placement(landmarks), shape)


def crops_at(images: U8, centres: F32, sides: F32, turns: F32, shape: CropShape) -> U8:
    """Crops (n, height, width, 3) uint8 RGB of `images` (n, h, w, 3): centre (n, 2), side (n,) and turn in radians (n,) as in `placement`.

    Beyond the picture's border its edge is repeated.
    """
    crops = np.empty((len(images), shape.height_px, shape.width_px, 3), np.uint8)
    for i, image in enumerate(images):
        crops[i] = _crop(image, centres[i], float(sides[i]) * shape.margin, float(turns[i]), shape)
    return crops


def _crop(image: U8, centre: F32, width_in_image: float, turn: float, shape: CropShape) -> U8:
    """One crop; sampled finer and averaged where it is smaller than what it shows, so that detail does not alias."""
    step = max(width_in_image, 1.0) / shape.width_px
    finer = int(np.clip(np.ceil(step), 1, 8))
    height, width = shape.height_px * finer, shape.width_px * finer
    step /= finer
    cos, sin = np.cos(turn) * step, np.sin(turn) * step
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    matrix = np.array([[cos, -sin, 0.0], [sin, cos, 0.0]])
    matrix[:, 2] = centre - matrix[:, :2] @ middle
    large = cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE)
    if finer == 1:
        return np.asarray(large, np.uint8)
    return np.asarray(cv2.resize(large, (shape.width_px, shape.height_px), interpolation=cv2.INTER_AREA), np.uint8)
