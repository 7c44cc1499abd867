from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncqc.report.compared import Moves


@given(st.dictionaries(st.integers(-20, 20), st.integers(1, 9), max_size=8))
def test_the_median_is_that_of_the_numbers_written_out(counts: dict[int, int]) -> None:
    written_out = [move for move, n in counts.items() for _ in range(n)]
    assert Moves(counts).median == (statistics.median(written_out) if written_out else None)


@pytest.mark.parametrize(("n_images", "around", "expected"), [(1, 0, 5), (0, 0, 8), (1, 3, 7), (1, 2.5, 7), (99, 0, 0)])
def test_moves_beyond_a_limit_are_counted(n_images: int, around: float, expected: int) -> None:
    assert Moves({-5: 1, -1: 1, 0: 2, 1: 2, 3: 4}).n_beyond(n_images, around) == expected - (around > 0)
