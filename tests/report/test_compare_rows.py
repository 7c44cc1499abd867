from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncqc.manifest.judge import Judge
from syncqc.manifest.rules import Rules
from syncqc.report.compare_pairs import pairs
from syncqc.report.compare_rows import Most, Rows, rows_of
from syncqc.report.compare_side import Names, sides
from syncqc.report.compared import Reading, Row

sys.path.insert(0, str(Path(__file__).parent))

from made_comparison import failed, row, write_manifest


def side_by_side(folder: Path, old: list[dict[str, Any]], new: list[dict[str, Any]]) -> Rows:
    judge, datasets, reasons = Judge(Rules()), Names(), Names()
    # The last clip of a manifest would come alone.
    manifests = [write_manifest(folder / f"{i}.parquet", [*rows, row("zzz")], rows_per_group=100) for i, rows in enumerate((old, new))]
    both = [next(sides(manifest, judge, datasets, reasons)) for manifest in manifests]
    return rows_of(pairs(*both), reasons, datasets, tuple(rule.name for rule in judge.steps))


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        ({}, []),
        ({"offset_frames": 1}, ["offset"]),
        ({"probability_at_offset": 0.94}, ["p"]),
        ({"probability_at_offset": 0.5}, ["kept", "p"]),
        ({"offscreen_ratio": 0.1}, ["offscreen"]),
        ({"track_index": 3}, ["track"]),
        ({"end_s": 3.96}, ["stretch"]),
        ({"end_s": 3.981}, []),
        ({"start_s": None, "end_s": None}, []),
        ({"failure": "silent"}, ["failure", "kept", "track", "offset", "p", "offscreen"]),
        ({"margin": 0.3}, []),
    ],
    ids=str,
)
def test_what_differs_is_named(tmp_path: Path, change: dict[str, Any], differs: list[str]) -> None:
    rows = side_by_side(tmp_path, [row("a")], [row("a") | change])
    assert [name for name, flags in rows.differences.items() if flags.any()] == differs
    assert rows.is_changed.tolist() == [bool(differs)]


@pytest.mark.parametrize(
    ("old", "new", "differs"),
    [
        ({"end_s": 3.0}, {"end_s": 2.0}, ["stretch"]),
        ({"end_s": 3.0, "is_chosen_track": False}, {"end_s": 2.0, "is_chosen_track": False}, []),
    ],
    ids=["the chosen track", "another track"],
)
def test_the_stretch_is_that_of_the_chosen_track(tmp_path: Path, old: dict[str, Any], new: dict[str, Any], differs: list[str]) -> None:
    others = {"end_s": 4.0, "is_chosen_track": not old.get("is_chosen_track", True)}
    rows = side_by_side(tmp_path, *([row("a", track_index=0) | one, row("a", track_index=1) | others] for one in (old, new)))
    assert [name for name, flags in rows.differences.items() if flags.any()] == differs
    assert rows.row(0).end_s == (4.0 if "is_chosen_track" in old else 2.0)


def test_of_several_chosen_tracks_one_that_is_no_longer_kept_is_a_change(tmp_path: Path) -> None:
    first, second = row("a", start_s=0.0, end_s=2.0), row("a", track_index=1, start_s=2.0, end_s=4.0)
    rows = side_by_side(tmp_path, [first, second], [first, second | {"probability_at_offset": 0.5}])
    assert [name for name, flags in rows.differences.items() if flags.any()] == ["kept"]


def test_two_rows_without_numbers_differ_by_their_reasons_alone(tmp_path: Path) -> None:
    rows = side_by_side(tmp_path, [failed("a", "silent"), failed("b", "silent")], [failed("a", "silent"), failed("b", "no_face")])
    assert [name for name, flags in rows.differences.items() if flags.any()] == ["failure"]
    assert rows.is_changed.tolist() == [False, True]


def test_a_row_says_what_both_sides_say(tmp_path: Path) -> None:
    rows = side_by_side(tmp_path, [row("a", speaker=None, dataset="films")], [row("a", offset=-2, p=0.5, dataset=None)])
    assert rows.row(0) == Row(
        "a", "films", "a", 0, 0.0, 4.0,
        Reading(None, 0, 0, pytest.approx(0.95), 0.0, None), Reading(None, 0, -2, 0.5, 0.0, "p"),
    )  # fmt: skip


@pytest.mark.parametrize("is_new", [False, True])
def test_the_part_of_a_clip_that_one_side_could_not_read_is_the_others(tmp_path: Path, is_new: bool) -> None:
    unread, read = [failed("a", "unreadable", start_s=None, end_s=None)], [row("a", 0, 2), row("a", 1, 2)]
    rows = side_by_side(tmp_path, *((read, unread) if is_new else (unread, read)))
    second = rows.row(1)
    assert (second.part_index, second.start_s, second.end_s) == (1, 4.0, 8.0)
    assert (second.new if is_new else second.old).reason == "unreadable"


@given(pieces=st.lists(st.lists(st.integers(0, 5), max_size=6), max_size=6), n=st.integers(1, 4))
def test_the_most_are_those_of_a_stable_sort(pieces: list[list[int]], n: int) -> None:
    most: Most[tuple[int, int]] = Most(n)
    for number, piece in enumerate(pieces):
        most.add(np.array(piece, np.float64), lambda i, number=number: (number, i))  # type: ignore[misc]
    every = [(score, (number, i)) for number, piece in enumerate(pieces) for i, score in enumerate(piece) if score > 0]
    assert most.all() == tuple(found for _, found in sorted(every, key=lambda one: -one[0])[:n])
