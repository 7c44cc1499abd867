"""Mouth crops through which gradients flow back into the pictures, placed as `faces/crop.py` places them.

Knows no network and no file.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from syncqc.faces.crop import CropShape, placement

_FINEST = 8
"""How many times finer a crop is sampled at most before it is averaged; as in `faces/crop.py`."""


def mouths(images: Tensor, landmarks: Tensor, shape: CropShape) -> Tensor:
    """Crops (n, 3, height, width) for images (n, 3, h, w) and landmarks (n, 5, 2) in their pixels, in the images' precision.

    The same crops as `faces.crop.mouth_crops`, but for its rounding to bytes and to 1/32 pixel. Gradients flow to the images, none to
    the landmarks. Beyond the picture's border its edge is repeated.

    Raises:
        ValueError: the shapes do not fit, or a landmark is not finite.
    """
    n = len(images)
    if images.ndim != 4 or images.shape[1] != 3 or landmarks.shape != (n, 5, 2):
        raise ValueError(f"images must be (n, 3, h, w) and landmarks (n, 5, 2), got {images.shape = }, {landmarks.shape = }")
    points = landmarks.detach().to("cpu", torch.float32).numpy()
    if not np.isfinite(points).all():
        raise ValueError("every image needs its five landmarks, and some are not finite")
    centres, sides, turns = placement(points)
    steps = np.maximum(sides * shape.margin, 1.0) / shape.width_px
    finer = np.clip(np.ceil(steps), 1, _FINEST).astype(np.int64)
    placed = torch.from_numpy(np.column_stack([centres, steps * np.cos(turns), steps * np.sin(turns)]).astype(np.float64))
    levels = np.unique(finer).tolist()
    if len(levels) == 1:
        return _sampled(images, placed, levels[0], shape)
    crops = images.new_empty((n, 3, shape.height_px, shape.width_px))
    for level in levels:
        at = torch.from_numpy(np.flatnonzero(finer == level)).to(images.device)
        crops = crops.index_copy(0, at, _sampled(images[at], placed[at.cpu()], level, shape))
    return crops


def _sampled(images: Tensor, placed: Tensor, finer: int, shape: CropShape) -> Tensor:
    """Crops sampled `finer` times as fine and averaged. `placed` (n, 4): centre, and one crop pixel along the eyes, in picture pixels."""
    height, width = shape.height_px * finer, shape.width_px * finer
    across = (torch.arange(width, dtype=torch.float64) - (width - 1) / 2) / finer
    down = (torch.arange(height, dtype=torch.float64) - (height - 1) / 2) / finer
    x, y, cos, sin = (placed[:, i, None, None] for i in range(4))
    at_x = x + cos * across - sin * down[:, None]
    at_y = y + sin * across + cos * down[:, None]
    # grid_sample counts from -1 to 1 between the outer borders of the outer pixels.
    grid = torch.stack([(2 * at_x + 1) / images.shape[3] - 1, (2 * at_y + 1) / images.shape[2] - 1], dim=3).to(images)
    large = F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return large if finer == 1 else F.avg_pool2d(large, finer)
