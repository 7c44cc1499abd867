"""The hook for several processes that train one network together; by default there is one.

Knows nothing of how they find each other or send numbers: whoever starts them hands `train` a `Group`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from torch import nn

from syncqc.errors import UsageError
from syncqc.train.config import TrainConfig


class Group(Protocol):
    """The processes of one run as one of them sees them.

    All call `train` with the same settings, tracks and folder (on storage that all see), each with its own number. Each computes
    its share of every batch; all hold the same weights, because they begin with the same and take the same averaged steps. Number 0
    alone validates and writes. Batch norm sees each process's own share, and the running statistics kept are those of number 0.
    """

    @property
    def rank(self) -> int:
        """Number of this process, from 0."""
        ...

    @property
    def n_ranks(self) -> int:
        """How many processes there are."""
        ...

    def average_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Each `parameter.grad` is the mean over all processes; all call it after every batch with the same parameters in one order."""
        ...

    def barrier(self) -> None:
        """All processes have come here."""
        ...


class Alone:
    """The group of a single process."""

    rank = 0
    n_ranks = 1

    def average_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """The gradients as they are."""

    def barrier(self) -> None:
        """Nobody to wait for."""


ALONE = Alone()


def share_of(config: TrainConfig, group: Group) -> TrainConfig:
    """The settings for one process's share of a batch: `n_segments` divided by the number of processes.

    Raises:
        UsageError: the tracks of a batch cannot be shared evenly, or a share holds too few easy negatives.
    """
    if config.n_segments % group.n_ranks:
        raise UsageError(f"n_segments = {config.n_segments} cannot be shared evenly by {group.n_ranks} processes")
    return replace(config, n_segments=config.n_segments // group.n_ranks)
