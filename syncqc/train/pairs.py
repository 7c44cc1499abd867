"""Which pairs of a batch are positive, hard and easy negatives, and the losses over them.

Every window's positive is its own sound; the other windows of its track are hard, all other tracks' easy negatives. Knows cosines
divided by tau; nothing of networks.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from syncqc.nets.losses import bbce, bce, info_nce
from syncqc.train.config import TrainConfig


@dataclass(frozen=True)
class Negatives:
    """The negatives of a batch of B windows, as drawn."""

    hard: Tensor
    """(B, N_h)."""
    easy: Tensor
    """(B, N_e)."""

    @property
    def all(self) -> Tensor:
        """(B, N_h + N_e)."""
        return torch.cat([self.hard, self.easy], dim=1)


def batch_losses(logits: Tensor, config: TrainConfig) -> tuple[Tensor, Tensor]:
    """The binary loss (BBCE or plain BCE) and InfoNCE of a batch, two scalars.

    `logits` (B, B): row i, column j is window i's picture with window j's sound; B = n_segments x n_windows, tracks in a row.
    Source: IC-SyncNet, Eq. 8 and 9.
    """
    positive = logits.diagonal()
    drawn = draw_negatives(logits, config)
    nce = info_nce(positive, drawn.all if config.nce_easy else drawn.hard)
    if config.nce_both_ways:
        back = draw_negatives(logits.T, config)
        nce = (nce + info_nce(positive, back.all if config.nce_easy else back.hard)) / 2
    if config.binary_loss == "bce":
        is_own = torch.rand(len(logits), device=logits.device) < 0.5
        return bce(positive, _drawn(drawn.hard, 1)[:, 0], is_own), nce
    return bbce(positive, drawn.hard, drawn.easy, config.easy_weight), nce


def draw_negatives(logits: Tensor, config: TrainConfig) -> Negatives:
    """`n_hard` and `n_easy` of each row's negatives, drawn anew with every call; all of them, in order, where the number is -1."""
    size, n = len(logits), config.n_windows
    track = torch.arange(size, device=logits.device) // n
    is_own_track = track[:, None] == track[None, :]
    is_own_window = torch.eye(size, dtype=torch.bool, device=logits.device)
    hard = logits[is_own_track & ~is_own_window].view(size, n - 1)
    easy = logits[~is_own_track].view(size, size - n)
    return Negatives(_drawn(hard, config.n_hard), _drawn(easy, config.n_easy))


def _drawn(negatives: Tensor, n: int) -> Tensor:
    """`n` different ones of each row; all where `n` is -1."""
    if n in (-1, negatives.shape[1]):
        return negatives
    return negatives.gather(1, torch.rand(negatives.shape, device=negatives.device).argsort(dim=1)[:, :n])
