"""Trims: how long they are, which clips they are drawn from, and what a network is given of them.

Knows the beginnings of clips and the settings; no network and no verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from syncqc.stages.start_time import MAX_STEPS, MIN_STEPS
from syncqc.train.leak_data import Start
from syncqc.train.leak_settings import LeakSettings

Ints = npt.NDArray[np.int64]

WINDOW_SAMPLES = 2048
"""Two of AAC's blocks, the window of its own transform: where blocks lie is seen best by windows that lie as they do."""
HOP_SAMPLES = 256
"""A power of two: AAC's blocks of 1024 samples then lie alike under every fourth column, and pooling over time keeps where they lie."""
N_BANDS = 16
SQUARE_PX = 4
LEAST_CHANGE = 0.1
"""Added to a square's standard deviation: where nothing changes at all nothing is made of it."""
_QUIETEST = 1e-4
"""What rounding to 16 bits leaves in a column."""


def trim_steps(lengths: Sequence[int], reached_by: float) -> int:
    """The length of a trim and the number of its possible starts, in steps of 0.1 s; 0 where too many clips are under 2 s.

    Half of the longest even length, at most 10 s, that a share `reached_by` of the clips has.
    """
    if not lengths:
        return 0
    longest_first = sorted(lengths, reverse=True)
    reached = longest_first[max(0, -int(-reached_by * len(lengths) // 1) - 1)]
    return min(MAX_STEPS, reached) // 2 if reached >= MIN_STEPS else 0


@dataclass(frozen=True)
class Division:
    """Clips to learn from, to stop by and to judge on; no speaker is in two of them."""

    train: list[Start]
    validation: list[Start]
    test: list[Start]


def divide(starts: Sequence[Start], settings: LeakSettings) -> Division:
    """The clips divided, whole speakers by lot: into the test clips while there is room in their share, else the validation clips.

    A speaker with more clips than a share has room for is learnt from.
    """
    groups: dict[str, list[Start]] = {}
    for start in starts:
        groups.setdefault(start.group, []).append(start)
    names = sorted(groups)
    np.random.default_rng(settings.seed).shuffle(names)
    parts = Division([], [], [])
    room = {"test": ceil(settings.test_share * len(starts)), "validation": ceil(settings.validation_share * len(starts))}
    for name in names:
        where = next((part for part, n in room.items() if n >= len(groups[name])), "train")
        getattr(parts, where).extend(groups[name])
        if where in room:
            room[where] -= len(groups[name])
    return parts


@dataclass(frozen=True)
class Trims:
    """Trims of clips, `n_steps` long, as a network takes them."""

    modality: str
    n_steps: int
    crop_px: int

    @property
    def n_channels(self) -> int:
        """Channels of the network's input: see `seen` and `heard`."""
        return 5 * self.n_steps + 1 if self.modality == "rgb" else 1

    def drawn(self, starts: Sequence[Start], n: int, random: np.random.Generator) -> tuple[Tensor, Tensor]:
        """`n` trims of clips by lot as `given` gives them, pictures cut anywhere and mirrored or not, and where they begin `(n,)`."""
        which, steps = random.integers(0, len(starts), n), random.integers(0, self.n_steps, n)
        return self.given([starts[i] for i in which], steps, random), torch.from_numpy(steps)

    def given(self, starts: Sequence[Start], steps: Ints, random: np.random.Generator | None = None) -> Tensor:
        """The trims as bytes `(n, crop, crop, images, 3)` or samples `(n, samples)`; see `seen` and `heard`."""
        trims = zip(starts, steps, strict=True)
        if self.modality == "audio":
            return torch.from_numpy(np.stack([start.samples(int(step), self.n_steps) for start, step in trims]))
        return torch.from_numpy(np.stack([self._cut(start.images(int(step), self.n_steps), random) for start, step in trims]))

    def _cut(self, images: npt.NDArray[np.uint8], random: np.random.Generator | None) -> npt.NDArray[np.uint8]:
        side = min(self.crop_px, images.shape[1]) // SQUARE_PX * SQUARE_PX
        room = images.shape[1] - side
        top, left = (room // 2, room // 2) if random is None else (int(edge) for edge in random.integers(0, room + 1, 2))
        cut = images[:, top : top + side, left : left + side].transpose(1, 2, 0, 3)
        return cut[:, ::-1] if random is not None and random.random() < 0.5 else cut

    def input(self, given: Tensor) -> Tensor:
        """What the network is given of them, on their device."""
        return seen(given) if self.modality == "rgb" else heard(given)


def seen(images: Tensor) -> Tensor:
    """Channels `(n, 5 images + 1, height / 4, width / 4)` of bytes `(n, height, width, images, 3)`: the images, and how they change.

    The paper stacks the RGB images. Here they are given as their mean over the trim, three channels, and what each differs from it.
    Beside them stand the sizes of the changes of grey from image to image, compressed: log(1 + |d|), as in its Fig. 6, "sensitive to any
    change". All are averaged over 4 x 4 pixels, the changes after their sizes are taken: what key frames change is fine, and what counts
    is how much of it there is. Changes are given in standard deviations of their own square over the trim, so that still squares, in
    which nothing but coding changes, count as much as moving ones; and once more as the mean over all squares, the same everywhere. A
    network could learn all this; given it, it needs far fewer clips.
    """
    values = images.to(torch.float32)
    changes = _averaged(torch.log(values.mean(-1).diff(dim=-1).abs_() + 1))
    changes = (changes - changes.mean(-1, keepdim=True)) / (changes.std(-1, keepdim=True, correction=0) + LEAST_CHANGE)
    means = _averaged(values.flatten(3))
    values = means.reshape(*means.shape[:3], *values.shape[3:])
    mean = values.mean(-2, keepdim=True)
    overall = changes.mean((1, 2), keepdim=True).expand_as(changes)
    channels = [(mean / 64 - 2).flatten(3), ((values - mean) / 16).flatten(3), changes, overall]
    return torch.cat(channels, -1).permute(0, 3, 1, 2)


def _averaged(maps: Tensor) -> Tensor:
    """Means over squares, `(n, height / 4, width / 4, channels)`."""
    n, height, width, n_channels = maps.shape
    return maps.reshape(n, height // SQUARE_PX, SQUARE_PX, width // SQUARE_PX, SQUARE_PX, n_channels).mean((2, 4))


def heard(samples: Tensor) -> Tensor:
    """A log-spectrogram `(n, 1, columns, 16)` of 16-bit samples `(n, samples)`: a column every 256 samples, logarithms of bins averaged.

    Logarithms are averaged and not energies: the holes that coding leaves are what is looked for.
    """
    window = torch.hann_window(WINDOW_SAMPLES, device=samples.device)
    spectrum = torch.stft(samples.to(torch.float32) / 32768, WINDOW_SAMPLES, HOP_SAMPLES, window=window, center=False, return_complex=True)
    logs = torch.log(spectrum.abs()[:, 1:] + _QUIETEST)
    bands = logs.reshape(len(logs), N_BANDS, -1, logs.shape[-1]).mean(2)
    return bands.transpose(1, 2)[:, None] / 2 + 2
