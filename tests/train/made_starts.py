"""Beginnings of clips that were never on a disk: noise, with or without something in it that tells the time."""

from __future__ import annotations

import numpy as np

from syncqc.train.leak_data import Start

NOTHING = np.zeros(0, np.int16)
RATE_HZ = 16_000


def pictures(number: int, *, leaks: bool, n_steps: int = 20, side_px: int = 32, group: str | None = None) -> Start:
    """Noise at 10 pictures per second; where it leaks every fifth picture is new noise, and the four after it repeat it."""
    random = np.random.default_rng([number, 1])
    noise = random.integers(40, 60, (n_steps, side_px, side_px, 3))
    if leaks:
        noise = noise[np.arange(n_steps) // 5 * 5]
    places = np.arange(50)[:, None] + np.arange(50)[None, :]
    places = np.where(places < n_steps, places, -1).astype(np.int16)
    name = f"clip-{number:03d}"
    return Start(name, "", group or name, n_steps, 0.5 if leaks else None, None, places, noise.astype(np.uint8), NOTHING)


def sound(number: int, *, leaks: bool, n_steps: int = 20, rate_hz: int = RATE_HZ) -> Start:
    """Noise; where it leaks it is loud for 60 ms every 0.5 s."""
    random = np.random.default_rng([number, 2])
    n = n_steps * rate_hz // 10
    noise = 1000 * random.standard_normal(n)
    if leaks:
        noise[np.arange(n) / rate_hz % 0.5 < 0.06] *= 8
    name = f"clip-{number:03d}"
    no_pictures, no_places = np.zeros((0, 1, 1, 3), np.uint8), np.zeros((0, 50), np.int16)
    return Start(name, "", name, n_steps, 0.5 if leaks else None, rate_hz, no_places, no_pictures, noise.astype(np.int16))
