"""Work for several processes: a tiny network trained on made tracks. A module of its own, because the processes import it by name."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from syncqc.errors import UsageError
from syncqc.nets.ic_syncnet import IcSyncNet, IcSyncNetConfig
from syncqc.train.batches import examples
from syncqc.train.cache import CropCache, Entry
from syncqc.train.config import TrainConfig
from syncqc.train.loop import train

# No chance inside of the network, so that threads of one process can do the same as two processes.
CONFIG = TrainConfig(
    n_batches=3, tune_batches=0, n_segments=4, n_windows=4, span_images=30, warmup_batches=2, validate_every=2, save_every=2, log_every=1,
    n_threads=1, n_loader_workers=0, device="cpu", dropblock_rate=0.0, ema_decay=0.0,
)  # fmt: skip


def write_cache(folder: Path, n_tracks: int = 5, n: int = 40) -> None:
    rng = np.random.default_rng(0)
    n_samples = (n + 80) * 640
    folder.mkdir()
    rng.integers(0, 256, (n_tracks * n, 24, 48, 3), np.uint8).tofile(folder / "crops.u8")
    rng.integers(-3000, 3000, n_tracks * n_samples).astype(np.int16).tofile(folder / "sound.i16")
    entries = [
        Entry(f"clip-{i}", "made", f"speaker-{i}", 0, 0, 0, n, i * n, i * n_samples, n_samples, (0, n_samples), 80.0, 1)
        for i in range(n_tracks)
    ]
    (folder / "index.jsonl").write_text("\n".join(json.dumps(asdict(entry)) for entry in entries))
    (folder / "about.json").write_text(json.dumps({"height_px": 24, "width_px": 48, "margin": 1.5, "sound_rate_hz": 16000}))


def network() -> IcSyncNet:
    generator = torch.Generator().manual_seed(11)
    size: dict[str, Any] = {"height_px": 16, "width_px": 32, "visual_depth": 1, "audio_depth": 1, "embedding": 16, "dropblock_rate": 0.0}
    made = IcSyncNet(IcSyncNetConfig(visual_widths=(4, 8, 8), audio_widths=(4, 8, 8), **size))
    with torch.no_grad():
        for module in made.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.copy_(0.2 * torch.randn(module.weight.shape, generator=generator))
                if module.bias is not None:
                    module.bias.zero_()
    return made


def work(group: Any, folder: str) -> None:
    """One process of a run; its weights end in `folder`, which may be relative."""
    cache = CropCache(Path(folder) / "cache")
    told = getattr(group, "tell", lambda _: None)
    trained = train(CONFIG, examples([cache], CONFIG), [(cache, cache.entries[0])], Path(folder) / "run", told, network(), group)
    torch.save(trained.state_dict(), Path(folder) / f"weights-{group.rank}.pt")


def fail(group: Any, how: str) -> None:
    """Process 1 does not get through; process 0 waits for it."""
    if group.rank == 1:
        if how == "refuses":
            raise UsageError("this cannot be shared")
        if how == "breaks":
            raise ValueError("no such thing\nas two lines")
        os.kill(os.getpid(), signal.SIGKILL)
    group.barrier()
