from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from syncqc.report import tables
from syncqc.report.gathered import GroupTable
from syncqc.report.tables import TableSums

sys.path.insert(0, str(Path(__file__).parent))

from made_manifest import rows_of

DATASETS = ("lrs3", "talk")


def row(clip_id: str, part: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "clip_id": clip_id, "part_index": part, "start_s": 0.0, "end_s": 3.6, "is_chosen_track": True, "probability_at_offset": 0.95,
        "offscreen_ratio": 0.0, "offset_frames": 0,
    } | more  # fmt: skip


def summed(rows: Sequence[dict[str, Any]], dataset: Sequence[int]) -> TableSums:
    sums = TableSums()
    for at in range(0, len(rows), 3):
        sums.add(rows_of(rows[at : at + 3], dataset[at : at + 3]))
    return sums


def table(sums: TableSums, name: str) -> GroupTable:
    found = {one.name: one for one in sums.tables(DATASETS)}
    assert list(found) == ["splits", "speakers", "codecs"]
    for one in found.values():
        assert all(set(group.numbers) == set(one.heads) for group in one.groups)
    return found[name]


ROWS = [
    row("a", split="dev", speaker="s"), row("a", 1, split="dev", speaker="s", probability_at_offset=0.45, offset_frames=-4),
    row("b", split="dev", speaker="t", failure="silent", probability_at_offset=None, offset_frames=None, is_chosen_track=None),
    row("c", speaker="s", end_s=7.2, offscreen_ratio=0.5), row("d", split="dev", speaker="s"), row("e", split="dev"),
]  # fmt: skip


def test_a_line_sums_its_rows() -> None:
    found = table(summed(ROWS, [0, 0, 0, 0, 1, 1]), "splits")
    assert [(group.dataset, group.name) for group in found.groups] == [("lrs3", "dev"), ("talk", "dev"), ("lrs3", "all")]
    assert found.groups[0].numbers == {
        "n_speakers": 2, "n_clips": 2, "n_rows": 3, "hours": pytest.approx(0.002), "failed_share": pytest.approx(1 / 3),
        "mean_p": pytest.approx(0.7), "mean_offscreen": 0, "median_offset_frames": -2, "in_time_share": 0.5,
        "kept_hours": pytest.approx(0.001), "kept_share": pytest.approx(0.5),
    }  # fmt: skip
    assert found.groups[2].numbers["kept_share"] == 0
    assert found.groups[1].numbers["n_speakers"] == 1


def test_a_speaker_of_two_datasets_is_two_and_who_has_no_name_is_nobody() -> None:
    sums = summed(ROWS, [0, 0, 0, 0, 1, 1])
    found = table(sums, "speakers")
    assert [(group.dataset, group.name) for group in found.groups] == [
        ("lrs3", "s"), ("talk", "s"), ("talk", "no speaker named"), ("lrs3", "t"),
    ]  # fmt: skip
    assert sums.n_speakers(2) == [2, 1]
    silent = found.groups[3].numbers
    assert (silent["failed_share"], silent["hours"], silent["mean_p"], silent["median_offset_frames"]) == (1, 0, None, None)


def test_a_mean_that_is_no_number_is_not_there() -> None:
    (line,) = table(summed([row("a", probability_at_offset=float("inf")), row("b")], [0, 0]), "splits").groups
    assert (line.numbers["mean_p"], line.numbers["mean_offscreen"]) == (None, 0)


def test_of_many_lines_those_with_most_time_are_shown_and_the_others_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MOST_LINES", 2)
    rows = [row(f"{i}", speaker=f"s{i}", end_s=1.0 + i) for i in range(5)]
    found = table(summed(rows, [0] * 5), "speakers")
    assert [group.name for group in found.groups] == ["s4", "s3"]
    assert found.n_left_out == 3


def test_codecs_are_spelled_out_with_what_they_left() -> None:
    coded = {"video_codec": "h264", "video_profile": "High", "audio_codec": "aac", "audio_profile": "LC", "source_audio_rate_hz": 44100}
    coded |= {"gop_is_regular": True, "audio_leak_risk": "high"}
    rows = [
        row("a", **coded, leak_video=True, leak_audio=False, ghost_period_frames=12.04),
        row("b", **coded, leak_video=True, leak_audio=None, ghost_period_frames=30.0),
        row("c", **coded, leak_video=False, leak_audio=None, ghost_period_frames=7.0),
        row("d", video_codec="vp9", gop_is_regular=False), row("e"),
    ]  # fmt: skip
    found = table(summed(rows, [0] * 5), "codecs")
    assert {group.name for group in found.groups} == {
        "h264 High, key frames at even distances; aac LC 44100 Hz, leak risk high", "vp9, key frames at uneven distances; no sound",
        "no pictures read; no sound",
    }  # fmt: skip
    numbers = found.groups[0].numbers
    assert numbers["leak_video_share"] == pytest.approx(2 / 3)
    assert numbers["leak_audio_share"] == 0
    assert numbers["ghost_period_frames"] == 21
    assert {group.numbers["leak_video_share"] for group in found.groups[1:]} == {None}


def test_without_rows_there_are_tables_without_lines() -> None:
    assert [len(one.groups) for one in TableSums().tables(())] == [0, 0, 0]
