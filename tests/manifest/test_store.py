from __future__ import annotations

import os
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncqc.errors import UsageError
from syncqc.manifest import store
from syncqc.manifest.columns import schema


def rows(*clip_ids: str, n_parts: int = 2, margin: float = 0.5) -> list[dict[str, object]]:
    return [{"clip_id": name, "path": f"/v/{name}.mp4", "part_index": i, "margin": margin} for name in clip_ids for i in range(n_parts)]


def written(path: Path, *clip_ids: str, **how: Any) -> Path:
    store.write_table(path, store.table_of(rows(*clip_ids, **how)))
    return path


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    row = {
        "clip_id": "a",
        "path": "/v/a.mp4",
        "part_index": np.int64(3),
        "margin": np.float32(0.5),
        "is_vfr": np.bool_(True),
        "onscreen": [{"start_s": 0.0, "end_s": 1.5}],
        "similarity": [0.25, None, 0.5],
    }
    store.write_table(tmp_path / "m.parquet", store.table_of([row]))
    (back,) = store.read_rows(tmp_path / "m.parquet")
    assert {name: value for name, value in back.items() if value is not None} == row
    assert list(back) == schema().names


def test_what_is_not_a_number_is_null(tmp_path: Path) -> None:
    nan = float("nan")
    (back,) = store.table_of([{"clip_id": "a", "margin": nan, "similarity": [1.0, nan]}]).to_pylist()
    assert (back["margin"], back["similarity"]) == (None, [1.0, None])


def test_a_column_nobody_knows_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="unknown column 'margn'; did you mean 'margin'"):
        store.table_of([{"clip_id": "a", "margn": 1.0}])


@given(name=st.binary(min_size=1, max_size=20).filter(lambda name: b"/" not in name and b"\0" not in name))
def test_a_file_name_of_any_bytes_can_be_stored_and_opened_again(name: bytes) -> None:
    as_listed = os.fsdecode(name)
    stored = store.storable(as_listed)
    stored.encode("utf-8")
    if b"\\udc" not in name:
        assert os.fsencode(store.path_on_disk(stored)) == name


def test_a_name_that_is_no_utf8_is_spelled_out(tmp_path: Path) -> None:
    (back,) = store.table_of([{"clip_id": "a", "path": os.fsdecode(b"/v/m\xfcller.mp4")}]).to_pylist()
    assert back["path"] == r"/v/m\udcfcller.mp4"
    assert os.fsencode(store.path_on_disk(back["path"])) == b"/v/m\xfcller.mp4"


def test_a_write_that_fails_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    path.write_text("old")

    def half(aside: Path) -> None:
        aside.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        store.write_aside(path, half)
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("m.parquet", "old")]


@settings(max_examples=25)
@given(
    shares=st.lists(st.sets(st.sampled_from([f"{c}/{n}" for c in "abc" for n in range(8)])), min_size=1, max_size=4),
    group=st.sampled_from([1, 3, 1000]),
)
def test_a_merge_is_sorted_and_takes_each_clip_whole_from_the_last_source(
    tmp_path_factory: pytest.TempPathFactory, shares: list[set[str]], group: int
) -> None:
    folder = tmp_path_factory.mktemp("merge")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(store, "ROWS_PER_GROUP", group)
        patched.setattr(store, "_GROUPS_IN_MEMORY", 2)
        sources = [written(folder / f"{i}.parquet", *sorted(names), n_parts=2 + i, margin=float(i)) for i, names in enumerate(shares)]
        n_rows = store.merge(sources, folder / "m.parquet", schema(), {"a": 1})
    last = {name: i for i, names in enumerate(shares) for name in names}
    expected = [(name, part, float(last[name])) for name in sorted(last) for part in range(2 + last[name])]
    assert [(row["clip_id"], row["part_index"], row["margin"]) for row in store.read_rows(folder / "m.parquet")] == expected
    assert n_rows == len(expected)


def test_clip_ids_are_read_once_each_and_across_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "ROWS_PER_GROUP", 2)
    files = [written(tmp_path / "0.parquet", "b", "a"), written(tmp_path / "1.parquet", "c")]
    assert list(store.read_clip_ids(files)) == ["b", "a", "c"]


def test_the_meaning_of_each_column_travels_with_the_file(tmp_path: Path) -> None:
    store.merge([written(tmp_path / "0.parquet", "a")], tmp_path / "m.parquet", schema(), {"syncqc": "1"})
    assert b"early" in pq.read_schema(tmp_path / "m.parquet").field("offset_frames").metadata[b"meaning"]
    assert store.provenance(tmp_path / "m.parquet") == {"syncqc": "1"}


def test_nothing_merged_is_a_manifest_without_rows(tmp_path: Path) -> None:
    assert store.merge([], tmp_path / "m.parquet", schema(), {}) == 0
    assert list(store.read_rows(tmp_path / "m.parquet")) == []


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(None, "there is no manifest"), (b"text", "not a Parquet file"), (pa.table({"a": [1]}), "not a manifest written by syncqc")],
    ids=["missing", "text", "other table"],
)
def test_what_is_no_manifest_is_refused_in_a_sentence(tmp_path: Path, content: bytes | pa.Table | None, sentence: str) -> None:
    path = tmp_path / "m.parquet"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        pq.write_table(content, path)
    with pytest.raises(UsageError, match=sentence):
        store.provenance(path)


def test_merging_holds_a_few_row_groups_not_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "ROWS_PER_GROUP", 500)
    monkeypatch.setattr(store, "_GROUPS_IN_MEMORY", 2)
    detail = "x" * 2000
    sources = []
    for i in range(20):
        names = [f"{i:02d}/{n:03d}" for n in range(500)]
        sources.append(tmp_path / f"{i}.parquet")
        table = store.table_of([{"clip_id": name, "detail": detail + name} for name in names])
        store.write_table(sources[-1], table)
    before = pa.total_allocated_bytes()
    peak = 0
    real = store._gathered

    def watched(*arguments: Any) -> pa.Table:
        nonlocal peak
        table = real(*arguments)
        peak = max(peak, pa.total_allocated_bytes() - before)
        return table

    monkeypatch.setattr(store, "_gathered", watched)
    tracemalloc.start()
    store.merge(sources, tmp_path / "m.parquet", schema(), {})
    python_peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    whole = 20 * 500 * len(detail)
    assert peak < whole / 2
    assert python_peak < whole / 4


def test_the_faces_of_a_manifest_are_found_beside_it_or_where_its_metadata_says(tmp_path: Path) -> None:
    (tmp_path / "scored").mkdir()
    (tmp_path / "kept").mkdir()
    scored, clean, cleaner = tmp_path / "scored/m.parquet", tmp_path / "kept/clean.parquet", tmp_path / "kept/cleaner.parquet"
    store.merge([], scored, schema(), {})
    assert store.tracks_of(scored) is None
    assert store.tracks_from(scored, clean) == {}
    store.tracks_path(scored).touch()
    assert store.tracks_of(scored) == store.tracks_path(scored)
    store.merge([], clean, schema(), store.tracks_from(scored, clean))
    store.merge([], cleaner, schema(), store.tracks_from(clean, cleaner))
    assert store.provenance(cleaner) == {"tracks": "../scored/m.parquet.tracks.parquet"}
    for made in (clean, cleaner):
        found = store.tracks_of(made)
        assert found is not None
        assert found.samefile(store.tracks_path(scored))
    moved = store.tracks_path(scored).rename(tmp_path / "kept/m.parquet.tracks.parquet")
    assert store.tracks_of(cleaner) == moved
    store.tracks_path(cleaner).touch()
    assert store.tracks_of(cleaner) == store.tracks_path(cleaner)
