"""The loop: which pairs are what, how fast it learns when, and that a stopped run goes on."""

from __future__ import annotations

import json
import math
import signal
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from syncqc.errors import UsageError
from syncqc.media.mel import MelFrontEnd
from syncqc.nets.checkpoint import load
from syncqc.nets.ic_syncnet import IcSyncNet
from syncqc.nets.layers import DropBlock
from syncqc.train import loop
from syncqc.train.batches import Example, WindowBatches, examples
from syncqc.train.cache import CropCache
from syncqc.train.config import TrainConfig
from syncqc.train.loop import LOG, STATE, WEIGHTS, batch_losses, begin_tuning, learning_rate, train

# Two tracks of two windows. Row: picture, column: sound.
#              track 0     track 1
LOGITS = [
    [2.0, 0.5, -1.0, 0.0],
    [-0.5, 1.0, 0.3, -2.0],
    [0.1, -0.7, 3.0, 1.5],
    [-1.2, 0.4, 0.6, -0.2],
]
POSITIVE = [2.0, 1.0, 3.0, -0.2]
HARD = [0.5, -0.5, 1.5, 0.6]
"""The same picture with the track's other sound."""
HARD_BACK = [-0.5, 0.5, 0.6, 1.5]
"""The same sound with the track's other picture."""
EASY = [(-1.0, 0.0), (0.3, -2.0), (0.1, -0.7), (-1.2, 0.4)]


def stub(tau: float = 1.0) -> Any:
    """A network whose cosines, divided by tau, are LOGITS."""
    logits = torch.tensor(LOGITS) * tau
    return SimpleNamespace(
        embed_video=lambda images: torch.eye(4), embed_audio=lambda mel: logits.T, log_tau=torch.tensor(math.log(tau)), seen=None
    )


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


@pytest.mark.parametrize("tau", [1.0, 0.07])
def test_which_pairs_are_positive_hard_and_easy(tau: float) -> None:
    config = TrainConfig(n_segments=2, n_windows=2, easy_weight=0.25)
    images = torch.zeros(4, 15, 2, 2, dtype=torch.uint8)
    balanced, nce = batch_losses(stub(tau), images, torch.zeros(4, 1, 32, 80), config)
    lines = [
        softplus(-p) + 0.75 * softplus(h) + 0.25 * (softplus(e[0]) + softplus(e[1])) / 2
        for p, h, e in zip(POSITIVE, HARD, EASY, strict=True)
    ]
    assert balanced.item() == pytest.approx(sum(lines) / 4 / 2, rel=1e-5)
    ranks = [softplus(h - p) for hard in (HARD, HARD_BACK) for p, h in zip(POSITIVE, hard, strict=True)]
    assert nce.item() == pytest.approx(sum(ranks) / 8, rel=1e-5)


def test_pictures_reach_the_network_between_0_and_1() -> None:
    seen: list[Tensor] = []
    network = stub()
    network.embed_video = lambda images: seen.append(images) or torch.eye(4)
    batch_losses(
        network, torch.full((4, 15, 2, 2), 255, dtype=torch.uint8), torch.zeros(4, 1, 32, 80), TrainConfig(n_segments=2, n_windows=2)
    )
    assert (seen[0].dtype, seen[0].min().item(), seen[0].max().item()) == (torch.float32, 1.0, 1.0)


RATES = TrainConfig(lr=1.0, tune_lr=0.5, n_batches=1000, tune_batches=100, warmup_batches=10)


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (0, 0.1),
        (4, 0.5),
        (500, 0.01 + 0.99 * 0.5),
        (999, 0.01),
        (1000, 0.5),
        (1050, 0.25),
        (1099, 0.0),
    ],
    ids=["first", "half warm", "half way", "last", "tuning begins", "tuning half way", "tuning ends"],
)
def test_the_learning_rate(step: int, expected: float) -> None:
    assert learning_rate(step, RATES) == pytest.approx(expected, abs=3e-4)


def test_the_learning_rate_rises_then_falls() -> None:
    rates = [learning_rate(step, RATES) for step in range(1000)]
    top = rates.index(max(rates))
    assert 5 < top < 15
    assert rates[:top] == sorted(rates[:top])
    assert rates[top:] == sorted(rates[top:], reverse=True)


def test_without_warm_up_or_training_it_is_still_defined() -> None:
    assert learning_rate(0, replace(RATES, warmup_batches=0)) == pytest.approx(1.0)
    assert learning_rate(0, replace(RATES, n_batches=0)) == pytest.approx(0.5)


def test_tuning_leaves_only_batch_norm_and_tau_to_be_trained(mini: IcSyncNet) -> None:
    begin_tuning(mini)
    trainable = {name for name, parameter in mini.named_parameters() if parameter.requires_grad}
    norms = {f"{name}.{part}" for name, module in mini.named_modules() if isinstance(module, nn.BatchNorm2d) for part in ("weight", "bias")}
    assert trainable == norms | {"log_tau"}
    assert {module.rate for module in mini.modules() if isinstance(module, DropBlock)} == {0.0}


class Run:
    """A training run on made tracks whose records are kept."""

    def __init__(self, folder: Path, tracks: list[Example], dev: list[Any], network: IcSyncNet) -> None:
        self.folder, self.tracks, self.dev, self.network = folder, tracks, dev, network
        self.records: list[dict[str, float]] = []
        self.stop_at: int | None = None
        self.seeds: list[int] = []

    def __call__(self, config: TrainConfig) -> IcSyncNet:
        return train(config, self.tracks, self.dev, self.folder, self.watch, self.network)

    def watch(self, record: dict[str, float]) -> None:
        self.records.append(record)
        if record["batch"] == self.stop_at:
            raise KeyboardInterrupt

    @property
    def batches(self) -> list[float]:
        return [record["batch"] for record in self.records]

    def state(self) -> dict[str, Any]:
        return dict(torch.load(self.folder / STATE, weights_only=True))


@pytest.fixture
def run(tmp_path: Path, faces: Any, make_cache: Callable[..., CropCache], config: TrainConfig, mini: IcSyncNet) -> Run:
    cache = make_cache(*(faces.random(40, seed) for seed in range(4)))
    return Run(tmp_path / "run", examples([cache], config), [(cache, entry) for entry in cache.entries[:2]], mini)


@pytest.fixture
def in_process(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches are made in this process, which saves the start of another one."""

    def stream(batches: WindowBatches) -> Iterator[Any]:
        run.seeds.append(batches.seed)
        return iter(batches)

    monkeypatch.setattr(loop, "_stream", stream)


def weights(network: IcSyncNet) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def differing(one: dict[str, Tensor], other: dict[str, Tensor]) -> set[str]:
    return {name for name in one if not torch.equal(one[name], other[name])}


@pytest.fixture
def no_hang() -> Iterator[None]:
    """Raises after a minute, however deep the wait."""

    def give_up(*_: Any) -> None:
        raise TimeoutError("the process that makes batches hangs")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("no_hang")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_batches_are_made_beside_although_opencv_has_run_on_many_threads(run: Run, config: TrainConfig) -> None:
    # Filling a cache does that; a forked process with OpenCV's pool in its memory, but not its threads, would wait for ever.
    cv2.setNumThreads(4)
    large = np.zeros((1500, 1500, 3), np.uint8)
    for _ in range(5):
        cv2.warpAffine(large, np.array([[1.0, 0.1, 0], [0.1, 1, 0]]), (1500, 1500))
    stream = loop._stream(WindowBatches(run.tracks, config, 16, 32, MelFrontEnd(), 0))
    assert next(stream)[0].shape == (12, 15, 16, 32)


@pytest.mark.usefixtures("no_hang")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_run_from_beginning_to_end(run: Run, config: TrainConfig) -> None:
    before = weights(run.network)
    trained = run(config)
    assert not trained.training
    assert run.batches == [1, 2, 3, 4, 5, 6]
    assert [json.loads(line) for line in (run.folder / LOG).read_text().splitlines()] == [
        {name: round(value, 5) for name, value in record.items()} for record in run.records
    ]
    assert all(math.isfinite(record["bbce"]) and math.isfinite(record["nce"]) for record in run.records)
    # The end is always judged, whatever validate_every says.
    assert ["window_accuracy" in record for record in run.records] == [False] * 5 + [True]
    assert run.records[-1]["n_tracks"] == 2
    loaded = load(str(run.folder / WEIGHTS))
    assert differing(weights(loaded.network), weights(trained)) == set()
    assert loaded.header.tau == pytest.approx(trained.tau)
    assert loaded.header.name == config.net
    assert loaded.header.trained == json.loads(json.dumps({**asdict(config), "batches": 6}))
    assert loaded.header.mel is not None
    assert {name.split(".")[0] for name in differing(before, weights(trained))} == {"visual", "audio", "log_tau"}
    assert sorted(path.name for path in run.folder.iterdir()) == [LOG, STATE, WEIGHTS]


@pytest.mark.usefixtures("in_process")
def test_tuning_moves_only_batch_norm(run: Run, config: TrainConfig) -> None:
    run.stop_at = 5
    with pytest.raises(KeyboardInterrupt):
        run(replace(config, save_every=4))
    assert run.state()["done"] == 4
    before_tuning = run.state()["network"]
    run.stop_at = None
    trained = run(replace(config, save_every=4))
    moved = differing(before_tuning, weights(trained))
    assert {name.split(".")[-2] for name in moved - {"log_tau"}} == {"norm"}
    kinds = {name.split(".")[-1] for name in moved}
    assert kinds >= {"weight", "bias", "running_mean", "running_var"}


@pytest.mark.usefixtures("in_process")
def test_a_stopped_run_goes_on_after_the_last_saved_batch(run: Run, config: TrainConfig) -> None:
    run.stop_at = 5
    with pytest.raises(KeyboardInterrupt):
        run(config)
    saved = run.state()
    assert saved["done"] == 3
    assert load(str(run.folder / WEIGHTS)).header.trained["batches"] == 3  # type: ignore[index]
    run.stop_at, run.records = None, []
    torch.manual_seed(99)
    run.network = IcSyncNet(run.network.config)  # other weights, as in a new process
    seen: dict[str, Tensor] = {}
    run.watch = lambda record: (seen.update(weights(run.network)) if not seen else None, run.records.append(record))  # type: ignore[method-assign]
    trained = run(config)
    assert run.batches == [4, 5, 6]
    assert run.state()["done"] == 6
    # One batch from the saved weights, not from the new ones: a step of Adam is at most about the learning rate per weight.
    name = "visual.0.conv.weight"
    assert (seen[name] - saved["network"][name]).abs().max().item() < 5 * config.lr
    assert run.seeds[0] != run.seeds[1], "the batches already seen are not drawn again"
    assert not trained.training


@pytest.mark.usefixtures("in_process")
def test_moments_are_taken_over_too(run: Run, config: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    run(replace(config, n_batches=3, tune_batches=0))
    made: list[torch.optim.Optimizer] = []
    real = torch.optim.AdamW
    monkeypatch.setattr(torch.optim, "AdamW", lambda *a, **k: made.append(real(*a, **k)) or made[-1])
    run(replace(config, n_batches=3, tune_batches=0))
    assert {int(state["step"]) for state in made[0].state.values()} == {3}


@pytest.mark.usefixtures("in_process")
def test_a_finished_run_is_left_as_it_is(run: Run, config: TrainConfig) -> None:
    short = replace(config, n_batches=1, tune_batches=1)
    done = weights(run(short))
    content = (run.folder / WEIGHTS).read_bytes()
    run.records = []
    assert differing(done, weights(run(short))) == set()
    assert run.records == []
    assert (run.folder / WEIGHTS).read_bytes() == content


@pytest.mark.usefixtures("in_process")
def test_other_settings_in_the_same_folder_are_named_and_refused(run: Run, config: TrainConfig) -> None:
    short = replace(config, n_batches=1, tune_batches=0)
    run(short)
    content = (run.folder / STATE).read_bytes()
    with pytest.raises(UsageError) as error:
        run(replace(short, lr=2e-3, source_weights={"trial": 0.5}))
    assert str(error.value).startswith(f"{run.folder} holds a run with other settings")
    assert "lr: 0.001 -> 0.002" in str(error.value)
    assert "source_weights: {} -> {'trial': 0.5}" in str(error.value)
    assert "n_batches" not in str(error.value)
    assert (run.folder / STATE).read_bytes() == content


@pytest.mark.usefixtures("in_process")
def test_settings_that_do_not_change_the_weights_may_change(run: Run, config: TrainConfig) -> None:
    run(replace(config, n_batches=1, tune_batches=0))
    run(replace(config, n_batches=1, tune_batches=0, log_every=7, save_every=9, validate_every=5, n_threads=1))
    assert run.batches == [1]


@pytest.mark.usefixtures("in_process")
def test_records_are_means_since_the_last_one(run: Run, config: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    losses = iter(range(1, 100))

    def losses_in_order(network: IcSyncNet, *_: Any) -> tuple[Tensor, Tensor]:
        value = network.log_tau * 0 + float(next(losses))
        return value, 10 * value

    monkeypatch.setattr(loop, "batch_losses", losses_in_order)
    run(replace(config, n_batches=7, tune_batches=0, log_every=3, validate_every=5))
    # Every third batch is told, and those that are judged: 5, and the last.
    assert run.batches == [3, 5, 6, 7]
    assert [record["bbce"] for record in run.records] == [2.0, 4.5, 6.0, 7.0]
    assert [record["nce"] for record in run.records] == [20.0, 45.0, 60.0, 70.0]
    assert ["halves_agree" in record or "n_tracks" in record for record in run.records] == [False, True, False, True]


def test_too_few_tracks_are_refused_before_anything_is_written(run: Run, config: TrainConfig) -> None:
    run.tracks = run.tracks[:2]
    with pytest.raises(UsageError, match="2 usable face tracks are too few for batches of 3"):
        run(config)
    assert not run.folder.exists()


@pytest.mark.usefixtures("in_process")
def test_without_development_tracks_nothing_is_judged(run: Run, config: TrainConfig) -> None:
    run.dev = []
    run(replace(config, n_batches=1, tune_batches=0))
    assert set(run.records[-1]) == {"batch", "bbce", "nce", "tau", "s_per_batch"}


@pytest.mark.usefixtures("in_process")
def test_it_learns_what_belongs_together(run: Run, faces: Any, make_cache: Callable[..., CropCache], config: TrainConfig) -> None:
    # Bright where it is loud: pictures and sounds can be told apart, so the loss must fall below what a guess costs.
    cache = make_cache(*(faces.blinking(60, seed) for seed in range(5)))
    config = replace(
        config, n_batches=36, tune_batches=0, n_windows=6, span_images=50, lr=3e-3, log_every=12, sound_jitter_samples=0, dropblock_rate=0.0
    )
    run.tracks = examples([cache], config)
    run(config)
    guess = math.log(config.n_windows)
    assert run.records[-1]["nce"] < 0.75 * guess
