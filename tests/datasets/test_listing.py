from __future__ import annotations

from pathlib import Path

import pytest
from made_files import make

from syncqc.datasets.listing import Listing, first_names, is_archive, is_video, named, spread, videos_under, without_suffix


@pytest.mark.parametrize(
    ("name", "stem"),
    [("a/b.mp4", "a/b"), ("a.b/c", "a.b/c"), ("a/.mp4", "a/.mp4"), (".mp4", ".mp4"), ("a/b.c.mp4", "a/b.c"), ("a.", "a."), ("a", "a")],
)
def test_only_the_last_suffix_of_the_last_part_is_taken_off(name: str, stem: str) -> None:
    assert without_suffix(name) == stem


@pytest.mark.parametrize(("name", "expected"), [("a.mp4", True), ("a.MKV", True), (".mp4", False), ("._a.mp4", False), ("mp4", False)])
def test_a_videos_name_has_a_stem_and_one_of_the_suffixes(name: str, expected: bool) -> None:
    assert is_video(name) is expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.tar", True), ("a.tar.zst", True), ("x_partab", True), ("a.zip", True), ("a.mp4", False), ("x_part1", False), (".tar", False)],
)
def test_archives_are_told_by_their_names(name: str, expected: bool) -> None:
    assert is_archive(name) is expected


def test_a_path_that_is_there_twice_is_named_once() -> None:
    assert named([("a.mp4", "/x/a.mp4"), ("a.mp4", "/x/a.mp4"), ("b.mp4", "/x/b.mp4")]) == [("a", "/x/a.mp4"), ("b", "/x/b.mp4")]


@pytest.mark.parametrize("root", [".", "{}", "{}/"])
def test_paths_begin_with_the_folder_as_it_was_named(root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "a/b.mp4")
    monkeypatch.chdir(tmp_path)
    ((name, path),) = videos_under(Path(root.format(tmp_path)), Listing())
    assert name == "a/b.mp4"
    assert path == ("a/b.mp4" if root == "." else f"{tmp_path}/a/b.mp4")


def test_a_look_at_names_sees_few_of_many(tmp_path: Path) -> None:
    make(tmp_path, *(f"{folder}/{clip}.mp4" for folder in range(9) for clip in range(60)), "too/deep/to/see.mp4")
    found = list(first_names(tmp_path))
    assert len(found) == 150
    assert set(found) <= {f"{clip}.mp4" for clip in range(60)}


def test_a_few_are_spread_from_the_first_to_the_last() -> None:
    assert spread(range(100), 4) == [0, 33, 66, 99]
    assert spread(range(3), 4) == [0, 1, 2]
