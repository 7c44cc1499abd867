"""Whether something in a row of numbers comes back at even distances, at which, and how probable that is by chance.

Knows numbers per picture only, not where they come from. The null is "the same numbers in any other order".
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from syncqc.clock import IMAGE_RATE_HZ
from syncqc.media.ghost import picture_on_show

F32 = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

MIN_PERIOD, MAX_PERIOD = 6, 60
"""Pictures. Shorter ones are the rhythm of B-frames, pulldown or dropped pictures; longer ones come too rarely."""
MIN_TIMES = 3
"""A period counts where it would be seen at least so often."""
MIN_IMAGES = 25
USUAL_PERIODS = (10, 12, 12.5, 15, 18, 20, 24, 25, 30, 48, 50, 60)
"""Encoders' defaults and round numbers, also at 25 pictures per second instead of 24 or 30."""
HANDICAP = 0.7
"""Standard deviations of a mean by which any other period has to be better; in random order as well, so that p values stay right."""
N_ORDERS = 200
"""Random orders that the folded means are held against; of long traces half as many."""
_LONG = 500
_EULER = 0.5772156649
_SMALLEST = 1e-12


@dataclass(frozen=True)
class Ghost:
    """The period whose best phase stands out most, and what that is worth."""

    period_frames: float
    """In the file's pictures; with 25 of them per second also halves, which come from 24 that became 25."""
    phase_frames: float
    """The first picture of the clip that is such a one, 0 <= phase < period."""
    strength: float
    """How far the best folded mean lies above the best ones of the same numbers in random order, in their standard deviations."""
    p_value: float
    """Probability of at least that strength in random order, over all periods and phases together: a Gumbel law fitted to those."""


def find_period(trace: F32, images: Ints, fps: float) -> Ghost | None:
    """The period of a trace of `media.ghost.change_trace`; None where fewer than 25 images have a number.

    `trace` (n,) holds for `images` (n,), rising numbers of images at 25 per second of a file with `fps` even pictures per second. The
    change of an image belongs to all pictures of the file that came since the image before.
    """
    is_known = np.isfinite(trace)
    trace, images = trace[is_known], images[is_known]
    if len(trace) < MIN_IMAGES or not float(trace.std()) > 0:
        return None
    values = ((trace - trace.mean()) / trace.std()).astype(np.float32)
    image_of = _image_of_pictures(images, fps)
    rng = np.random.default_rng(0)
    orders = np.tile(values, (1 + (N_ORDERS if len(values) <= _LONG else N_ORDERS // 2), 1))
    rng.permuted(orders[1:], axis=1, out=orders[1:])
    best, highest = (-math.inf, 0.0, 0.0), np.full(len(orders), -np.inf, np.float32)
    for period, folded in _folded(orders, image_of, has_halves=fps == IMAGE_RATE_HZ):
        if period not in USUAL_PERIODS:
            folded -= HANDICAP
        phase = int(np.argmax(folded[0]))
        best = max(best, (float(folded[0, phase]), -period, float(phase)))
        np.maximum(highest, folded.max(axis=1), out=highest)
    if not math.isfinite(best[0]):
        return None
    by_chance = highest[1:]
    strength = (best[0] - float(by_chance.mean())) / float(by_chance.std())
    first = int(picture_on_show(images[:1] - 1, fps)[0]) + 1
    period = -best[1]
    step = 1.0 if period == round(period) else 0.5
    return Ghost(period, (first + best[2] * step) % period, strength, p_value(strength))


def p_value(strength: float) -> float:
    """Probability that the largest of many chance values lies so many standard deviations above its mean, by Gumbel's law."""
    return max(_SMALLEST, -math.expm1(-math.exp(-(strength * math.pi / math.sqrt(6) + _EULER))))


def _image_of_pictures(images: Ints, fps: float) -> Ints:
    """For each picture of the file from the first image's on, the index of the image whose change it is part of; -1 for none."""
    shown, before = picture_on_show(images, fps), picture_on_show(images - 1, fps)
    first = int(before[0]) + 1
    image_of = np.full(max(0, int(shown[-1]) - first + 1), -1, np.int64)
    for i, (begin, end) in enumerate(zip(before - first + 1, shown - first + 1, strict=True)):
        image_of[begin:end] = i
    return image_of


def _folded(orders: F32, image_of: Ints, *, has_halves: bool) -> Iterator[tuple[float, F32]]:
    """Per period the sums (orders, phases) over the pictures of each phase, over the root of how many those are; -inf for too few."""
    weights = (image_of >= 0).astype(np.float32)
    values = orders[:, image_of] * weights
    for period in range(MIN_PERIOD, min(MAX_PERIOD, len(weights) // MIN_TIMES) + 1):
        yield float(period), _fold(values, weights, period)
    if not has_halves:
        return
    # In half pictures: what falls between two pictures is seen in the later one.
    later = (np.arange(2 * len(weights) - 1) + 1) // 2
    halves, half_weights = values[:, later], weights[later]
    for odd in range(2 * MIN_PERIOD + 1, min(MAX_PERIOD, 2 * len(weights) // MIN_TIMES) + 1, 2):
        yield odd / 2, _fold(halves, half_weights, odd)


def _fold(values: F32, weights: F32, period: int) -> F32:
    n_padded = -(-len(weights) // period) * period
    padded = np.zeros((len(values), n_padded), np.float32)
    padded[:, : len(weights)] = values
    counts = np.zeros(n_padded, np.float32)
    counts[: len(weights)] = weights
    times = counts.reshape(-1, period).sum(axis=0)
    sums = padded.reshape(len(values), -1, period).sum(axis=1)
    return np.where(times >= MIN_TIMES, sums / np.sqrt(np.maximum(times, 1)), -np.inf).astype(np.float32)
