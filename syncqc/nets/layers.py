"""Layers the networks are stacked from: anti-aliased pooling, block dropout, residual convolution blocks.

Knows no architecture.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class BlurPool(nn.Module):
    """Halves height and width after a [1 2 1]/4 low-pass in both directions, so that a shift of the input is kept.

    (batch, channels, height, width) -> (batch, channels, ceil(height/2), ceil(width/2)); border pixels are repeated, since
    zeros would darken the edge. Written with slices, which a compiler fuses with what surrounds them.
    Source: Zhang, Making Convolutional Networks Shift-Invariant Again (2019); IC-SyncNet §3.1.
    """

    def forward(self, x: Tensor) -> Tensor:
        """The blurred, halved maps."""
        return _blurred_half(_blurred_half(x, 3), 2)


def _blurred_half(x: Tensor, dim: int) -> Tensor:
    """`x` at every second place of `dim`, each with a quarter of its two neighbours."""
    n = x.shape[dim]
    if n % 2:
        x = torch.cat([x, x.narrow(dim, n - 1, 1)], dim)
    pairs = torch.unflatten(x, dim, (-1, 2))
    even, odd = pairs.select(dim + 1, 0), pairs.select(dim + 1, 1)
    before = torch.cat([even.narrow(dim, 0, 1), odd.narrow(dim, 0, odd.shape[dim] - 1)], dim)
    blurred: Tensor = (before + odd) * 0.25 + even * 0.5
    return blurred


class DropBlock(nn.Module):
    """Drops whole blocks in training and scales up the rest; passes everything on in evaluation.

    ``axes="hw"`` drops squares in each channel (2D); ``axes="chw"`` drops cubes over channel, height and width (3D: in the
    visual encoder time lies in the channels). A block is cut to the size of a map smaller than it.
    Source: Ghiasi et al., DropBlock (2018), Alg. 1; IC-SyncNet §3.1.
    """

    def __init__(self, rate: float = 0.1, block: int = 3, axes: Literal["hw", "chw"] = "hw") -> None:
        """`rate` is the expected share of dropped activations."""
        super().__init__()
        self.rate, self.block, self.axes = rate, block, axes

    def forward(self, x: Tensor) -> Tensor:
        """`x` (batch, channels, height, width) with blocks set to zero."""
        if not self.training or self.rate == 0.0:
            return x
        keep = 1.0 - self._dropped(x)
        return x * (keep * (keep.numel() / keep.sum().clamp_min(1.0))).to(x.dtype)

    def _dropped(self, x: Tensor) -> Tensor:
        """1 where a block lies. Seeds lie where a whole block fits, as many as give the wanted share."""
        sizes = x.shape[1:] if self.axes == "chw" else x.shape[2:]
        blocks = [min(self.block, size) for size in sizes]
        seed_grid = [size - block + 1 for size, block in zip(sizes, blocks, strict=True)]
        seed_rate = self.rate
        for size, block, n_seeds in zip(sizes, blocks, seed_grid, strict=True):
            seed_rate *= size / (block * n_seeds)
        lead = (x.shape[0], 1) if self.axes == "chw" else x.shape[:2]
        seeds = (torch.rand(*lead, *seed_grid, device=x.device) < seed_rate).float()
        padding = [side for block in reversed(blocks) for side in (block - 1, block - 1)]
        pool = F.max_pool3d if self.axes == "chw" else F.max_pool2d
        dropped = pool(F.pad(seeds, padding), tuple(blocks), stride=1)
        return dropped.squeeze(1) if self.axes == "chw" else dropped


class ConvBlock(nn.Module):
    """Conv 3 x 3, batch norm, PReLU, with the input added before the PReLU where the shapes agree.

    Source: IC-SyncNet, Fig. 1 (a).
    """

    def __init__(self, n_in: int, n_out: int, stride: int = 1) -> None:
        """A skip connection where `n_in` equals `n_out` and `stride` is 1."""
        super().__init__()
        self.conv = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(n_out)
        self.act = nn.PReLU(n_out)
        self.is_residual = n_in == n_out and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        """(batch, n_in, height, width) -> (batch, n_out, height / stride, width / stride)."""
        y = self.norm(self.conv(x))
        out: Tensor = self.act(y + x if self.is_residual else y)
        return out
