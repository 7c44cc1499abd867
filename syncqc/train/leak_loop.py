"""The start-time classifier learns from some clips, is stopped by others, and guesses where trims of yet others begin.

Knows trims and the network; nothing of what the guesses mean.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from syncqc.errors import UsageError
from syncqc.nets.resnet18 import ResNet18
from syncqc.train.leak_data import Start
from syncqc.train.leak_settings import LeakSettings
from syncqc.train.leak_trims import Division, Trims

Ints = npt.NDArray[np.int64]
_N_TOP = 5
_N_SETTLING = 10


@dataclass(frozen=True)
class Look:
    """How it stands at one look at the validation clips."""

    n_batches: int
    train_loss: float
    """Mean since the last look."""
    validation_loss: float
    accuracy_at_1: float
    accuracy_at_5: float
    wall_s: float


@dataclass(frozen=True)
class Guesses:
    """What was guessed of each judged trim."""

    groups: list[str]
    periods_s: list[float | None]
    true_steps: Ints
    guessed_steps: Ints
    ranks: Ints
    """Of the true start among all, 0 the first."""


@dataclass(frozen=True)
class Learnt:
    """What came of learning: the looks, why it ended, and the guesses on the test clips."""

    looks: list[Look]
    best: Look
    ended: str
    n_parameters: int
    device: str
    guesses: Guesses

    def curve(self) -> list[dict[str, float]]:
        """The looks, as JSON can hold them."""
        return [asdict(look) for look in self.looks]


def learn(parts: Division, trims: Trims, settings: LeakSettings, told: Callable[[Look], None] = lambda look: None) -> Learnt:
    """What a ResNet-18 makes of the trims; `told` hears of every look.

    Raises:
        UsageError: CUDA is asked for and not there.
    """
    device = _device(settings)
    torch.manual_seed(settings.seed)
    # What goes in is brought to one scale: beside a level that hardly varies, running means of what comes out would be of no use.
    network = nn.Sequential(nn.BatchNorm2d(trims.n_channels, affine=False), ResNet18(trims.n_channels, trims.n_steps, settings.width))
    network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    checked = _drawn_by_lot(parts.validation, trims.n_steps, settings, settings.n_checked)
    looks, ended = _train(network, parts, trims, settings, checked, told)
    best = min(looks, key=lambda look: look.validation_loss)
    judged = _some_of_each(parts.test, trims.n_steps, settings)
    _, ranks, first = _asked(network, trims, *judged, settings)
    who, steps = judged
    guesses = Guesses([start.group for start in who], [start.period_s for start in who], steps, first, ranks)
    return Learnt(looks, best, ended, sum(p.numel() for p in network.parameters()), device.type, guesses)


def _train(
    network: nn.Module,
    parts: Division,
    trims: Trims,
    settings: LeakSettings,
    checked: tuple[list[Start], Ints],
    told: Callable[[Look], None],
) -> tuple[list[Look], str]:
    """The looks and why it ended; the network has the weights of the best one."""
    device = next(network.parameters()).device
    random = np.random.default_rng([settings.seed, 1])
    optimiser = torch.optim.AdamW(network.parameters(), settings.lr, weight_decay=settings.weight_decay)
    looks: list[Look] = []
    losses: list[float] = []
    best, kept, began = math.inf, copy.deepcopy(network.state_dict()), time.monotonic()
    for n in range(1, settings.n_batches + 1):
        for group in optimiser.param_groups:
            group["lr"] = _rate(n, settings)
        given, steps = trims.drawn(parts.train, settings.batch, random)
        network.train()
        loss = nn.functional.cross_entropy(_logits(network, trims, given.to(device)), steps.to(device))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(float(loss.detach()))
        if n % settings.check_every and n < settings.n_batches:
            continue
        _settle(network, parts.train, trims, settings)
        found, ranks, _ = _asked(network, trims, *checked, settings)
        at_1, at_5 = float((ranks < 1).mean()), float((ranks < _N_TOP).mean())
        looks.append(Look(n, float(np.mean(losses)), found, at_1, at_5, time.monotonic() - began))
        losses.clear()
        told(looks[-1])
        if found < best:
            best, kept = found, copy.deepcopy(network.state_dict())
        elif len(looks) - 1 - int(np.argmin([look.validation_loss for look in looks])) >= settings.patience:
            network.load_state_dict(kept)
            return looks, f"{settings.patience} looks in a row were no better than the best one"
    network.load_state_dict(kept)
    return looks, f"all {settings.n_batches} batches were learnt from"


def _asked(network: nn.Module, trims: Trims, who: Sequence[Start], steps: Ints, settings: LeakSettings) -> tuple[float, Ints, Ints]:
    """The mean loss, the ranks of the true starts and the first guesses `(n,)`; equal guesses count against the network."""
    device = next(network.parameters()).device
    network.eval()
    loss, ranks, first = 0.0, [], []
    with torch.inference_mode():
        for at in range(0, len(who), settings.batch):
            some = slice(at, at + settings.batch)
            logits = _logits(network, trims, trims.given(who[some], steps[some]).to(device)).cpu()
            true = torch.from_numpy(steps[some])
            loss += float(nn.functional.cross_entropy(logits, true, reduction="sum"))
            ranks.append((logits >= logits.gather(1, true[:, None])).sum(1) - 1)
            first.append(logits.argmax(1))
    return loss / len(who), torch.cat(ranks).numpy(), torch.cat(first).numpy()


def _settle(network: nn.Module, starts: Sequence[Start], trims: Trims, settings: LeakSettings) -> None:
    """What the layers take for means and spreads when they are asked belongs to the weights as they are now, not to earlier ones."""
    layers = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None
    random = np.random.default_rng([settings.seed, 4])
    device = next(network.parameters()).device
    network.train()
    with torch.no_grad():
        for _ in range(_N_SETTLING):
            _logits(network, trims, trims.drawn(starts, settings.batch, random)[0].to(device))
    for layer in layers:
        layer.momentum = 0.1


def _logits(network: nn.Module, trims: Trims, given: Tensor) -> Tensor:
    """In mixed precision: a quarter to a third faster, on a CPU too."""
    shown = trims.input(given).contiguous(memory_format=torch.channels_last)
    with torch.autocast(shown.device.type, torch.bfloat16):
        logits: Tensor = network(shown)
    return logits.float()


def _drawn_by_lot(starts: Sequence[Start], n_steps: int, settings: LeakSettings, n: int) -> tuple[list[Start], Ints]:
    """`n` trims, the clips in turn."""
    random = np.random.default_rng([settings.seed, 2])
    return [starts[i % len(starts)] for i in range(n)], random.integers(0, n_steps, n)


def _some_of_each(starts: Sequence[Start], n_steps: int, settings: LeakSettings) -> tuple[list[Start], Ints]:
    """Different starts of each clip."""
    random = np.random.default_rng([settings.seed, 3])
    n = min(settings.n_judged_per_clip, n_steps)
    steps = [random.choice(n_steps, n, replace=False) for _ in starts]
    return [start for start in starts for _ in range(n)], np.concatenate(steps)


def _rate(n: int, settings: LeakSettings) -> float:
    """Linear warm-up, then a cosine down to 1 %."""
    share = n / settings.n_batches
    return settings.lr * min(1.0, n / settings.warmup_batches) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))


def _device(settings: LeakSettings) -> torch.device:
    has_cuda = torch.cuda.is_available()
    if settings.device == "cuda" and not has_cuda:
        raise UsageError("--device cuda, but PyTorch sees no CUDA device here; auto takes the CPU where there is none")
    return torch.device("cuda" if has_cuda and settings.device != "cpu" else "cpu")
