from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from syncqc.cli.main import main
from syncqc.manifest.row import Clip
from syncqc.nets import checkpoint
from syncqc.nets.checkpoint import Header, load, read_header, store
from syncqc.nets.ic_syncnet import IcSyncNet, IcSyncNetConfig
from syncqc.stages.score import Score
from syncqc.train import stretches
from syncqc.train.stretches import EvalSettings, TrackMatrices

torch.set_num_threads(1)

TINY = IcSyncNetConfig(
    height_px=14, width_px=26, visual_widths=(4, 6, 8), visual_depth=1, audio_widths=(4, 6, 8), audio_depth=1, embedding=12
)


class World:
    """A folder with a network and clips, and what the network is made to say of them."""

    def __init__(self, folder: Path) -> None:
        self.clips = folder / "clips"
        self.weights = folder / "mine.safetensors"
        self.read: list[tuple[Clip, str, str]] = []
        self.detectors: list[str] = []
        self.left_out: dict[str, int] = {"no_face": 2}
        self.has_tracks = True

    def matrices(self, clips: Any, score: Score, detector: str, settings: EvalSettings, left_out: Counter[str]) -> Iterator[TrackMatrices]:
        """A ridge at 2 + s for the own sound moved by s, noise for foreign sound."""
        self.detectors.append(detector)
        left_out.update(self.left_out)
        for i, (clip, source, speaker) in enumerate(clips):
            self.read.append((clip, source, speaker))
            if self.has_tracks:
                yield _track(clip, source, speaker, i, settings)


def _track(clip: Clip, source: str, speaker: str, seed: int, settings: EvalSettings) -> TrackMatrices:
    def pair(at: int | None) -> tuple[np.ndarray, np.ndarray]:
        matrix = 0.1 * np.random.default_rng([seed, 99 if at is None else at + 50]).normal(size=(61, 60)).astype(np.float32)
        if at is not None:
            matrix[30 - at] += 0.3
        return matrix, np.ones((61, 60), np.bool_)

    moved = {move: pair(2 + move) for move in settings.moves}
    return TrackMatrices(clip.clip_id, speaker, source, pair(2), moved, [pair(None)] * 2, {6: pair(None)})


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(tmp_path)
    torch.manual_seed(0)
    store(world.weights, IcSyncNet(TINY), Header("mine", vars(TINY), 0.1, zero_offset_frames=2))
    world.clips.mkdir()
    for i in range(6):
        (world.clips / f"c{i}.mp4").touch()
    monkeypatch.setattr(stretches, "matrices", world.matrices)
    monkeypatch.chdir(tmp_path)
    return world


def test_the_figures_are_shown_and_written(world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["evaluate", "mine.safetensors", "clips", "--out", "eval.json"]) == 0
    told = json.loads(Path("eval.json").read_text())
    assert told["command"] == "syncqc evaluate mine.safetensors clips"
    assert (told["format"], told["model"], told["weights_sha256"]) == (
        "syncqc-evaluation-1",
        "mine",
        load("mine.safetensors").weights_sha256,
    )
    assert (told["n_clips_read"], told["parts_left_out"]) == (6, {"no_face": 2})
    assert {"syncqc", "pyav", "torch"} <= told["made_with"].keys()
    assert told["settings"]["measures"]["min_windows"] == Score().min_windows
    everything = told["figures"]["all"]
    assert list(told["figures"]) == ["all"], "the clips name no source"
    assert everything["rows"]["offset_follows_rows"] == 1.0
    found = told["calibration"]["cross_validated_over_speakers"]
    assert (found["n_speakers"], found["auc"]) == (6, 1.0)
    assert told["calibration"]["of_the_checkpoint"] is None
    shown = capsys.readouterr()
    assert "all: 6 clips, 6 speakers, 6 parts" in shown.out
    assert next(line.split()[:4] for line in shown.out.splitlines() if "whole rows " in line) == ["whole", "rows", "6", "100"]
    assert "moved foreign sound, where there is nothing to find, is followed in" in shown.out
    assert "K=5" in shown.out
    assert "parts left out: no_face 2" in shown.out
    assert "the checkpoint holds no calibration; `syncqc calibrate` makes one" in shown.out
    assert max(map(len, shown.out.splitlines())) < 160
    assert "…" not in shown.out
    assert [path.name for path in Path().iterdir() if path.name.startswith(".")] == []


def test_clips_without_a_speaker_are_speakers_of_their_own(world: World) -> None:
    Path("list.csv").write_text("path,dataset,speaker\nclips/c0.mp4,one,anna\nclips/c1.mp4,one,\nclips/c2.mp4,,bert\n")
    assert main(["evaluate", "mine.safetensors", "list.csv"]) == 0
    assert [(source, speaker) for _, source, speaker in world.read] == [("one", "anna"), ("one", "clips/c1"), ("", "bert")]


def test_another_detector_stands_in_the_command(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncqc.faces.registry.check_detector", lambda _: None)
    (world.clips).rename("my clips")
    assert main(["evaluate", "./mine.safetensors", "my clips/", "-o", "eval.json", "--detector", "insightface:sc"]) == 0
    assert json.loads(Path("eval.json").read_text())["command"] == (
        "syncqc evaluate ./mine.safetensors 'my clips' --detector insightface:sc"
    )
    assert world.detectors == ["insightface:sc"]


def test_too_few_speakers_leave_the_calibration_out_and_say_so(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    for i in range(3, 6):
        (world.clips / f"c{i}.mp4").unlink()
    assert main(["evaluate", "mine.safetensors", "clips", "--out", "eval.json"]) == 0
    sentence = "a calibration over 5 groups of speakers needs as many speakers with usable stretches"
    assert f"the same fitted here, on left-out speakers: not judged, {sentence}" in capsys.readouterr().out
    told = json.loads(Path("eval.json").read_text())["calibration"]
    assert told["cross_validated_over_speakers"] is None
    assert "here there are 3" in told["cross_validated_over_speakers_detail"]


WRONG = {
    "a model that is not there": (["mne.safetensors", "clips"], "there is no weights file mne.safetensors"),
    "a misspelt model": (["ic-syncnet.smal", "clips"], "unknown model 'ic-syncnet.smal'; did you mean 'ic-syncnet.small'?"),
    "no such source": (["mine.safetensors", "nowhere"], "there is no file or folder nowhere"),
    "an empty source": (["mine.safetensors", "empty"], "there are no videos in empty"),
    "a misspelt detector": (
        ["mine.safetensors", "clips", "--detector", "centreface"],
        "unknown detector 'centreface'; did you mean 'centerface'?",
    ),
    "no folder for the output": (["mine.safetensors", "clips", "--out", "no/x{}"], "there is no folder no to write"),
    "another kind of output": (["mine.safetensors", "clips", "--out", "x.csv"], "--out must end in {}, not x.csv"),
}


@pytest.mark.parametrize(("command", "suffix"), [("evaluate", ".json"), ("calibrate", ".safetensors")])
@pytest.mark.parametrize(("arguments", "sentence"), WRONG.values(), ids=WRONG)
def test_a_wrong_command_is_one_sentence_before_any_work(
    command: str, suffix: str, arguments: list[str], sentence: str, world: World, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    Path("empty").mkdir()
    monkeypatch.setattr(checkpoint, "available", lambda: {"ic-syncnet.small": world.weights})
    given = [one.format(suffix) for one in arguments]
    out = [] if "--out" in given else ["--out", f"out{suffix}"]
    assert main([command, *given, *out]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert sentence.format(suffix) in line
    assert world.read == []
    assert not Path(f"out{suffix}").exists()


def test_no_usable_face_track_is_one_sentence_with_the_reasons(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.has_tracks, world.left_out = False, {"no_face": 4, "silent": 2}
    for command, out in (("evaluate", "eval.json"), ("calibrate", "out.safetensors")):
        assert main([command, "mine.safetensors", "clips", "--out", out]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line == "error: none of the 6 clips has a face track that can be judged (no_face 4, silent 2)"
        assert not Path(out).exists()


@pytest.mark.parametrize(
    ("command", "out", "sentence"),
    [
        ("evaluate", "other.json", "other.json is there and holds no evaluation; choose another --out"),
        ("calibrate", "other.safetensors", "other.safetensors is there and holds no weights of syncqc; choose another --out"),
        ("calibrate", "mine.safetensors", "mine.safetensors is the model itself; choose another --out"),
    ],
)
def test_a_file_of_the_users_is_not_replaced(
    command: str, out: str, sentence: str, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    if not Path(out).exists():
        Path(out).write_text('{"dear": "diary"}')
    before = Path(out).read_bytes()
    assert main([command, "mine.safetensors", "clips", "--out", out]) == 2
    assert capsys.readouterr().err == f"error: {sentence}\n"
    assert Path(out).read_bytes() == before
    assert world.read == []


def test_an_older_evaluation_stays_until_the_new_one_is_whole(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("eval.json").write_text('{"figures": {}}')

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("syncqc.manifest.aside.os.fsync", full)
        assert main(["evaluate", "mine.safetensors", "clips", "--out", "eval.json"]) == 2
    assert Path("eval.json").read_text() == '{"figures": {}}'
    assert main(["evaluate", "mine.safetensors", "clips", "--out", "eval.json"]) == 0
    assert "all" in json.loads(Path("eval.json").read_text())["figures"]


def test_calibrated_weights_hold_the_map_and_are_the_same_otherwise(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calibrate", "mine.safetensors", "clips", "--out", "out.safetensors"]) == 0
    said = capsys.readouterr().out
    assert "; fitted on 36 stretches of 6 speakers; on left-out speakers the expected error is 0.0" in said
    before, after = load("mine.safetensors"), load("out.safetensors")
    assert (after.header.name, after.header.zero_offset_frames) == ("mine", 2)
    assert f"tau {after.header.tau:.3f} (learnt: {before.network.tau:.3f})" in said
    assert after.network.tau == before.network.tau, "what was learnt stays in the weights"
    assert before.header.calibration is None
    assert after.header.calibration is not None
    assert after.header.calibration["version"] == 1
    kept = before.network.state_dict()
    assert all(torch.equal(tensor, kept[name]) for name, tensor in after.network.state_dict().items())
    assert main(["evaluate", "out.safetensors", "clips"]) == 0
    assert "probability_in_sync: expected error 0.0" in capsys.readouterr().out


def test_name_and_zero_can_be_given(world: World) -> None:
    assert main(["calibrate", "mine.safetensors", "clips", "-o", "out.safetensors", "--name", "yours", "--zero", "0"]) == 0
    header = read_header(Path("out.safetensors"))
    assert (header.name, header.zero_offset_frames) == ("yours", 0)


def test_too_few_speakers_to_calibrate_are_refused(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    for i in range(2, 6):
        (world.clips / f"c{i}.mp4").unlink()
    assert main(["calibrate", "mine.safetensors", "clips", "--out", "out.safetensors"]) == 2
    assert "needs as many speakers with usable stretches" in capsys.readouterr().err
    assert not Path("out.safetensors").exists()


@pytest.mark.parametrize("command", ["evaluate", "calibrate"])
def test_help_shows_the_defaults(command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    assert main([command, "--help"]) == 0
    told = capsys.readouterr().out
    assert "centerface" in told
    assert ("only shown" if command == "evaluate" else "unchanged") in told
