"""Something done again and again beside the work; knows nothing of what it is."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Every:
    """Calls something every so many seconds in a thread, until it raises or is stopped; `error` is what it raised."""

    def __init__(self, seconds: float, call: Callable[[], None]) -> None:
        """The first call comes after `seconds`."""
        self.error: Exception | None = None
        self._seconds, self._call, self._is_stopped = seconds, call, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Returns when no call is under way and none will come."""
        self._is_stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._is_stopped.wait(self._seconds):
            try:
                self._call()
            except Exception as error:
                self.error = error
                return
