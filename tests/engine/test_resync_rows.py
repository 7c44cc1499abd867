from __future__ import annotations

import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from syncqc.engine.resync import Decided, ResyncSettings, decide
from syncqc.engine.resync_rows import (
    Outcome,
    outcomes_before,
    outcomes_of,
    residuals_of,
    write_cut_tracks,
    write_manifest,
)
from syncqc.manifest import store
from syncqc.manifest.columns import TRACKS_SCHEMA
from syncqc.manifest.resync_status import ResyncStatus
from syncqc.manifest.row import Row

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))

from made_sources import make_manifest, row_of

SHIFTED = ResyncStatus.SHIFTED


def written(folder: Path, rows: list[Row], outcomes: dict[str, dict[int | None, Outcome]], per: str = "clip") -> list[Row]:
    manifest = make_manifest(folder / "m.parquet", rows)
    clips = decide(manifest, Path("/out"), ResyncSettings(per=per)).clips
    write_manifest(manifest, folder / "out.parquet", clips, outcomes, {"resync": {}})
    return list(store.read_rows(folder / "out.parquet"))


def test_all_rows_stay_in_their_order_and_only_the_columns_of_resync_change(tmp_path: Path) -> None:
    path = Path("/src/x.mp4")
    rows = [row_of("b", path, 5, part_index=i) for i in range(2)] + [row_of("a", path, None), row_of("c", path, 9, detail="odd")]
    done = {
        "b": {None: Outcome(SHIFTED, 5, 0.2, "/out/b.mp4", None, None, 0)},
        "c": {None: Outcome(SHIFTED, 9, 0.36, "/out/c.mp4", None, "a note", None)},
    }
    after = written(tmp_path, rows, done)
    assert [(row["clip_id"], row["part_index"]) for row in after] == [("b", 0), ("b", 1), ("a", 0), ("c", 0)]
    names = ("resync_status", "resync_shift_frames", "resync_pad_s", "resynced_path", "residual_offset_frames")
    assert [tuple(row[name] for name in names) for row in after] == [
        ("shifted", 5, 0.2, "/out/b.mp4", 0),
        ("shifted", 5, 0.2, "/out/b.mp4", 0),
        ("not_measured", None, None, None, None),
        ("shifted", 9, 0.36, "/out/c.mp4", None),
    ]
    assert [row["detail"] for row in after] == [None, None, "no face on 10 images looked at", "odd; resync: a note"]
    before = list(store.read_rows(tmp_path / "m.parquet"))
    touched = {*names, "resynced_audio_path", "detail"}
    assert [{k: v for k, v in row.items() if k not in touched} for row in after] == [
        {k: v for k, v in row.items() if k not in touched} for row in before
    ]


def test_what_a_run_did_is_read_from_its_manifest_except_failures(tmp_path: Path) -> None:
    path = Path("/src/x.mp4")
    done = {
        "a": {None: Outcome(SHIFTED, 5, 0.2, "/out/a.mp4", "/out/a.m4a", "a note", 1)},
        "b": {None: Outcome(ResyncStatus.FAILED, note="no such file")},
    }
    written(tmp_path, [row_of("a", path, 5, detail="odd"), row_of("b", path, 5)], done)
    assert outcomes_before(tmp_path / "out.parquet", {"a": False, "b": False}) == {"a": done["a"]}


def test_times_of_a_cut_part_count_from_its_beginning(tmp_path: Path) -> None:
    path = Path("/src/x.mp4")
    onscreen = [{"start_s": 5.08, "end_s": 9.2}]
    rows = [
        row_of("x", path, 5, start_s=0.0, end_s=4.8),
        row_of("x", path, 5, part_index=1, track_index=0, start_s=4.8, end_s=9.6, onscreen=onscreen),
        row_of("x", path, 5, part_index=1, track_index=1, start_s=5.0, end_s=9.6),
        row_of("x", path, 5, part_index=2, start_s=9.6, end_s=14.4),
    ]
    done = {"x": {part: Outcome(SHIFTED, 5, 0.0, f"/out/x_part00{part}.mp4") for part in (0, 1)} | {2: Outcome(ResyncStatus.FAILED)}}
    after = written(tmp_path, rows, done, per="part")
    assert [(row["start_s"], row["end_s"]) for row in after] == [(0.0, 4.8), (0.0, 4.8), (0.2, 4.8), (9.6, 14.4)]
    assert after[1]["onscreen"] == [{"start_s": 0.28, "end_s": 4.4}]
    assert [row["resync_status"] for row in after] == ["shifted"] * 3 + ["failed"]


def test_faces_of_a_cut_part_count_from_its_beginning_too(tmp_path: Path) -> None:
    path = Path("/src/x.mp4")
    rows = [row_of("x", path, 5, part_index=part, start_s=4.8 * part, end_s=4.8 * (part + 1)) for part in (0, 1)]
    manifest = make_manifest(tmp_path / "m.parquet", [*rows, row_of("y", path, None)])
    face: Row = {"track_index": 0, "box_px": [0.0] * 4, "landmarks_px": [0.0] * 10, "confidence": 0.9}
    where = [("x", 0, 5), ("x", 1, 120), ("x", 1, 125), ("y", 0, 10)]
    lines = [face | {"clip_id": clip_id, "part_index": part, "image": image} for clip_id, part, image in where]
    store.write_table(store.tracks_path(manifest), store.lines_table(lines, TRACKS_SCHEMA))
    clips = decide(manifest, Path("/out"), ResyncSettings(per="part")).clips
    write_cut_tracks(store.tracks_path(manifest), tmp_path / "out.parquet", clips)
    found = pq.read_table(store.tracks_path(tmp_path / "out.parquet"))
    assert found.schema == TRACKS_SCHEMA
    assert [(line["clip_id"], line["part_index"], line["image"]) for line in found.to_pylist()] == [("x", 0, 5), ("x", 1, 0), ("x", 1, 5)]


def test_a_journal_says_what_was_done_and_what_its_process_did_not_survive(tmp_path: Path) -> None:
    shifted: Row = {"resync_status": "shifted", "resync_shift_frames": 5, "resync_pad_s": 0.2}
    rows: list[Row] = [
        {"clip_id": "a", "part_index": 0, **shifted, "resynced_path": "/out/a.mp4", "detail": "a note"},
        {"clip_id": "b", "part_index": 3, **shifted, "resynced_path": "/out/b_part003.mp4"},
        {"clip_id": "b", "part_index": 4, "failure": "crashed", "detail": "ended by SIGSEGV"},
        {"clip_id": "gone", "part_index": 0, **shifted},
    ]
    journal = make_manifest(tmp_path / "j.parquet", rows)
    assert outcomes_of(journal, {"a": False, "b": True}) == {
        "a": {None: Outcome(SHIFTED, 5, 0.2, "/out/a.mp4", None, "a note")},
        "b": {
            3: Outcome(SHIFTED, 5, 0.2, "/out/b_part003.mp4"),
            None: Outcome(ResyncStatus.FAILED, note="the decoder crashed on this file: ended by SIGSEGV"),
        },
    }


@pytest.mark.parametrize("per", ["clip", "part"])
def test_a_clip_that_was_not_survived_has_failed_in_every_row_without_a_file(tmp_path: Path, per: str) -> None:
    path = Path("/src/x.mp4")
    rows = [row_of("x", path, 5, part_index=part, start_s=4.8 * part, end_s=4.8 * (part + 1)) for part in (0, 1)]
    done: dict[int | None, Outcome] = {None: Outcome(ResyncStatus.FAILED, note="why")}
    if per == "part":
        done[0] = Outcome(SHIFTED, 5, 0.0, "/out/x_part000.mp4")
    after = written(tmp_path, rows, {"x": done}, per)
    assert [row["resync_status"] for row in after] == (["failed", "failed"] if per == "clip" else ["shifted", "failed"])
    assert after[1]["detail"] == "resync: why"


def test_a_second_measurement_is_a_number_or_a_reason(tmp_path: Path) -> None:
    rows: list[Row] = [
        {"clip_id": "/out/a.mp4", "clip_offset_frames": 1, "part_index": 0},
        {"clip_id": "/out/a.mp4", "clip_offset_frames": 1, "part_index": 1, "failure": "no_face", "detail": "gone"},
        {"clip_id": "/out/b.mp4", "failure": "silent", "detail": "nothing to hear"},
    ]
    found = residuals_of(make_manifest(tmp_path / "j.parquet", rows))
    assert {path: residual.frames for path, residual in found.items()} == {"/out/a.mp4": 1, "/out/b.mp4": None}
    assert found["/out/b.mp4"].detail == "the sound is digital silence: nothing to hear"


def test_decided_clips_without_a_job_stay_as_they_were_decided(tmp_path: Path) -> None:
    manifest = make_manifest(tmp_path / "m.parquet", [row_of("x", Path("/src/x.mp4"), 5)])
    write_manifest(manifest, tmp_path / "o.parquet", [Decided("x", ResyncStatus.VIRTUAL, 2.0, 5, 0.9)], {}, {"resync": {"mode": "virtual"}})
    (row,) = store.read_rows(tmp_path / "o.parquet")
    assert (row["resync_status"], row["resync_shift_frames"], row["clip_offset_frames"]) == ("virtual", None, 5)
    assert store.provenance(tmp_path / "o.parquet") == {"resync": {"mode": "virtual"}}
