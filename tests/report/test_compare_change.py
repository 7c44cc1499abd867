from __future__ import annotations

import random
import statistics
import sys
from pathlib import Path

import pytest

from syncqc.manifest import blocks
from syncqc.report import compare_change
from syncqc.report.compare import compare
from syncqc.report.compared import Change

sys.path.insert(0, str(Path(__file__).parent))

from made_comparison import row, write_manifest


def changed(folder: Path, old: list[float], new: list[float]) -> Change:
    """What is said of the probability, a clip per number."""
    manifests = [
        write_manifest(folder / f"{i}.parquet", [row(f"c{k:05d}", p=p) for k, p in enumerate(values)], rows_per_group=50)
        for i, values in enumerate((old, new))
    ]
    return compare(manifests[0], manifests[1]).p


def test_the_sums_are_those_of_all_rows_whatever_the_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "ROWS_AT_ONCE", 60)
    chance = random.Random(3)
    old = [round(chance.random(), 3) for _ in range(300)]
    new = [round(min(1, max(0, p + chance.gauss(0.02, 0.1))), 3) for p in old]
    found = changed(tmp_path, old, new)
    differences = [after - before for before, after in zip(old, new, strict=True)]
    assert found.correlation == pytest.approx(statistics.correlation(old, new))
    assert found.mean == pytest.approx(statistics.mean(differences), abs=1e-7)
    assert found.median_size == pytest.approx(sorted(map(abs, differences))[149], abs=2e-4)
    assert found.high_size == pytest.approx(sorted(map(abs, differences))[284], abs=2e-4)
    assert found.largest == pytest.approx(max(map(abs, differences)))
    assert sum(found.differences) == sum(map(sum, found.density)) == found.n == 300


def test_bins_hold_what_lies_in_them(tmp_path: Path) -> None:
    found = changed(tmp_path, [0.0, 0.5, 0.5, 1.0], [1.0, 0.5, 0.515, 0.0])
    assert {i: n for i, n in enumerate(found.differences) if n} == {0: 1, 50: 1, 51: 1, 100: 1}
    cells = {(new, old): n for new, line in enumerate(found.density) for old, n in enumerate(line) if n}
    assert cells == {(49, 0): 1, (25, 25): 2, (0, 49): 1}
    assert found.n_equal == 1


@pytest.mark.parametrize(("old", "new"), [([0.5], [0.6]), ([0.5, 0.5], [0.6, 0.7]), ([0.1, 0.7], [0.3, 0.3])])
def test_where_a_side_does_not_vary_there_is_no_correlation(tmp_path: Path, old: list[float], new: list[float]) -> None:
    assert changed(tmp_path, old, new).correlation is None


def test_what_is_not_finite_is_not_counted(tmp_path: Path) -> None:
    found = changed(tmp_path, [0.5, 0.5, 0.5], [0.6, float("inf"), float("-inf")])
    assert (found.n, found.largest) == (1, pytest.approx(0.1))


@pytest.mark.parametrize(("few", "is_all"), [(4, True), (3, False)])
def test_few_rows_are_all_there_and_many_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few: int, is_all: bool) -> None:
    monkeypatch.setattr(compare_change, "FEW_ROWS", few)
    monkeypatch.setattr(compare_change, "CHANGED_MOST", 2)
    monkeypatch.setattr(blocks, "ROWS_AT_ONCE", 2)
    found = changed(tmp_path, [0.1, 0.2, 0.3, 0.4], [0.1, 0.3, 0.1, 0.9])
    assert (found.all_rows is not None) == is_all
    assert [one.clip_id for one in found.all_rows or ()] == ["c00000", "c00001", "c00002", "c00003"] * is_all
    assert [one.clip_id for one in found.changed_most] == ["c00003", "c00002"]
