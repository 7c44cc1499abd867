"""Sound that does not belong to a face track: somebody else's, the same speaker's of another time, its own turned round, or a mixture.

::

    own         o0 o1 o2 o3 o4 o5      begins with the part; what is around it is left out here
    foreign     f0 f1 f2 f3 f4 f5      what another speaker said, laid beside the part
    turned      o3 o4 o5 o0 o1 o2      every mouth hears what was said half a part away, out of reach of the search
    replaced    o0 o1 f2 f3 o4 o5      another speaker for a while, equally loud

Where the own sound is missing all of them are: none is to be told by its length. Knows samples and parts; no network.
"""

from __future__ import annotations

from collections import OrderedDict, deque

import numpy as np
import numpy.typing as npt

from syncqc.clock import SAMPLES_PER_IMAGE, SOUND_RATE_HZ
from syncqc.stages.part import Part, Sound

F32 = npt.NDArray[np.float32]

FADE_S = 0.02
"""How long one sound takes to become another."""
_KEPT_SPEAKERS, _KEPT_PARTS = 4, 2
_LEAST_COVERED = 0.95
_OUT_OF_REACH_IMAGES = 2
"""What was said must lie so much farther away than the search reaches, because a neighbour of the true shift is good too."""


def earlier(sound: Sound, images: int) -> Sound:
    """The sound so many images earlier on the clip's clock; it is what a larger offset looks like."""
    return Sound(sound.samples, sound.first_sample - images * SAMPLES_PER_IMAGE, sound.is_present)


def cut(sound: Sound, first: int, end: int) -> Sound:
    """Samples [first, end) of the sound; not present where it does not reach."""
    samples, is_present = np.zeros(end - first, np.float32), np.zeros(end - first, np.bool_)
    lo, hi = max(first, sound.first_sample), min(end, sound.first_sample + len(sound.samples))
    if hi > lo:
        samples[lo - first : hi - first] = sound.samples[lo - sound.first_sample : hi - sound.first_sample]
        is_present[lo - first : hi - first] = sound.is_present[lo - sound.first_sample : hi - sound.first_sample]
    return Sound(samples, first, is_present)


def turned(part: Part, reach_images: int) -> Sound | None:
    """The part's own sound turned round by half its length; None where the part is so short that the search would find it again.

    The sound is the part's alone, repeated before and after it, and fades out and in where its end meets its beginning.
    `reach_images` is how far the search goes at most.
    """
    own = _of(part)
    if part.n_images // 2 < reach_images + _OUT_OF_REACH_IMAGES:
        return None
    begin, n = part.first_image * SAMPLES_PER_IMAGE, part.n_images * SAMPLES_PER_IMAGE
    inside = cut(own, begin, begin + n)
    place = (np.arange(len(own.samples)) + own.first_sample - begin + (part.n_images // 2) * SAMPLES_PER_IMAGE) % n
    half_fade = FADE_S * SOUND_RATE_HZ / 2
    rise = np.minimum(1, np.minimum(place, n - 1 - place) / half_fade)
    is_present = inside.is_present[place] & own.is_present
    return Sound((inside.samples[place] * rise * is_present).astype(np.float32), own.first_sample, is_present)


def equally_loud(other: Sound, part: Part) -> Sound | None:
    """The other sound with the part's own loudness (root mean square over the part); None where there is nothing to hear."""
    own = _of(part)
    begin = part.first_image * SAMPLES_PER_IMAGE
    levels = [_rms(cut(sound, begin, begin + part.n_images * SAMPLES_PER_IMAGE)) for sound in (own, other)]
    if min(levels) == 0:
        return None
    return Sound((other.samples * (levels[0] / levels[1])).astype(np.float32), other.first_sample, other.is_present)


def replaced(own: Sound, other: Sound, first_sample: int | None, end_sample: int | None) -> Sound:
    """The own sound with the other's from `first_sample` to `end_sample` on the clip's clock; None stands for as far as it goes.

    One becomes the other over `FADE_S`, half of it on either side of the border.
    """
    laid = cut(other, own.first_sample, own.first_sample + len(own.samples))
    at = np.arange(len(own.samples)) + own.first_sample
    share = np.ones(len(at))
    for border, sign in ((first_sample, 1), (end_sample, -1)):
        if border is not None:
            share = np.minimum(share, np.clip(0.5 + sign * (at - border) / (FADE_S * SOUND_RATE_HZ), 0, 1))
    is_present = np.where(share > 0.5, laid.is_present & own.is_present, own.is_present)
    samples = (share * laid.samples + (1 - share) * own.samples) * is_present
    return Sound(samples.astype(np.float32), own.first_sample, is_present)


def runs(n: int, shares: tuple[float, ...]) -> list[tuple[int, int]]:
    """Runs (first, one past the last) of so large shares of n windows, each at the start, in the middle and at the end."""
    found: list[tuple[int, int]] = []
    for length in (round(share * n) for share in shares):
        for first in (0, (n - length) // 2, n - length):
            if length and (first, first + length) not in found:
                found.append((first, first + length))
    return found


class Strangers:
    """The sound of the last parts of the last few speakers."""

    def __init__(self) -> None:
        self._parts: OrderedDict[str, deque[Part]] = OrderedDict()

    def add(self, part: Part, speaker: str) -> None:
        """Keeps the part's sound; its pictures and tracks go."""
        kept = self._parts.setdefault(speaker, deque(maxlen=_KEPT_PARTS))
        kept.append(Part(part.clip, part.part_index, part.n_parts, part.first_image, part.n_images, sound=part.sound))
        self._parts.move_to_end(speaker)
        while len(self._parts) > _KEPT_SPEAKERS:
            self._parts.popitem(last=False)

    def beside(self, part: Part, speaker: str, n: int) -> list[Sound]:
        """Up to `n` sounds of others laid beside the part, those that reach farthest first, of equal ones the latest of each speaker."""
        others = [parts for who, parts in reversed(self._parts.items()) if who != speaker]
        return _laid_beside(part, [parts[-1 - age] for age in range(_KEPT_PARTS) for parts in others if age < len(parts)], n)

    def same(self, part: Part, speaker: str, reach_images: int) -> list[Sound]:
        """Up to one sound of the speaker from another part, too far away in time for the search to find what belongs to the part."""
        far = [
            other
            for other in reversed(self._parts.get(speaker, ()))
            if other.clip.clip_id != part.clip.clip_id or abs(other.first_image - part.first_image) >= reach_images + _OUT_OF_REACH_IMAGES
        ]
        return _laid_beside(part, far, 1)


def _laid_beside(part: Part, others: list[Part], n: int) -> list[Sound]:
    own = _of(part)
    begin = part.first_image * SAMPLES_PER_IMAGE - own.first_sample
    within = slice(begin, begin + part.n_images * SAMPLES_PER_IMAGE)
    found = []
    for other in others:
        laid = earlier(_of(other), other.first_image - part.first_image)
        laid = cut(laid, own.first_sample, own.first_sample + len(own.samples))
        laid.is_present &= own.is_present
        laid.samples *= laid.is_present
        if laid.is_present[within].sum() >= _LEAST_COVERED * own.is_present[within].sum():
            found.append(laid)
    return sorted(found, key=lambda laid: -int(laid.is_present.sum()))[:n]


def _of(part: Part) -> Sound:
    assert part.sound is not None, "the part was read with its sound"
    return part.sound


def _rms(sound: Sound) -> float:
    heard = sound.samples[sound.is_present].astype(np.float64)
    return float(np.sqrt((heard**2).mean())) if heard.size else 0.0
