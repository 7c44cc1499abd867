from __future__ import annotations

import pytest

from syncqc.report.words import (
    counted,
    is_path,
    last_names,
    length_in_words,
    number,
    offset_in_words,
    shortened,
    shortened_path,
    signed,
    signed_offset,
)


@pytest.mark.parametrize(
    ("offset_frames", "label", "sentence"),
    [
        pytest.param(2, "+2 images (+80 ms)", "the sound leads the picture by 2 images (80 ms)", id="early"),
        pytest.param(1, "+1 image (+40 ms)", "the sound leads the picture by 1 image (40 ms)", id="one early"),
        pytest.param(0, "0 images (0 ms)", "sound and picture are in time", id="in time"),
        pytest.param(-1, "-1 image (-40 ms)", "the sound lags behind the picture by 1 image (40 ms)", id="one late"),
        pytest.param(-12, "-12 images (-480 ms)", "the sound lags behind the picture by 12 images (480 ms)", id="late"),
    ],
)
def test_an_offset_is_said_with_its_sign_and_both_units(offset_frames: int, label: str, sentence: str) -> None:
    assert signed_offset(offset_frames) == label
    assert offset_in_words(offset_frames) == sentence


@pytest.mark.parametrize(
    ("length_s", "said"),
    [
        (0, "0 s"),
        (0.4, "0 s"),
        (89, "89 s"),
        (90, "1.5 min"),
        (5_400, "1.50 h"),
        (9_000, "2.50 h"),
        (359_999, "100.00 h"),
        (3.6e6, "1,000 h"),
    ],
)
def test_a_length_is_said_as_people_do(length_s: float, said: str) -> None:
    assert length_in_words(length_s) == said


def test_numbers_have_a_sign_and_what_is_not_there_is_a_dash() -> None:
    assert [signed(n) for n in (None, 0, 0.0, 3, -2.5, 2.0, 12_345_678)] == ["-", "0", "0", "+3", "-2.5", "+2", "+12345678"]
    assert [number(value, ".2f") for value in (None, 0.125, 3)] == ["-", "0.12", "3.00"]
    assert [counted(1, "row"), counted(1200, "row"), counted(2, "box", "boxes")] == ["1 row", "1,200 rows", "2 boxes"]


@pytest.mark.parametrize(
    ("path", "names", "shortened"),
    [
        ("m.parquet", "m.parquet", "m.parquet"),
        ("r/m.parquet", "r/m.parquet", "r/m.parquet"),
        ("data/r/m.parquet", "r/m.parquet", "…/r/m.parquet"),
        ("/home/anna/r/m.parquet", "r/m.parquet", "…/r/m.parquet"),
        ("C:\\data\\r\\m.parquet", "r/m.parquet", "…/r/m.parquet"),
        ("/m.parquet", "m.parquet", "…/m.parquet"),
        ("/home/anna/lists/", "anna/lists", "…/anna/lists"),
        ("/", "/", "/"),
    ],
)
def test_of_a_path_the_last_two_names_are_shown(path: str, names: str, shortened: str) -> None:
    assert (last_names(path), shortened_path(path)) == (names, shortened)


def test_a_path_is_told_from_a_name() -> None:
    assert all(map(is_path, ["/a", "~/a", "./a", "../a", "C:\\a", "\\\\host\\a"]))
    assert not any(map(is_path, ["ic-syncnet.small", "a/b", "", ".hidden", "0.1.0"]))


@pytest.mark.parametrize(
    ("text", "n", "expected"),
    [("short", 5, "short"), ("abcdefghij", 7, "ab…ghij"), ("dev/mp4/id05668/XWKC1JUM_ow/00053", 20, "dev/mp4…JUM_ow/00053")],
    ids=["fits", "letters", "the end tells more"],
)
def test_names_are_shortened_in_the_middle(text: str, n: int, expected: str) -> None:
    assert shortened(text, n) == expected
    assert len(expected) <= n
