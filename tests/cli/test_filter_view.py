from __future__ import annotations

import pytest
from rich.console import Console

from syncqc.cli.filter_view import closing, funnel_table
from syncqc.manifest.funnel import Amount, Funnel, Step
from syncqc.manifest.rules import Rules

ALL, LEFT = Amount(10_000_000, 3_333_334, 18_519, 26_666_676.0), Amount(2_000_000, 1_000_000, 0, 360_000.0)
STEP = Step("offscreen", "<= 0.2", ALL, LEFT, 5, "--offscreen", None, -1)


def shown(funnel: Funnel, width: int) -> list[str]:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(funnel_table(funnel))
    return capture.get().splitlines()


@pytest.mark.parametrize("width", [80, 120])
def test_ten_million_rows_fit_into_one_line_per_rule(width: int) -> None:
    lines = shown(Funnel(ALL, (STEP, STEP), (), {}), width)
    assert [line.split()[0] for line in lines] == ["rule", "all", "offscreen", "offscreen"]
    assert lines[2].split() == ["offscreen", "<=", "0.2", "10,000,000", "7,407", "h", "18,519", "2,000,000", "100", "h", "-"]


def test_many_reasons_are_counted_not_listed() -> None:
    reasons = {f"reason_{i}": 10 - i for i in range(6)}
    lines = closing(Funnel(ALL, (STEP,), ((0.85, LEFT), (0.9, LEFT)), reasons), Rules(p=0.85))
    assert lines == [
        "kept: 2,000,000 of 10,000,000 rows, 1,000,000 of 3,333,334 clips, 100 h of 7,407 h, 0 of 18,519 speakers",
        "not measured, rows: reason_0 10, reason_1 9, reason_2 8, reason_3 7, 2 other reasons",
        "p 0.85 would keep 2,000,000 rows, 100 h  (as here)",
        "p 0.9  would keep 2,000,000 rows, 100 h",
    ]


def test_without_speakers_none_are_counted() -> None:
    lines = closing(Funnel(Amount(3, 2, 0, 8.0), (Step("p", ">= 0.9", Amount(), Amount(3, 2, 0, 8.0), 0, "--p"),), (), {}), Rules())
    assert lines == ["kept: 3 of 3 rows, 2 of 2 clips, 8 s of 8 s"]
