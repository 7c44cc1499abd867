"""The hook for several processes: what a single one does with it, and how batches are shared."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from syncqc.errors import UsageError
from syncqc.train.config import TrainConfig
from syncqc.train.group import ALONE, Group, share_of


def of(n_ranks: int) -> Any:
    return SimpleNamespace(rank=0, n_ranks=n_ranks)


def test_alone_gradients_stay_what_they_are() -> None:
    group: Group = ALONE
    parameter = nn.Parameter(torch.zeros(2))
    parameter.grad = torch.tensor([1.0, 2.0])
    group.average_gradients([parameter])
    group.barrier()
    assert parameter.grad.tolist() == [1.0, 2.0]
    assert (group.rank, group.n_ranks) == (0, 1)


@pytest.mark.parametrize(("n_ranks", "n_segments"), [(1, 12), (3, 4), (12, 1)])
def test_the_tracks_of_a_batch_are_shared(n_ranks: int, n_segments: int) -> None:
    config = TrainConfig(n_segments=12, seed=4)
    share = share_of(config, of(n_ranks))
    assert share == TrainConfig(n_segments=n_segments, seed=4)


@pytest.mark.parametrize(
    ("config", "n_ranks", "sentence"),
    [
        (TrainConfig(n_segments=12), 5, "n_segments = 12 cannot be shared evenly by 5 processes"),
        (TrainConfig(n_segments=4, n_easy=16), 2, "n_easy must be -1"),
    ],
    ids=["uneven", "too few easy negatives in a share"],
)
def test_what_cannot_be_shared_is_refused(config: TrainConfig, n_ranks: int, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        share_of(config, of(n_ranks))
