from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer

from syncqc.cli import demo as demo_module
from syncqc.cli.demo import demo, draw_missing, last_words, prepare_folder
from syncqc.cli.demo_cases import Case, cases
from syncqc.cli.main import app, main
from syncqc.engine import plan as plans
from syncqc.errors import UsageError
from syncqc.media.probe import probe
from syncqc.media.synthetic import Talk
from syncqc.nets.checkpoint import available

SMALL = Talk(duration_s=1.0, width_px=128, height_px=128)
FEW = [Case("a.mp4", "in sync", SMALL), Case("text.mp4", "a text file", None)]


class NoPlan:
    def check(self) -> None:
        pass


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[dict[str, object]]]:
    """Two clips only, and rows that a test may set instead of scoring."""
    rows: dict[str, list[dict[str, object]]] = {
        "a": [{"part_index": 0, "is_chosen_track": True, "failure": None, "offset_frames": 0, "offscreen_ratio": 0.0, "frozen_ratio": 0.0}],
        "text": [{"part_index": None, "is_chosen_track": None, "failure": "unreadable", "offset_frames": None}],
    }
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setattr(demo_module, "cases", lambda: FEW)
    monkeypatch.setattr(plans, "default_plan", lambda **_: NoPlan())
    monkeypatch.setattr(demo_module, "score_clips", lambda *_: rows)
    return rows


def test_all_as_drawn_ends_well_and_says_where_things_are(
    few: dict[str, list[dict[str, object]]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    demo(tmp_path / "demo")
    out = capsys.readouterr().out
    assert "2 of 2 clips as drawn" in out
    assert str(tmp_path / "demo") in out
    assert "unreadable" in out
    assert "FAIL" not in out
    truth = json.loads((tmp_path / "demo" / "truth.json").read_text())
    assert truth["a.mp4"]["parts"][0]["offset_frames"] == 0
    assert truth["text.mp4"]["parts"][0]["failure"] == "unreadable"


def test_a_clip_that_differs_is_marked_and_the_exit_code_is_1(
    few: dict[str, list[dict[str, object]]], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    few["a"][0]["offset_frames"] = 5
    with pytest.raises(typer.Exit) as stopped:
        demo(tmp_path / "demo")
    assert stopped.value.exit_code == 1
    out = capsys.readouterr().out
    (line,) = [line for line in out.splitlines() if "FAIL" in line]
    assert line.split() == ["a.mp4", "0", "+5", "0.00", "0.00", "FAIL"], "the verdict is there also in a narrow terminal"
    assert "a.mp4: offset +5 instead of 0" in out
    assert "1 of 2 clips as drawn" in out


def test_clips_are_kept_when_asked_to(tmp_path: Path) -> None:
    draw_missing(FEW, tmp_path, keep=False)
    assert probe(str(tmp_path / "a.mp4")).n_images == 25
    (tmp_path / "text.mp4").write_text("changed")
    draw_missing(FEW, tmp_path, keep=True)
    assert (tmp_path / "text.mp4").read_text() == "changed"
    draw_missing(FEW, tmp_path, keep=False)
    assert (tmp_path / "text.mp4").read_text() != "changed"


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="was not made by the demo; choose another folder with --out"):
        prepare_folder(tmp_path, FEW)
    with pytest.raises(UsageError, match="was not made by the demo"):
        prepare_folder(tmp_path / "thesis.txt", FEW)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_an_empty_folder_and_its_own_are_taken(tmp_path: Path) -> None:
    prepare_folder(tmp_path, FEW)
    prepare_folder(tmp_path, FEW)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clips", "truth.json"]


def test_a_place_that_cannot_be_written_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write to"):
        prepare_folder(tmp_path / "file" / "demo", FEW)


def test_an_unknown_network_stops_before_anything_is_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--out", str(tmp_path / "demo"), "--model", "absent.safetensors"]) == 2
    assert capsys.readouterr().err == "error: there is no weights file absent.safetensors\n"
    assert not (tmp_path / "demo").exists()


def test_the_next_commands_exist() -> None:
    known = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    named = {line.split()[1] for line in last_words(Path("x")).splitlines() if line.startswith("  syncqc ")}
    assert named <= known
    assert named


@pytest.mark.slow
@pytest.mark.skipif("ic-syncnet.small" not in available(), reason="the default network has no weights")
def test_some_of_the_demo_for_real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = {"late_4.mp4", "silent.mp4", "text.mp4"}
    monkeypatch.setattr(demo_module, "cases", lambda: [case for case in cases() if case.file in chosen])
    assert main(["demo", "--out", str(tmp_path / "demo")]) == 0, capsys.readouterr().out
