"""What a run keeps in its folder: the state it goes on from, the weights, the log.

Knows networks and their checkpoints; nothing of data.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from syncqc.errors import UsageError
from syncqc.manifest.aside import written_aside
from syncqc.media.mel import MelFrontEnd
from syncqc.nets.checkpoint import Header, read_header, store
from syncqc.nets.ic_syncnet import IcSyncNet
from syncqc.train.config import TrainConfig

STATE, LOG, WEIGHTS = "state.pt", "log.jsonl", "weights.safetensors"
FORMAT = "syncqc-run-1"
_FREE = {"n_threads", "n_loader_workers", "device", "compile", "log_every", "save_every", "validate_every"}
"""Settings that change nothing in the weights, beyond how numbers are rounded."""


@dataclass
class Tally:
    """Losses since the last record."""

    sums: Tensor = field(default_factory=lambda: torch.zeros(2, dtype=torch.float64))
    """Of the binary loss and of InfoNCE."""
    n: int = 0

    def add(self, binary: Tensor, nce: Tensor) -> None:
        """One batch more; what lies on another device stays there until somebody asks."""
        self.sums = self.sums.to(binary.device) + torch.stack([binary.detach(), nce.detach()]).double()
        self.n += 1

    def means(self) -> tuple[float, float]:
        """The mean losses; the tally begins anew."""
        binary, nce = (self.sums / self.n).tolist()
        self.sums, self.n = torch.zeros(2, dtype=torch.float64), 0
        return binary, nce


@dataclass
class RunState:
    """All that changes while a network is trained."""

    network: IcSyncNet
    averaged: IcSyncNet
    """The running mean, which is what is judged and kept."""
    optimizer: torch.optim.Optimizer
    n_done: int = 0
    tally: Tally = field(default_factory=Tally)


def begun(network: IcSyncNet, config: TrainConfig) -> RunState:
    """A run before its first batch."""
    network.set_dropblock_rate(config.dropblock_rate)
    optimizer = torch.optim.AdamW(_groups(network, config.weight_decay), lr=config.lr, betas=config.adam_betas)
    return RunState(network, copy.deepcopy(network).eval(), optimizer)


def _groups(network: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Weights of convolutions decay; gains, biases, slopes and tau do not."""
    kernels = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    return [{"params": kernels, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def save(folder: Path, config: TrainConfig, state: RunState) -> None:
    """The folder holds the run as it is now, or as it was saved before."""
    values = {
        "format": FORMAT,
        "config": asdict(config),
        "network": state.network.state_dict(),
        "averaged": state.averaged.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "done": state.n_done,
        "sums": state.tally.sums,
        "n_summed": state.tally.n,
    }
    with written_aside(folder / STATE) as aside:
        torch.save(values, aside)
    _store_weights(folder, config, state)


def resume(folder: Path, config: TrainConfig, state: RunState, *, is_writer: bool) -> None:
    """`state` is the run as it was saved in the folder, which then holds nothing of later batches; a new folder changes nothing.

    Raises:
        UsageError: the folder holds a run with other settings, or of another version of syncqc.
    """
    if (folder / STATE).exists():
        saved = torch.load(folder / STATE, map_location="cpu", weights_only=True)
        refuse_other_settings(folder, config, saved["config"])
        if saved.get("format") != FORMAT:
            raise UsageError(f"{folder} holds a run of another version of syncqc, which this one cannot continue; choose another folder")
        state.network.load_state_dict(saved["network"])
        state.averaged.load_state_dict(saved["averaged"])
        state.optimizer.load_state_dict(saved["optimizer"])
        state.n_done, state.tally = int(saved["done"]), Tally(saved["sums"], int(saved["n_summed"]))
    if is_writer:
        _forget_later_records(folder / LOG, state.n_done)
        if state.n_done and batches_in_weights(folder) != state.n_done:
            # It was stopped between the two files.
            _store_weights(folder, config, state)


def batches_in_weights(folder: Path) -> int:
    """How many batches the weights in the folder have seen; 0 where there are none."""
    if not (folder / WEIGHTS).exists():
        return 0
    return int((read_header(folder / WEIGHTS).trained or {}).get("batches", 0))


def refuse_other_settings(folder: Path, config: TrainConfig, then: Mapping[str, object]) -> None:
    """Nothing, when the run in the folder, which had the settings `then`, can go on with these.

    Raises:
        UsageError: a setting that changes the weights is another one.
    """
    now, before = json.loads(json.dumps(asdict(config))), json.loads(json.dumps(then))
    changed = [f"{key}: {before.get(key)!r} -> {now[key]!r}" for key in now if key not in _FREE and now[key] != before.get(key)]
    if changed:
        raise UsageError(f"{folder} holds a run with other settings ({'; '.join(changed)}); choose another folder")


def write_record(folder: Path, record: Mapping[str, float]) -> None:
    """The log ends with the record."""
    with (folder / LOG).open("a", encoding="utf-8") as log:
        log.write(json.dumps({key: round(value, 5) for key, value in record.items()}) + "\n")


def _forget_later_records(log: Path, n_done: int) -> None:
    """The log without the records of batches that were not saved: they come again."""
    if not log.exists():
        return
    lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if line.endswith("\n") and json.loads(line)["batch"] <= n_done]
    if kept != lines:
        with written_aside(log) as aside:
            aside.write_text("".join(kept), encoding="utf-8")


def _store_weights(folder: Path, config: TrainConfig, state: RunState) -> None:
    trained = {**asdict(config), "batches": state.n_done}
    header = Header(config.net, asdict(state.averaged.config), state.averaged.tau, mel=asdict(MelFrontEnd()), trained=trained)
    store(folder / WEIGHTS, state.averaged, header)
