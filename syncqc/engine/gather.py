"""Several slow sources, each run by a thread, gathered into one bounded stream.

Knows nothing of clips. It is what lets the readers work on the next part while the network runs on the last one.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Generator, Iterable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
_TICK_S = 0.1


class _End:
    """What a thread puts last: the error that ended it, or none."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class Gather(Generic[T]):
    """The items of all sources, each source's in its own order, at most `n_ahead` of them fetched before they are taken."""

    def __init__(self, sources: Sequence[Iterable[T]], n_ahead: int) -> None:
        """Starts one thread per source."""
        self._queue: queue.Queue[T | _End] = queue.Queue(maxsize=max(1, n_ahead))
        self._is_stopped = threading.Event()
        self._n_running = len(sources)
        self._threads = [threading.Thread(target=self._feed, args=(source,), daemon=True) for source in sources]
        for thread in self._threads:
            thread.start()

    def take(self, most: int) -> list[T]:
        """Waits for one item and takes up to `most` of those that are there; none once every source has ended.

        Raises:
            BaseException: what a source raised.
        """
        taken: list[T] = []
        while self._n_running and len(taken) < most:
            try:
                item = self._queue.get(block=not taken)
            except queue.Empty:
                break
            if not isinstance(item, _End):
                taken.append(item)
            elif item.error is not None:
                raise item.error
            else:
                self._n_running -= 1
        return taken

    def stop(self) -> None:
        """Makes the threads end after the item they are at; what was not taken is lost."""
        self._is_stopped.set()

    def close(self) -> None:
        """Stops the threads and waits for their end."""
        self.stop()
        for thread in self._threads:
            thread.join()

    def _feed(self, source: Iterable[T]) -> None:
        error: BaseException | None = None
        try:
            for item in source:
                if not self._put(item):
                    break
        except BaseException as raised:
            error = raised
        finally:
            if isinstance(source, Generator):
                with contextlib.suppress(Exception):
                    source.close()
        self._put(_End(error))

    def _put(self, item: T | _End) -> bool:
        while not self._is_stopped.is_set():
            with contextlib.suppress(queue.Full):
                self._queue.put(item, timeout=_TICK_S)
                return True
        return False
