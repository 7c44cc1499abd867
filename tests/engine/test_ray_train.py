"""Several processes that train together: the shape of their group, that they come to the same weights, and how they fail."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import fake_training
import pytest
import ray
import torch
from torch import Tensor, distributed, nn

from syncqc.engine.ray_data import _start as start_ray
from syncqc.engine.ray_train import RayGroup, WorkersFailedError, _raise_as_sentence, _share_of, run_workers
from syncqc.errors import UsageError
from syncqc.train.group import ALONE, Group


def test_a_ray_group_is_what_training_takes() -> None:
    group: Group = RayGroup(1, 3)
    assert (group.rank, group.n_ranks) == (1, 3)


def test_gradients_are_averaged_in_place_and_in_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    # The other process has 100, 101, ... as its gradients, in the order of the parameters.
    sent: list[list[float]] = []

    def all_reduce(bucket: Tensor) -> None:
        sent.append(bucket.tolist())
        bucket += 100 + torch.arange(len(bucket))

    monkeypatch.setattr(distributed, "all_reduce", all_reduce)
    parameters = [nn.Parameter(torch.zeros(shape)) for shape in ((1, 2, 1, 2), (), (3,))]
    channels_last = torch.tensor([0.0, 2, 4, 6]).view(1, 2, 1, 2).contiguous(memory_format=torch.channels_last)
    given = [channels_last, torch.tensor(8.0), torch.tensor([10.0, 12, 14])]
    for parameter, gradient in zip(parameters, given, strict=True):
        parameter.grad = gradient
    RayGroup(0, 2).average_gradients([*parameters, nn.Parameter(torch.zeros(2))])
    assert sent == [[0, 2, 4, 6, 8, 10, 12, 14]]
    # (0 + 100) / 2, (2 + 101) / 2, ...
    means = [50, 51.5, 53, 54.5, 56, 57.5, 59, 60.5]
    assert [value for parameter in parameters for value in parameter.grad.flatten().tolist()] == means  # type: ignore[union-attr]
    assert all(parameter.grad is gradient for parameter, gradient in zip(parameters, given, strict=True))


def test_nothing_to_average_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[torch.Tensor] = []
    monkeypatch.setattr(distributed, "all_reduce", sent.append)
    parameter = nn.Parameter(torch.zeros(2))
    RayGroup(0, 2).average_gradients([parameter])
    assert (sent, parameter.grad) == ([], None)


SHARES = {
    "a core each": ({"CPU": 8.0}, 2, False, {"CPU": 1.0}),
    "fewer cores than processes": ({"CPU": 2.0}, 3, False, {"CPU": 0.666}),
    "a GPU each": ({"CPU": 8.0, "GPU": 2.0}, 2, True, {"CPU": 1.0, "GPU": 1.0}),
    "GPUs left alone": ({"CPU": 8.0, "GPU": 2.0}, 4, False, {"CPU": 1.0}),
}


@pytest.mark.parametrize(("there", "n_workers", "use_gpu", "share"), SHARES.values(), ids=SHARES)
def test_what_is_set_aside_for_each_process(there: dict[str, float], n_workers: int, use_gpu: bool, share: dict[str, float]) -> None:
    assert _share_of(there, n_workers, use_gpu) == share


def test_more_processes_than_gpus_are_refused() -> None:
    with pytest.raises(UsageError, match=r"^3 processes need a GPU each; Ray sees 2 here$"):
        _share_of({"CPU": 8.0, "GPU": 2.0}, 3, True)


class Failed(Exception):
    def __init__(self, **failures: Exception) -> None:
        self.worker_failures = {int(name.removeprefix("rank")): error for name, error in failures.items()}


@pytest.mark.parametrize(
    ("error", "kind", "sentence"),
    [
        (Failed(rank0=RuntimeError("Connection closed by peer"), rank1=UsageError("no")), UsageError, "no"),
        (Failed(rank0=RuntimeError("Connection closed"), rank1=KeyError("x")), WorkersFailedError, "process 1 failed: KeyError: 'x'"),
        (Failed(rank0=RuntimeError("\nout of memory\nmore")), WorkersFailedError, "process 0 failed: RuntimeError: out of memory"),
        (OSError("no disk"), WorkersFailedError, "training in several processes failed: OSError: no disk"),
    ],
    ids=["refused", "who fell first", "first line", "before any process began"],
)
def test_a_failure_is_one_sentence(error: Exception, kind: type[Exception], sentence: str) -> None:
    with pytest.raises(kind) as raised:
        _raise_as_sentence(error)
    assert str(raised.value) == sentence


class Paired:
    """One of two threads that do what the processes do."""

    def __init__(self, rank: int, meeting: threading.Barrier, shelf: dict[int, list[Tensor]]) -> None:
        self.rank, self.n_ranks, self.meeting, self.shelf = rank, 2, meeting, shelf

    def average_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        self.shelf[self.rank] = [parameter.grad.clone() for parameter in parameters if parameter.grad is not None]
        self.meeting.wait(60)
        for parameter, one, other in zip(parameters, self.shelf[0], self.shelf[1], strict=True):
            parameter.grad = (one + other) / 2
        self.meeting.wait(60)

    def barrier(self) -> None:
        self.meeting.wait(60)


def in_threads(folder: Path) -> None:
    meeting, shelf = threading.Barrier(2), dict[int, list[Tensor]]()
    threads = [
        threading.Thread(target=fake_training.work, args=(Paired(rank, meeting, shelf), str(folder)), daemon=True) for rank in (0, 1)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)


def weights(folder: Path, rank: int) -> dict[str, Tensor]:
    read: dict[str, Tensor] = torch.load(folder / f"weights-{rank}.pt", weights_only=True)
    return {name: value for name, value in read.items() if not name.endswith(("running_mean", "running_var"))}


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::FutureWarning")
def test_two_processes_take_the_mean_of_their_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("two", "expected"):
        Path(name).mkdir()
        fake_training.write_cache(tmp_path / name / "cache")
    told: list[dict[str, float]] = []
    run_workers(partial(fake_training.work, folder="two"), 2, False, tmp_path / "ray", told.append)
    first, second = (weights(tmp_path / "two", rank) for rank in (0, 1))
    assert {name for name in first if not torch.equal(first[name], second[name])} == set()
    in_threads(tmp_path / "expected")
    expected = weights(tmp_path / "expected", 0)
    assert {name for name in first if not torch.allclose(first[name], expected[name], atol=1e-5)} == set()
    begun = fake_training.network().state_dict()
    assert (first["visual.0.conv.weight"] - begun["visual.0.conv.weight"]).abs().max() > 1e-4
    assert [record["batch"] for record in told] == [1, 2, 3], "only one of them tells"
    # One process alone, with a whole batch, takes other steps.
    (tmp_path / "alone").mkdir()
    fake_training.write_cache(tmp_path / "alone" / "cache")
    fake_training.work(ALONE, str(tmp_path / "alone"))
    alone = weights(tmp_path / "alone", 0)
    assert not torch.allclose(alone["visual.0.conv.weight"], first["visual.0.conv.weight"], atol=1e-5)


FAILURES = {
    "refuses": (UsageError, "^this cannot be shared$"),
    "breaks": (WorkersFailedError, "^process 1 failed: ValueError: no such thing$"),
    # On a busy machine Ray Train's own process notices first, and does not know which of them died.
    "dies": (WorkersFailedError, "^(process 1|training in several processes) failed: "),
}


@pytest.fixture(scope="module")
def running_ray() -> Iterator[None]:
    """One Ray for several runs: starting it is most of their time."""
    start_ray(None)
    yield
    ray.shutdown()


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::FutureWarning")
@pytest.mark.parametrize(("how", "kind", "sentence"), [(how, *told) for how, told in FAILURES.items()], ids=FAILURES)
def test_a_process_that_fails_ends_the_run_with_a_sentence(
    tmp_path: Path, running_ray: None, how: str, kind: type[Exception], sentence: str
) -> None:
    with pytest.raises(kind, match=sentence):
        run_workers(partial(fake_training.fail, how=how), 2, False, tmp_path / "ray")
    assert ray.is_initialized(), "what ran before goes on"
