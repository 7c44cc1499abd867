"""Where a run computes: the CPU, or a CUDA device where there is one.

Knows the settings; nothing of networks or data.
"""

from __future__ import annotations

import torch

from syncqc.errors import UsageError
from syncqc.train.config import TrainConfig


def chosen_device(config: TrainConfig) -> torch.device:
    """The device of the settings; `auto` is CUDA where there is one.

    Raises:
        UsageError: CUDA is asked for and not there.
    """
    has_cuda = torch.cuda.is_available()
    if config.device == "cuda" and not has_cuda:
        raise UsageError("device = 'cuda', but PyTorch sees no CUDA device here; 'auto' takes the CPU where there is none")
    return torch.device("cuda" if has_cuda and config.device != "cpu" else "cpu")


def memory_format(config: TrainConfig, device: torch.device) -> torch.memory_format:
    """Channels last where the convolutions are the faster for it: compiled, or on CUDA."""
    return torch.channels_last if config.compile or device.type == "cuda" else torch.contiguous_format
