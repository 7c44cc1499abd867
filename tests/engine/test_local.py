from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fake_plan import FakeFaces, FakeScore, fake_clips, fake_plan

from syncqc.engine import local
from syncqc.engine.assemble import ClipResult
from syncqc.engine.isolate import Limits
from syncqc.engine.local import run_local
from syncqc.engine.plan import Plan
from syncqc.errors import UsageError
from syncqc.manifest.row import complete

BEHAVIOURS = ("ok-3", "segfault-2", "exit-0", "ok-1", "clip_error-1", "none", "faceless-3", "farbug-3", "ok-12")
LIMITS = Limits(time_limit_s=5.0)


def whys(result: ClipResult) -> list[object]:
    return [(row["part_index"], row.get("track_index"), row.get("failure")) for row in result.rows]


def test_every_clip_is_complete_and_in_order_whatever_happens() -> None:
    results = list(run_local(fake_plan(), fake_clips(*BEHAVIOURS), workers=2, limits=LIMITS))
    assert [result.clip.clip_id for result in results] == [clip.clip_id for clip in fake_clips(*BEHAVIOURS)]
    by_name = {result.clip.clip_id[4:]: result for result in results}
    assert whys(by_name["ok-1"]) == [(0, 0, None), (0, 1, None)]
    assert whys(by_name["segfault-2"]) == [(0, 0, None), (0, 1, None), (1, 0, None), (1, 1, None), (2, None, "crashed")]
    assert whys(by_name["exit-0"]) == [(0, None, "crashed")]
    assert whys(by_name["faceless-3"])[2] == (1, None, "no_face")
    assert whys(by_name["farbug-3"])[2:5] == [(1, 0, "crashed"), (1, 1, "crashed"), (2, 0, None)]
    assert [complete(row) for result in results for row in result.rows]


def test_closing_stages_see_the_whole_clip() -> None:
    (result,) = run_local(fake_plan(), fake_clips("ok-3"), isolate=False)
    assert {row["clip_offset_frames"] for row in result.rows} == {result.rows[0]["offset_frames"]}


def test_workers_batches_and_isolation_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    clips = fake_clips("ok-3", "faceless-3", "ok-12", "clip_error-1", "farbug-3")
    alone = list(run_local(fake_plan(), clips, isolate=False))
    monkeypatch.setattr(local, "PARTS_PER_BATCH", 1)
    assert list(run_local(fake_plan(), clips, workers=2)) == alone


def test_results_may_come_as_they_get_done() -> None:
    results = run_local(fake_plan(), fake_clips("hang-0", "ok-1"), workers=2, limits=Limits(time_limit_s=1.5), in_order=False)
    assert [result.clip.clip_id for result in results] == ["001/ok-1", "000/hang-0"]


@pytest.mark.parametrize(
    ("plan", "sentence"),
    [(fake_plan(faces=FakeFaces(refusal="no weights")), "no weights"), (Plan(fake_plan().source, [], [FakeScore()]), "FakeScore reads")],
    ids=["near stage", "plan"],
)
def test_a_wrong_setting_is_told_before_the_first_result_is_asked_for(plan: Plan, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        run_local(plan, fake_clips("ok-1"))


def test_stopping_half_way_leaves_no_process_and_no_file_open() -> None:
    n_before = n_open_files()
    results = run_local(fake_plan(), fake_clips(*["ok-3"] * 50), workers=2)
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert n_open_files() == n_before


def test_face_lines_and_matrices_carry_the_keys_of_their_rows() -> None:
    (result,) = run_local(fake_plan(), fake_clips("ok-2"), isolate=False, keep_similarity=True)
    keys = [(row["part_index"], row["track_index"]) for row in result.rows]
    assert [(line["part_index"], line["track_index"]) for line in result.similarities] == keys
    assert [(line["part_index"], line["track_index"], line["image"]) for line in result.face_lines][:3] == [(0, 0, 0), (0, 0, 5), (0, 1, 0)]
    matrix: Any = result.similarities[0]["matrix"]
    assert (result.similarities[0]["w"], result.similarities[0]["n_windows"], len(matrix)) == (15, 6, 31 * 6 * 2)


def test_without_clips_there_are_no_results() -> None:
    assert list(run_local(fake_plan(), [])) == []


def n_open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_without_a_network_every_core_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "n_cores", lambda: 6)
    plan = fake_plan()
    assert [local.default_workers(one) for one in (plan, Plan(plan.source, plan.near))] == [3, 6]
