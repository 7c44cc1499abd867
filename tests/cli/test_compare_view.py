from __future__ import annotations

import sys
from pathlib import Path

import pytest
from rich.console import Console

from syncqc.cli.compare_view import shown
from syncqc.report.compare import compare
from syncqc.report.compare_made_by import Fact

sys.path.insert(0, str(Path(__file__).parent.parent / "report"))

from made_comparison import NEW, OLD, Row, row, write_manifest

FACTS = [Fact(f"setting {i}", "1", "2", True) for i in range(14)] + [Fact("model", "small", "small", False)]


def printed(folder: Path, old: list[Row], new: list[Row], facts: list[Fact] = [], width: int = 80) -> list[str]:  # noqa: B006
    found = compare(write_manifest(folder / "old.parquet", old), write_manifest(folder / "new.parquet", new))
    console = Console(width=width)
    with console.capture() as capture:
        console.print(*shown(found, facts, ["A note."]), sep="\n")
    return [line.rstrip() for line in capture.get().splitlines()]


def cells(lines: list[str], first: str) -> list[str]:
    return next(line for line in lines if line.startswith(first)).removeprefix(first).split()


@pytest.mark.parametrize("width", [80, 140])
def test_the_tables_hold_the_sums_with_numbers_on_the_right(tmp_path: Path, width: int) -> None:
    lines = printed(tmp_path, OLD, NEW, width=width)
    assert cells(lines, "not at all") == ["3", "60.0%", "1", "33.3%", "3", "60.0%"]
    assert cells(lines, "by +3") == ["1", "20.0%", "1", "33.3%", "1", "20.0%"]
    assert cells(lines, "within 1 image") == ["4", "80.0%", "2", "66.7%", "4", "80.0%"]
    assert cells(lines, "unreadable") == ["measured", "3"]
    assert cells(lines, "measured  ") == ["no_face", "1"]
    ends = {len(line) for line in lines if line.startswith(("kept  ", "by both", "only by", "by neither"))}
    assert len(ends) == 1
    assert "A note." in lines
    assert max(map(len, lines)) <= width


def test_of_many_differences_the_first_are_shown(tmp_path: Path) -> None:
    lines = printed(tmp_path, OLD, NEW, FACTS)
    assert cells(lines, "setting 11") == ["1", "2"]
    assert not any(line.startswith(("setting 12", "model")) for line in lines)
    assert "and 2 more" in lines


def test_of_many_datasets_those_with_the_most_time_are_shown(tmp_path: Path) -> None:
    rows = [row(f"c{i:03d}", dataset=f"set {i:03d}", end_s=4.0 + i) for i in range(15)]
    lines = printed(tmp_path, rows, [*rows[:-1], rows[-1] | {"probability_at_offset": 0.5}])
    assert [line.split()[1] for line in lines if line.startswith("set ")] == [f"{i:03d}" for i in range(14, 2, -1)]
    assert "and 3 more datasets" in lines


def test_nothing_is_said_twice_where_nothing_differs(tmp_path: Path) -> None:
    lines = printed(tmp_path, OLD, OLD)
    assert lines[-2:] == ["A note.", ""]
    assert "versions, model and settings are the same" in lines
