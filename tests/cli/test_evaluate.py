from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from syncqc.cli.effects import Table
from syncqc.cli.main import main
from syncqc.manifest.row import Clip
from syncqc.nets import checkpoint
from syncqc.nets.checkpoint import Header, load, read_header, store
from syncqc.nets.ic_syncnet import IcSyncNet, IcSyncNetConfig
from syncqc.stages.score import Score
from syncqc.train import intervals, stretches, whole_clips
from syncqc.train.stretches import EvalSettings, TrackMatrices
from syncqc.train.whole_clips import WholeClip

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
        self.whole: list[tuple[str, str, str]] = []

    def matrices(self, clips: Any, score: Score, detector: str, settings: EvalSettings, left_out: Counter[str]) -> Iterator[TrackMatrices]:
        """A ridge at 2 + s for the own sound moved by s, noise for foreign sound."""
        self.detectors.append(detector)
        left_out.update(self.left_out)
        for i, (clip, source, speaker) in enumerate(clips):
            self.read.append((clip, source, speaker))
            if self.has_tracks:
                yield _track(clip, source, speaker, i, settings)

    def whole_clips(self, clips: Any, score: Score, detector: str, left_out: Counter[str]) -> Iterator[WholeClip]:
        """Whole clips whose sound comes two images early, which is the network's own zero; the last clip has no face."""
        clips = list(clips)
        for clip, source, speaker in clips[:-1]:
            self.whole.append((clip.clip_id, source, speaker))
            matrix = np.zeros((31, 60), np.float32)
            matrix[15 - 2] = 0.5
            yes = np.ones((31, 60), np.bool_)
            yield WholeClip(clip.clip_id, speaker, source, matrix, yes, yes[0], np.full(60, -1, np.float32), 64, 64)
        left_out["no_face"] += 1


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
    monkeypatch.setattr(whole_clips, "whole_clips", world.whole_clips)
    monkeypatch.setattr(intervals, "N_DRAWS", 20)
    monkeypatch.chdir(tmp_path)
    return world


def test_the_figures_are_shown_and_written(world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["evaluate", "mine.safetensors", "clips", "--out", "eval.json"]) == 0
    told = json.loads(Path("eval.json").read_text())
    assert told["command"] == "syncqc evaluate mine.safetensors clips"
    assert (told["format"], told["model"], told["weights_sha256"]) == (
        "syncqc-evaluation-2",
        "mine",
        load("mine.safetensors").weights_sha256,
    )
    assert (told["n_clips_read"], told["parts_left_out"]) == (6, {"no_face": 2})
    assert {"syncqc", "pyav", "torch"} <= told["made_with"].keys()
    assert told["settings"]["measures"]["min_windows"] == Score().min_windows
    everything = told["figures"]["all"]
    assert list(told["figures"]) == ["all"], "the clips name no source"
    protocol = told["protocol"]
    assert (protocol["name"], protocol["zero_offset_frames"], protocol["clips_left_out"]) == ("strict", 2, {"no_face": 1})
    assert protocol["all"]["own_offsets"] == {"0": 5}
    assert protocol["all"]["around_zero"]["K=5"]["macro"] == 1.0
    assert everything["rows"]["offset_follows_rows"] == 1.0
    found = told["calibration"]["cross_validated_over_speakers"]
    assert (found["n_speakers"], found["auc"]) == (6, 1.0)
    assert told["calibration"]["of_the_checkpoint"] is None
    shown = capsys.readouterr()
    assert "all: 6 clips, 6 speakers, 6 parts" in shown.out
    assert next(line.split()[:4] for line in shown.out.splitlines() if "whole rows " in line) == ["whole", "rows", "6", "100"]
    assert "moved foreign sound, where there is nothing to find, is followed in" in shown.out
    assert [line.rstrip() for line in shown.out.splitlines()[:2]] == [
        "windows right within 1 of 31 shifts, in % (strict protocol)",
        "5 clips, 5 speakers, 300 windows",
    ]
    assert next(line.split() for line in shown.out.splitlines() if "zero, by clip" in line) == ["zero,", "by", "clip", *["100.0"] * 6]
    assert "clips left out: no_face 1" in shown.out
    assert "per source and per speaker: eval.md" in shown.out
    page = Path("eval.md").read_text()
    assert page.startswith("# Evaluation of mine\n\n```\nsyncqc evaluate mine.safetensors clips\n```\n")
    assert "| clips/c0 |" not in page, "names are relative to the folder"
    assert "| c0 | 1 | 60 |" in page
    assert "parts left out: no_face 2" in shown.out
    assert "the checkpoint holds no calibration; `syncqc calibrate` makes one" in shown.out
    tables = [line for line in shown.out.splitlines() if " " * 2 in line]
    assert max(map(len, tables)) <= 80
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


def test_the_published_protocol_can_be_asked_for(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "mine.safetensors", "clips", "--protocol", "vocalist", "--out", "eval.json"]) == 0
    told = json.loads(Path("eval.json").read_text())
    assert told["command"] == "syncqc evaluate mine.safetensors clips --protocol vocalist"
    assert (told["protocol"]["name"], told["protocol"]["all"]["n_windows"]) == ("vocalist", 5 * 59)
    assert "(vocalist protocol)" in capsys.readouterr().out
    assert main(["evaluate", "mine.safetensors", "clips", "--protocol", "vocalists"]) == 2
    assert "'vocalists' is not one of 'strict', 'vocalist'" in capsys.readouterr().err


def test_a_split_of_a_published_set_is_read_by_its_list(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    for i in range(6):
        for kind in ("mp4", "txt"):
            path = Path(f"lrs2/mvlrs_v1/main/{100 + i // 2}/{i:05}.{kind}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    Path("lrs2/test.txt").write_text("100/00000 NF\n100/00001 MV\n101/00002 NF\n102/00009 NF\n")
    assert main(["evaluate", "mine.safetensors", "lrs2", "--split", "test", "-o", "eval.json"]) == 0
    assert world.whole == [("mvlrs_v1/main/100/00000", "lrs2", "100"), ("mvlrs_v1/main/100/00001", "lrs2", "100")]
    told = json.loads(Path("eval.json").read_text())
    assert told["command"] == "syncqc evaluate mine.safetensors lrs2 --split test"
    assert [*told["protocol"]["by_source"]] == ["lrs2"]
    assert told["protocol"]["by_speaker"]["100"]["n_clips"] == 2
    assert "| VocaLiST, published for lrs2 test |  |  | 92.8 |" in Path("eval.md").read_text()
    assert "1 of the 4 clips that lists name are not there, the first is mvlrs_v1/main/102/00009" in capsys.readouterr().err
    assert main(["evaluate", "mine.safetensors", "lrs2"]) == 2
    assert "lrs2 is lrs2; choose one of its splits with --split: pretrain, train, val, test" in capsys.readouterr().err


def test_what_else_is_told_stands_in_the_file_on_the_page_and_in_a_sentence(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "mine.safetensors", "clips", "--out", "eval.json"]) == 0
    told, page, shown = json.loads(Path("eval.json").read_text()), Path("eval.md").read_text(), capsys.readouterr().out
    assert {"told_apart", "kept", "reliability", "replaced"} <= told.keys()
    assert "effects" not in told, "it was not asked for"
    assert told["reliability"].keys() == {"fitted here, on left-out speakers"}, "the network has no map of its own"
    assert page.index("## Windows") < page.index("## Rows by length") < page.index("## True sound against other sound")
    assert "## probability_in_sync\n" in page
    assert "AUC of probability_at_offset at 1.5 s" not in shown
    at_2_s = [line for line in told["told_apart"]["probability_at_offset"]["other_speakers"] if line["duration_s"] == 2.0]
    assert at_2_s[0]["auc"] == 1.0


def test_effects_are_measured_shown_and_written_where_they_are_asked_for(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def effects(*given: Any) -> dict[str, Any]:
        asked.append(given)
        return {"effects": {"music-0db": {}}}

    monkeypatch.setattr("syncqc.cli.effects.effects", effects)
    monkeypatch.setattr("syncqc.cli.effects.effect_tables", lambda _: [Table("what music does", ("effect", "rows"), [("music-0db", "7")])])
    monkeypatch.setattr("syncqc.cli.effects.worst_in_words", lambda _: "music is worst")
    assert main(["evaluate", "mine.safetensors", "clips", "-o", "eval.json", "--effects", "music-0db, blur"]) == 0
    (score, clips, detector, names), told = asked[0], json.loads(Path("eval.json").read_text())
    assert (score.model, len(clips), detector, names) == ("mine.safetensors", 6, "centerface", ["music-0db", "blur"])
    assert told["effects"] == {"effects": {"music-0db": {}}}
    assert told["command"] == "syncqc evaluate mine.safetensors clips --effects 'music-0db, blur'"
    shown = capsys.readouterr().out
    assert "what music does" in shown
    assert "music is worst\n" in shown
    assert "| music-0db | 7 |" in Path("eval.md").read_text()


def test_a_misspelt_effect_is_told_before_any_work(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "mine.safetensors", "clips", "--effects", "musik-0db"]) == 2
    assert "'musik-0db'; did you mean 'music-0db'?" in capsys.readouterr().err
    assert world.read == []


def test_a_page_of_the_users_is_not_replaced(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    Path("README.md").write_text("# Mine\n")
    assert main(["evaluate", "mine.safetensors", "clips", "--out", "README.json"]) == 2
    sentence = "error: README.md, where the tables would go, is there and holds no evaluation; choose another --out\n"
    assert capsys.readouterr().err == sentence
    assert Path("README.md").read_text() == "# Mine\n"
    assert world.read == []
    Path("README.md").write_text("# Evaluation of an older one\n")
    assert main(["evaluate", "mine.safetensors", "clips", "--out", "README.json"]) == 0
    assert Path("README.md").read_text().startswith("# Evaluation of mine\n")


def test_no_clip_with_a_whole_face_is_no_error(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    for i in range(1, 6):
        (world.clips / f"c{i}.mp4").unlink()
    assert main(["evaluate", "mine.safetensors", "clips", "--out", "eval.json"]) == 0
    assert json.loads(Path("eval.json").read_text())["protocol"]["all"]["around_zero"]["K=5"]["macro"] is None
    assert "clips left out: no_face 1" in capsys.readouterr().out


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
