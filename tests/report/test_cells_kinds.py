from __future__ import annotations

import random

import numpy as np
import pytest

from syncqc.report import cells_kinds
from syncqc.report.cells_kinds import Marks, kinds, needed


def marks(draw: random.Random, n_cells: int) -> Marks:
    def numbers(most: int) -> np.ndarray:
        return np.array([draw.randint(0, most) for _ in range(n_cells)], np.int64)

    cells = np.unique(np.stack([numbers(3), numbers(3), numbers(3), numbers(1)]), axis=1)
    return Marks(cells[:2], cells[2], cells[3])


def is_needless(cell: int, others: set[int], of: Marks) -> bool:
    """By the words: another cell of the dataset meets everything that it meets."""
    return any(
        other != cell
        and of.dataset[other] == of.dataset[cell]
        and all(level[other] >= level[cell] for level in of.levels)
        and not (of.bits[other] & ~of.bits[cell])
        for other in others
    )


@pytest.mark.parametrize("many", [200, 2], ids=["by pairs", "one after the other"])
def test_of_each_set_the_needed_cells_are_left(many: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells_kinds, "_MANY_CELLS", many)
    monkeypatch.setattr(cells_kinds, "_PAIRS_AT_ONCE", 20)
    for seed in range(20):
        draw = random.Random(seed)
        of = marks(draw, 30)
        sets = {owner: {draw.randrange(len(of.bits)) for _ in range(draw.randint(1, 9))} for owner in range(0, 24, 2)}
        pairs = [(owner, cell) for owner, cells in sets.items() for cell in (*cells, min(cells))]
        draw.shuffle(pairs)
        owners, cells = needed(*(np.array(column, np.int64) for column in zip(*pairs, strict=True)), of)
        expected = [(owner, cell) for owner, mine in sets.items() for cell in sorted(mine) if not is_needless(cell, mine, of)]
        assert list(zip(owners.tolist(), cells.tolist(), strict=True)) == expected


def test_equal_sets_are_one_kind() -> None:
    owners = np.array([2, 2, 5, 7, 7, 8, 9, 9])
    cells = np.array([1, 4, 1, 1, 4, 4, 1, 5])
    kind_of, found = kinds(owners, cells)
    assert [found[kind] for kind in kind_of] == [(1, 4), (1,), (1, 4), (4,), (1, 5)]
    assert len(found) == 4


def test_nothing_has_no_kinds() -> None:
    none = np.zeros(0, np.int64)
    kind_of, found = kinds(*needed(none, none, Marks(np.zeros((2, 0), np.int64), none, none)))
    assert (len(kind_of), found) == (0, [])
