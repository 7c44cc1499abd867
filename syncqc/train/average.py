"""A running mean of a network's weights, which is what a run keeps: smoother than the weights of any one batch.

Knows modules of any kind.
"""

from __future__ import annotations

import torch
from torch import nn


@torch.no_grad()
def follow(mean: nn.Module, network: nn.Module, decay: float) -> None:
    """`mean` is `decay` of itself and the rest `network`, statistics of batch norm included; whole numbers are `network`'s.

    With a decay of 0 it is `network`.
    """
    for kept, now in zip(mean.state_dict().values(), network.state_dict().values(), strict=True):
        if kept.is_floating_point():
            kept.lerp_(now, 1 - decay)
        else:
            kept.copy_(now)
