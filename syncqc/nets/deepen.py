"""A deeper network that begins where a shallower one has come to: the blocks it has more pass their input on.

Knows IC-SyncNet.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from syncqc.nets.ic_syncnet import IcSyncNet, IcSyncNetConfig, stage_depths
from syncqc.nets.layers import ConvBlock


def deepened(network: IcSyncNet, config: IcSyncNetConfig) -> IcSyncNet:
    """A network of the shape `config` with the weights and the function of `network`; `network` itself where the shapes are the same.

    In each stage the new residual blocks follow the ones whose weights exist. They begin with a batch norm gain of 0 and a PReLU
    slope of 1, so that they give what they get; their convolutions are random.

    Raises:
        ValueError: the shapes differ in more than depth, or a stage would lose blocks.
    """
    given, wanted = _shape(network.config), _shape(config)
    if replace(given, visual_depth=wanted.visual_depth, audio_depth=wanted.audio_depth) != wanted:
        raise ValueError("the networks differ in more than depth")
    if given == wanted:
        return network
    deeper = IcSyncNet(config).train(network.training)
    deeper.log_tau.data.copy_(network.log_tau)
    _grow(network.visual, deeper.visual, _depths(given)[0], _depths(wanted)[0])
    _grow(network.audio, deeper.audio, _depths(given)[1], _depths(wanted)[1])
    return deeper


def _shape(config: IcSyncNetConfig) -> IcSyncNetConfig:
    """The configuration with depths stage by stage, and nothing that is not about shape."""
    default = IcSyncNetConfig()
    visual, audio = _depths(config)
    return replace(
        config, visual_depth=visual, audio_depth=audio,
        dropblock_rate=default.dropblock_rate, dropblock_size=default.dropblock_size, start_tau=default.start_tau,
    )  # fmt: skip


def _depths(config: IcSyncNetConfig) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return (
        stage_depths(config.visual_depth, len(config.visual_widths) - 1),
        stage_depths(config.audio_depth, len(config.audio_widths) - 1),
    )


@torch.no_grad()
def _grow(encoder: nn.Sequential, deeper: nn.Sequential, depths: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    """The weights of `encoder` in the blocks of `deeper` that stand for its own; the other blocks changed to pass on what they get."""
    own = iter([block for block in encoder if isinstance(block, ConvBlock)])
    blocks = iter([block for block in deeper if isinstance(block, ConvBlock)])
    next(blocks).load_state_dict(next(own).state_dict())
    for n_own, n in zip(depths, wanted, strict=True):
        if n < n_own:
            raise ValueError(f"a stage has {n_own} residual blocks and would keep {n}")
        # A stage is the block that changes the width, then its residual blocks.
        for i in range(1 + n):
            block = next(blocks)
            if i <= n_own:
                block.load_state_dict(next(own).state_dict())
            else:
                nn.init.zeros_(block.norm.weight)
                nn.init.ones_(block.act.weight)
    deeper[-1].load_state_dict(encoder[-1].state_dict())
