from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from syncqc.cli.leak_run import drawn_by_lot
from syncqc.cli.main import main
from syncqc.manifest.row import Clip
from syncqc.media.mux import Encoding, Pictures, SoundTrack, write_clip
from syncqc.train.leak_settings import LeakSettings

QUICK = ["--batches", "2", "--width", "0.05", "--side-px", "48"]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """26 clips of 2 s, one of 1 s, and one that is no video."""
    folder = tmp_path_factory.mktemp("clips")
    random = np.random.default_rng(0)
    for i in range(27):
        seconds = 1 if i == 26 else 2.1
        images = random.integers(0, 255, (int(seconds * 10), 48, 48, 3)).astype(np.uint8)
        sound = SoundTrack(0.1 * random.standard_normal(int(seconds * 16_000)), 16_000)
        write_clip(folder / f"{i:02d}.mp4", Pictures(images, 48, 48, Fraction(10)), sound, Encoding("mpeg4", "aac"))
    (folder / "none.mp4").write_bytes(b"no video")
    return folder


def asked(*arguments: str) -> int:
    return main(["leak", *arguments, *QUICK, "--engine", "local", "--workers", "1"])


def test_few_clips_are_not_enough_data(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert asked(str(clips), "--max-failures", "0.5") == 1
    told = capsys.readouterr()
    assert "not enough data: nothing was found" in told.out
    assert "of 17 clips, fewer than 100, little can be learnt" in told.out
    assert "17 clips to learn from, 3 to stop by, 6 to judge on (speakers: 17, 3, 6). Left out: too_short 1, unreadable 1." in told.out
    assert "accuracy" in told.out
    assert "unreadable" in told.out
    assert "too_short" in told.out
    assert "batch 2: loss" in told.err
    about = json.loads(Path("leak-rgb.json").read_text())
    assert (about["format"], about["found"]["verdict"], about["failed"]) == (
        "syncqc-leak-1", "not enough data", {"too_short": 1, "unreadable": 1},
    )  # fmt: skip
    assert (about["found"]["n_classes"], about["found"]["trim_s"]) == (10, 1.0)
    assert about["settings"]["side_px"] == 48
    assert about["command"] == f"syncqc leak {clips} --modality rgb --width 0.05 --batches 2 --side-px 48"
    assert Path("leak-rgb.md").read_text().startswith("# Can the start of a trim be told? Pictures: not enough data")
    # Nothing is left but the answer.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["leak-rgb.json", "leak-rgb.md"]


def test_prepared_clips_are_kept_and_used_again(clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, kept = tmp_path / "sound.json", tmp_path / "kept"
    given = [str(clips), "--modality", "audio", "--own-rate", "--out", str(out), "--prepared", str(kept), "--max-failures", "0.5"]
    assert asked(*given) == 1
    first = json.loads(out.read_text())
    assert first["found"]["rate_hz"] == 16_000
    assert (kept / "clips.parquet").exists()
    capsys.readouterr()
    assert asked(*given, "--max-failures", "0.05") == 1
    said = capsys.readouterr().err
    assert "engine:" not in said
    assert "7.1% of the files gave nothing, more than --max-failures 0.05" in said
    again = json.loads(out.read_text())
    assert again["found"]["errors"] == first["found"]["errors"]
    assert again["found"]["n_clips"] == first["found"]["n_clips"]
    # Other settings of reading do not go with what is there.
    assert asked(str(clips), "--modality", "audio", "--out", str(out), "--prepared", str(kept)) == 2
    assert "begun with other settings: read_start.at_own_rate True -> False" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--modality", "rbg"], "unknown modality 'rbg'; did you mean 'rgb'"),
        (["--out", "a.txt"], "--out must end in .json"),
        (["--out", "nowhere/a.json"], "there is no folder nowhere"),
        (["--out", "other.json"], "other.json is there and holds no start-time test"),
        (["--out", "notes.json"], "notes.md is there and holds no start-time test"),
        (["--side-px", "8"], "--side-px must be from 32 to 512, not 8"),
        (["--width", "9"], "--width must be from 0.05 to 2, not 9"),
        (["--batches", "0"], "--batches must be 1 or more, not 0"),
        (["--max-clips", "1"], "--max-clips must be 3 or more, not 1"),
        (["--device", "tpu"], "--device must be one of auto, cpu, cuda, not tpu"),
        (["--layout", "voxceleb9"], "did you mean 'voxceleb2'"),
        (["--engine", "rai"], "unknown engine 'rai'"),
    ],
)
def test_a_wrong_command_stops_before_any_work(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("other.json").write_text("{}")
    Path("notes.md").write_text("mine")
    Path("videos").mkdir()
    Path("videos/a.mp4").touch()
    before = sorted(path.name for path in tmp_path.iterdir())
    assert main(["leak", "videos", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert Path("notes.md").read_text() == "mine"


def test_of_many_clips_some_are_drawn_always_the_same() -> None:
    clips = [Clip(f"{i:03d}", "x") for i in range(50)]
    some = drawn_by_lot(clips, LeakSettings(max_clips=10))
    assert len(some) == 10
    assert some == sorted(some, key=lambda clip: clip.clip_id)
    assert some == drawn_by_lot(clips, LeakSettings(max_clips=10))
    assert some != drawn_by_lot(clips, LeakSettings(max_clips=10, seed=1))
    assert drawn_by_lot(clips, LeakSettings(max_clips=50)) == clips
