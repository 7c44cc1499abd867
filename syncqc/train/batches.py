"""Batches of windows: several from each of several face tracks, every one with its own sound.

The other windows of a track are its hard negatives, those of other tracks the easy ones, so every embedding is used many
times. Knows the cache and the augmentation; nothing of networks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

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


class WindowBatches(IterableDataset[tuple[Tensor, Tensor]]):
    """An endless stream of batches (images uint8 (B, 15, H, W), mel (B, 1, 32, 80)), B = n_segments x n_windows, tracks in a row."""

    def __init__(self, tracks: Sequence[Example], config: TrainConfig, height_px: int, width_px: int, mel: MelFrontEnd, seed: int) -> None:
        """`seed` and the worker's number decide everything that is random."""
        self.tracks, self.config, self.mel = tracks, config, mel
        self.height_px, self.width_px, self.seed = height_px, width_px, seed
        weights = np.array([track.weight for track in tracks])
        self._chances = weights / weights.sum()

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches without end."""
        worker = torch.utils.data.get_worker_info()
        rng = np.random.default_rng([self.seed, worker.id if worker else 0])
        while True:
            which = rng.choice(len(self.tracks), self.config.n_segments, replace=False, p=self._chances)
            pairs = [self._segment(self.tracks[i], rng) for i in which]
            images, mels = (np.concatenate(side) for side in zip(*pairs, strict=True))
            yield torch.from_numpy(images), torch.from_numpy(mels)

    def _segment(self, track: Example, rng: np.random.Generator) -> tuple[npt.NDArray[np.uint8], F32]:
        config, entry = self.config, track.entry
        n = min(entry.n_images, config.span_images)
        first = int(rng.integers(0, entry.n_images - n + 1))
        first_sample, samples = self._samples(track, first, n, rng)
        windows = pick_windows(loudness(samples, first_sample, n), config, rng)
        crops = track.cache.crops(entry, first, n)
        shown = augment.stutter(n, rng)
        used = np.unique(np.concatenate([shown[w : w + WINDOW_IMAGES] for w in windows]))
        images = augment.place(crops[used], self.height_px, self.width_px, rng)
        images = augment.degrade(augment.recolour(images, rng), rng)
        at = {image: i for i, image in enumerate(used.tolist())}
        stacks = [stack_images(images[[at[i] for i in shown[w : w + WINDOW_IMAGES].tolist()]]) for w in windows]
        return np.stack(stacks), self._mels(samples, first_sample, windows, rng)

    def _samples(self, track: Example, first: int, n: int, rng: np.random.Generator) -> tuple[int, F32]:
        """Sound for all windows of images first ... first + n, disturbed; number of its first sample, 0 at image `first`."""
        first_column = first_mel_column(0)
        first_sample, end_sample = reach(first_column, first_mel_column(n) + WINDOW_MEL - first_column)
        jitter = int(rng.integers(-self.config.sound_jitter_samples, self.config.sound_jitter_samples + 1))
        # Sound that comes early by o images belongs to pictures o images later: it is read o images before them.
        begin = (first + CONTEXT_IMAGES - track.offset_frames) * SAMPLES_PER_IMAGE + first_sample + jitter
        n_samples = end_sample - first_sample
        samples = track.cache.samples(track.entry, begin, n_samples)
        other = self.tracks[int(rng.integers(len(self.tracks)))]
        voice = other.cache.samples(other.entry, CONTEXT_IMAGES * SAMPLES_PER_IMAGE, n_samples)
        return first_sample, augment.disturb(samples, voice, rng)

    def _mels(self, samples: F32, first_sample: int, windows: Sequence[int], rng: np.random.Generator) -> F32:
        columns, _ = mel_columns(samples, np.ones(len(samples), np.bool_), self.mel)
        columns = augment.mask_bands(columns, rng)
        zero = first_mel_column(0)
        return np.stack([columns[None, first_mel_column(w) - zero :][:, :WINDOW_MEL] for w in windows])


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
