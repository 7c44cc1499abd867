"""The loop: what a batch is given to, how fast it learns, and that a stopped run goes on as if it had not been stopped."""

from __future__ import annotations

import copy
import json
import math
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
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
from syncqc.train import loop, state
from syncqc.train.batches import Example, WindowBatches, examples, stream
from syncqc.train.cache import CropCache
from syncqc.train.config import TrainConfig
from syncqc.train.group import ALONE, Group
from syncqc.train.loop import batch_logits, begin_tuning, train
from syncqc.train.state import LOG, STATE, WEIGHTS


@pytest.fixture
def config(config: TrainConfig) -> TrainConfig:
    """Batches are made in this process, which saves the start of another one."""
    return replace(config, n_loader_workers=0, device="cpu")


def test_logits_are_cosines_over_tau(mini: IcSyncNet) -> None:
    mini.eval()
    images = torch.randint(0, 256, (3, 15, 16, 32), dtype=torch.uint8)
    mel = torch.rand(3, 1, 32, 80)
    with torch.no_grad():
        logits = batch_logits(mini, images, mel, TrainConfig())
        video, audio = mini.embed_video(images / 255), mini.embed_audio(mel)
    expected = [[sum(v * a).item() / mini.tau for a in audio] for v in video]
    assert np.allclose(logits.numpy(), expected, atol=1e-4)


def test_pictures_reach_the_network_between_0_and_1(mini: IcSyncNet, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Tensor] = []
    monkeypatch.setattr(mini, "embed_video", lambda images: seen.append(images) or torch.ones(2, 16))
    batch_logits(mini, torch.full((2, 15, 16, 32), 255, dtype=torch.uint8), torch.zeros(2, 1, 32, 80), TrainConfig())
    assert (seen[0].dtype, seen[0].min().item(), seen[0].max().item()) == (torch.float32, 1.0, 1.0)


@pytest.mark.parametrize(("precision", "kind"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)])
def test_the_encoders_run_in_the_precision_of_the_settings(mini: IcSyncNet, precision: str, kind: torch.dtype) -> None:
    inside: list[torch.dtype] = []
    mini.visual[0].register_forward_hook(lambda _module, _given, out: inside.append(out.dtype))
    logits = batch_logits(mini, torch.zeros(2, 15, 16, 32, dtype=torch.uint8), torch.zeros(2, 1, 32, 80), TrainConfig(precision=precision))
    assert inside == [kind]
    assert logits.dtype == torch.float32


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

    def __call__(self, config: TrainConfig, group: Group = ALONE) -> IcSyncNet:
        return train(config, self.tracks, self.dev, self.folder, self.watch, copy.deepcopy(self.network), group)

    def stopped(self, config: TrainConfig, at: int) -> None:
        """The run as Ctrl-C leaves it after the record of batch `at`."""
        self.stop_at = at
        with pytest.raises(KeyboardInterrupt):
            self(config)
        self.stop_at, self.records = None, []

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
    batches = WindowBatches(run.tracks, replace(config, n_loader_workers=1), 16, 32, MelFrontEnd())
    assert next(stream(batches, 0, 1))[0].shape == (12, 15, 16, 32)


@pytest.mark.usefixtures("no_hang")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_run_from_beginning_to_end(run: Run, config: TrainConfig) -> None:
    config = replace(config, n_loader_workers=1)
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


def test_tuning_moves_only_batch_norm(run: Run, config: TrainConfig) -> None:
    config = replace(config, save_every=4, ema_decay=0.0)
    run.stopped(config, at=5)
    assert run.state()["done"] == 4
    before_tuning = run.state()["network"]
    moved = differing(before_tuning, weights(run(config)))
    assert {name.split(".")[-2] for name in moved - {"log_tau"}} == {"norm"}
    kinds = {name.split(".")[-1] for name in moved}
    assert kinds >= {"weight", "bias", "running_mean", "running_var"}


def test_tuning_runs_the_encoders_as_they_are(run: Run, config: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[bool] = []

    def noted(module: nn.Module) -> Callable[[Tensor], Tensor]:
        return lambda given: (ran.append(module.training), module(given))[1]

    monkeypatch.setattr(torch, "compile", noted)
    run(replace(config, n_batches=2, tune_batches=2, compile=True))
    assert run.batches == [1, 2, 3, 4]
    # Two encoders for two batches; compiled for batches of tuning, each would be compiled anew.
    assert ran == [True] * 4


EXACT = {
    "before anything was saved": (1, {}),
    "with records ahead of the weights": (4, {}),
    "while tuning": (6, {"save_every": 5}),
    "drawn negatives": (4, {"n_hard": 2, "n_easy": 3, "nce_easy": True}),
    "plain BCE": (4, {"binary_loss": "bce"}),
    "no running mean": (4, {"ema_decay": 0.0}),
    "half precision": (4, {"precision": "bfloat16"}),
}


@pytest.mark.parametrize(("at", "settings"), EXACT.values(), ids=EXACT)
def test_a_stopped_run_ends_like_an_unbroken_one(run: Run, tmp_path: Path, config: TrainConfig, at: int, settings: dict[str, Any]) -> None:
    config = replace(config, log_every=2, validate_every=5, dropblock_rate=0.2, augmentation="placement", **settings)
    run.dev = run.dev[:1]
    unbroken = weights(run(config))
    records = run.records
    run.folder, run.records = tmp_path / "other", []
    run.stopped(replace(config, log_every=1), at)
    torch.manual_seed(99)
    run.network = IcSyncNet(run.network.config) if at > 1 else run.network  # other weights, as in a new process
    torch.rand(7)
    broken = weights(run(config))
    assert differing(unbroken, broken) == set()
    told = [json.loads(line) for line in (run.folder / LOG).read_text().splitlines()]
    expected = {record["batch"]: record for record in records}
    for record in told:
        # The stopped run was told every batch; where both tell the same batches, they tell the same.
        if record["batch"] in expected and record["batch"] > at:
            wanted = expected[record["batch"]]
            assert {n: record[n] for n in wanted if n != "s_per_batch"} == {n: round(wanted[n], 5) for n in wanted if n != "s_per_batch"}
    assert [record["batch"] for record in told] == sorted({record["batch"] for record in told})
    assert told[-1]["batch"] == 6


def test_without_the_right_moments_it_would_not(run: Run, tmp_path: Path, config: TrainConfig) -> None:
    # That the test above can tell: forgotten moments of Adam give other weights.
    unbroken = weights(run(config))
    run.folder = tmp_path / "other"
    run.stopped(config, at=4)
    saved = torch.load(run.folder / STATE, weights_only=True)
    for moments in saved["optimizer"]["state"].values():
        moments["exp_avg"].zero_()
    torch.save(saved, run.folder / STATE)
    assert differing(unbroken, weights(run(config))) != set()


def test_a_stopped_run_goes_on_after_the_last_saved_batch(run: Run, config: TrainConfig) -> None:
    run.stopped(config, at=5)
    assert run.state()["done"] == 3
    assert load(str(run.folder / WEIGHTS)).header.trained["batches"] == 3  # type: ignore[index]
    trained = run(config)
    assert run.batches == [4, 5, 6]
    assert run.state()["done"] == 6
    assert not trained.training


def test_the_weights_kept_are_the_running_mean(run: Run, config: TrainConfig) -> None:
    config = replace(config, n_batches=2, tune_batches=0, ema_decay=0.9)
    kept = weights(run(config))
    saved = run.state()
    assert differing(kept, saved["averaged"]) == set()
    name = "visual.0.conv.weight"
    start = dict(run.network.state_dict())[name]
    # Batch 0 keeps a tenth of the beginning, batch 1 two elevenths of what is there then.
    assert not torch.equal(kept[name], saved["network"][name])
    assert (kept[name] - saved["network"][name]).abs().max() < (start - saved["network"][name]).abs().max() * 0.4


def test_without_a_running_mean_they_are_the_trained_ones(run: Run, config: TrainConfig) -> None:
    kept = weights(run(replace(config, n_batches=2, tune_batches=0, ema_decay=0.0)))
    assert differing(kept, run.state()["network"]) == set()


def test_moments_are_taken_over_too(run: Run, config: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    run(replace(config, n_batches=3, tune_batches=0))
    made: list[torch.optim.Optimizer] = []
    real = torch.optim.AdamW
    monkeypatch.setattr(torch.optim, "AdamW", lambda *a, **k: made.append(real(*a, **k)) or made[-1])
    run(replace(config, n_batches=3, tune_batches=0))
    assert {int(state["step"]) for state in made[0].state.values()} == {3}


def test_a_finished_run_is_left_as_it_is(run: Run, config: TrainConfig) -> None:
    short = replace(config, n_batches=1, tune_batches=1)
    done = weights(run(short))
    content = (run.folder / WEIGHTS).read_bytes()
    run.records = []
    assert differing(done, weights(run(short))) == set()
    assert run.records == []
    assert (run.folder / WEIGHTS).read_bytes() == content


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


def test_settings_that_do_not_change_the_weights_may_change(run: Run, config: TrainConfig) -> None:
    run(replace(config, n_batches=1, tune_batches=0))
    run(replace(config, n_batches=1, tune_batches=0, log_every=7, save_every=9, validate_every=5, n_threads=1))
    assert run.batches == [1]


def test_records_are_means_since_the_last_one(run: Run, config: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    losses = iter(range(1, 100))

    def losses_in_order(logits: Tensor, _: TrainConfig) -> tuple[Tensor, Tensor]:
        value = logits.sum() * 0 + float(next(losses))
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


def test_without_development_tracks_nothing_is_judged(run: Run, config: TrainConfig) -> None:
    run.dev = []
    run(replace(config, n_batches=1, tune_batches=0))
    assert set(run.records[-1]) == {"batch", "bbce", "nce", "tau", "s_per_batch"}


def test_the_record_names_the_binary_loss(run: Run, config: TrainConfig) -> None:
    run(replace(config, n_batches=1, tune_batches=0, binary_loss="bce"))
    assert "bce" in run.records[-1] and "bbce" not in run.records[-1]


class Paired:
    """One of two processes, here threads, that train together."""

    def __init__(self, rank: int, meeting: threading.Barrier, shelf: dict[int, list[Tensor]]) -> None:
        self.rank, self.n_ranks, self.meeting, self.shelf = rank, 2, meeting, shelf
        self.n_averaged = 0

    def average_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        self.shelf[self.rank] = [parameter.grad.clone() for parameter in parameters if parameter.grad is not None]
        self.meeting.wait(30)
        for parameter, *both in zip(parameters, self.shelf[0], self.shelf[1], strict=True):
            parameter.grad = torch.stack(both).mean(0)
        self.n_averaged += 1
        self.meeting.wait(30)

    def barrier(self) -> None:
        self.meeting.wait(30)


def together(run: Run, config: TrainConfig) -> tuple[list[IcSyncNet], list[Paired]]:
    """What two processes that train together come to."""
    meeting, shelf = threading.Barrier(2), {}
    pair = [Paired(rank, meeting, shelf) for rank in (0, 1)]
    done: dict[int, IcSyncNet] = {}

    def one(group: Paired) -> None:
        done[group.rank] = run(config, group)

    threads = [threading.Thread(target=one, args=(group,), daemon=True) for group in pair]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return [done[0], done[1]], pair


PARTS = ("running_mean", "running_var")


def test_processes_that_train_together_hold_the_same_weights(run: Run, config: TrainConfig) -> None:
    # No chance inside the loop: threads, unlike processes, share one generator.
    config = replace(config, n_segments=4, dropblock_rate=0.0, save_every=2)
    (first, second), pair = together(run, config)
    learnt = {name for name in weights(first) if not name.endswith(PARTS)}
    assert differing(weights(first), weights(second)) & learnt == set()
    # Each has seen its own share: the statistics of batch norm, which nobody averages, tell.
    assert differing(weights(first), weights(second)) != set()
    assert [group.n_averaged for group in pair] == [6, 6]
    assert run.batches == [1, 2, 3, 4, 5, 6], "only one of them tells"
    assert differing(weights(load(str(run.folder / WEIGHTS)).network), weights(first)) == set()


def test_a_batch_that_cannot_be_shared_is_refused(run: Run, config: TrainConfig) -> None:
    group = Paired(0, threading.Barrier(1), {})
    with pytest.raises(UsageError, match="n_segments = 3 cannot be shared evenly by 2 processes"):
        run(config, group)
    assert not run.folder.exists()


def test_a_device_that_is_not_there_is_refused(run: Run, config: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="PyTorch sees no CUDA device here"):
        run(replace(config, device="cuda"))
    assert not run.folder.exists()


@pytest.mark.gpu
def test_a_run_on_a_cuda_device_gives_weights_for_the_cpu(run: Run, config: TrainConfig) -> None:
    trained = run(replace(config, device="cuda", precision="bfloat16"))
    assert {value.device.type for value in trained.state_dict().values()} == {"cpu"}
    assert differing(weights(load(str(run.folder / WEIGHTS)).network), weights(trained)) == set()


def test_weights_that_were_not_written_after_the_state_are_written_again(
    run: Run, config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(state, "_store_weights", killed)
        with pytest.raises(KeyboardInterrupt):
            run(replace(config, n_batches=1, tune_batches=0))
    assert run.state()["done"] == 1
    assert not (run.folder / WEIGHTS).exists()
    trained = run(replace(config, n_batches=1, tune_batches=0))
    assert differing(weights(load(str(run.folder / WEIGHTS)).network), weights(trained)) == set()


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
