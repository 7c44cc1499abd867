from __future__ import annotations

import csv
import sys
from pathlib import Path

import pytest

from syncqc.manifest import blocks
from syncqc.report.compare import compare
from syncqc.report.compare_csv import SCHEMA

sys.path.insert(0, str(Path(__file__).parent))

from made_comparison import NEW, OLD, Row, failed, row, write_manifest


def lines(folder: Path, old: list[Row], new: list[Row]) -> list[dict[str, str]]:
    place = folder / "changes.csv"
    compare(write_manifest(folder / "old.parquet", old), write_manifest(folder / "new.parquet", new), changes=place)
    with place.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("at_once", [2, 60_000])
def test_every_row_that_changed_is_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr(blocks, "ROWS_AT_ONCE", at_once)
    found = sorted((line["clip_id"], line["part_index"], line["what"]) for line in lines(tmp_path, [*OLD, row("k")], [*NEW, row("k")]))
    failed = "failure kept track offset p offscreen"
    assert found == [
        ("a", "0", "offset"), ("a", "1", "kept p"), ("b", "0", "offset"), ("c", "0", "kept p"), ("d", "0", failed), ("e", "0", failed),
        ("f", "0", "only in OLD"), ("g", "0", "track"), ("h", "0", failed), ("h", "1", failed), ("h", "2", failed.replace("kept ", "")),
        ("i", "0", "other part borders"), ("i", "0", "other part borders"), ("i", "1", "other part borders"),
        ("i", "1", "other part borders"), ("i", "2", "other part borders"), ("j", "0", "only in NEW"),
    ]  # fmt: skip


def test_a_line_holds_what_both_sides_say(tmp_path: Path) -> None:
    (line,) = lines(tmp_path, [row("a", offset=2)], [row("a", offset=-1, p=0.25, speaker=None)])
    assert list(line) == SCHEMA.names
    assert line | {"old_probability_at_offset": ""} == {
        "clip_id": "a", "part_index": "0", "dataset": "talks", "speaker": "a", "what": "kept offset p",
        "old_failure": "", "new_failure": "", "old_track_index": "0", "new_track_index": "0", "old_start_s": "0", "new_start_s": "0",
        "old_end_s": "4", "new_end_s": "4", "old_offset_frames": "2", "new_offset_frames": "-1", "old_probability_at_offset": "",
        "new_probability_at_offset": "0.25", "old_offscreen_ratio": "0", "new_offscreen_ratio": "0", "old_is_kept": "true",
        "new_is_kept": "false", "old_dropped_by": "", "new_dropped_by": "p",
    }  # fmt: skip


def test_without_changes_there_are_no_lines(tmp_path: Path) -> None:
    assert lines(tmp_path, OLD, OLD) == []
    assert (tmp_path / "changes.csv").read_text(encoding="utf-8").startswith('"clip_id","part_index"')


@pytest.mark.parametrize("name", ["=1+1", "+x", "-x", "@x", "\tx", "\rx", "\nx"])
def test_what_a_spreadsheet_would_run_begins_with_an_apostrophe(tmp_path: Path, name: str) -> None:
    found = lines(tmp_path, [failed(name, name, speaker=name)], [row(name, speaker=name, dataset=name, offset=1)])
    assert [(line["clip_id"], line["speaker"], line["dataset"], line["old_failure"]) for line in found] == [(f"'{name}",) * 4]


def test_names_with_commas_quotes_and_breaks_come_back_whole(tmp_path: Path) -> None:
    name = 'a, "b"\nc<'
    assert [line["clip_id"] for line in lines(tmp_path, [row(name)], [row(name, offset=1)])] == [name]
