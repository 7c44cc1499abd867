"""The rows of a manifest in a drawn order, divided among ranks and workers, and resumable in the middle of an epoch.

Knows nothing of files: what a row gives is decided by `SegmentDataset`.

::

    stream = SegmentStream(data, seed=1)
    for batch in stream.batches(8, n_workers=4):     # the rest of the epoch; at its end the next one begins
        ...
        torch.save(stream.state_dict(), "stream.pt")

    epoch's order   7 2 9 0 5 3 8 1 6 4
    rank 0 of 2     7   9   5   8   6                every second row, whoever asks
    worker 1 of 2       9       8                    every second one of those that are not done

Rows are drawn one by one: keeping the parts of a clip together would save little, since each is sought in its file, and it would
fill batches with one face.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from syncqc.errors import UsageError
from syncqc.loaders.collate import Fit, collate_as
from syncqc.loaders.item import Item
from syncqc.loaders.segments import SegmentDataset

State = dict[str, Any]

_SAME = ("digest", "n_rows", "seed", "shuffle", "equal")


class SegmentStream(IterableDataset[Item]):
    """Every row once per epoch over all ranks and workers, in an order that depends on seed and epoch alone.

    Iterated here, or through `batches`, an item that was handed out is done, and at the end the next epoch begins. Given to a
    `DataLoader` with workers of its own, the stream cannot see what was handed out: say it with `done(batch["row"])`, and
    `set_epoch` before each epoch.
    """

    def __init__(
        self,
        data: SegmentDataset,
        *,
        seed: int = 0,
        shuffle: bool = True,
        rank: int | None = None,
        world_size: int | None = None,
        equal: bool = False,
    ) -> None:
        """`rank` and `world_size` are those of torch.distributed or of the environment where they are not given.

        With `equal` all ranks get equally many rows: up to `world_size - 1` rows, others in each epoch, are left out.

        Raises:
            UsageError: only one of rank and world size is given, or the rank is not below it.
        """
        super().__init__()
        self.data = data
        self.rank, self.world_size = _rank(rank, world_size)
        self.seed, self.shuffle, self.equal = seed, shuffle, equal
        self.epoch = 0
        self._done = np.zeros(len(data), np.bool_)

    def __iter__(self) -> Iterator[Item]:
        if get_worker_info() is not None:
            yield from self._items()
            return
        for row in self.rows_left():
            item = self.data.item(int(row), self.epoch)
            self._done[row] = True
            if item is not None:
                yield item
        self.set_epoch(self.epoch + 1)

    def batches(
        self, batch_size: int, *, n_workers: int = 0, fit: Fit = "pad", drop_last: bool = False, **loader_options: Any
    ) -> Iterator[dict[str, Any]]:
        """The rest of the epoch in batches as `collate` makes them; then the next epoch begins.

        With workers each makes batches of its own, so that up to `n_workers` of them are smaller. `loader_options` go to DataLoader.
        """
        loader: DataLoader[Item] = DataLoader(
            _Rest(self), batch_size, num_workers=n_workers, collate_fn=collate_as(fit), drop_last=drop_last, **loader_options
        )
        for batch in loader:
            self.done(batch["row"])
            yield batch
        self.set_epoch(self.epoch + 1)

    def rows_left(self) -> npt.NDArray[np.int64]:
        """The rows of this rank that are not done in this epoch, in their order."""
        n = len(self.data)
        order = np.random.default_rng([self.seed, self.epoch]).permutation(n) if self.shuffle else np.arange(n)
        mine = order[: n - n % self.world_size if self.equal else n][self.rank :: self.world_size]
        return np.asarray(mine[~self._done[mine]], np.int64)

    def set_epoch(self, epoch: int) -> None:
        """The whole epoch lies ahead, in its own order."""
        self.epoch = epoch
        self._done[:] = False

    def done(self, rows: Tensor | Iterable[int]) -> None:
        """These rows were handed out and will not come again in this epoch."""
        self._done[np.asarray(list(rows), np.int64)] = True

    def state_dict(self) -> State:
        """Which rows of the epoch are done; about one bit per row of the manifest.

        Rows that workers skipped because they could not be read are not known here: they are tried again.
        """
        return {
            "epoch": self.epoch,
            "world_size": self.world_size,
            "done": torch.from_numpy(np.packbits(self._done)),
            **{name: getattr(self, f"_{name}")() if name in ("digest", "n_rows") else getattr(self, name) for name in _SAME},
        }

    def load_state_dict(self, state: State) -> None:
        """What is done stays done: iteration goes on with the rest of the epoch, with any number of workers.

        With another number of ranks, load what `merged` makes of the states of all of them.

        Raises:
            UsageError: the state is of other rows or another order, or of another number of ranks.
        """
        own = self.state_dict()
        differing = [name for name in _SAME if state.get(name) != own[name]]
        if differing:
            raise UsageError(f"the state belongs to another stream: {', '.join(differing)} differ")
        if state["world_size"] not in (self.world_size, None):
            raise UsageError(f"the state is of one of {state['world_size']} ranks, and there are {self.world_size}: merge all of theirs")
        self.epoch = state["epoch"]
        self._done = np.unpackbits(state["done"].numpy(), count=len(self.data)).astype(np.bool_)

    def _items(self) -> Iterator[Item]:
        """This worker's share of the rest, or all of it where there are no workers; nothing is noted."""
        worker = get_worker_info()
        number, of = (0, 1) if worker is None else (worker.id, worker.num_workers)
        for row in self.rows_left()[number::of]:
            item = self.data.item(int(row), self.epoch)
            if item is not None:
                yield item

    def _digest(self) -> str:
        return self.data.index.digest()

    def _n_rows(self) -> int:
        return len(self.data)


def merged(states: Sequence[State]) -> State:
    """One state in which everything is done that is done in any of those of all ranks; for any number of ranks.

    Raises:
        UsageError: they are of different streams or epochs, or not of all ranks.
    """
    first = states[0]
    differing = [name for name in (*_SAME, "epoch") if any(state[name] != first[name] for state in states)]
    if differing:
        raise UsageError(f"states of different streams cannot be merged: {', '.join(differing)} differ")
    if len(states) != first["world_size"]:
        raise UsageError(f"there are {len(states)} states of {first['world_size']} ranks")
    return {**first, "world_size": None, "done": reduce(torch.bitwise_or, [state["done"] for state in states])}


class _Rest(IterableDataset[Item]):
    """The rest of a stream's epoch, for a loader whose batches are noted as they come out of it."""

    def __init__(self, stream: SegmentStream) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[Item]:
        return self._stream._items()


def _rank(rank: int | None, world_size: int | None) -> tuple[int, int]:
    if (rank is None) != (world_size is None):
        raise UsageError("rank and world_size belong together")
    if rank is None or world_size is None:
        distributed = torch.distributed
        if distributed.is_available() and distributed.is_initialized():
            return distributed.get_rank(), distributed.get_world_size()
        return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    if not 0 <= rank < world_size:
        raise UsageError(f"rank must be from 0 to {world_size - 1}, not {rank}")
    return rank, world_size
