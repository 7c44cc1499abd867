from __future__ import annotations

import io

import pytest
from rich.console import Console

from syncqc.cli.resync_view import MOST_NAMED, ResyncSummary, left_alone_text, status_table, verified_lines
from syncqc.engine.resync import Decided
from syncqc.engine.resync_rows import Outcome, Outcomes
from syncqc.manifest.resync_status import ResyncStatus
from syncqc.stages.put_right import Repairable

SHIFTED, IN_TIME, FAILED = ResyncStatus.SHIFTED, ResyncStatus.IN_TIME, ResyncStatus.FAILED


def clip(clip_id: str, status: ResyncStatus, shift: int = 0) -> Decided:
    has_job = status in (SHIFTED, IN_TIME)
    job = Repairable(clip_id, "x.mp4", shift_frames=shift, out_path=f"/out/{clip_id}.mp4") if has_job else None
    return Decided(clip_id, status, 1800.0, shift, 0.4321, job)


CLIPS = [
    clip("a", SHIFTED, 5), clip("b", SHIFTED, -7), clip("c", IN_TIME), clip("d", ResyncStatus.DRIFTING), clip("e", ResyncStatus.UNSURE, 3),
    clip("f", SHIFTED, 2),
]  # fmt: skip
OUTCOMES: Outcomes = {
    "a": {None: Outcome(SHIFTED, 5, 0.2, "/out/a.mp4", residual_frames=0)},
    "b": {None: Outcome(SHIFTED, -7, 0.0, "/out/b.mp4", residual_frames=-3)},
    "c": {None: Outcome(IN_TIME, 0, 0.0, "/out/c.mp4")},
    "f": {None: Outcome(FAILED, note="no such file")},
}


def test_clips_count_once_and_placed_ones_are_no_written_files() -> None:
    summary = ResyncSummary().count(CLIPS, OUTCOMES)
    assert summary.n_clips == {SHIFTED: 2, IN_TIME: 1, ResyncStatus.DRIFTING: 1, ResyncStatus.UNSURE: 1, FAILED: 1}
    assert (summary.n_files, summary.residuals, summary.beyond) == (2, {"/out/a.mp4": 0, "/out/b.mp4": -3}, {"/out/b.mp4": -3})
    told = io.StringIO()
    Console(file=told, width=120).print(status_table(summary))
    lines = {line.split()[0]: line.split()[1:4] for line in told.getvalue().splitlines()}
    assert (lines["shifted"], lines["failed"]) == (["2", "60.0", "min"], ["1", "30.0", "min"])
    assert "virtual" not in lines


@pytest.mark.parametrize(
    ("summary", "is_all_done"),
    [
        (ResyncSummary(residuals={"a": 1, "b": -1}), True),
        (ResyncSummary(residuals={"a": 2}), False),
        (ResyncSummary(not_measured_again={"a": "silent"}), False),
    ],
    ids=["within one", "beyond one", "not measured"],
)
def test_all_is_done_where_nothing_is_left(summary: ResyncSummary, is_all_done: bool) -> None:
    assert summary.is_all_done == is_all_done


def test_a_failure_is_not_all_done() -> None:
    assert not ResyncSummary().count(CLIPS[-1:], OUTCOMES).is_all_done


def test_what_is_still_off_is_named() -> None:
    summary = ResyncSummary().count(CLIPS, OUTCOMES)
    summary.not_measured_again["/out/z.mp4"] = "no face"
    assert list(verified_lines(summary, "by index")) == [
        "2 files written; 3 measured again by index: 1 within ±1",
        "offsets that are left, in images: -3: 1, 0: 1",
        "still off by more than 1: 1",
        "  /out/b.mp4: -3",
        "could not be measured again: 1",
        "  /out/z.mp4: no face",
    ]


def test_long_lists_are_cut_and_nothing_is_said_of_nothing() -> None:
    summary = ResyncSummary(n_files=50, residuals={f"{k:02d}": 4 for k in range(50)})
    lines = list(verified_lines(summary, "by index"))
    assert len(lines) == 2 + 1 + MOST_NAMED + 1
    assert lines[-1] == f"  and {50 - MOST_NAMED} more"
    assert list(verified_lines(ResyncSummary(), "by index")) == []
    assert list(verified_lines(ResyncSummary(n_files=3), None)) == ["3 files written; none was measured again (--verify none)"]


def test_clips_that_were_left_alone_are_listed_with_the_reason() -> None:
    assert left_alone_text(CLIPS, OUTCOMES).splitlines() == [
        "drifting\td\tconfident parts disagree about the offset: not touched",
        "unsure\te\toffset +3, clip_probability_in_sync 0.432",
        "failed\tf\tno such file",
    ]
    assert left_alone_text(CLIPS[:3], OUTCOMES) == ""
