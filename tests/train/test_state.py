"""What a run keeps in its folder: that it comes back, and that what is of later batches or other runs does not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from syncqc.errors import UsageError
from syncqc.nets.checkpoint import load
from syncqc.nets.ic_syncnet import IcSyncNet
from syncqc.train.config import TrainConfig
from syncqc.train.state import (
    LOG,
    STATE,
    WEIGHTS,
    RunState,
    Tally,
    batches_in_weights,
    begun,
    refuse_other_settings,
    resume,
    save,
    write_record,
)


@pytest.fixture
def state(mini: IcSyncNet, config: TrainConfig) -> RunState:
    """A run after three batches, with losses since the last record."""
    state = begun(mini, config)
    mini.embed_audio(torch.rand(4, 1, 32, 80)).sum().backward()  # type: ignore[no-untyped-call]
    state.optimizer.step()
    state.n_done = 3
    state.tally.add(torch.tensor(0.5), torch.tensor(1.5))
    return state


def other(config: TrainConfig, state: RunState) -> RunState:
    torch.manual_seed(8)
    return begun(IcSyncNet(state.network.config), config)


def test_a_saved_run_comes_back(tmp_path: Path, state: RunState, config: TrainConfig) -> None:
    save(tmp_path, config, state)
    again = other(config, state)
    resume(tmp_path, config, again, is_writer=True)
    assert again.n_done == 3
    for one, now in ((state.network, again.network), (state.averaged, again.averaged)):
        assert all(torch.equal(value, now.state_dict()[name]) for name, value in one.state_dict().items())
    assert again.tally.means() == (0.5, 1.5)
    moments, moments_now = (run.optimizer.state_dict()["state"] for run in (state, again))
    assert moments.keys() == moments_now.keys()
    assert all(torch.equal(moments[key]["exp_avg"], moments_now[key]["exp_avg"]) for key in moments)
    assert sorted(path.name for path in tmp_path.iterdir()) == [STATE, WEIGHTS]


def test_a_new_folder_changes_nothing(tmp_path: Path, mini: IcSyncNet, config: TrainConfig) -> None:
    state = begun(mini, config)
    resume(tmp_path, config, state, is_writer=True)
    assert state.n_done == 0
    assert list(tmp_path.iterdir()) == []


def test_the_weights_are_the_running_mean(tmp_path: Path, state: RunState, config: TrainConfig) -> None:
    save(tmp_path, config, state)
    kept = load(str(tmp_path / WEIGHTS)).network.state_dict()
    assert all(torch.equal(value, kept[name]) for name, value in state.averaged.state_dict().items())
    assert any(not torch.equal(value, kept[name]) for name, value in state.network.state_dict().items())
    assert batches_in_weights(tmp_path) == 3


def test_batches_of_weights_that_are_not_there(tmp_path: Path) -> None:
    assert batches_in_weights(tmp_path) == 0


LINES = {
    "later ones": ([1, 2, 3, 4, 6], [1, 2, 3]),
    "none is later": ([1, 2, 3], [1, 2, 3]),
    "all are later": ([5, 6], []),
}


@pytest.mark.parametrize(("written", "kept"), LINES.values(), ids=LINES)
def test_records_of_batches_that_come_again_are_dropped(
    tmp_path: Path, state: RunState, config: TrainConfig, written: list[int], kept: list[int]
) -> None:
    save(tmp_path, config, state)
    for batch in written:
        write_record(tmp_path, {"batch": batch, "bbce": 0.1234567})
    resume(tmp_path, config, other(config, state), is_writer=True)
    assert [json.loads(line) for line in (tmp_path / LOG).read_text().splitlines()] == [{"batch": n, "bbce": 0.12346} for n in kept]


def test_a_line_that_was_being_written_is_dropped(tmp_path: Path, state: RunState, config: TrainConfig) -> None:
    save(tmp_path, config, state)
    write_record(tmp_path, {"batch": 2})
    with (tmp_path / LOG).open("a") as log:
        log.write('{"batch": 3, "bb')
    resume(tmp_path, config, other(config, state), is_writer=True)
    assert (tmp_path / LOG).read_text() == '{"batch": 2}\n'


def test_who_does_not_write_leaves_the_folder_alone(tmp_path: Path, state: RunState, config: TrainConfig) -> None:
    save(tmp_path, config, state)
    write_record(tmp_path, {"batch": 5})
    again = other(config, state)
    resume(tmp_path, config, again, is_writer=False)
    assert again.n_done == 3
    assert (tmp_path / LOG).read_text() == '{"batch": 5}\n'


def test_a_run_of_another_version_is_refused(tmp_path: Path, state: RunState, config: TrainConfig) -> None:
    save(tmp_path, config, state)
    saved = torch.load(tmp_path / STATE, weights_only=True)
    del saved["format"]
    torch.save(saved, tmp_path / STATE)
    with pytest.raises(UsageError, match="holds a run of another version of syncqc"):
        resume(tmp_path, config, state, is_writer=True)


def test_what_was_trained_with_other_settings_is_refused(tmp_path: Path, config: TrainConfig) -> None:
    then = {"lr": 0.5}
    with pytest.raises(UsageError, match=r"lr: 0\.5 -> 0\.001"):
        refuse_other_settings(tmp_path, config, then)


def test_settings_that_only_say_how_to_compute_may_change(tmp_path: Path, config: TrainConfig, state: RunState) -> None:
    save(tmp_path, config, state)
    changed = replace(config, n_threads=7, n_loader_workers=5, device="cpu", compile=True, log_every=9, save_every=9, validate_every=9)
    resume(tmp_path, changed, state, is_writer=True)
    assert state.n_done == 3


def test_weight_decay_pulls_at_kernels_alone(mini: IcSyncNet, config: TrainConfig) -> None:
    optimizer = begun(mini, replace(config, weight_decay=0.3, adam_betas=(0.8, 0.9))).optimizer
    kernels, others = optimizer.param_groups
    assert (kernels["weight_decay"], others["weight_decay"]) == (0.3, 0.0)
    assert {p.ndim for p in kernels["params"]} == {4}
    assert {p.ndim for p in others["params"]} == {0, 1}
    assert kernels["betas"] == (0.8, 0.9)


def test_a_tally_by_hand() -> None:
    tally = Tally()
    for binary, nce in ((1.0, 10.0), (2.0, 30.0)):
        tally.add(torch.tensor(binary), torch.tensor(nce))
    assert tally.means() == (1.5, 20.0)
    tally.add(torch.tensor(4.0), torch.tensor(5.0))
    assert tally.means() == (4.0, 5.0)
