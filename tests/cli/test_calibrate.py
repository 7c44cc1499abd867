"""What `calibrate` fits and measures beside the map; the rest is tested with `evaluate`, with which it shares much."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from syncqc.cli.main import main
from syncqc.measure.calibration import Calibration
from syncqc.nets.checkpoint import Header, read_header, store
from syncqc.nets.ic_syncnet import IcSyncNet, IcSyncNetConfig
from syncqc.stages.score import Score
from syncqc.train import stretches
from syncqc.train.stretches import EvalSettings, Mixture, TrackMatrices

TINY = IcSyncNetConfig(
    height_px=14, width_px=26, visual_widths=(4, 6, 8), visual_depth=1, audio_widths=(4, 6, 8), audio_depth=1, embedding=12
)
N = 60


class World:
    """A network, and what it is made to say of clips: a ridge at the offset that stands in a clip's name."""

    def __init__(self) -> None:
        self.has_mixtures = True
        self.asked: list[EvalSettings] = []

    def matrices(self, clips: Any, score: Score, detector: str, settings: EvalSettings, left_out: Counter[str]) -> Iterator[TrackMatrices]:
        self.asked.append(settings)
        for i, (clip, source, speaker) in enumerate(clips):
            offset = int(clip.clip_id.rsplit("_", 1)[1])
            made = TrackMatrices(clip.clip_id, speaker, source, _pair(np.ones(N, np.bool_), offset, i))
            made.moved = {move: _pair(np.ones(N, np.bool_), offset + move, i) for move in settings.moves}
            made.foreign = [_pair(np.zeros(N, np.bool_), offset, 50 + i + j) for j in range(settings.n_foreign)]
            for k, (first, end) in enumerate([(0, 30), (30, 60), (0, 60)] if self.has_mixtures else []):
                is_replaced = (np.arange(N) >= first) & (np.arange(N) < end)
                made.mixtures.append(Mixture(_pair(~is_replaced, offset, 100 + 3 * i + k), is_replaced))
            yield made


def _pair(is_own: np.ndarray, offset: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    matrix = 0.1 * np.random.default_rng(seed).normal(size=(61, N)).astype(np.float32)
    matrix[30 - offset] += np.where(is_own, 0.3, 0)
    return matrix, np.ones((61, N), np.bool_)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    torch.manual_seed(0)
    store(tmp_path / "mine.safetensors", IcSyncNet(TINY), Header("mine", vars(TINY), 0.1, zero_offset_frames=2))
    for folder, offsets in (("clips", [2] * 6), ("in_sync", [1, 1, 1, 1, 2, 1, 1, 1]), ("torn", [-3, 3] * 4)):
        (tmp_path / folder).mkdir()
        for i, offset in enumerate(offsets):
            (tmp_path / folder / f"c{i}_{offset}.mp4").touch()
    monkeypatch.setattr(stretches, "matrices", world.matrices)
    monkeypatch.chdir(tmp_path)
    return world


def test_weights_hold_when_a_face_is_the_speaker(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calibrate", "mine.safetensors", "clips", "--out", "out.safetensors"]) == 0
    assert "offscreen ratio: on left-out speakers the mean error is 0.0" in capsys.readouterr().out
    stored = read_header(Path("out.safetensors")).calibration
    assert stored is not None
    decision = Calibration.from_json(stored).decision
    assert decision is not None
    score = Score(model="out.safetensors")
    score.open()
    assert score.thresholds.decision == decision


def test_what_cannot_be_fitted_keeps_its_defaults_and_says_so(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.has_mixtures = False
    assert main(["calibrate", "mine.safetensors", "clips", "--out", "out.safetensors"]) == 0
    said = capsys.readouterr().out
    assert "when a face counts as the speaker was not fitted and keeps its defaults: a decision needs tracks that speak" in said
    stored = read_header(Path("out.safetensors")).calibration
    assert stored is not None and "decision" not in stored


def test_the_zero_is_measured_on_clips_in_sync(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calibrate", "mine.safetensors", "clips", "-o", "out.safetensors", "--zero-from", "in_sync"]) == 0
    assert "zero +1: over 8 clips of 8 speakers the median offset is +1 images (+1 to +1)" in capsys.readouterr().out
    assert read_header(Path("out.safetensors")).zero_offset_frames == 1
    assert (world.asked[0].moves, world.asked[0].n_foreign) == ((), 0), "the own sound is enough"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--zero-from", "torn"], "the zero is not settled: over 8 clips the median offset is +0 images, but between -3 and +3"),
        (["--zero-from", "in_sync", "--zero", "1"], "--zero and --zero-from both say what the zero is; give one of them"),
        (["--zero-from", "nowhere"], "there is no file or folder nowhere"),
        (["--figure", "reliability.jpg"], "--figure must end in .png, not reliability.jpg"),
    ],
    ids=["a zero that is not settled", "two zeros", "no such clips", "another kind of picture"],
)
def test_what_is_wrong_is_one_sentence_and_nothing_is_written(
    options: list[str], sentence: str, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["calibrate", "mine.safetensors", "clips", "--out", "out.safetensors", *options]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert sentence in line
    assert not Path("out.safetensors").exists()


def test_the_reliability_is_drawn(world: World) -> None:
    assert main(["calibrate", "mine.safetensors", "clips", "-o", "out.safetensors", "--figure", "reliability.png"]) == 0
    assert Path("reliability.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
