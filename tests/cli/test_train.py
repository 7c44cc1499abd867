from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from syncqc.cli.main import main
from syncqc.cli.train import _Bar
from syncqc.engine import ray_train
from syncqc.engine.local import run_local
from syncqc.engine.plan import Plan
from syncqc.errors import UsageError
from syncqc.manifest import columns as c
from syncqc.manifest.row import Clip
from syncqc.media.synthetic import Talk, draw
from syncqc.nets.checkpoint import Header, load, store
from syncqc.nets.ic_syncnet import CONFIGS, IcSyncNet
from syncqc.nets.layers import ConvBlock
from syncqc.stages.base import CROPS, SOUND, Source
from syncqc.stages.keep_crops import KeepCrops
from syncqc.stages.part import Part, Sound, Track
from syncqc.train import clean, loop, unpack
from syncqc.train.cache import CONTEXT_IMAGES, CacheShape, Entry
from syncqc.train.clean import Cleaned
from syncqc.train.pack import PackJournal, open_packed

torch.set_num_threads(1)

SETTINGS = """
net = "ic-syncnet.tiny"
n_batches = 3
tune_batches = 1
n_segments = 2
n_windows = 3
span_images = 20
warmup_batches = 1
validate_every = 4
save_every = 2
log_every = 1
n_threads = 1
n_loader_workers = 0
augmentation = "placement"
device = "cpu"
"""
TRAIN = ["train", "clips", "--dev", "dev", "--out", "run", "--config", "train.toml"]


class Reading:
    """Stands for the reading of clips: every clip is one track of 75 noisy images, unless it is named ``empty``."""

    def __init__(self) -> None:
        self.read: list[str] = []
        self.restarted: list[bool] = []
        self.n_tracks = 1

    def prepare(self, clips: Iterable[Clip], folder: Path, shape: CacheShape, *, restart: bool) -> Iterator[tuple[Clip, int]]:
        self.restarted.append(restart)
        n, n_samples = 75, (75 + 2 * CONTEXT_IMAGES) * 640
        lines = []
        with (folder / "crops.u8").open("wb") as crops, (folder / "sound.i16").open("wb") as sound:
            for clip in clips:
                self.read.append(clip.clip_id)
                is_empty = "empty" in clip.clip_id
                if not is_empty:
                    rng = np.random.default_rng(len(lines))
                    rng.integers(0, 256, (n, shape.height_px, shape.width_px, 3), np.uint8).tofile(crops)
                    rng.integers(-3000, 3000, n_samples).astype(np.int16).tofile(sound)
                    at = len(lines)
                    entry = Entry(
                        clip.clip_id, clip.dataset or "", clip.speaker or clip.clip_id, 0, 0, 0, n, at * n, at * n_samples, n_samples,
                        (0, n_samples), 80.0, self.n_tracks,
                    )  # fmt: skip
                    lines.append(json.dumps(asdict(entry)))
                yield clip, int(not is_empty)
        if not lines:
            raise UsageError(f"{folder} holds a crop cache without any face track")
        (folder / "index.jsonl").write_text("\n".join(lines))
        (folder / "about.json").write_text(json.dumps(asdict(shape)))


@pytest.fixture
def reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reading:
    """Three clips to train on and one to choose by, in the current folder; batches are made in this process."""
    monkeypatch.chdir(tmp_path)
    for path in ("clips/a.mp4", "clips/b.mp4", "clips/c.mp4", "dev/d.mp4"):
        Path(path).parent.mkdir(exist_ok=True)
        Path(path).touch()
    Path("train.toml").write_text(SETTINGS)
    reading = Reading()
    monkeypatch.setattr(unpack, "prepare", reading.prepare)
    return reading


def batches() -> list[int]:
    return [json.loads(line)["batch"] for line in Path("run/log.jsonl").read_text().splitlines()]


def test_clips_become_weights_and_the_same_command_says_done(reading: Reading, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(TRAIN) == 0
    told = capsys.readouterr()
    assert "training clips: 3 read, 0 without a usable face track" in told.out
    assert "training ic-syncnet.tiny on 3 face tracks, choosing by 1" in told.out
    assert "weights: run/weights.safetensors" in told.out
    assert "4/4 BBCE" in told.err and "windows right" in told.err
    made = load("run/weights.safetensors")
    assert (made.header.name, made.header.trained["batches"]) == ("ic-syncnet.tiny", 4)  # type: ignore[index]
    assert (made.crop_height_px, made.crop_width_px) == (48, 96)
    assert batches() == [1, 2, 3, 4]
    content = Path("run/weights.safetensors").read_bytes()
    assert main(TRAIN) == 0
    assert capsys.readouterr().out == "all 4 batches are done; weights: run/weights.safetensors\n"
    assert Path("run/weights.safetensors").read_bytes() == content
    assert reading.read == ["a", "b", "c", "d"], "nothing is read twice"


def test_a_stopped_run_goes_on(reading: Reading, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    shown = _Bar.show

    def stop(bar: _Bar, record: dict[str, float]) -> None:
        shown(bar, record)
        if record["batch"] == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(_Bar, "show", stop)
        assert main(TRAIN) == 130
    capsys.readouterr()
    assert main(TRAIN) == 0
    assert "going on after 2 of 4 batches" in capsys.readouterr().out
    assert batches() == [1, 2, 3, 4], "batch 3 was done again, and its first record dropped"
    assert load("run/weights.safetensors").header.trained["batches"] == 4  # type: ignore[index]
    assert reading.read == ["a", "b", "c", "d"]


def test_other_settings_or_clips_for_the_same_folder_are_refused(reading: Reading, capsys: pytest.CaptureFixture[str]) -> None:
    main(TRAIN)
    content = Path("run/weights.safetensors").read_bytes()
    reading.read.clear()
    capsys.readouterr()

    def refused(arguments: list[str]) -> str:
        assert main(arguments) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert Path("run/weights.safetensors").read_bytes() == content
        assert reading.read == []
        return line

    Path("train.toml").write_text(SETTINGS + "lr = 0.5\n")
    assert "run holds a run with other settings (lr: 0.001 -> 0.5); choose another folder" in refused(TRAIN)
    Path("train.toml").write_text(SETTINGS.replace("log_every = 1", "log_every = 7"))
    assert main(TRAIN) == 0, "a setting that changes no weight may change"
    capsys.readouterr()
    assert "run holds a run on something else (clean_with: None -> ic-syncnet.tiny (" in refused(
        [*TRAIN, "--clean-with", "run/weights.safetensors"]
    )
    Path("clips/e.mp4").touch()
    line = refused(TRAIN)
    assert "run holds a run on something else (source: 3 clips (" in line
    assert "-> 4 clips (" in line
    assert "run/cache/train holds the mouths of 3 clips (" in refused([*TRAIN, "--out", "other", "--cache", "run/cache"])


def test_a_cache_serves_other_runs(reading: Reading, capsys: pytest.CaptureFixture[str]) -> None:
    main([*TRAIN, "--cache", "cache"])
    assert not Path("run/cache").exists()
    assert main([*TRAIN, "--out", "other", "--cache", "cache", "--start-from", "run/weights.safetensors"]) == 0
    assert reading.read == ["a", "b", "c", "d"]
    first, second = (load(f"{run}/weights.safetensors").network.log_tau.item() for run in ("run", "other"))
    assert first != second


def test_a_cache_whose_clips_nobody_knows_is_refused(reading: Reading, capsys: pytest.CaptureFixture[str]) -> None:
    main([*TRAIN, "--cache", "cache"])
    Path("cache/dev/clips.txt").unlink()
    capsys.readouterr()
    assert main([*TRAIN, "--out", "other", "--cache", "cache"]) == 2
    assert "cache/dev holds the mouths of unknown clips, not of these 1 clips (" in capsys.readouterr().err


def test_cleaning_tells_its_reasons_and_moves_the_sound(
    reading: Reading, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    main(TRAIN)
    found = {("a", 0, 0): Cleaned(3, 1.0, "kept"), ("b", 0, 0): Cleaned(-2, 1.0, "kept"), ("c", 0, 0): Cleaned(0, 0.0, "no sound")}
    monkeypatch.setattr(clean, "clean", lambda *_: found)
    trained_on: list[Any] = []
    real = loop.train
    monkeypatch.setattr(loop, "train", lambda settings, tracks, *rest: (trained_on.extend(tracks), real(settings, tracks, *rest)))
    capsys.readouterr()
    assert main([*TRAIN, "--out", "second", "--cache", "run/cache", "--clean-with", "run/weights.safetensors"]) == 0
    assert "cleaned with run/weights.safetensors: kept 2; no sound 1" in capsys.readouterr().out
    assert [(track.entry.clip_id, track.offset_frames) for track in trained_on] == [("a", 3), ("b", -2)]


WRONG = {
    "a misspelt model to start from": (["--start-from", "nonsense"], "nonsense"),
    "a model to clean with that is not there": (["--clean-with", "no.safetensors"], "there is no weights file no.safetensors"),
    "no such settings": (["--config", "no.toml"], "no.toml cannot be read"),
    "a misspelt setting": (["--config", "typo.toml"], "unknown setting 'n_batchs'; did you mean 'n_batches'?"),
    "an unknown network": (["--config", "net.toml"], "unknown network 'ic-syncnet.smal'; did you mean 'ic-syncnet.small'?"),
    "an unknown device": (["--config", "device.toml"], "unknown device 'gpu'"),
    "no development clips": (["--dev", "empty"], "there are no videos in empty"),
    "a folder in a file": (["--out", "train.toml/run"], "cannot make the folder train.toml/run"),
    "the folder is a file": (["--out", "train.toml"], "cannot make the folder train.toml"),
}


@pytest.mark.parametrize(("options", "sentence"), WRONG.values(), ids=WRONG)
def test_a_wrong_command_is_one_sentence_before_any_work(
    options: list[str], sentence: str, reading: Reading, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("empty").mkdir()
    Path("typo.toml").write_text("n_batchs = 3")
    Path("device.toml").write_text('device = "gpu"')
    Path("net.toml").write_text('net = "ic-syncnet.smal"')
    assert main([*TRAIN, *options]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert sentence in line
    assert reading.read == []
    assert not Path("run").exists()


def test_an_empty_source_is_one_sentence(reading: Reading, capsys: pytest.CaptureFixture[str]) -> None:
    Path("empty").mkdir()
    assert main(["train", "empty", *TRAIN[2:]]) == 2
    assert "there are no videos in empty" in capsys.readouterr().err


def test_weights_of_another_network_are_no_beginning(reading: Reading, capsys: pytest.CaptureFixture[str]) -> None:
    main(TRAIN)
    Path("base.toml").write_text(SETTINGS.replace("tiny", "base"))
    capsys.readouterr()
    assert main([*TRAIN, "--out", "other", "--config", "base.toml", "--start-from", "run/weights.safetensors"]) == 2
    assert capsys.readouterr().err == (
        "error: --start-from run/weights.safetensors holds no weights for ic-syncnet.base; its network has another shape\n"
    )


def test_weights_of_a_shallower_network_are_one(reading: Reading, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    shallow = IcSyncNet(replace(CONFIGS["small"], visual_depth=1, audio_depth=1)).eval()
    store(Path("shallow.safetensors"), shallow, Header("shallow", asdict(shallow.config), shallow.tau))
    Path("train.toml").write_text(SETTINGS.replace("tiny", "small") + "lr = 1e-9\ntune_lr = 1e-9\nema_decay = 0.0\ndropblock_rate = 0.0\n")
    assert main([*TRAIN, "--start-from", "shallow.safetensors"]) == 0
    trained = load("run/weights.safetensors").network
    assert trained.config == CONFIGS["small"]
    # It has hardly moved: the blocks that both have hold the same weights, the new ones pass on what they get.
    assert torch.allclose(trained.visual[0].conv.weight, shallow.visual[0].conv.weight, atol=1e-6)
    assert torch.allclose(trained.visual[-1].weight, shallow.visual[-1].weight, atol=1e-6)
    gains = [block.norm.weight.abs().max().item() for block in trained.visual if isinstance(block, ConvBlock)]
    assert sum(gain < 1e-6 for gain in gains) == 3


def test_crops_for_a_larger_network_are_larger(
    reading: Reading, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes: list[CacheShape] = []

    def prepare(clips: Iterable[Clip], folder: Path, shape: CacheShape, *, restart: bool) -> Iterator[tuple[Clip, int]]:
        shapes.append(shape)
        return reading.prepare(clips, folder, shape, restart=restart)

    monkeypatch.setattr(unpack, "prepare", prepare)
    assert main(TRAIN) == 0
    assert shapes == [CacheShape(72, 128, 4 / 3)] * 2
    shapes.clear()
    Path("base.toml").write_text(SETTINGS.replace("tiny", "base"))
    monkeypatch.setattr(loop, "train", lambda *_: None)
    assert main([*TRAIN, "--out", "large", "--config", "base.toml"]) == 0
    assert shapes == [CacheShape(192, 342, 342 / 256)] * 2
    capsys.readouterr()
    assert main([*TRAIN, "--out", "other", "--config", "base.toml", "--cache", "run/cache"]) == 2
    assert capsys.readouterr().err == (
        "error: run/cache/train holds mouths for networks that see 96 pixels across, not 256; choose another\n"
    )


def test_the_plain_loss_has_its_name_in_the_told_lines(reading: Reading, capsys: pytest.CaptureFixture[str]) -> None:
    Path("train.toml").write_text(SETTINGS + 'binary_loss = "bce"\nmel_columns = 16\n')
    assert main(TRAIN) == 0
    assert "4/4 BCE " in capsys.readouterr().err
    assert load("run/weights.safetensors").network.config == replace(CONFIGS["tiny"], mel_columns=16)


@pytest.mark.parametrize(
    ("clips", "dev", "n_tracks", "sentence"),
    [
        (["empty1"], ["d"], 1, "no usable face track in the 1 training clips"),
        (["a", "b"], ["empty1"], 1, "no usable face track in the 1 development clips"),
        (["a", "b"], ["d"], 2, "no development clip shows one face alone for 2.4 s"),
        (["a", "empty1"], ["d"], 1, "1 usable face tracks are too few for batches of 2"),
    ],
    ids=["nothing to train on", "nothing to choose by", "several faces everywhere", "too little for a batch"],
)
def test_no_usable_face_track_is_one_sentence(
    clips: list[str], dev: list[str], n_tracks: int, sentence: str, reading: Reading, capsys: pytest.CaptureFixture[str]
) -> None:
    reading.n_tracks = n_tracks
    for folder, names in (("some", clips), ("others", dev)):
        Path(folder).mkdir()
        for name in names:
            (Path(folder) / f"{name}.mp4").touch()
    assert main(["train", "some", "--dev", "others", "--out", "run", "--config", "train.toml"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert sentence in line
    assert not Path("run/weights.safetensors").exists()


def test_after_a_cache_that_stayed_empty_the_clips_are_read_again(reading: Reading) -> None:
    Path("clips/a.mp4").rename("clips/empty-a.mp4")
    for name in "bc":
        Path(f"clips/{name}.mp4").unlink()
    assert main(TRAIN) == 2
    for name in "ab":
        Path(f"clips/{name}.mp4").touch()
    assert main(TRAIN) == 0
    assert reading.read == ["empty-a", "a", "b", "empty-a", "d"]
    assert reading.restarted == [True, True, True], "that a clip gave nothing is not remembered"


def test_a_stopped_reading_goes_on_with_the_same_clips_only(
    reading: Reading, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stops(*given: Any, restart: bool) -> Iterator[tuple[Clip, int]]:
        yield next(reading.prepare(*given, restart=restart))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(unpack, "prepare", stops)
        assert main(TRAIN) == 130
    Path("clips/e.mp4").touch()
    capsys.readouterr()
    assert main(TRAIN) == 2
    line = capsys.readouterr().err
    assert line.startswith("error: run/cache/train holds the mouths of 3 clips (")
    assert ", not of these 4 clips (" in line
    Path("clips/e.mp4").unlink()
    assert main(TRAIN) == 0
    assert reading.restarted == [True, False, True], "only where nothing is known to be done"


@dataclass
class OneFace(Source):
    """A clip of 62 noisy images of one face."""

    size: tuple[int, int]
    writes: ClassVar[tuple[Any, ...]] = (SOUND, CROPS, c.TRACK_INDEX, c.FACE_WIDTH_PX, c.START_S, c.END_S, c.DURATION_S)

    def __call__(self, clip: Clip) -> Iterator[Part]:
        rng = np.random.default_rng(len(clip.clip_id))
        noise, nothing = rng.normal(0, 0.1, 62 * 640).astype(np.float32), np.zeros(0, np.float32)
        crops = rng.integers(0, 256, (62, *self.size, 3), np.uint8)
        track = Track(0, crops, nothing.astype(np.int32), nothing, nothing, nothing, row={"track_index": 0, "face_width_px": 60.0})
        row = {"start_s": 0.0, "end_s": 2.48, "duration_s": 2.48}
        yield Part(clip, 0, 1, 0, 62, row=row, sound=Sound(noise, 0, np.ones(len(noise), np.bool_)), tracks=[track])


def packed_cache(folder: str, *names: str, shape: CacheShape | None = None) -> None:
    """What ``syncqc cache`` writes of some clips."""
    shape = shape or CacheShape()
    clips = [Clip(name, f"/nowhere/{name}.mp4", None, None, f"speaker of {name}") for name in names]
    with PackJournal(Path(folder), shape, {}, {"syncqc": "0"}).open() as journal:
        for result in run_local(Plan(OneFace((shape.height_px, shape.width_px)), [KeepCrops()]), clips, isolate=False):
            journal.add(result)
        journal.finish()


def test_packed_caches_serve_as_clips(reading: Reading, capsys: pytest.CaptureFixture[str]) -> None:
    packed_cache("mouths", "a", "b", "c")
    packed_cache("dev-mouths", "d", "a")
    command = ["train", "mouths", "--dev", "dev-mouths", "--out", "run", "--config", "train.toml"]
    assert main(command) == 0
    told = capsys.readouterr()
    assert "training clips: unpacking 3 face tracks of mouths" in told.out
    assert "training ic-syncnet.tiny on 3 face tracks, choosing by 2" in told.out
    assert "warning: speakers of DEV are in SOURCE too, so DEV tells too much good: speaker of a" in told.err
    assert reading.read == []
    of = json.loads(Path("run/run.json").read_text())
    assert of["source"] == f"3 clips ({open_packed(Path('mouths')).digest[:12]})"
    assert of["dev"] == f"2 clips ({open_packed(Path('dev-mouths')).digest[:12]})"
    # A second run finds them unpacked; another packed cache is not taken for the same.
    assert main([*command, "--out", "second", "--cache", "run/cache"]) == 0
    assert "unpacking" not in capsys.readouterr().out
    packed_cache("others", "e", "f")
    assert main(["train", "others", *command[2:], "--out", "third", "--cache", "run/cache"]) == 2
    assert "run/cache/train holds the mouths of 3 clips (" in capsys.readouterr().err


def test_a_packed_cache_of_another_scale_is_refused_before_it_is_unpacked(reading: Reading, capsys: pytest.CaptureFixture[str]) -> None:
    packed_cache("mouths", "a", "b", shape=CacheShape(24, 48, 1.5))
    assert main(["train", "mouths", *TRAIN[2:]]) == 2
    assert capsys.readouterr().err == ("error: mouths holds mouths for networks that see 32 pixels across, not 96; choose another\n")
    assert not Path("run/cache/train").exists()


def test_a_speaker_on_both_sides_is_told(reading: Reading, capsys: pytest.CaptureFixture[str]) -> None:
    Path("train.csv").write_text("path,speaker\nclips/a.mp4,anna\nclips/b.mp4,bert\n")
    Path("dev.csv").write_text("path,speaker\ndev/d.mp4,anna\n")
    assert main(["train", "train.csv", "--dev", "dev.csv", "--out", "run", "--config", "train.toml"]) == 0
    assert "warning: speakers of DEV are in SOURCE too, so DEV tells too much good: anna" in capsys.readouterr().err


def test_help_shows_the_defaults(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    assert main(["train", "--help"]) == 0
    told = capsys.readouterr().out
    assert [
        words for words in ("OUT/cache", "the defaults of TrainConfig", "random weights", "nothing is corrected") if words not in told
    ] == []


class FirstOfTwo:
    """Stands for the first of two processes; the other has the same gradients."""

    rank, n_ranks = 0, 2

    def __init__(self, tell: Callable[[dict[str, float]], None]) -> None:
        self.tell = tell

    def average_gradients(self, parameters: Sequence[Any]) -> None:
        assert parameters

    def barrier(self) -> None:
        pass


def test_several_processes_share_the_batches(reading: Reading, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def in_here(work: Callable[[Any], None], n_workers: int, use_gpu: bool, storage: Path, listen: Callable[..., None]) -> None:
        assert (n_workers, use_gpu, storage.is_dir()) == (2, False, True)
        pickle.loads(pickle.dumps(work))(FirstOfTwo(listen))

    monkeypatch.setattr(ray_train, "run_workers", in_here)
    Path("clips/e.mp4").touch()
    Path("train.toml").write_text(SETTINGS.replace("n_segments = 2", "n_segments = 4"))
    assert main([*TRAIN, "--processes", "2"]) == 0
    told = capsys.readouterr()
    assert "4/4 BBCE" in told.err
    assert "weights: run/weights.safetensors" in told.out
    assert batches() == [1, 2, 3, 4]


def test_a_batch_that_cannot_be_shared_is_refused_before_any_work(reading: Reading, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TRAIN, "--processes", "3"]) == 2
    assert capsys.readouterr().err == "error: n_segments = 2 cannot be shared evenly by 3 processes\n"
    assert reading.read == []


def test_a_process_that_fails_is_one_sentence(
    reading: Reading, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> None:
        raise ray_train.WorkersFailedError("process 1 failed: OutOfMemoryError")

    monkeypatch.setattr(ray_train, "run_workers", fails)
    assert main([*TRAIN, "--processes", "2"]) == 1
    told = capsys.readouterr()
    assert told.err == "error: process 1 failed: OutOfMemoryError; the same command goes on after the last saved batch\n"
    assert "weights:" not in told.out


def test_one_process_starts_no_ray(reading: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_train, "run_workers", lambda *_: pytest.fail("started"))
    assert main([*TRAIN, "--processes", "1"]) == 0


@pytest.mark.slow
def test_drawn_clips_are_read_and_trained_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    for folder, seed, duration_s in (("clips", 1, 1.2), ("clips", 2, 1.2), ("dev", 3, 3.0)):
        Path(folder).mkdir(exist_ok=True)
        draw(Talk(seed=seed, duration_s=duration_s, width_px=192, height_px=192), Path(folder) / f"{seed}.mp4")
    Path("train.toml").write_text(SETTINGS)
    assert main(TRAIN) == 0
    told = capsys.readouterr().out
    assert "training clips: 2 read, 0 without a usable face track" in told
    assert "training ic-syncnet.tiny on 2 face tracks, choosing by 1" in told
    assert load("run/weights.safetensors").header.trained["batches"] == 4  # type: ignore[index]
    assert main(TRAIN) == 0
    assert "all 4 batches are done" in capsys.readouterr().out
