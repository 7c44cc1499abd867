"""Batches of windows: several from each of several face tracks, every one with its own sound.

The other windows of a track are its hard negatives, those of other tracks the easy ones, so every embedding is used many
times. A batch depends on the seed and its number alone. Knows the cache and the augmentation; nothing of networks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from syncqc.clock import SAMPLES_PER_IMAGE, WINDOW_IMAGES, WINDOW_MEL, first_mel_column, n_windows
from syncqc.media.mel import MelFrontEnd, mel_columns, reach
from syncqc.train import augment
from syncqc.train.cache import CONTEXT_IMAGES, CropCache, Entry
from syncqc.train.config import TrainConfig, images_needed

F32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Example:
    """A face track that may be trained on, how far its sound has to be moved, and how often it is taken."""

    cache: CropCache
    entry: Entry
    offset_frames: int = 0
    """The track's own offset as measured; its sound is read that much earlier."""
    weight: float = 1.0


def examples(
    caches: Sequence[CropCache], config: TrainConfig, corrections: Mapping[tuple[str, int, int], tuple[int, float]] | None = None
) -> list[Example]:
    """The tracks long enough for a batch, weighted by length and source.

    `corrections` maps (clip_id, part_index, track_index) to the measured offset and a weight; a weight of 0 leaves a track out.
    """
    need = images_needed(config)
    chosen = []
    for cache in caches:
        for entry in cache.entries:
            offset, weight = (corrections or {}).get((entry.clip_id, entry.part_index, entry.track_index), (0, None))
            if weight is None:
                weight = 1.0 if entry.n_tracks <= config.max_tracks else 0.0
            weight *= config.source_weights.get(entry.source, 1.0)
            least, most = config.min_offset_frames.get(entry.source, -np.inf), config.max_offset_frames.get(entry.source, np.inf)
            if not least <= offset <= most:
                continue
            if entry.n_images >= need and weight > 0:
                chosen.append(Example(cache, entry, offset, weight * min(entry.n_images, 2 * config.span_images)))
    return chosen


class WindowBatches(Dataset[tuple[Tensor, Tensor]]):
    """Any number of batches (images uint8 (B, 15, H, W), mel (B, 1, 32, 80)), B = n_segments x n_windows, tracks in a row."""

    def __init__(
        self, tracks: Sequence[Example], config: TrainConfig, height_px: int, width_px: int, mel: MelFrontEnd, rank: int = 0
    ) -> None:
        """The seed of the settings, a batch's number and `rank` decide everything that is random in it."""
        self.tracks, self.config, self.mel, self.rank = tracks, config, mel, rank
        self.height_px, self.width_px = height_px, width_px
        weights = np.array([track.weight for track in tracks])
        self._chances = weights / weights.sum()

    def __getitem__(self, batch: int) -> tuple[Tensor, Tensor]:
        """Batch number `batch`, always the same one."""
        rng = np.random.default_rng([self.config.seed, batch, self.rank])
        which = rng.choice(len(self.tracks), self.config.n_segments, replace=False, p=self._chances)
        pairs = [self._segment(self.tracks[i], rng) for i in which]
        images, mels = (np.concatenate(side) for side in zip(*pairs, strict=True))
        return torch.from_numpy(images), torch.from_numpy(mels)

    def _segment(self, track: Example, rng: np.random.Generator) -> tuple[npt.NDArray[np.uint8], F32]:
        config, entry = self.config, track.entry
        is_full = config.augmentation == "full"
        speed = augment.speed(rng) if is_full else 1.0
        n = min(config.span_images, int((entry.n_images - 1) / speed) + 1)
        if n < images_needed(config):
            speed, n = 1.0, min(entry.n_images, config.span_images)
        # n images as they are shown come from n_own of the track's.
        n_own = min(entry.n_images, int(np.ceil((n - 1) * speed)) + 1)
        first = int(rng.integers(0, entry.n_images - n_own + 1))
        first_sample, samples = self._samples(track, first, n, rng, speed)
        windows = pick_windows(loudness(samples, first_sample, n), config, rng)
        crops = track.cache.crops(entry, first, n_own)
        shown = augment.stutter(n, rng) if is_full else np.arange(n)
        used = np.unique(np.concatenate([shown[w : w + WINDOW_IMAGES] for w in windows]))
        images = augment.place(augment.between(crops, used * speed), self.height_px, self.width_px, rng)
        if is_full:
            images = augment.erase(augment.degrade(augment.recolour(images, rng), rng), rng)
        at = {image: i for i, image in enumerate(used.tolist())}
        stacks = [stack_images(images[[at[i] for i in shown[w : w + WINDOW_IMAGES].tolist()]]) for w in windows]
        return np.stack(stacks), self._mels(samples, first_sample, windows, rng)

    def _samples(self, track: Example, first: int, n: int, rng: np.random.Generator, speed: float = 1.0) -> tuple[int, F32]:
        """Sound for all windows of n images from `first` on, `speed` times as fast, disturbed; number of its first sample, 0 at `first`."""
        first_column = first_mel_column(0)
        first_sample, end_sample = reach(first_column, first_mel_column(n) + WINDOW_MEL - first_column)
        n_samples = end_sample - first_sample
        jitter = int(rng.integers(-self.config.sound_jitter_samples, self.config.sound_jitter_samples + 1))
        # Sound that comes early by o images belongs to pictures o images later: it is read o images before them.
        zero = (first + CONTEXT_IMAGES - track.offset_frames) * SAMPLES_PER_IMAGE + jitter
        begin = zero + math.floor(first_sample * speed)
        samples = track.cache.samples(track.entry, begin, math.ceil(n_samples * speed) + 2)
        if speed != 1.0:
            at = (np.arange(n_samples) + first_sample) * speed + zero - begin
            samples = np.interp(at, np.arange(len(samples)), samples).astype(np.float32)
        samples = samples[:n_samples]
        if self.config.augmentation != "full":
            return first_sample, samples
        other = self.tracks[int(rng.integers(len(self.tracks)))]
        voice = other.cache.samples(other.entry, CONTEXT_IMAGES * SAMPLES_PER_IMAGE, n_samples)
        return first_sample, augment.disturb(samples, voice, rng)

    def _mels(self, samples: F32, first_sample: int, windows: Sequence[int], rng: np.random.Generator) -> F32:
        columns, _ = mel_columns(samples, np.ones(len(samples), np.bool_), self.mel)
        if self.config.augmentation == "full":
            columns = augment.mask_bands(augment.other_throat(columns, rng), rng)
        zero = first_mel_column(0)
        return np.stack([columns[None, first_mel_column(w) - zero :][:, :WINDOW_MEL] for w in windows])


def stream(batches: WindowBatches, first: int, end: int, *, is_pinned: bool = False) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches number `first` to `end` in order, made beside this process by `n_loader_workers` others."""
    # A forked process that inherits OpenCV's pool waits for ever for threads it does not have, so this one gives the pool up first.
    cv2.setNumThreads(1)
    n_workers = batches.config.n_loader_workers
    loader = DataLoader(
        batches, batch_size=None, sampler=range(first, end), num_workers=n_workers, prefetch_factor=4 if n_workers else None,
        worker_init_fn=_one_thread, pin_memory=is_pinned,
    )  # fmt: skip
    return iter(loader)


def _one_thread(_worker: int) -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def stack_images(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Five RGB images (5, H, W, 3) as one window (15, H, W), image by image."""
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2)).reshape(-1, *images.shape[1:3])


def loudness(samples: F32, first_sample: int, n_images: int) -> F32:
    """Loudness in dB of the five images' sound for each of the windows of `n_images` images."""
    starts = np.arange(n_windows(n_images)) * SAMPLES_PER_IMAGE - first_sample
    power = np.concatenate([[0.0], np.cumsum(samples.astype(np.float64) ** 2)])
    length = WINDOW_IMAGES * SAMPLES_PER_IMAGE
    return np.asarray(10 * np.log10((power[starts + length] - power[starts]) / length + 1e-10), np.float32)


def pick_windows(loudness_db: F32, config: TrainConfig, rng: np.random.Generator) -> list[int]:
    """`n_windows` windows, ascending, at least `min_gap_images` apart, quiet ones more seldom."""
    is_quiet = loudness_db < np.percentile(loudness_db, 95) - 40
    chances = np.where(is_quiet, config.quiet_share, 1.0)
    order = np.argsort(rng.exponential(size=len(chances)) / chances)
    picked: list[int] = []
    for window in order.tolist():
        if all(abs(window - other) >= config.min_gap_images for other in picked):
            picked.append(window)
            if len(picked) == config.n_windows:
                return sorted(picked)
    # The random order left no room: evenly spread ones always fit.
    step = (len(chances) - 1) / (config.n_windows - 1)
    return [round(i * step) for i in range(config.n_windows)]
