"""How well a network does on tracks it was not trained on, quickly enough to be asked every few minutes.

Clips in the wild carry offsets of their own, so a track is judged against itself: windows around the track's own offset,
and whether its two halves agree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from syncqc.clock import ALIGNED_MEL, CONTEXT_MEL, DEFAULT_W, SAMPLES_PER_IMAGE, WINDOW_IMAGES, WINDOW_MEL, first_mel_column, n_windows
from syncqc.measure.similarity import mean_curve, similarity_matrix, validity
from syncqc.media.mel import MelFrontEnd, mel_columns, reach
from syncqc.nets.ic_syncnet import IcSyncNet
from syncqc.train.augment import place
from syncqc.train.batches import stack_images
from syncqc.train.cache import CONTEXT_IMAGES, CropCache, Entry

F32 = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
AT_ONCE = 64
"""Windows embedded together."""


@dataclass(frozen=True)
class Validation:
    """Means over tracks, shares 0-1; None where no track could be judged."""

    window_accuracy: float | None
    """Windows (K = 5) whose best shift lies within 1 of the track's own offset."""
    halves_agree: float | None
    """Tracks whose halves have offsets within 1 of each other."""
    true_over_foreign: float | None
    """Tracks whose own sound scores higher than another speaker's, each at its best shift."""
    mean_margin: float | None
    n_tracks: int
    """Tracks that were judged at all."""


@torch.no_grad()
def embed_track(network: IcSyncNet, cache: CropCache, entry: Entry, mel: MelFrontEnd, w: int = DEFAULT_W) -> tuple[F32, F32, Bools]:
    """Visual embeddings (n, d), audio embeddings (n + 2 w, d), and which of the latter have sound (n + 2 w,)."""
    config = network.config
    images = place(cache.crops(entry, 0, entry.n_images), config.height_px, config.width_px, None)
    n = n_windows(entry.n_images)
    stacks = np.stack([stack_images(images[j : j + WINDOW_IMAGES]) for j in range(n)])
    video = _embedded(lambda some: network.embed_video(some.float() / 255), stacks, network)
    zero = first_mel_column(-w)
    first_sample, end_sample = reach(zero, first_mel_column(n - 1 + w) + WINDOW_MEL - zero)
    begin = CONTEXT_IMAGES * SAMPLES_PER_IMAGE + first_sample
    samples = cache.samples(entry, begin, end_sample - first_sample)
    numbers = np.arange(begin, begin + len(samples))
    is_present = (numbers >= entry.present[0]) & (numbers < entry.present[1])
    columns, has_sound = mel_columns(samples, is_present, mel)
    starts = [first_mel_column(j) - zero for j in range(-w, n + w)]
    mels = np.stack([columns[None, start : start + WINDOW_MEL] for start in starts])
    audio = _embedded(network.embed_audio, mels, network)
    valid = np.array([has_sound[start + CONTEXT_MEL :][:ALIGNED_MEL].all() for start in starts])
    return video, audio, valid


def _embedded(embed: Callable[[Tensor], Tensor], windows: npt.NDArray[Any], network: IcSyncNet) -> F32:
    """Embeddings of all windows, few at a time: large pictures of a whole track would fill the memory."""
    device = network.log_tau.device
    parts = [embed(some.to(device)).cpu().numpy() for some in torch.split(torch.from_numpy(windows), AT_ONCE)]
    return np.concatenate(parts)


def validate(network: IcSyncNet, tracks: Sequence[tuple[CropCache, Entry]], mel: MelFrontEnd, w: int = DEFAULT_W) -> Validation:
    """The network's figures on these tracks; it is put into evaluation mode and back."""
    was_training = network.training
    network.eval()
    embedded = [embed_track(network, cache, entry, mel, w) for cache, entry in tracks]
    network.train(was_training)
    windows, halves, foreign, margins = [], [], [], []
    for i, (video, audio, valid) in enumerate(embedded):
        matrix, is_valid = similarity_matrix(video, audio), validity(valid, w)
        curve = mean_curve(matrix, is_valid)
        if np.isnan(curve).all():
            continue
        best = int(np.nanargmax(curve))
        per_window = np.where(is_valid, matrix, -2.0).argmax(axis=0)
        windows.append(float((np.abs(per_window - best) <= 1).mean()))
        margins.append(float(np.nanmax(curve) - np.nanmedian(curve)))
        middle = matrix.shape[1] // 2
        sides = [mean_curve(matrix[:, part], is_valid[:, part]) for part in (slice(None, middle), slice(middle, None))]
        if not any(np.isnan(side).all() for side in sides):
            halves.append(abs(int(np.nanargmax(sides[0])) - int(np.nanargmax(sides[1]))) <= 1)
        stranger = _stranger([entry.speaker for _, entry in tracks], i)
        if stranger is not None:
            _, sound, has_sound = embedded[stranger]
            n = min(len(video), len(sound) - 2 * w)
            other = mean_curve(similarity_matrix(video[:n], sound[: n + 2 * w]), validity(has_sound[: n + 2 * w], w))
            if not np.isnan(other).all():
                foreign.append(bool(np.nanmax(curve) > np.nanmax(other)))
    return Validation(_mean(windows), _mean(halves), _mean(foreign), _mean(margins), len(windows))


def _stranger(speakers: Sequence[str], i: int) -> int | None:
    """A track of another speaker than track `i`, some way down the list, where the next clips of the same speaker are over."""
    others = (k % len(speakers) for k in range(i + 7, i + 7 + len(speakers)))
    return next((k for k in others if speakers[k] != speakers[i]), None)


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
