"""Clips in which nothing but their coding can tell the time: noise, and textures that move about.

What moves goes round on paths with phases drawn by lot, so that every moment of every clip is alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from syncqc.media.mux import feed_ffmpeg

CLIP_S = 10.5
IMAGE_RATE_HZ = 10
"""The paper's grid: "0.1s (one frame) stride from a 10fps video"."""
SIDE_PX = 256
ONE = ("-threads", "1")
_BLACK = ("-f", "lavfi", "-i", f"color=c=gray:s=16x16:r={IMAGE_RATE_HZ}:d={CLIP_S}")
_TINY = ("-c:v", "libx264", "-crf", "40", *ONE)


def draw_noise(path: Path, seed: int, rate_hz: int, codec: tuple[str, ...]) -> None:
    """A file of Gaussian noise, mono, a tenth of full scale, with a grey picture of 16 x 16."""
    noise = 0.1 * np.random.default_rng([seed, 1]).standard_normal(round(CLIP_S * rate_hz)).astype(np.float32)
    given = ("-f", "f32le", "-ar", str(rate_hz), "-ac", "1", "-i", "pipe:0")
    aside = path.with_name(f".{path.name}")
    feed_ffmpeg([*given, *_BLACK, "-map", "0:a", "-map", "1:v", *_TINY, *codec, *ONE, str(aside)], [noise.tobytes()])
    aside.replace(path)


def draw_pictures(path: Path, seed: int, codec: tuple[str, ...]) -> None:
    """A file of moving pictures; of one seed they are the same in every coding."""
    size = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-video_size", f"{SIDE_PX}x{SIDE_PX}", "-framerate", str(IMAGE_RATE_HZ), "-i", "pipe:0")
    aside = path.with_name(f".{path.name}")
    feed_ffmpeg([*size, *codec, *ONE, str(aside)], (picture.tobytes() for picture in moving_pictures(seed)))
    aside.replace(path)


def moving_pictures(seed: int) -> Iterator[np.ndarray]:
    """Yields `(256, 256, 3)` bytes: a texture that stands or, in one clip of four, pans, three patches going round, and a camera's noise."""
    random = np.random.default_rng([seed, 2])
    ground, pan = _texture(random, 2 * SIDE_PX), _Path(random, 40.0 * (random.random() < 0.25), 0.02, 0.1)
    patches = [(_patch(random), _Path(random, 60.0, 0.05, 0.3)) for _ in range(3)]
    grain = random.uniform(0.5, 2.0)
    for k in range(round(CLIP_S * IMAGE_RATE_HZ)):
        time_s = k / IMAGE_RATE_HZ
        left, top = (SIDE_PX // 2 + x for x in pan.at(time_s))
        picture = ground[top : top + SIDE_PX, left : left + SIDE_PX].copy()
        for (patch, mask), path in patches:
            n = len(patch)
            x, y = (min(max(0, SIDE_PX // 2 - n // 2 + at), SIDE_PX - n) for at in path.at(time_s))
            where = picture[y : y + n, x : x + n]
            where[mask] = patch[mask]
        picture += grain * random.standard_normal((SIDE_PX, SIDE_PX, 1)).astype(np.float32)
        yield np.clip(picture, 0, 255).astype(np.uint8)


class _Path:
    """Where something is that goes to and fro, to and fro."""

    def __init__(self, random: np.random.Generator, reach_px: float, low_hz: float, high_hz: float) -> None:
        self._rates_hz = random.uniform(low_hz, high_hz, (2, 2))
        self._phases = random.uniform(0, 2 * np.pi, (2, 2))
        self._reach_px = reach_px * random.uniform(0.3, 0.5, (2, 2))

    def at(self, time_s: float) -> tuple[int, int]:
        """x and y in pixels around 0."""
        x, y = (self._reach_px * np.sin(2 * np.pi * self._rates_hz * time_s + self._phases)).sum(1)
        return int(round(x)), int(round(y))


def _texture(random: np.random.Generator, side_px: int) -> np.ndarray:
    """`(side, side, 3)`: noise whose energy falls as that of photographs does, in a colour."""
    rows, columns = np.fft.fftfreq(side_px)[:, None], np.fft.rfftfreq(side_px)[None, :]
    fall = np.maximum(np.hypot(rows, columns), 1 / side_px) ** -random.uniform(0.9, 1.3)
    grey = np.fft.irfft2(np.fft.rfft2(random.standard_normal((side_px, side_px))) * fall, (side_px, side_px))
    colour = random.uniform(0.5, 1.0, 3)
    return (128 + random.uniform(30, 50) * grey[:, :, None] / grey.std() * colour).astype(np.float32)


def _patch(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A round piece of texture and its mask."""
    n = int(random.integers(30, 80))
    rows, columns = np.indices((n, n)) - (n - 1) / 2
    return _texture(random, n), np.hypot(rows, columns) < n / 2
