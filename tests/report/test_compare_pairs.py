from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncqc.manifest import blocks
from syncqc.manifest.judge import Judge
from syncqc.manifest.rules import Rules
from syncqc.report.compare_pairs import Pairs, pairs, pieces
from syncqc.report.compare_side import Names, Side, sides

sys.path.insert(0, str(Path(__file__).parent))

from made_comparison import failed, row, write_manifest

UNREAD: dict[str, Any] = {"start_s": None, "end_s": None}


def streamed(path: Path, rows: list[dict[str, Any]], rows_per_group: int = 3) -> Iterator[Side]:
    return sides(write_manifest(path, rows, rows_per_group=rows_per_group), Judge(Rules()), Names(), Names())


def paired(folder: Path, old: list[dict[str, Any]], new: list[dict[str, Any]]) -> Pairs:
    """All clips in one piece; the last clip of a manifest would come alone."""
    return pairs(*(next(streamed(folder / f"{i}.parquet", [*rows, row("zzz")], 100)) for i, rows in enumerate((old, new))))


def keys(found: Pairs) -> list[tuple[str, int, int]]:
    """Clip, OLD's part and NEW's part of all pairs."""
    return [
        (found.old.clip_ids[int(found.clips_old[k])].as_py(), int(found.old.part_index[first]), int(found.new.part_index[second]))
        for k, first, second in zip(found.clip, found.parts_old, found.parts_new, strict=True)
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected", "only", "elsewhere"),
    [
        ([row("a", 0, 2), row("a", 1, 2)], [row("a", 0, 2), row("a", 1, 2)], [("a", 0, 0), ("a", 1, 1)], (0, 0), (0, 0)),
        ([row("a", 0, 2)], [row("a", 1, 2)], [], (1, 1), (0, 0)),
        ([row("a", 0, 2), row("a", 1, 2)], [row("a", 0, 3), row("a", 1, 3), row("a", 2, 3)], [], (0, 0), (2, 3)),
        ([row("a", n_parts=None)], [row("a", 0, 3)], [("a", 0, 0)], (0, 0), (0, 0)),
        ([failed("a", "unreadable", **UNREAD)], [row("a", 0, 2), row("a", 1, 2)], [("a", 0, 0), ("a", 0, 1)], (0, 0), (0, 0)),
        ([row("a", 0, 2), row("a", 1, 2)], [failed("a", "unreadable", **UNREAD)], [("a", 0, 0), ("a", 1, 0)], (0, 0), (0, 0)),
        ([failed("a", "unreadable", **UNREAD)], [failed("a", "crashed", **UNREAD)], [("a", 0, 0)], (0, 0), (0, 0)),
        ([row("a"), row("c")], [row("b"), row("c")], [("c", 0, 0)], (1, 1), (0, 0)),
        ([row("a")], [row("a", start_s=3.0, end_s=7.0)], [], (0, 0), (1, 1)),
        ([row("a")], [row("a", start_s=0.0, end_s=1.0)], [("a", 0, 0)], (0, 0), (0, 0)),
    ],
    ids=["same", "other parts", "recut", "unknown cut", "unread before", "unread now", "unread twice", "other clips", "moved", "shorter"],
)
def test_parts_belong_together(
    tmp_path: Path,
    old: list[dict[str, Any]],
    new: list[dict[str, Any]],
    expected: list[tuple[str, int, int]],
    only: tuple[int, int],
    elsewhere: tuple[int, int],
) -> None:
    found = paired(tmp_path, old, new)
    assert keys(found) == expected
    assert (len(found.only_old), len(found.only_new)) == only
    assert (len(found.elsewhere_old), len(found.elsewhere_new)) == elsewhere


CLIPS = st.lists(st.sampled_from(["a", "b", "c", "d", "é", "z", "\U0001f600"]), unique=True)


@settings(max_examples=40, deadline=None)
@given(old=CLIPS, new=CLIPS, at_once=st.integers(1, 4))
def test_two_streams_are_read_side_by_side_whatever_their_pieces(
    tmp_path_factory: pytest.TempPathFactory, old: list[str], new: list[str], at_once: int
) -> None:
    folder = tmp_path_factory.mktemp("streams")
    rows = [[row(clip, part, 2) for clip in sorted(clips, key=str.encode) for part in (0, 1)] for clips in (old, new)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "ROWS_AT_ONCE", at_once)
        found = list(pieces(*(streamed(folder / f"{i}.parquet", side) for i, side in enumerate(rows))))
    both = sorted(set(old) & set(new), key=str.encode)
    assert [key for piece in found for key in keys(piece)] == [(clip, part, part) for clip in both for part in (0, 1)]
    for name, clips, others in (("old", old, new), ("new", new, old)):
        alone = [len(getattr(piece, f"only_{name}")) for piece in found]
        assert sum(alone) == 2 * len(set(clips) - set(others))
