from __future__ import annotations

import time

import pytest

from syncqc.cli import score_progress
from syncqc.cli.score_progress import Pace, shown
from syncqc.engine.assemble import ClipResult
from syncqc.manifest.row import Clip


def results(n: int) -> list[ClipResult]:
    return [ClipResult(Clip(f"{i}", ""), [{"duration_s": 10.0, "failure": "no_face" if i == 0 else None}]) for i in range(n)]


def test_clips_seconds_failures_and_the_time_left_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    pace = Pace(8)
    for result in results(4):
        pace.add(result)
    now[0] += 20
    assert pace.line() == "4/8 clips, 0.20 clips/s, 2.0 x realtime, 1 not measured, 20 s left"


def test_nothing_done_yet_has_no_forecast() -> None:
    assert Pace(3).line().endswith("0 not measured")


def test_without_a_terminal_a_line_comes_now_and_then(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(score_progress, "SECONDS_PER_LINE", 0.0)
    given = results(3)
    assert list(shown(given, Pace(3))) == given
    assert [line.split()[0] for line in capsys.readouterr().err.splitlines()] == ["1/3", "2/3", "3/3"]


def test_a_terminal_shows_a_bar_and_passes_results_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    given = results(3)
    pace = Pace(3)
    assert list(shown(given, pace)) == given
    assert (pace.n_done, pace.n_failed, pace.video_s) == (3, 1, 30.0)


def test_the_whole_run_is_told_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    pace = Pace(4)
    for result in results(4):
        pace.add(result)
    now[0] += 20
    assert pace.told() == "20 s, 2.0 x realtime"
    assert Pace(0).told() == "nothing was left to do"
