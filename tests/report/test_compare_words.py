from __future__ import annotations

import sys
from pathlib import Path

import pytest

from syncqc.report import compare_words as words
from syncqc.report.compare import compare
from syncqc.report.compared import Amount, Moves, Reading

sys.path.insert(0, str(Path(__file__).parent))

from made_comparison import NEW, OLD, Row, failed, row, write_manifest


def verdict(folder: Path, old: list[Row], new: list[Row]) -> str:
    return words.verdict(compare(write_manifest(folder / "old.parquet", old), write_manifest(folder / "new.parquet", new)))


MANY = [row(f"c{i}") for i in range(4)]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            OLD, NEW,
            "Under the same rules NEW keeps 8 s more than OLD: 28 s against 20 s, of 40 s; offsets moved by more than 1 image in 20.0% of "
            "5 rows; 1 row could no longer be measured and 4 rows could be measured only now; not compared: rows of which 1 only in OLD, "
            "1 only in NEW, 2 and 3 have other part borders.",
        ),
        (
            MANY, MANY,
            "Nothing that is compared differs: the 4 rows of 4 clips have the same failures, chosen tracks, offsets, probabilities and "
            "offscreen ratios, and the rules keep 16 s of 16 s of both.",
        ),
        (
            MANY, [one | {"offset_frames": 1} for one in MANY],
            "Under the same rules NEW keeps as much as OLD, 16 s of 16 s; offsets moved by more than 1 image in none of 4 rows, and the "
            "median by +1 image.",
        ),
        (
            [row("a"), row("b", p=0.1)], [row("a", p=0.1), row("b")],
            "Under the same rules NEW keeps as much as OLD, 4 s of 8 s, though not the same 2 rows; offsets moved by more than 1 image in "
            "none of 2 rows.",
        ),
        ([row("a")], [failed("a", "silent")], "Under the same rules NEW keeps 4 s less than OLD: 0 s against 4 s, of 4 s; no row has an "
         "offset in both; 1 row could no longer be measured."),
        ([], [], "There is nothing to compare: both manifests have no rows."),
        ([], MANY, "There is nothing to compare: OLD has no rows."),
        (MANY, [row("x")], "There is nothing to compare: the 4 and 1 clips have no clip_id in common."),
        ([row("a")], [row("a", 0, 2)],
         "There is nothing to compare: no row of the one is in the other, or their parts have other borders."),
    ],
    ids=["everything", "the same", "a constant", "swapped", "failed", "both empty", "one empty", "other clips", "other parts"],
)  # fmt: skip
def test_the_verdict_is_one_sentence(tmp_path: Path, old: list[Row], new: list[Row], expected: str) -> None:
    assert verdict(tmp_path, old, new) == expected


def test_a_constant_shift_is_said(tmp_path: Path) -> None:
    assert words.shift(Moves({2: 8, 3: 1, 9: 1})) == (
        "Half of the offsets moved by +2 images or more: the networks' own zeros may differ. With that taken off, 90.0% are within 1 image."
    )
    assert words.shift(Moves({0: 3, 5: 1})) is None
    assert words.shift(Moves({})) is None


def test_far_moves_are_counted_together() -> None:
    assert words.move_lines(Moves({-9: 1, -6: 2, -5: 3, 0: 4, 6: 5}), Moves({1: 6})) == [
        ("by less than -5", [3, 0]), ("by -5", [3, 0]), ("not at all", [4, 0]), ("by +1", [0, 6]), ("by more than +5", [5, 0]),
    ]  # fmt: skip
    assert words.move_lines(Moves({})) == []


@pytest.mark.parametrize(
    ("seconds", "more"), [(0, "0 s"), (0.4, "0 s"), (89, "+89 s"), (-90, "-1.5 min"), (5400, "+1.50 h"), (3.6e6, "+1,000 h")]
)
def test_a_difference_of_lengths_has_a_sign_where_there_is_one(seconds: float, more: str) -> None:
    assert words.more(seconds) == more


@pytest.mark.parametrize(
    ("reading", "expected"),
    [
        (Reading("silent", None, None, None, None, "measured"), "silent"),
        (Reading(None, 0, 1, 0.5, 0.0, "p"), "dropped: p"),
        (Reading(None, 0, 1, 0.95, 0.0, None), "kept"),
    ],
)
def test_a_reading_says_why_it_is_not_kept(reading: Reading, expected: str) -> None:
    assert words.reading(reading) == expected


@pytest.mark.parametrize(("n", "expected"), [(None, "-"), (0, "0.000"), (-0.0004, "0.000"), (0.0005, "+0.001"), (-0.25, "-0.250")])
def test_thousandths_have_a_sign_that_means_something(n: float | None, expected: str) -> None:
    assert words.thousandths(n) == expected


def test_amounts_and_numbers() -> None:
    assert words.amount(Amount(1, 1, 4.0)) == "1 row, 1 clip, 4 s"
    assert words.amount(Amount()) == "none"
    assert [words.images(n) for n in (1, -1, 2, 0.5)] == ["+1 image", "-1 image", "+2 images", "+0.5 images"]
