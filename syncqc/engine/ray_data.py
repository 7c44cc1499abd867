"""The same plan on Ray Data, over all cores of a machine or a cluster: the same rows as the reference engine.

The one file of the engine that knows Ray. Readers are actors, each with its own isolated reading process; parts go to actors that
run the network as pickled bytes of 1-4 MB; only rows come back to the driver, which puts clips together. So a bad file never
becomes an error of Ray's, no block is ever dropped, and pictures do not travel.

A cluster named by its address must have this same version of syncqc installed on its nodes (that is checked), the weights and the
videos under the same paths.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import socket
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import ray
import ray.data

from syncqc import __version__
from syncqc.engine.assemble import Assembly, ClipResult, Piece, measured, run_far
from syncqc.engine.gather import Gather
from syncqc.engine.isolate import IsolatedReader, Limits
from syncqc.engine.local import run_local
from syncqc.engine.plan import Near, Plan
from syncqc.engine.reader_process import use_threads
from syncqc.errors import UsageError
from syncqc.manifest.row import Clip
from syncqc.stages.base import Stage

log = logging.getLogger(__name__)

PARTS_PER_BATCH = 8
_PARTS_AHEAD = 2
_MOST_CLIPS_PER_TASK = 16
_OBJECT_STORE_BYTES = 500 * 2**20
_CONNECT_LIMIT_S = 5.0
_BLOCK_BYTES = 16 * 2**20

Batch = dict[str, npt.NDArray[Any]]


def run_ray(
    plan: Plan,
    clips: Iterable[Clip],
    *,
    workers: int | None = None,
    address: str | None = None,
    limits: Limits | None = None,
    keep_similarity: bool = False,
) -> Iterator[ClipResult]:
    """The results of all clips, each complete when it is given, as they get done.

    `workers` reading processes (default: two thirds of the cores; where there is a GPU, all of them); for the network the other cores, or
    every GPU there is.
    Starts Ray on this machine where no `address` is given and stops it at the end.

    Raises:
        UsageError: at once, where the plan does not fit together, a stage refuses its settings, or the cluster cannot be used.
    """
    plan.check()
    _try(plan, limits)
    numbered = list(clips)
    was_running = ray.is_initialized()
    _start(address)
    return _run(plan, numbered, workers, limits or Limits(), keep_similarity, stop_ray=not was_running)


def _try(plan: Plan, limits: Limits | None) -> None:
    """Opens every stage once, here, where a refusal is still one sentence and not the death of an actor."""
    reader = IsolatedReader(plan.reading, limits)
    try:
        reader.open()
    finally:
        reader.close()
    for stage in pickle.loads(pickle.dumps(list(plan.far))):
        stage.open()


def _start(address: str | None) -> None:
    if ray.is_initialized():
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    logging.getLogger("ray").setLevel(logging.ERROR)
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address is None:
        same_imports = {"env_vars": {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}}
        with _stderr_closed():
            ray.init(address="local", include_dashboard=False, object_store_memory=_OBJECT_STORE_BYTES, runtime_env=same_imports, **quiet)
        return
    _refuse_silence(address)
    try:
        with _stderr_closed():
            ray.init(address=address, **quiet)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise UsageError(f"cannot use the Ray cluster at {address}: {_first_cause(error)}") from None
    there = _version_there()
    if there != __version__:
        found = "syncqc is not installed" if there is None else f"syncqc is {there}"
        ray.shutdown()
        raise UsageError(f"on the nodes of the cluster at {address} {found}; install syncqc {__version__} there")


def _refuse_silence(address: str) -> None:
    """Nothing, where something listens at ``host:port``; Ray itself would try for many minutes."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit() or "/" in host:
        return
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_LIMIT_S).close()
    except (OSError, OverflowError) as error:
        raise UsageError(f"there is no Ray cluster at {address}: {getattr(error, 'strerror', None) or error}") from None


def _first_cause(error: BaseException) -> str:
    """The first sentence of the error that led to all others."""
    while (before := error.__cause__ or error.__context__) is not None:
        error = before
    lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return lines[0].partition(". ")[0].strip()


@contextlib.contextmanager
def _stderr_closed() -> Iterator[None]:
    """Ray's C++ side greets on stderr whatever its log level is; what goes wrong is raised all the same."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _version_there() -> str | None:
    @ray.remote(num_cpus=0)
    def version() -> str | None:
        try:
            import syncqc
        except ImportError:
            return None
        return syncqc.__version__

    found: str | None = ray.get(version.remote())
    return found


def _run(plan: Plan, clips: list[Clip], workers: int | None, limits: Limits, keep_similarity: bool, stop_ray: bool) -> Iterator[ClipResult]:
    assembly = Assembly(plan.closing)
    missing = dict(enumerate(clips))
    try:
        for batch in _dataset(plan, clips, workers, limits, keep_similarity).iter_batches(batch_size=None, batch_format="numpy"):
            for content in batch["content"]:
                item = pickle.loads(content)
                if isinstance(item, _Said):
                    logging.getLogger(item.logger).log(item.level, "%s", item.text)
                else:
                    number, part, n_given = item
                    for result in assembly.add(number, clips[number], part, n_given) if number in missing else ():
                        del missing[number]
                        yield result
    finally:
        if stop_ray:
            ray.shutdown()
    if missing:
        log.warning("Ray lost parts of %d clips, perhaps with an actor that died; they are scored again on this machine", len(missing))
        yield from run_local(plan, list(missing.values()), limits=limits, keep_similarity=keep_similarity)


def _dataset(plan: Plan, clips: list[Clip], workers: int | None, limits: Limits, keep_similarity: bool) -> ray.data.Dataset:
    shares = _shares(workers, ray.cluster_resources(), has_far=bool(plan.far))
    _configure(limits)
    items = [{"content": pickle.dumps((number, clip))} for number, clip in enumerate(clips)]
    n_tasks = max(min(len(clips), 4 * shares.n_readers), len(clips) // _MOST_CLIPS_PER_TASK)
    return (
        ray.data.from_items(items, override_num_blocks=n_tasks)
        .map_batches(
            _Readers,
            fn_constructor_args=(plan.reading, limits),
            compute=ray.data.ActorPoolStrategy(size=min(shares.n_readers, len(clips))),
            batch_size=None,
            batch_format="numpy",
            num_cpus=shares.cpus_each,
        )
        .map_batches(
            _Networks,
            fn_constructor_args=(list(plan.far), keep_similarity),
            compute=ray.data.ActorPoolStrategy(size=shares.n_networks),
            batch_size=PARTS_PER_BATCH,
            batch_format="numpy",
            num_cpus=0 if shares.has_gpus else shares.cpus_each,
            num_gpus=1 if shares.has_gpus else 0,
        )
    )


@dataclass(frozen=True)
class _Shares:
    """How many actors read and how many run the network, and the CPUs that Ray sets aside for each."""

    n_readers: int
    n_networks: int
    cpus_each: float
    has_gpus: bool


def _shares(workers: int | None, there: Mapping[str, float], has_far: bool = True) -> _Shares:
    """What fits into the resources that are there; actors that did not fit would wait for each other for ever.

    Where nothing is left for far stages to do, one actor that hands on what the others read is enough.
    """
    cores, gpus = max(1, int(there.get("CPU", 1))), int(there.get("GPU", 0)) if has_far else 0
    n_networks = gpus or (max(1, cores // 3 if workers is None else cores - workers) if has_far else 1)
    n_readers = workers or max(1, cores if gpus or not has_far else cores - n_networks)
    n_on_cores = n_readers if gpus else n_readers + n_networks
    return _Shares(n_readers, n_networks, min(1.0, cores * 1000 // n_on_cores / 1000), bool(gpus))


def _configure(limits: Limits) -> None:
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.target_max_block_size = _BLOCK_BYTES
    # A block is some parts, each of which may take its time limit; longer than that, an actor is dying again and again.
    context.execution_no_progress_timeout_s = max(1800.0, 20 * limits.time_limit_s)
    logging.getLogger("ray.data").setLevel(logging.ERROR)


@dataclass(frozen=True)
class _Said:
    """A line of an actor's log on its way to the driver."""

    logger: str
    level: int
    text: str


class _Listener(logging.Handler):
    """Keeps what an actor logs until its next batch takes it along."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._said: list[_Said] = []
        logging.getLogger("syncqc").addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self._said.append(_Said(record.name, record.levelno, self.format(record)))

    def taken(self) -> list[_Said]:
        said, self._said = self._said, []
        return said


class _Readers:
    """An actor with one reading process; clips in, pickled pieces out."""

    def __init__(self, near: Near, limits: Limits) -> None:
        self._reader = IsolatedReader(near, limits)
        self._log = _Listener()

    def __call__(self, batch: Batch) -> Iterator[Batch]:
        pieces = Gather([self._pieces(batch["content"])], _PARTS_AHEAD)
        try:
            while taken := pieces.take(1):
                yield _packed([*taken, *self._log.taken()])
        finally:
            pieces.close()

    def _pieces(self, clips: Iterable[bytes]) -> Iterator[Piece]:
        for content in clips:
            number, clip = pickle.loads(content)
            n_given = 0
            for part in self._reader.parts(clip):
                n_given += 1
                yield Piece(number, part)
            yield Piece(number, n_given=n_given)


class _Networks:
    """An actor with the far stages; pickled pieces in, pickled rows out."""

    def __init__(self, stages: list[Stage], keep_similarity: bool) -> None:
        self._stages, self._keep_similarity, self._log = stages, keep_similarity, _Listener()
        for stage in stages:
            stage.open()
        use_threads(1)

    def __call__(self, batch: Batch) -> Batch:
        items = [pickle.loads(content) for content in batch["content"]]
        said = [item for item in items if isinstance(item, _Said)]
        pieces = [item for item in items if isinstance(item, Piece)]
        parts = iter(run_far(self._stages, [piece.part for piece in pieces if piece.part is not None]))
        done = [(p.number, None if p.part is None else measured(next(parts), self._keep_similarity), p.n_given) for p in pieces]
        return _packed([*done, *said, *self._log.taken()])


def _packed(items: Sequence[object]) -> Batch:
    packed = np.empty(len(items), dtype=object)
    packed[:] = [pickle.dumps(item, protocol=5) for item in items]
    return {"content": packed}
