"""The same work in several processes of this machine, through Ray Train: each with its number, its GPU and a way to the others.

Knows Ray and nothing of what is trained: the work is handed in. It was run with CPU processes (gloo) only; GPUs (NCCL) follow
the same path and were not tried.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
import ray.train
import torch
from ray.train.torch import TorchConfig, TorchTrainer
from torch import distributed, nn

from syncqc.engine.ray_data import _start as start_ray
from syncqc.errors import UsageError

Record = dict[str, float]

TIMEOUT_S = 6 * 3600
"""How long a process waits for the others: far above one validation, for which all wait. One that died is noticed at once."""
_LISTEN_EVERY_S = 0.5


class WorkersFailedError(Exception):
    """A process failed and took the others with it; the message is one sentence."""


@dataclass
class RayGroup:
    """The processes of one run as one of them sees them, inside of `run_workers`."""

    rank: int
    n_ranks: int
    board: Any = None
    """The actor that takes what is told; None where nobody listens."""

    def average_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Each `parameter.grad` is the mean over all processes; all call it with the same parameters in one order."""
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        if not gradients:
            return
        # One message: a network has hundreds of small gradients.
        bucket = torch.cat([gradient.reshape(-1) for gradient in gradients])
        distributed.all_reduce(bucket)
        bucket /= self.n_ranks
        means = torch.split(bucket, [gradient.numel() for gradient in gradients])
        for gradient, mean in zip(gradients, means, strict=True):
            gradient.copy_(mean.view(gradient.shape))

    def barrier(self) -> None:
        """All processes have come here."""
        distributed.barrier()

    def tell(self, record: Record) -> None:
        """The record is on its way to whoever called `run_workers`."""
        if self.board is not None:
            self.board.tell.remote(record)


Work = Callable[[RayGroup], None]


def run_workers(work: Work, n_workers: int, use_gpu: bool, storage: Path, listen: Callable[[Record], None] = lambda _: None) -> None:
    """`work` is done in `n_workers` processes of this machine, each with a CPU or, with `use_gpu`, a GPU of its own.

    `work` is pickled. What its processes tell (`RayGroup.tell`) comes to `listen`, in this thread. Ray keeps its own notes in
    `storage`. Starts Ray and stops it at the end, unless it runs already. Run with CPU processes only, so far.

    Raises:
        UsageError: there are fewer GPUs than processes, or a process refused the work.
        WorkersFailedError: a process failed in another way.
    """
    was_running = ray.is_initialized()
    # Otherwise Ray Train moves its processes into `storage`, where relative paths mean something else.
    os.environ["RAY_CHDIR_TO_TRIAL_DIR"] = "0"
    start_ray(None)
    try:
        share = _share_of(ray.cluster_resources(), n_workers, use_gpu)
        board = _board()
        _carried_out(_trainer(work, n_workers, share, storage, board), board, listen)
    finally:
        if not was_running:
            ray.shutdown()


def _share_of(there: Mapping[str, float], n_workers: int, use_gpu: bool) -> dict[str, float]:
    """What Ray sets aside for each process: a CPU, or less where there are fewer; more would wait for ever.

    Raises:
        UsageError: there are fewer GPUs than processes.
    """
    n_gpus, n_cores = int(there.get("GPU", 0)), int(there.get("CPU", 1))
    if use_gpu and n_gpus < n_workers:
        raise UsageError(f"{n_workers} processes need a GPU each; Ray sees {n_gpus} here")
    return {"CPU": min(1.0, n_cores * 1000 // n_workers / 1000)} | ({"GPU": 1.0} if use_gpu else {})


def _board() -> Any:
    """An actor that keeps what it is told until somebody takes it."""

    @ray.remote(num_cpus=0)
    class Board:
        def __init__(self) -> None:
            self.told: list[Record] = []

        def tell(self, record: Record) -> None:
            self.told.append(record)

        def taken(self) -> list[Record]:
            told, self.told = self.told, []
            return told

    actor: Any = Board
    return actor.remote()


def _trainer(work: Work, n_workers: int, share: dict[str, float], storage: Path, board: Any) -> TorchTrainer:
    use_gpu = "GPU" in share
    return TorchTrainer(
        _in_worker,
        train_loop_config={"work": work, "board": board, "folder": str(Path.cwd())},
        torch_config=TorchConfig(backend="nccl" if use_gpu else "gloo", timeout_s=TIMEOUT_S),
        scaling_config=ray.train.ScalingConfig(num_workers=n_workers, use_gpu=use_gpu, resources_per_worker=share),
        run_config=ray.train.RunConfig(storage_path=str(storage.absolute()), name="workers"),
    )


def _in_worker(about: Mapping[str, Any]) -> None:
    """What each process does; Ray Train has joined them and chosen each one's CUDA device."""
    os.chdir(about["folder"])
    context = ray.train.get_context()
    about["work"](RayGroup(context.get_world_rank(), context.get_world_size(), about["board"]))


def _carried_out(trainer: TorchTrainer, board: Any, listen: Callable[[Record], None]) -> None:
    failed: list[BaseException] = []

    def fit() -> None:
        try:
            trainer.fit()
        except BaseException as error:  # SystemExit too: what Ray raises where it is stopped
            failed.append(error)

    # In a thread of its own, where Ray Train leaves Ctrl-C to this one.
    fitting = threading.Thread(target=fit, daemon=True)
    fitting.start()
    while fitting.is_alive():
        fitting.join(_LISTEN_EVERY_S)
        for record in ray.get(board.taken.remote()):
            listen(record)
    if failed:
        _raise_as_sentence(failed[0])


def _raise_as_sentence(error: BaseException) -> None:
    """Raises what the first process to fail said.

    Raises:
        UsageError: a process refused the work.
        WorkersFailedError: any other failure.
    """
    by_rank: dict[int, BaseException] = {rank: _said(one) for rank, one in getattr(error, "worker_failures", {}).items()}
    for one in by_rank.values():
        if isinstance(one, UsageError):
            raise one from None
    # Those that waited for a process that is gone fail too, with a RuntimeError of the connection.
    rank, first = min(by_rank.items(), key=lambda item: (isinstance(item[1], RuntimeError), item[0]), default=(None, error))
    told = next((line.strip() for line in str(first).splitlines() if line.strip()), "")
    where = "training in several processes failed" if rank is None else f"process {rank} failed"
    raise WorkersFailedError(f"{where}: {type(first).__name__}{': ' if told else ''}{told}") from error


def _said(error: BaseException) -> BaseException:
    """The error of the work itself, out of what Ray Train wraps around it."""
    inner = getattr(error, "_base_exc", None)
    return inner if isinstance(inner, BaseException) else error
