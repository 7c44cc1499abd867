from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from syncqc.engine.gather import Gather


def taken(gather: Gather[int], most: int = 4) -> list[int]:
    everything: list[int] = []
    while batch := gather.take(most):
        assert len(batch) <= most
        everything += batch
    return everything


def test_all_items_of_all_sources_come_each_source_in_its_order() -> None:
    everything = taken(Gather([range(0, 50), range(100, 150), []], 3))
    assert [i for i in everything if i < 100] == list(range(50))
    assert [i for i in everything if i >= 100] == list(range(100, 150))


def test_no_more_is_fetched_ahead_than_allowed() -> None:
    fetched = []

    def source() -> Iterator[int]:
        for i in range(100):
            fetched.append(i)
            yield i

    gather = Gather([source()], 3)
    time.sleep(0.3)
    assert len(fetched) <= 5  # three in the queue, one waiting for room, one being made
    gather.close()


def test_what_a_source_raises_is_raised_where_the_items_are_taken() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise OSError("gone")

    gather = Gather([source()], 3)
    with pytest.raises(OSError, match="gone"):
        taken(gather)
    gather.close()


def test_closing_closes_the_sources_and_ends_the_threads() -> None:
    closed = threading.Event()

    def source() -> Iterator[int]:
        try:
            yield from range(10**9)
        finally:
            closed.set()

    before = threading.active_count()
    gather = Gather([source()], 2)
    assert gather.take(1) == [0]
    gather.close()
    assert closed.is_set()
    assert threading.active_count() == before


def test_an_empty_gathering_ends_at_once() -> None:
    assert Gather[int]([], 2).take(5) == []
