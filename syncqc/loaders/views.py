"""What `images` shows: whole pictures of one size or faces, and where the landmarks lie in them.

Knows pictures, boxes and points; no files.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from syncqc.faces.crop import CropShape, crops_at

U8 = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]


def covering(images: U8, size_px: tuple[int, int]) -> tuple[U8, float, tuple[int, int]]:
    """Images (n, height, width, 3) of that height and width, scaled until they cover it, and cut evenly at the sides that stand out.

    Also the scale, and how many columns and rows were cut off left and on top.
    """
    height, width = size_px
    scale = max(height / images.shape[1], width / images.shape[2])
    full_height, full_width = max(height, round(images.shape[1] * scale)), max(width, round(images.shape[2] * scale))
    left, top = (full_width - width) // 2, (full_height - height) // 2
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    out = np.empty((len(images), height, width, 3), np.uint8)
    for i, image in enumerate(images):
        out[i] = cv2.resize(image, (full_width, full_height), interpolation=how)[top : top + height, left : left + width]
    return out, scale, (left, top)


def points_in_cover(points: F32, scale: float, cut_px: tuple[int, int]) -> F32:
    """Points (n, k, 2) of the pictures that were given to `covering`, in the pixels of those it gave."""
    return np.asarray((points + 0.5) * scale - 0.5 - np.array(cut_px), np.float32)


def faces(images: U8, boxes: F32, size_px: tuple[int, int], margin: float) -> tuple[U8, F32, F32]:
    """Faces (n, height, width, 3) that hold `margin` times the boxes (n, 4), upright; beyond the picture its edge is repeated.

    Also the centres (n, 2) and the pictures' pixels per pixel of the face (n,).
    """
    shape = CropShape(*size_px, margin=margin)
    centres = ((boxes[:, :2] + boxes[:, 2:]) / 2).astype(np.float32)
    widths = np.maximum(boxes[:, 2] - boxes[:, 0], (boxes[:, 3] - boxes[:, 1]) * shape.width_px / shape.height_px).astype(np.float32)
    found = crops_at(images, centres, widths, np.zeros(len(boxes), np.float32), shape)
    steps: F32 = (np.maximum(widths * margin, 1.0) / shape.width_px).astype(np.float32)
    return found, centres, steps


def points_in_faces(points: F32, centres: F32, steps: F32, size_px: tuple[int, int]) -> F32:
    """Points (n, k, 2) of the pictures that were given to `faces`, in the pixels of the faces."""
    middle = np.array([(size_px[1] - 1) / 2, (size_px[0] - 1) / 2])
    return np.asarray((points - centres[:, None]) / steps[:, None, None] + middle, np.float32)
