from __future__ import annotations

import threading
import time

from syncqc.engine.every import Every


def test_it_is_called_again_and_again_until_it_is_stopped() -> None:
    calls = []
    thrice = threading.Event()

    def call() -> None:
        calls.append(0)
        if len(calls) == 3:
            thrice.set()

    every = Every(0.01, call)
    assert thrice.wait(5)
    every.stop()
    n_calls = len(calls)
    time.sleep(0.05)
    assert len(calls) == n_calls


def test_what_it_raises_is_kept_and_ends_it() -> None:
    def call() -> None:
        raise OSError("full")

    every = Every(0.01, call)
    every._thread.join(5)
    assert str(every.error) == "full"
    every.stop()
