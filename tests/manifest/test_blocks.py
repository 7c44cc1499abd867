from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncqc.errors import UsageError
from syncqc.manifest import blocks, store
from syncqc.manifest.blocks import Block, whole_clips
from syncqc.manifest.columns import schema
from syncqc.manifest.rules import WHERE_COLUMN


def written(path: Path, rows: list[dict[str, object]], group: int = 2) -> Path:
    of = schema().with_metadata({store.PROVENANCE_KEY: b"{}"})
    pq.write_table(store.table_of(rows).cast(of), path, row_group_size=group)
    return path


def rows(*counts: int) -> list[dict[str, object]]:
    return [{"clip_id": f"c{clip:03d}", "part_index": part} for clip, n in enumerate(counts) for part in range(n)]


@pytest.mark.parametrize("counts", [(), (1,), (5,), (1, 5, 1), (2, 2, 2, 2), (1, 1, 1, 1, 1, 1, 1), (7, 1, 7)])
@pytest.mark.parametrize("at_once", [1, 2, 3, 100])
def test_blocks_hold_whole_clips_and_together_all_rows_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, counts: tuple[int, ...], at_once: int
) -> None:
    monkeypatch.setattr(blocks, "ROWS_AT_ONCE", at_once)
    manifest = written(tmp_path / "m.parquet", rows(*counts))
    found = [block.table for block in whole_clips(manifest, ["margin"], "part_index <> 1")]
    together = [(row["clip_id"], row["part_index"]) for table in found for row in table.to_pylist()]
    assert together == [(row["clip_id"], row["part_index"]) for row in rows(*counts)]
    clips = [set(table.column("clip_id").to_pylist()) for table in found]
    assert sum(map(len, clips)) == len(counts)
    assert all(row[WHERE_COLUMN] == (row["part_index"] != 1) for table in found for row in table.to_pylist())


def test_all_columns_come_where_none_are_named_also_the_users_own(tmp_path: Path) -> None:
    manifest = written(tmp_path / "m.parquet", rows(2))
    table = pq.read_table(manifest).append_column("mood", pa.array(["sad", "gay"])).drop_columns(["margin"])
    pq.write_table(table, manifest)
    (block,) = whole_clips(manifest)
    assert block.table.schema.names == [*schema().names, "mood"]
    assert block.table.column("mood").to_pylist() == ["sad", "gay"]
    assert block.table.column("margin").to_pylist() == [None, None]


@pytest.mark.parametrize("at_once", [1, 2, 100])
def test_a_manifest_that_is_not_sorted_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr(blocks, "ROWS_AT_ONCE", at_once)
    manifest = written(tmp_path / "m.parquet", [{"clip_id": name} for name in ("a", "b", "a")])
    with pytest.raises(UsageError, match=r"m.parquet are not sorted by clip_id; `syncqc merge"):
        list(whole_clips(manifest))


def test_clips_are_sorted_as_merge_sorts_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "ROWS_AT_ONCE", 1)
    names = ["Z", "a", "a/b", "a0", "ä", "\uffff", "\U0001f600"]
    sources = [written(tmp_path / f"{i}.parquet", [{"clip_id": name}]) for i, name in enumerate(names)]
    store.merge(sources[::-1], tmp_path / "m.parquet", schema(), {})
    found = [name for block in whole_clips(tmp_path / "m.parquet", []) for name in block.table.column("clip_id").to_pylist()]
    assert found == names


def block_of(rows: list[tuple[str, int | None, float | None, float | None]]) -> Block:
    names = ("clip_id", "part_index", "start_s", "end_s")
    return Block(store.table_of([dict(zip(names, row, strict=True)) for row in rows]))


def test_a_clip_and_a_part_begin_where_their_names_change() -> None:
    block = block_of([("a", 0, 0, 1), ("a", 0, 0, 1), ("a", 1, 1, 2), ("b", 1, 1, 2), ("c", None, None, None)])
    assert block.clip_starts.tolist() == [0, 3, 4]
    assert block.part_starts.tolist() == [0, 2, 3, 4]


def test_time_that_several_tracks_cover_counts_once() -> None:
    block = block_of([("a", 0, 0, 4), ("a", 0, 2, 5), ("a", 0, 7, 8), ("a", 1, 8, 10), ("b", 0, 0, 3), ("b", None, None, None)])
    # level 0: 0-5, 7-8, 8-10 and 0-3; level 1: 0-4, 7-8 and 8-10; level 2: 7-8
    assert block.covered_s(np.array([1, 0, 2, 1, 0, 2]), 4).tolist() == [11, 7, 1, 0]


@given(
    tracks=st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 9), st.integers(0, 5), st.integers(0, 2)), min_size=1, max_size=12
    )
)
def test_covered_time_is_that_of_seconds_with_a_track(tracks: list[tuple[int, int, int, int, int]]) -> None:
    tracks = sorted(tracks, key=lambda track: track[:2])
    block = block_of([(f"{clip}", part, start, start + length) for clip, part, start, length, _ in tracks])
    covered = block.covered_s(np.array([level for *_, level in tracks]), 3)
    for level in range(3):
        seconds = {(clip, part, s) for clip, part, start, length, of in tracks if of >= level for s in range(start, start + length)}
        assert covered[level] == len(seconds)
