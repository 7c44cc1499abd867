"""The reference engine: readers in processes of their own, everything else in this one.

Knows nothing of manifests and files; it turns clips into their rows.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Iterable, Iterator

from syncqc.engine.assemble import Assembly, ClipResult, Piece, measured, run_far
from syncqc.engine.gather import Gather
from syncqc.engine.isolate import IsolatedReader, Limits, SameProcessReader
from syncqc.engine.plan import Plan
from syncqc.engine.reader_process import use_threads
from syncqc.manifest.row import Clip

PARTS_PER_BATCH = 8

Reader = IsolatedReader | SameProcessReader


def default_workers(plan: Plan) -> int:
    """Half of the cores read, at least one; the network, which costs a little less, gets the others. Without one, all of them read."""
    return max(1, n_cores() // 2) if plan.far else n_cores()


def n_cores() -> int:
    """The cores that this process may use, which in a container are fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_local(
    plan: Plan,
    clips: Iterable[Clip],
    *,
    workers: int = 1,
    isolate: bool = True,
    limits: Limits | None = None,
    in_order: bool = True,
    keep_similarity: bool = False,
) -> Iterator[ClipResult]:
    """The results of all clips, each complete when it is given; in the order of `clips`, or, faster, as they get done.

    Without `isolate` everything runs in this process, with one reader and no limits.

    Raises:
        UsageError: at once, where the plan does not fit together or a stage refuses its settings.
    """
    plan.check()
    for stage in plan.far:
        stage.open()
    readers: list[Reader] = [IsolatedReader(plan.reading, limits) for _ in range(workers)] if isolate else [SameProcessReader(plan.reading)]
    readers[0].open()
    if isolate:
        use_threads(max(1, n_cores() - workers))
    results = _run(plan, clips, readers, keep_similarity)
    return (result for _, result in (_sorted(results) if in_order else results))


def _run(plan: Plan, clips: Iterable[Clip], readers: list[Reader], keep_similarity: bool) -> Iterator[tuple[int, ClipResult]]:
    numbered = _Shared(clips)
    assembly = Assembly(plan.closing)
    pieces = Gather([_pieces(reader, numbered) for reader in readers], n_ahead=PARTS_PER_BATCH + len(readers))
    try:
        while batch := pieces.take(PARTS_PER_BATCH):
            parts = iter(run_far(plan.far, [piece.part for piece in batch if piece.part is not None]))
            for piece in batch:
                clip = numbered.clips[piece.number]
                done = None if piece.part is None else measured(next(parts), keep_similarity)
                for result in assembly.add(piece.number, clip, done, piece.n_given):
                    del numbered.clips[piece.number]
                    yield piece.number, result
    finally:
        pieces.stop()
        for reader in readers:
            reader.interrupt()
        pieces.close()


class _Shared:
    """Clips and their numbers, handed to whichever thread asks first; those in work are kept by number."""

    def __init__(self, clips: Iterable[Clip]) -> None:
        self._numbered = enumerate(clips)
        self._lock = threading.Lock()
        self.clips: dict[int, Clip] = {}

    def __iter__(self) -> Iterator[tuple[int, Clip]]:
        while True:
            with self._lock:
                item = next(self._numbered, None)
                if item is None:
                    return
                self.clips[item[0]] = item[1]
            yield item


def _pieces(reader: Reader, clips: Iterable[tuple[int, Clip]]) -> Iterator[Piece]:
    try:
        for number, clip in clips:
            n_given = 0
            for part in reader.parts(clip):
                n_given += 1
                yield Piece(number, part)
            yield Piece(number, n_given=n_given)
    finally:
        reader.close()


def _sorted(results: Iterator[tuple[int, ClipResult]]) -> Iterator[tuple[int, ClipResult]]:
    waiting: dict[int, ClipResult] = {}
    awaited = itertools.count()
    number = next(awaited)
    for done, result in results:
        waiting[done] = result
        while number in waiting:
            yield number, waiting.pop(number)
            number = next(awaited)
