"""The training loop: ranking first, balanced probability at the end, then drop-and-tune; what was stopped goes on.

Knows batches and networks; nothing of files but its checkpoint and its log.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

import cv2
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from syncqc.errors import UsageError
from syncqc.manifest.aside import written_aside
from syncqc.media.mel import MelFrontEnd
from syncqc.nets.checkpoint import Header, new_network, store
from syncqc.nets.ic_syncnet import IcSyncNet
from syncqc.nets.losses import bbce, info_nce
from syncqc.train.batches import Example, WindowBatches
from syncqc.train.cache import CropCache, Entry
from syncqc.train.config import TrainConfig
from syncqc.train.validate import validate

STATE, LOG, WEIGHTS = "state.pt", "log.jsonl", "weights.safetensors"
_FREE = {"n_threads", "log_every", "save_every", "validate_every"}
"""Settings that change nothing in the weights."""


class Watcher(Protocol):
    """Whoever wants to see a run: gets every logged record."""

    def __call__(self, record: dict[str, float]) -> None:
        """Shows or keeps `record`."""
        ...


def batch_losses(network: IcSyncNet, images: Tensor, mel: Tensor, config: TrainConfig) -> tuple[Tensor, Tensor]:
    """BBCE (Eq. 8) and InfoNCE over each track's windows, for a batch of `n_segments` tracks in a row.

    Every window's positive is its own sound; the other windows of its track are hard, all other tracks' easy negatives.
    """
    video = network.embed_video(images.float() / 255)
    audio = network.embed_audio(mel)
    logits = video @ audio.T / network.log_tau.exp()
    n, size = config.n_windows, len(logits)
    track = torch.arange(size, device=logits.device) // n
    own_track = track[:, None] == track[None, :]
    diagonal = torch.eye(size, dtype=torch.bool, device=logits.device)
    positive = logits[diagonal]
    hard = logits[own_track & ~diagonal].view(size, n - 1)
    easy = logits[~own_track].view(size, size - n)
    hard_back = logits.T[own_track & ~diagonal].view(size, n - 1)
    nce = (info_nce(positive, hard) + info_nce(positive, hard_back)) / 2
    return bbce(positive, hard, easy, config.easy_weight), nce


def train(
    config: TrainConfig,
    tracks: Sequence[Example],
    dev_tracks: Sequence[tuple[CropCache, Entry]],
    folder: Path,
    watch: Watcher,
    start_from: IcSyncNet | None = None,
) -> IcSyncNet:
    """The trained network; `folder` then holds its weights, its log and the state a stopped run goes on from.

    The same call in the same folder goes on after the last saved batch: with its weights and moments, but with other random
    draws than an unbroken run has.

    Raises:
        UsageError: no tracks, or the folder holds a run with other settings.
    """
    if len(tracks) < config.n_segments:
        raise UsageError(f"{len(tracks)} usable face tracks are too few for batches of {config.n_segments}")
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed)
    torch.set_num_threads(config.n_threads)
    network = start_from or new_network(config.net)
    network.set_dropblock_rate(config.dropblock_rate)
    optimizer = torch.optim.AdamW(_groups(network, config.weight_decay), lr=config.lr, betas=(0.9, 0.98))
    done = _resume(folder, config, network, optimizer)
    mel = MelFrontEnd()
    size = network.config.height_px, network.config.width_px
    stream = _stream(WindowBatches(tracks, config, *size, mel, seed=config.seed + 1000 * done))
    total = config.n_batches + config.tune_batches
    network.train()
    sums, n, began = [0.0, 0.0], 0, time.monotonic()
    for step in range(done, total):
        is_tuning = step >= config.n_batches
        if is_tuning:
            begin_tuning(network)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, config)
        share = min(1.0, step / max(1, config.n_batches))
        images, mels = next(stream)
        balanced, nce = batch_losses(network, images, mels, config)
        loss = _between(config.bbce_weight, share) * balanced + _between(config.nce_weight, share) * nce
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        with torch.no_grad():
            network.log_tau.clamp_(math.log(0.01), math.log(1.0))
        sums, n = [sums[0] + balanced.item(), sums[1] + nce.item()], n + 1
        at = step + 1
        is_judged = at % config.validate_every == 0 or at == total
        if at % config.log_every == 0 or is_judged:
            record = {
                "batch": at,
                "bbce": sums[0] / n,
                "nce": sums[1] / n,
                "tau": network.tau,
                "s_per_batch": (time.monotonic() - began) / n,
            }
            if is_judged and dev_tracks:
                record |= {name: value for name, value in asdict(validate(network, dev_tracks, mel)).items() if value is not None}
            _log(folder, record, watch)
            sums, n, began = [0.0, 0.0], 0, time.monotonic()
        if at % config.save_every == 0 or at == total:
            _save(folder, config, network, optimizer, at)
    return network.eval()


def begin_tuning(network: IcSyncNet) -> None:
    """Turns DropBlock off and leaves only batch norm and tau to be trained (drop-and-tune). Source: IC-SyncNet §3.1, tau is ours."""
    network.set_dropblock_rate(0.0)
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for parameter in module.parameters():
                parameter.requires_grad_(True)
    network.log_tau.requires_grad_(True)


def learning_rate(step: int, config: TrainConfig) -> float:
    """Linear warm-up, then a cosine to 1 % of the top; its own small cosine in the tuning phase."""
    if step >= config.n_batches:
        share = (step - config.n_batches) / max(1, config.tune_batches)
        return config.tune_lr * 0.5 * (1 + math.cos(math.pi * share))
    share = step / config.n_batches
    warm = min(1.0, (step + 1) / max(1, config.warmup_batches))
    return config.lr * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))


def _between(ends: tuple[float, float], share: float) -> float:
    return ends[0] + (ends[1] - ends[0]) * share


def _groups(network: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    decayed = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def _stream(batches: WindowBatches) -> Iterator[tuple[Tensor, Tensor]]:
    # A forked process that inherits OpenCV's pool waits for ever for threads it does not have, so this one gives the pool up first.
    cv2.setNumThreads(1)
    # One process prepares batches while this one computes; a second one would only take its cores.
    return iter(DataLoader(batches, batch_size=None, num_workers=1, prefetch_factor=4, worker_init_fn=_one_thread))


def _one_thread(_worker: int) -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def _log(folder: Path, record: dict[str, float], watch: Watcher) -> None:
    with (folder / LOG).open("a", encoding="utf-8") as log:
        log.write(json.dumps({key: round(value, 5) for key, value in record.items()}) + "\n")
    watch(record)


def _save(folder: Path, config: TrainConfig, network: IcSyncNet, optimizer: torch.optim.Optimizer, done: int) -> None:
    state = {"config": asdict(config), "network": network.state_dict(), "optimizer": optimizer.state_dict(), "done": done}
    with written_aside(folder / STATE) as aside:
        torch.save(state, aside)
    trained = {**asdict(config), "batches": done}
    header = Header(config.net, asdict(network.config), network.tau, mel=asdict(MelFrontEnd()), trained=trained)
    store(folder / WEIGHTS, network, header)


def refuse_other_settings(folder: Path, config: TrainConfig, then: Mapping[str, object]) -> None:
    """Nothing, when the run in the folder, which had the settings `then`, can go on with these.

    Raises:
        UsageError: a setting that changes the weights is another one.
    """
    now, before = json.loads(json.dumps(asdict(config))), json.loads(json.dumps(then))
    changed = [f"{key}: {before.get(key)!r} -> {now[key]!r}" for key in now if key not in _FREE and now[key] != before.get(key)]
    if changed:
        raise UsageError(f"{folder} holds a run with other settings ({'; '.join(changed)}); choose another folder")


def _resume(folder: Path, config: TrainConfig, network: IcSyncNet, optimizer: torch.optim.Optimizer) -> int:
    """How many batches an earlier run in the folder has done; its weights and moments are taken over."""
    if not (folder / STATE).exists():
        return 0
    state = torch.load(folder / STATE, weights_only=True)
    refuse_other_settings(folder, config, state["config"])
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["done"])
