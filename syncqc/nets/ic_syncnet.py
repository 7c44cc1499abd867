"""IC-SyncNet: images (15 x H x W) and mel (32 x 80), each through a stack of Conv-BN-PReLU blocks, to unit vectors.

How it differs from its paper, which gives neither widths nor depths:

- `base` reads the paper's 15 x 128 x 256 images into 512 numbers; its widths are ours, chosen so that it has the paper's
  40.6 M parameters.
- `small` is the same design made narrower for 15 x 48 x 96 images, so that it runs on a laptop's CPU.
- The last map is read by one convolution as large as the map (no pooling), then scaled to length 1.
- Images enter in RGB, 0-1, five of them stacked along channels in time order; mel enters 0-1.
- `tiny` is a quarter of `small`, for experiments.
- DropBlock follows the last two stages of each encoder.
- The audio encoder may read the 16 aligned of the 32 mel columns alone (T_a = 16, Table 2); windows hold all 32 all the same.

Source: Park et al., Interpretable Convolutional SyncNet, §3 and Fig. 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from syncqc.clock import ALIGNED_MEL, N_MEL_BANDS, WINDOW_IMAGES, WINDOW_MEL
from syncqc.nets.layers import BlurPool, ConvBlock, DropBlock


@dataclass(frozen=True)
class IcSyncNetConfig:
    """Everything that is needed to build the network; saved with the weights."""

    height_px: int = 128
    width_px: int = 256
    visual_widths: tuple[int, ...] = (48, 96, 192, 384, 512, 512, 512)
    """Channels at full resolution, then after each halving."""
    visual_depth: int | tuple[int, ...] = 2
    """Residual blocks after each halving; one number for all, or one each."""
    audio_widths: tuple[int, ...] = (48, 96, 192, 384, 512)
    audio_depth: int | tuple[int, ...] = 2
    mel_columns: int = WINDOW_MEL
    """T_a: how many of the 32 mel columns of a window the audio encoder reads, the ones in the middle."""
    embedding: int = 512
    dropblock_rate: float = 0.1
    dropblock_size: int = 3
    start_tau: float = 0.1


CONFIGS = {
    "base": IcSyncNetConfig(),
    "small": IcSyncNetConfig(
        height_px=48,
        width_px=96,
        visual_widths=(16, 32, 64, 128, 256),
        visual_depth=(1, 2, 2, 2),
        audio_widths=(16, 32, 64, 128, 256),
        audio_depth=(1, 2, 2, 2),
        embedding=256,
    ),
    "tiny": IcSyncNetConfig(
        height_px=48,
        width_px=96,
        visual_widths=(8, 16, 32, 64, 128),
        visual_depth=1,
        audio_widths=(8, 16, 32, 64, 128),
        audio_depth=1,
        embedding=128,
    ),
}


class IcSyncNet(nn.Module):
    """Two encoders and a temperature; p(in sync) = sigmoid(cosine / tau) (Eq. 7)."""

    architecture = "ic-syncnet"

    def __init__(self, config: IcSyncNetConfig) -> None:
        """Random weights; `nets.checkpoint.load` gives trained ones.

        Raises:
            ValueError: not one depth for each stage, or other mel columns than 16 or 32.
        """
        super().__init__()
        if config.mel_columns not in (ALIGNED_MEL, WINDOW_MEL):
            raise ValueError(f"the audio encoder reads {ALIGNED_MEL} or {WINDOW_MEL} mel columns, not {config.mel_columns}")
        self.config = config
        rate, size = config.dropblock_rate, config.dropblock_size
        self.visual = _visual(config, lambda: DropBlock(rate, size, "chw"))
        self.audio = _audio(config, lambda: DropBlock(rate, size, "hw"))
        self.log_tau = nn.Parameter(torch.tensor(math.log(config.start_tau)))

    @property
    def tau(self) -> float:
        """The learnt temperature."""
        return float(self.log_tau.detach().exp())

    def embed_video(self, images: Tensor) -> Tensor:
        """Unit vectors (batch, embedding) for windows (batch, 15, height, width) in 0-1."""
        expected = (3 * WINDOW_IMAGES, self.config.height_px, self.config.width_px)
        if images.shape[1:] != expected:
            raise ValueError(f"windows are (batch, {expected}), got {images.shape = }")
        return F.normalize(self._encoder("visual")(images - 0.5).flatten(1).float(), dim=1)

    def embed_audio(self, mel: Tensor) -> Tensor:
        """Unit vectors (batch, embedding) for mel windows (batch, 1, 32, 80) in 0-1."""
        if mel.shape[1:] != (1, WINDOW_MEL, N_MEL_BANDS):
            raise ValueError(f"mel windows are (batch, 1, {WINDOW_MEL}, {N_MEL_BANDS}), got {mel.shape = }")
        context = (WINDOW_MEL - self.config.mel_columns) // 2
        read = mel[:, :, context : WINDOW_MEL - context]
        return F.normalize(self._encoder("audio")(read - 0.5).flatten(1).float(), dim=1)

    def compile_encoders(self) -> None:
        """Both encoders run as compiled code from now on: worth it where many batches have one shape."""
        # Not registered as modules: the names of the weights stay what they are.
        self.__dict__["_compiled"] = {"visual": torch.compile(self.visual), "audio": torch.compile(self.audio)}

    def drop_compiled(self) -> None:
        """Both encoders run as they are again; nothing changes where they were not compiled.

        For a change that would have them compiled anew, such as other `requires_grad`, shortly before the end.
        """
        self.__dict__.pop("_compiled", None)

    def _encoder(self, name: str) -> nn.Module:
        encoder: nn.Module = self.__dict__.get("_compiled", {}).get(name) or getattr(self, name)
        return encoder

    def set_dropblock_rate(self, rate: float) -> None:
        """Sets the rate of every DropBlock; zero for the tuning phase (§3.1, drop-and-tune)."""
        for module in self.modules():
            if isinstance(module, DropBlock):
                module.rate = rate


def _visual(config: IcSyncNetConfig, drop: Callable[[], nn.Module]) -> nn.Sequential:
    widths = config.visual_widths
    depths = stage_depths(config.visual_depth, len(widths) - 1)
    stack: list[nn.Module] = [ConvBlock(3 * WINDOW_IMAGES, widths[0])]
    for stage, (n_in, n_out) in enumerate(pairwise(widths), start=1):
        stack += [BlurPool(), ConvBlock(n_in, n_out), *(ConvBlock(n_out, n_out) for _ in range(depths[stage - 1]))]
        if stage >= len(widths) - 2:
            stack.append(drop())
    n_halvings = len(widths) - 1
    height, width = (_halved(side, n_halvings) for side in (config.height_px, config.width_px))
    return nn.Sequential(*stack, nn.Conv2d(widths[-1], config.embedding, (height, width)))


def _audio(config: IcSyncNetConfig, drop: Callable[[], nn.Module]) -> nn.Sequential:
    widths = config.audio_widths
    depths = stage_depths(config.audio_depth, len(widths) - 1)
    stack: list[nn.Module] = [ConvBlock(1, widths[0])]
    for stage, (n_in, n_out) in enumerate(pairwise(widths), start=1):
        stack += [ConvBlock(n_in, n_out, stride=2), *(ConvBlock(n_out, n_out) for _ in range(depths[stage - 1]))]
        if stage >= len(widths) - 2:
            stack.append(drop())
    n_halvings = len(widths) - 1
    time, bands = (_halved(side, n_halvings) for side in (config.mel_columns, N_MEL_BANDS))
    return nn.Sequential(*stack, nn.Conv2d(widths[-1], config.embedding, (time, bands)))


def stage_depths(depth: int | tuple[int, ...], n_stages: int) -> tuple[int, ...]:
    """Residual blocks of each of `n_stages` stages.

    Raises:
        ValueError: not one number for each.
    """
    depths = (depth,) * n_stages if isinstance(depth, int) else depth
    if len(depths) != n_stages:
        raise ValueError(f"{n_stages} stages need as many depths, got {depths}")
    return depths


def _halved(side: int, times: int) -> int:
    for _ in range(times):
        side = -(-side // 2)
    return side
