"""Losses on cosine similarities of one positive and several negative pairs.

Knows no network. All take similarities already divided by tau ("logits").
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def bbce(positive: Tensor, hard: Tensor, easy: Tensor, easy_weight: float) -> Tensor:
    """The balanced binary cross entropy, a scalar; ln 2 = 0.693 where nothing is known.

    `positive` (batch,), `hard` (batch, N_h) and `easy` (batch, N_e) logits; `easy_weight` is w_e. Without easy negatives
    the hard ones take all the weight of the negatives, and the other way round.
    Source: IC-SyncNet, Eq. 8.
    """
    weight = 0.0 if easy.shape[1] == 0 else 1.0 if hard.shape[1] == 0 else easy_weight
    loss = F.softplus(-positive)
    if hard.shape[1]:
        loss = loss + (1.0 - weight) * F.softplus(hard).mean(dim=1)
    if easy.shape[1]:
        loss = loss + weight * F.softplus(easy).mean(dim=1)
    return loss.mean() / 2


def bce(positive: Tensor, negative: Tensor, is_positive: Tensor) -> Tensor:
    """The plain binary cross entropy over one pair per window, a scalar; ln 2 where nothing is known.

    `positive` (batch,) and `negative` (batch,) logits; `is_positive` (batch,) says which of the two a window is compared with.
    Source: IC-SyncNet §3.2 ("only compared with a single mel spectrogram") and Table 2 (N_p = N_h = 0.5).
    """
    return torch.where(is_positive, F.softplus(-positive), F.softplus(negative)).mean()


def info_nce(positive: Tensor, negative: Tensor) -> Tensor:
    """The InfoNCE loss, a scalar; ln(1 + N) where nothing is known.

    `positive` (batch,) and `negative` (batch, N) logits.
    Source: IC-SyncNet, Eq. 9.
    """
    return (torch.logsumexp(torch.cat([positive[:, None], negative], dim=1), dim=1) - positive).mean()
