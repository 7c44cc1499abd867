"""Crop caches written by hand, so that what a batch shows and sounds is known, and networks small enough to train in a test."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

from syncqc.nets.ic_syncnet import IcSyncNet, IcSyncNetConfig
from syncqc.train.cache import CONTEXT_IMAGES, CropCache, Entry
from syncqc.train.config import TrainConfig

torch.set_num_threads(1)

PER_IMAGE = 640
"""Samples of one image."""


@dataclass
class Face:
    """One face track for a cache."""

    crops: np.ndarray
    """(n, 24, 48, 3)."""
    sound: np.ndarray
    """((n + 2 * 40) * 640,) in [-1, 1]; the track's first image is at sample 40 * 640."""
    clip_id: str = "clip"
    speaker: str = "somebody"
    source: str = "made"
    part_index: int = 0
    track_index: int = 0
    n_tracks: int = 1
    present: tuple[int, int] | None = None
    """None: all of the sound."""


def random_face(n_images: int, seed: int, **about: object) -> Face:
    """Noise to look at and to listen to."""
    rng = np.random.default_rng(seed)
    crops = rng.integers(0, 256, (n_images, 24, 48, 3), np.uint8)
    sound = 0.1 * rng.normal(size=(n_images + 2 * CONTEXT_IMAGES) * PER_IMAGE)
    return Face(crops, sound.clip(-1, 1), **{"clip_id": f"clip-{seed}", "speaker": f"speaker-{seed}", **about})


def blinking_face(n_images: int, seed: int) -> Face:
    """Bright exactly where it is loud, so that a network can learn what belongs together."""
    rng = np.random.default_rng(seed)
    # Stretches of 2 to 4 images, on and off.
    is_on = np.repeat(np.arange(n_images + 80) % 2, rng.integers(2, 5, n_images + 80))[: n_images + 80].astype(bool)
    crops = np.broadcast_to(np.where(is_on[40:-40], 200, 60)[:, None, None, None], (n_images, 24, 48, 3)).astype(np.uint8)
    sound = 0.2 * rng.normal(size=len(is_on) * PER_IMAGE) * np.repeat(np.where(is_on, 1.0, 0.01), PER_IMAGE)
    return Face(crops, sound.clip(-1, 1), f"clip-{seed}", f"speaker-{seed}")


def written(folder: Path, faces: Sequence[Face]) -> CropCache:
    """The cache that holds these tracks."""
    folder.mkdir(parents=True)
    n_crops = n_samples = 0
    with (folder / "crops.u8").open("wb") as crops, (folder / "sound.i16").open("wb") as sound, (folder / "index.jsonl").open("w") as index:
        for face in faces:
            assert len(face.sound) == (len(face.crops) + 2 * CONTEXT_IMAGES) * PER_IMAGE
            samples = np.rint(face.sound * 32767).astype(np.int16)
            entry = Entry(
                face.clip_id, face.source, face.speaker, face.part_index, face.track_index, 0, len(face.crops), n_crops,
                n_samples, len(samples), face.present or (0, len(samples)), 80.0, face.n_tracks,
            )  # fmt: skip
            face.crops.tofile(crops)
            samples.tofile(sound)
            index.write(json.dumps(asdict(entry)) + "\n")
            n_crops, n_samples = n_crops + len(face.crops), n_samples + len(samples)
    (folder / "about.json").write_text(json.dumps({"height_px": 24, "width_px": 48, "margin": 1.5, "sound_rate_hz": 16000}))
    return CropCache(folder)


CacheMaker = Callable[..., CropCache]


@pytest.fixture
def make_cache(tmp_path: Path) -> CacheMaker:
    """Writes a cache of the tracks it is given."""
    count = iter(range(100))
    return lambda *faces: written(tmp_path / f"cache-{next(count)}", faces)


@pytest.fixture
def faces() -> type:
    """The ways to make a track: `Made.random`, `Made.blinking`, `Made.of`."""

    class Made:
        random = staticmethod(random_face)
        blinking = staticmethod(blinking_face)
        of = Face

    return Made


@pytest.fixture
def mini() -> IcSyncNet:
    """A network for 16 x 32 crops, always with the same weights."""
    torch.manual_seed(11)
    return IcSyncNet(
        IcSyncNetConfig(
            height_px=16, width_px=32, visual_widths=(4, 8, 8), visual_depth=1, audio_widths=(4, 8, 8), audio_depth=1, embedding=16
        )
    )


@pytest.fixture
def config() -> TrainConfig:
    """Six batches of three tracks with four windows each, the last two for tuning."""
    return TrainConfig(
        n_batches=4, tune_batches=2, n_segments=3, n_windows=4, span_images=30, warmup_batches=2,
        validate_every=100, save_every=3, log_every=1, n_threads=1,
    )  # fmt: skip
