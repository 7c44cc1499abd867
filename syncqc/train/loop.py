"""The training loop: ranking first, balanced probability at the end, then drop-and-tune; what was stopped goes on exactly.

Knows batches and networks; files only through the run's state, and of other processes only the `Group` it is handed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from syncqc.errors import UsageError
from syncqc.media.mel import MelFrontEnd
from syncqc.nets.checkpoint import new_network
from syncqc.nets.ic_syncnet import IcSyncNet
from syncqc.train.average import follow
from syncqc.train.batches import Example, WindowBatches, stream
from syncqc.train.cache import CropCache, Entry
from syncqc.train.config import TrainConfig
from syncqc.train.device import chosen_device, memory_format
from syncqc.train.group import ALONE, Group, share_of
from syncqc.train.pairs import batch_losses
from syncqc.train.schedule import learning_rate, loss_weights, mean_decay
from syncqc.train.state import RunState, begun, resume, save, write_record
from syncqc.train.validate import validate

LEAST_TAU, MOST_TAU = 0.01, 1.0
MOST_GRADIENT = 5.0
"""Norm to which larger gradients are cut."""


class Watcher(Protocol):
    """Whoever wants to see a run: gets every logged record."""

    def __call__(self, record: dict[str, float]) -> None:
        """Shows or keeps `record`."""
        ...


def train(
    config: TrainConfig,
    tracks: Sequence[Example],
    dev_tracks: Sequence[tuple[CropCache, Entry]],
    folder: Path,
    watch: Watcher,
    start_from: IcSyncNet | None = None,
    group: Group = ALONE,
) -> IcSyncNet:
    """The trained network, on the CPU; `folder` then holds its weights, its log and the state a stopped run goes on from.

    The same call in the same folder goes on after the last saved batch as if it had not been stopped: a batch and all that is random
    in it depend on the seed and its number alone. On the same machine, device and number of threads the weights come out the same to
    the bit (not where convolutions choose their algorithm by time, as CUDA's may).

    Raises:
        UsageError: too few tracks, a device that is not there, a folder that holds another run, or a batch that `group` cannot share.
    """
    share = share_of(config, group)
    if len(tracks) < share.n_segments:
        raise UsageError(f"{len(tracks)} usable face tracks are too few for batches of {share.n_segments}")
    device = chosen_device(config)
    folder.mkdir(parents=True, exist_ok=True)
    state = _state(config, folder, device, start_from, group)
    size = state.network.config.height_px, state.network.config.width_px
    batches = WindowBatches(tracks, share, *size, MelFrontEnd(), group.rank)
    total, clock = config.n_batches + config.tune_batches, _Clock()
    for images, mel in stream(batches, state.n_done, total, is_pinned=device.type == "cuda"):
        _learn(state, images.to(device, non_blocking=True), mel.to(device, non_blocking=True), share, group)
        is_judged = state.n_done % config.validate_every == 0 or state.n_done == total
        is_saved = state.n_done % config.save_every == 0 or state.n_done == total
        if group.rank == 0:
            if is_judged or state.n_done % config.log_every == 0:
                record = _record(state, config, clock) | (_judged(state.averaged, dev_tracks) if is_judged else {})
                write_record(folder, record)
                watch(record)
                clock.restart()
            if is_saved:
                save(folder, config, state)
        if is_judged or is_saved:
            group.barrier()
    return _at_rest(state.averaged)


def _state(config: TrainConfig, folder: Path, device: torch.device, start_from: IcSyncNet | None, group: Group) -> RunState:
    """The run in the folder, or a new one, ready for its next batch."""
    torch.manual_seed(config.seed)
    torch.set_num_threads(config.n_threads)
    network = start_from or new_network(config.net, config.mel_columns)
    network.to(device=device, memory_format=memory_format(config, device))  # type: ignore[call-overload]
    state = begun(network, config)
    resume(folder, config, state, is_writer=group.rank == 0)
    group.barrier()
    if config.compile:
        network.compile_encoders()
    network.train()
    return state


def _at_rest(network: IcSyncNet) -> IcSyncNet:
    network.to(device="cpu", memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return network


def _judged(network: IcSyncNet, dev_tracks: Sequence[tuple[CropCache, Entry]]) -> dict[str, float]:
    if not dev_tracks:
        return {}
    return {name: value for name, value in asdict(validate(network, dev_tracks, MelFrontEnd())).items() if value is not None}


class _Clock:
    """Seconds since the last restart."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self._began_s = time.monotonic()

    def seconds(self) -> float:
        return time.monotonic() - self._began_s


def _learn(state: RunState, images: Tensor, mel: Tensor, config: TrainConfig, group: Group) -> None:
    """One step of the network and of the mean that follows it."""
    step, network, optimizer = state.n_done, state.network, state.optimizer
    # DropBlock and the drawn negatives: whatever was drawn before, in whatever order, this batch has its own chance.
    torch.manual_seed(int(np.random.SeedSequence([config.seed, step, group.rank]).generate_state(1, np.uint64)[0] >> 1))
    if step >= config.n_batches:
        begin_tuning(network)
    for parameters in optimizer.param_groups:
        parameters["lr"] = learning_rate(step, config)
    binary, nce = batch_losses(batch_logits(network, images, mel, config), config)
    binary_weight, nce_weight = loss_weights(step, config)
    optimizer.zero_grad(set_to_none=True)
    (binary_weight * binary + nce_weight * nce).backward()  # type: ignore[no-untyped-call]
    learnt = [parameter for parameter in network.parameters() if parameter.grad is not None]
    group.average_gradients(learnt)
    nn.utils.clip_grad_norm_(learnt, MOST_GRADIENT)
    optimizer.step()
    with torch.no_grad():
        network.log_tau.clamp_(math.log(LEAST_TAU), math.log(MOST_TAU))
    follow(state.averaged, network, mean_decay(step, config))
    state.tally.add(binary, nce)
    state.n_done += 1


def batch_logits(network: IcSyncNet, images: Tensor, mel: Tensor, config: TrainConfig) -> Tensor:
    """Cosines over tau (B, B) of every picture (row) with every sound (column) of a batch.

    `images` uint8 (B, 15, height, width), `mel` (B, 1, 32, 80).
    """
    images = (images.float() / 255).contiguous(memory_format=memory_format(config, images.device))
    with torch.autocast(images.device.type, torch.bfloat16, enabled=config.precision == "bfloat16"):
        video = network.embed_video(images)
        audio = network.embed_audio(mel)
    return video @ audio.T / network.log_tau.exp()


def begin_tuning(network: IcSyncNet) -> None:
    """Turns DropBlock off and leaves only batch norm and tau to be trained (drop-and-tune). Source: IC-SyncNet §3.1, tau is ours.

    The encoders are no longer compiled: with other parameters to train they would be once more, for minutes.
    """
    network.drop_compiled()
    network.set_dropblock_rate(0.0)
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for parameter in module.parameters():
                parameter.requires_grad_(True)
    network.log_tau.requires_grad_(True)


def _record(state: RunState, config: TrainConfig, clock: _Clock) -> dict[str, float]:
    """What the log says of the batches since the last record."""
    s_per_batch = clock.seconds() / state.tally.n
    binary, nce = state.tally.means()
    return {"batch": state.n_done, config.binary_loss: binary, "nce": nce, "tau": state.network.tau, "s_per_batch": s_per_batch}
