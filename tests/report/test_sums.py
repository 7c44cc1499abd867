from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncqc.report import sums
from syncqc.report.sums import Members, Numbering, Sparse, Totals, n_distinct, quantile


def test_groups_get_numbers_in_the_order_in_which_they_turn_up_and_keep_them() -> None:
    numbering = Numbering()
    first = numbering.members(np.array([0, 0, 1]), [pa.array(["x", None, "x"]), pa.array([True, True, None])])
    again = numbering.members(np.array([1, 0]), [pa.array(["x", "y"]), pa.array([None, True])])
    assert numbering.keys == {(0, "x", True): 0, (0, None, True): 1, (1, "x", None): 2, (0, "y", True): 3}
    assert first.numbers.tolist() == [0, 1, 2]
    assert again.numbers.tolist() == [2, 3]


def test_many_combinations_are_told_apart_as_few_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums, "_MOST_DENSE", 3)
    numbering = Numbering()
    names = [f"n{i % 7}" for i in range(50)]
    found = numbering.members(np.arange(50) % 2, [pa.array(names)])
    keys = list(numbering.keys)
    assert [keys[number] for number in found.numbers] == [(i % 2, name) for i, name in enumerate(names)]


def test_totals_add_up_over_blocks_and_grow_with_the_groups() -> None:
    totals = Totals()
    totals.add(Members(np.array([3, 0]), np.array([0, 1, 0])), {"n": None, "x": np.array([1.5, 2.0, 3.0])})
    totals.add(Members(np.array([200]), np.array([0, 0])), {"n": None, "x": np.array([1.0, 1.0])})
    assert totals.of("n", 201)[[0, 3, 200]].tolist() == [1, 2, 2]
    assert totals.of("x", 4).tolist() == [2, 0, 0, 4.5]
    assert totals.of("never", 2).tolist() == [0, 0]


@given(st.lists(st.lists(st.integers(-5, 5), max_size=20), max_size=8))
def test_sparse_counts_as_a_counter_does(blocks: list[list[int]]) -> None:
    sparse, expected = Sparse(), Counter[int]()
    for block in blocks:
        sparse.add(np.array(block, np.int64))
        expected.update(block)
    assert dict(zip(sparse.keys.tolist(), sparse.sums[0].tolist(), strict=True)) == dict(sorted(expected.items()))
    assert sparse.most_keys >= len(expected)
    sparse.replace_keys(np.abs(sparse.keys))
    assert sum(sparse.sums[0]) == expected.total()
    assert sparse.keys.tolist() == sorted({abs(key) for key in expected})


@pytest.mark.parametrize(
    ("values", "counts", "share", "expected"),
    [
        ([], [], 0.5, None), ([1, 2], [0, 0], 0.5, None), ([7], [3], 0.5, 7), ([1, 2, 3], [1, 1, 1], 0.5, 2), ([1, 2], [1, 1], 0.5, 1.5),
        ([-2, 5], [3, 1], 0.5, -2), ([1, 2, 3, 4], [1, 1, 1, 1], 0.25, 1.5), ([1, 9], [1, 3], 0.75, 9),
    ],
)  # fmt: skip
def test_quantiles_of_counted_values(values: list[int], counts: list[int], share: float, expected: float | None) -> None:
    assert quantile(np.array(values), np.array(counts), share) == expected


def test_different_values_are_counted() -> None:
    assert [n_distinct(np.array(values, np.int64)) for values in ([], [4], [4, 4, 1, 4], [3, 2, 1])] == [0, 1, 2, 3]
