from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from syncqc.manifest.judge import Judge
from syncqc.manifest.rules import Rules
from syncqc.report.compare_side import NO_CHOICE, Names, Side, empty_side, sides

sys.path.insert(0, str(Path(__file__).parent))

from made_comparison import failed, row, write_manifest


def side(folder: Path, rows: list[dict[str, Any]], rules: Rules = Rules()) -> tuple[Side, Names]:  # noqa: B008
    """All clips in one piece; the last clip of a manifest would come alone."""
    reasons = Names()
    found, _ = sides(write_manifest(folder / "m.parquet", [*rows, row("zzz")], rows_per_group=100), Judge(rules), Names(), reasons)
    return found, reasons


def test_a_part_stands_for_its_chosen_track(tmp_path: Path) -> None:
    tracks = [row("a", track_index=0, is_chosen_track=False, p=0.1), row("a", track_index=1, offset=3, p=0.92, start_s=1.0, end_s=3.0)]
    found, reasons = side(tmp_path, tracks)
    assert (found.track.tolist(), found.offset.tolist(), found.p.tolist()) == ([1.0], [3.0], [pytest.approx(0.92)])
    assert (found.start_s.tolist(), found.end_s.tolist(), found.length_s.tolist(), found.kept_s.tolist()) == ([0.0], [4.0], [2.0], [2.0])
    assert [reasons.all()[number] for number in found.reason] == [None]


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([failed("a", "no_face")], "no_face"),
        ([row("a", is_chosen_track=None), row("a", is_chosen_track=None)], NO_CHOICE),
        ([row("a", is_chosen_track=False), failed("a", "silent", is_chosen_track=True)], "silent"),
    ],
    ids=["failed", "none chosen", "the chosen one failed"],
)
def test_a_part_without_numbers_says_why(tmp_path: Path, rows: list[dict[str, Any]], reason: str) -> None:
    found, reasons = side(tmp_path, rows)
    assert [reasons.all()[number] for number in found.reason] == [reason]
    assert np.isnan([found.offset[0], found.p[0], found.offscreen[0], found.track[0]]).all()
    assert found.kept_s.tolist() == [0.0]


def test_parts_that_stand_in_no_order_are_put_in_order(tmp_path: Path) -> None:
    rows = [row("a", 1, 2, offset=1), row("a", 0, 2, offset=0), row("a", 1, 2, offset=7, is_chosen_track=False), row("b", offset=5)]
    found, _ = side(tmp_path, rows)
    assert (found.part_index.tolist(), found.offset.tolist(), found.first_part.tolist()) == ([0, 1, 0], [0.0, 1.0, 5.0], [0, 2, 3])


def test_tracks_that_are_kept_together_count_once(tmp_path: Path) -> None:
    rows = [
        row("a", start_s=0.0, end_s=2.0), row("a", start_s=1.0, end_s=3.0, is_chosen_track=False),
        row("a", start_s=3.5, end_s=4.0, is_chosen_track=False),
        row("b", start_s=0.0, end_s=4.0), row("b", start_s=0.0, end_s=4.0, is_chosen_track=False, p=0.1),
    ]  # fmt: skip
    found, _ = side(tmp_path, rows, Rules(keep_all_tracks=True))
    assert found.kept_s.tolist() == [3.5, 4.0]


@pytest.mark.parametrize(
    ("rows", "is_unread"),
    [
        ([failed("a", "unreadable", start_s=None, end_s=None)], True),
        ([failed("a", "no_face")], False),
        ([row("a", start_s=None, end_s=None)], False),
        ([failed("a", "crashed", 0, 2, start_s=None, end_s=None), failed("a", "crashed", 1, 2, start_s=None, end_s=None)], False),
    ],
    ids=["unreadable", "a part of known place", "measured", "two parts"],
)
def test_a_clip_that_could_not_be_read_is_told_from_a_part_that_failed(tmp_path: Path, rows: list[dict[str, Any]], is_unread: bool) -> None:
    assert side(tmp_path, rows)[0].is_unread.tolist() == [is_unread]


def test_clips_are_cut_out_with_their_parts(tmp_path: Path) -> None:
    found, _ = side(tmp_path, [row("a", 0, 2), row("a", 1, 2), row("b", offset=1), row("c", 0, 2, offset=2), row("c", 1, 2, offset=3)])
    cut = found.between(1, 3)
    assert (cut.clip_ids.to_pylist(), cut.offset.tolist(), cut.first_part.tolist()) == (["b", "c"], [1.0, 2.0, 3.0], [0, 1, 3])
    parts, of = found.parts_of(np.array([2, 0]))
    assert (parts.tolist(), of.tolist()) == ([3, 4, 0, 1], [0, 0, 1, 1])
    assert empty_side().between(0, 0).n_clips == 0


def test_names_keep_their_numbers_and_none_is_zero() -> None:
    names = Names()
    assert names.numbers(pa.array(["b", None, "a", "b"])).tolist() == [1, 0, 2, 1]
    assert names.numbers(pa.array(["c", "a"])).tolist() == [3, 2]
    assert names.numbers(pa.array([], pa.string())).tolist() == []
    assert names.all() == [None, "b", "a", "c"]
