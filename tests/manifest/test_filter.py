from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from syncqc import __version__
from syncqc.errors import UsageError
from syncqc.manifest import blocks, store
from syncqc.manifest.columns import SCHEMA_VERSION, schema
from syncqc.manifest.filter import filter_manifest
from syncqc.manifest.rules import Rules
from syncqc.manifest.where import selected

Row = dict[str, Any]


def row(clip_id: str, part: int = 0, *, p: float | None = 0.95, **more: Any) -> Row:
    return {
        "clip_id": clip_id, "path": f"/v/{clip_id}.mp4", "speaker": clip_id, "part_index": part,
        "start_s": 4.0 * part, "end_s": 4.0 * part + 4,
        "is_chosen_track": True, "probability_at_offset": p, "offscreen_ratio": 0.0, "similarity": [0.5, None], "margin": 0.5,
    } | more  # fmt: skip


ROWS = [row("a"), row("a", 1, p=0.5), row("b", p=None, failure="silent"), row("c", is_chosen_track=False), row("d", dropped_by="p")]


def written(path: Path, rows: list[Row] = ROWS, group: int = 10_000) -> Path:
    of = schema().with_metadata({store.PROVENANCE_KEY: b'{"schema_version": 1, "settings": {"w": 15}, "syncqc": "0.0.1"}'})
    pq.write_table(store.table_of(rows).cast(of), path, row_group_size=group)
    return path


def keys(rows: list[Row]) -> list[tuple[str, int]]:
    return [(row["clip_id"], row["part_index"]) for row in rows]


def test_kept_rows_come_as_they_were_and_the_others_with_their_reason(tmp_path: Path) -> None:
    source = written(tmp_path / "m.parquet")
    out, drops, lines = tmp_path / "clean.parquet", tmp_path / "drops.parquet", tmp_path / "kept.txt"
    before = source.read_bytes()
    found = filter_manifest(source, out, drops=drops, list_file=lines)
    plain = store.table_of(ROWS).to_pylist()
    assert list(store.read_rows(out)) == [plain[0], plain[4] | {"dropped_by": None}]
    assert list(store.read_rows(drops)) == [
        plain[1] | {"dropped_by": "p"}, plain[2] | {"dropped_by": "measured: silent"}, plain[3] | {"dropped_by": "chosen"},
    ]  # fmt: skip
    assert lines.read_text() == "/v/a.mp4\n/v/d.mp4\n"
    assert found.kept.n_rows == 2
    for path in (out, drops):
        assert pq.read_schema(path).remove_metadata().equals(pq.read_schema(source).remove_metadata(), check_metadata=True)
    assert source.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"m.parquet", "clean.parquet", "drops.parquet", "kept.txt"}


def test_the_metadata_says_which_filters_rows_went_through(tmp_path: Path) -> None:
    source = written(tmp_path / "m.parquet")
    store.tracks_path(source).touch()
    once, twice = tmp_path / "once.parquet", tmp_path / "deep/twice.parquet"
    twice.parent.mkdir()
    filter_manifest(source, once, Rules(p=0.4, where="margin > 0"))
    filter_manifest(once, twice, Rules(p=0.6, per="clip", min_share=0.5))
    first = {"manifest": "m.parquet", "syncqc": __version__, "p": 0.4, "offscreen": 0.2, "where": "margin > 0", "per": "row"}
    second = {"manifest": "once.parquet", "syncqc": __version__, "p": 0.6, "offscreen": 0.2, "per": "clip", "min_share": 0.5}
    assert store.provenance(twice) == {
        "schema_version": SCHEMA_VERSION, "settings": {"w": 15}, "syncqc": "0.0.1", "filter": [first, second],
        "tracks": "../m.parquet.tracks.parquet",
    }  # fmt: skip
    assert keys(list(store.read_rows(twice))) == [("a", 0), ("a", 1), ("d", 0)]


def test_an_older_manifest_is_filtered_into_todays_schema_and_own_columns_stay(tmp_path: Path) -> None:
    source = written(tmp_path / "m.parquet")
    table = pq.read_table(source).drop_columns(["dropped_by", "resynced_path"]).append_column("mood", pa.array(list("vwxyz")))
    pq.write_table(table, source)
    filter_manifest(source, tmp_path / "clean.parquet", Rules(where="mood <> 'v'"), drops=tmp_path / "drops.parquet")
    assert pq.read_schema(tmp_path / "clean.parquet").names == [*schema().names, "mood"]
    assert [row["mood"] for row in store.read_rows(tmp_path / "clean.parquet")] == ["z"]
    assert next(store.read_rows(tmp_path / "drops.parquet"))["dropped_by"] == "where"


def test_where_nothing_is_dropped_the_drops_are_a_manifest_without_rows(tmp_path: Path) -> None:
    source, drops = written(tmp_path / "m.parquet", ROWS[:1]), tmp_path / "drops.parquet"
    filter_manifest(source, tmp_path / "clean.parquet", drops=drops)
    assert list(store.read_rows(drops)) == []
    assert len(list(store.read_rows(tmp_path / "clean.parquet"))) == 1


def test_where_nothing_is_left_nothing_is_written_and_what_was_there_stays(tmp_path: Path) -> None:
    source, out = written(tmp_path / "m.parquet"), written(tmp_path / "clean.parquet")
    before = out.read_bytes()
    found = filter_manifest(source, out, Rules(p=1.0), drops=tmp_path / "drops.parquet", list_file=tmp_path / "kept.txt", force=True)
    assert found.kept.n_rows == 0
    assert "--p 0.95 would keep some" in found.why_empty()
    assert out.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"m.parquet", "clean.parquet"}


def test_counting_alone_writes_nothing_and_gives_the_same_sums(tmp_path: Path) -> None:
    source = written(tmp_path / "m.parquet")
    counted = filter_manifest(source, rules=Rules(per="clip", min_share=0.5))
    assert [path.name for path in tmp_path.iterdir()] == ["m.parquet"]
    assert counted == filter_manifest(source, tmp_path / "clean.parquet", Rules(per="clip", min_share=0.5))


def refused(tmp_path: Path, **how: Any) -> str:
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    with pytest.raises(UsageError) as raised:
        filter_manifest(tmp_path / "m.parquet", **how)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before
    return str(raised.value)


def test_places_that_would_lose_something_are_refused(tmp_path: Path) -> None:
    written(tmp_path / "m.parquet")
    there, scored = written(tmp_path / "there.parquet"), written(tmp_path / "scored.parquet")
    store.tracks_path(scored).touch()
    (tmp_path / "video.parquet").write_text("no manifest")
    (tmp_path / "folder.parquet").mkdir()
    out = tmp_path / "out.parquet"
    assert "there.parquet is already there; --force replaces it" in refused(tmp_path, out=there)
    assert "is the manifest that is filtered" in refused(tmp_path, out=tmp_path / "m.parquet", force=True)
    assert "is named twice" in refused(tmp_path, out=out, drops=out)
    assert "there is no folder" in refused(tmp_path, out=tmp_path / "no/out.parquet")
    assert "is a folder" in refused(tmp_path, out=tmp_path / "folder.parquet", force=True)
    assert "must be a .parquet file" in refused(tmp_path, out=tmp_path / "out.csv")
    assert "is not a manifest" in refused(tmp_path, out=tmp_path / "video.parquet", force=True)
    assert "was written by `syncqc score`, its faces are in" in refused(tmp_path, out=scored, force=True)
    assert "unknown list style" in refused(tmp_path, list_file=tmp_path / "l.txt", list_style="x")
    assert "unknown column 'margn'" in refused(tmp_path, out=out, rules=Rules(where="margn > 0"))
    assert "fewer than 3 names" in refused(tmp_path, out=out, list_file=tmp_path / "l.txt", list_style="voxceleb")
    filter_manifest(tmp_path / "m.parquet", there, force=True)
    assert keys(list(store.read_rows(there))) == [("a", 0), ("d", 0)]


def test_a_manifest_under_way_or_missing_is_refused(tmp_path: Path) -> None:
    assert "there is no manifest" in refused(tmp_path)
    written(tmp_path / "m.parquet")
    (tmp_path / "m.parquet.parts").mkdir()
    (tmp_path / "m.parquet.parts/rows-000001.parquet").touch()
    assert "m.parquet is not finished" in refused(tmp_path)


def random_manifest(path: Path, draw: random.Random) -> list[Row]:
    rows = [
        row(
            f"{clip:02d}", part, p=draw.choice([0.5, 0.92, 0.97, 0.97, None]), track_index=track, margin=draw.choice([0.1, 0.5, None]),
            is_chosen_track=draw.choice([True, False, None]), offscreen_ratio=draw.choice([0.0, 0.2, 0.5]),
            failure=draw.choice([None, None, None, "no_face"]), offset_frames=draw.choice([-3, 0, 1, None]),
        )
        for clip in range(draw.randint(2, 6)) for part in range(draw.randint(1, 3)) for track in range(draw.randint(1, 2))
    ]  # fmt: skip
    written(path, rows, group=draw.choice([5, 1000]))
    return rows


def random_rules(draw: random.Random) -> Rules:
    return Rules(
        p=draw.choice([0.0, 0.8, 0.9]), offscreen=draw.choice([0.2, 1.0]), max_offset=draw.choice([None, 1]),
        where=draw.choice([None, None, None, "margin > 0.3"]), keep_all_tracks=draw.random() < 0.5, per=draw.choice(["row", "clip"]),
        min_share=draw.choice([0.3, 1.0]),
    )  # fmt: skip


def test_kept_and_dropped_are_all_rows_in_order_and_none_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncqc.manifest.aside.os.fsync", lambda _: None)
    source, out, drops = tmp_path / "m.parquet", tmp_path / "clean.parquet", tmp_path / "drops.parquet"
    n_written = 0
    for seed in range(25):
        draw = random.Random(seed)
        monkeypatch.setattr(blocks, "ROWS_AT_ONCE", draw.choice([4, 60_000]))
        monkeypatch.setattr(store, "ROWS_PER_GROUP", draw.choice([2, 10_000]))
        rows, rules = random_manifest(source, draw), random_rules(draw)
        found = filter_manifest(source, out, rules, drops=drops, force=True)
        if not found.kept.n_rows:
            continue
        every = {(row["clip_id"], row["part_index"], row["track_index"]): i for i, row in enumerate(rows)}
        kept, dropped = (
            [every[row["clip_id"], row["part_index"], row["track_index"]] for row in store.read_rows(path)] for path in (out, drops)
        )
        assert kept == sorted(kept), f"seed {seed}"
        assert dropped == sorted(dropped), f"seed {seed}"
        assert sorted(kept + dropped) == list(range(len(rows))), f"seed {seed}"
        assert (len(kept), len(rows)) == (found.kept.n_rows, found.source.n_rows)
        assert {row["dropped_by"] is None for row in store.read_rows(drops)} <= {False}
        n_written += 1
    assert n_written > 15


def test_a_manifest_of_many_row_groups_keeps_its_order_and_fills_the_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "ROWS_PER_GROUP", 1_000)
    rows = [row(f"{i // 2:06d}", i % 2, p=0.95 if i % 3 else 0.1) for i in range(9_000)]
    source, out = written(tmp_path / "m.parquet", rows, group=1_000), tmp_path / "clean.parquet"
    filter_manifest(source, out, Rules(where="part_index = 0"))
    found = [row["clip_id"] for row in store.read_rows(out, ["clip_id"])]
    assert found == [f"{i // 2:06d}" for i in range(0, 9_000, 2) if i % 3]
    by_where = [
        name for batch in selected(source, "part_index = 0 and probability_at_offset > 0.9", ["clip_id"]) for name in batch[0].to_pylist()
    ]
    assert found == by_where
    metadata = pq.ParquetFile(out).metadata
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [1_000] * 3


def test_filtering_holds_a_few_blocks_not_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "ROWS_AT_ONCE", 100)
    monkeypatch.setattr(store, "ROWS_PER_GROUP", 100)
    detail = "x" * 2000
    source = written(tmp_path / "m.parquet", [row(f"{i:05d}", detail=f"{detail}{i}") for i in range(4_000)], group=100)
    before = pa.total_allocated_bytes()
    peak = 0
    real = blocks.Block.covered_s

    def watched(*arguments: Any) -> Any:
        nonlocal peak
        peak = max(peak, pa.total_allocated_bytes() - before)
        return real(*arguments)

    monkeypatch.setattr(blocks.Block, "covered_s", watched)
    filter_manifest(source, tmp_path / "clean.parquet", drops=tmp_path / "drops.parquet")
    assert 0 < peak < 4_000 * len(detail) / 3
