"""What a synthetic speaker says and how mouth and voice move while saying it, as curves over time.

Knows neither pixels nor samples. Random syllables are strung together from a seed; one set of curves drives both the
drawn lips and the formants, so that sound and picture belong together as in speech: lips are shut during m, b and p,
wide while F1 is high, round while F2 is low, and they begin to move before the voice does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.interpolate import PchipInterpolator

F64 = npt.NDArray[np.float64]

CURVE_RATE_HZ = 1000
LEAD_S = 2.0
"""Speech begins this long before time 0 and goes on as long after the end, so that shifted sound is speech too."""

Kind = Literal["vowel", "nasal", "stop", "fricative", "glide", "pause"]


@dataclass(frozen=True)
class Phone:
    """One speech sound: where the lips go, how firmly, and what is heard."""

    kind: Kind
    opening: float
    """Lip distance, 1 at the widest; below 0 the lips are pressed together."""
    width: float
    """-1 round ... 1 spread."""
    formants_hz: tuple[float, float, float]
    """Of a man's vocal tract."""
    hold: float = 1.0
    """0: the lips go where the neighbours want them; 1: they reach the target."""
    voice: float = 0.0
    """Amplitude of the glottal source."""
    noise: float = 0.0
    """Amplitude of the friction or of the burst."""
    noise_band_hz: tuple[float, float] = (1500.0, 7500.0)
    tuck: float = 0.0
    """1: the lower lip touches the upper teeth."""
    tongue: float = 0.0
    """1: the tip of the tongue is seen behind the teeth."""
    typical_s: float = 0.08


PHONES: dict[str, Phone] = {
    "a": Phone("vowel", 0.95, 0.10, (730, 1090, 2440), voice=1.0, typical_s=0.135),
    "e": Phone("vowel", 0.58, 0.45, (530, 1840, 2480), voice=1.0, typical_s=0.12),
    "i": Phone("vowel", 0.30, 0.90, (380, 2100, 2800), voice=1.0, typical_s=0.11),
    "o": Phone("vowel", 0.42, -0.40, (600, 1200, 2500), voice=1.0, typical_s=0.125),
    "u": Phone("vowel", 0.12, -0.70, (420, 1300, 2400), voice=1.0, typical_s=0.115),
    "m": Phone("nasal", -0.20, 0.0, (250, 1000, 2200), voice=0.35, typical_s=0.085),
    "b": Phone("stop", -0.25, 0.0, (220, 900, 2200), voice=0.10, noise=0.10, noise_band_hz=(300, 2500), typical_s=0.085),
    "p": Phone("stop", -0.30, 0.0, (300, 900, 2200), noise=0.22, noise_band_hz=(300, 3000), typical_s=0.110),
    "f": Phone("fricative", 0.10, 0.0, (300, 1100, 2300), noise=0.07, noise_band_hz=(1500, 7500), tuck=1.0, typical_s=0.100),
    "v": Phone("fricative", 0.10, 0.0, (260, 1100, 2300), voice=0.25, noise=0.03, noise_band_hz=(1500, 7500), tuck=1.0, typical_s=0.075),
    "s": Phone("fricative", 0.14, 0.4, (300, 1700, 2600), hold=0.85, noise=0.30, noise_band_hz=(4200, 7700), typical_s=0.105),
    "sh": Phone("fricative", 0.20, -0.6, (300, 1700, 2400), hold=0.85, noise=0.32, noise_band_hz=(2000, 5500), typical_s=0.110),
    "t": Phone("stop", 0.16, 0.0, (300, 1750, 2600), hold=0.6, noise=0.28, noise_band_hz=(3000, 7500), tongue=0.6, typical_s=0.085),
    "d": Phone("stop", 0.18, 0, (240, 1750, 2600), hold=0.6, voice=0.1, noise=0.15, noise_band_hz=(2500, 6500), tongue=0.6, typical_s=0.07),
    "k": Phone("stop", 0.30, 0.0, (300, 1900, 2300), hold=0.2, noise=0.22, noise_band_hz=(1300, 4000), typical_s=0.09),
    "n": Phone("nasal", 0.22, 0.0, (250, 1500, 2500), hold=0.5, voice=0.35, tongue=0.7, typical_s=0.075),
    "l": Phone("glide", 0.36, 0.0, (360, 1300, 2700), hold=0.4, voice=0.55, tongue=0.9, typical_s=0.07),
    "w": Phone("glide", 0.05, -1.0, (300, 650, 2200), voice=0.5, typical_s=0.075),
    "-": Phone("pause", 0.0, 0.0, (500, 1500, 2500), typical_s=0.30),
}  # fmt: skip

_CONSONANTS = {"m": 13, "b": 12, "p": 11, "f": 7, "v": 6, "s": 10, "sh": 4, "t": 9, "d": 9, "k": 6, "n": 8, "l": 7, "w": 4}
_VOWELS = {"a": 44, "e": 26, "i": 11, "o": 14, "u": 5}


@dataclass(frozen=True)
class Spoken:
    """One speech sound in its place."""

    symbol: str
    start_s: float
    end_s: float
    stress: float

    @property
    def phone(self) -> Phone:
        """The sound's targets."""
        return PHONES[self.symbol]

    @property
    def centre_s(self) -> float:
        """The middle of the sound."""
        return (self.start_s + self.end_s) / 2

    @property
    def release_s(self) -> float:
        """The end of the closure of a stop (its burst follows); the end of any other sound."""
        share = 0.7 if self.phone.kind == "stop" else 1.0
        return self.start_s + share * (self.end_s - self.start_s)


@dataclass(frozen=True)
class Curves:
    """Targets reached smoothly over time, one value per millisecond from `start_s` on."""

    start_s: float
    opening: F64
    width: F64
    tuck: F64
    tongue: F64
    formants_hz: F64
    """(n, 3)"""

    @property
    def times_s(self) -> F64:
        """(n,) when each value holds."""
        return self.start_s + np.arange(len(self.opening)) / CURVE_RATE_HZ


@dataclass(frozen=True)
class Speech:
    """A sequence of speech sounds without holes and the curves that belong to it."""

    sounds: tuple[Spoken, ...]
    curves: Curves = field(repr=False)


def speak(seed: int, duration_s: float) -> Speech:
    """Random speech from LEAD_S before time 0 to LEAD_S after `duration_s`; the same for the same seed and duration."""
    sounds = tuple(_sounds(np.random.default_rng([seed, 1]), -LEAD_S, duration_s + LEAD_S))
    return Speech(sounds, _curves(sounds))


def _sounds(random: np.random.Generator, start_s: float, end_s: float) -> Iterator[Spoken]:
    """Phrases of 6 to 12 syllables (consonant, vowel, sometimes a consonant) with pauses between them."""
    now, last_vowel = start_s, ""
    while now < end_s:
        for _ in range(int(random.integers(6, 13))):
            stress = float(random.uniform(0.7, 1.1))
            vowel = _draw(random, {v: k for v, k in _VOWELS.items() if v != last_vowel})
            symbols = [_draw(random, _CONSONANTS), vowel]
            if random.random() < 0.25:
                symbols.append(_draw(random, {c: _CONSONANTS[c] for c in ("m", "p", "s", "n", "l", "f")}))
            for symbol in symbols:
                length = PHONES[symbol].typical_s * float(random.uniform(0.8, 1.25)) * (stress if symbol in _VOWELS else 1.0)
                yield Spoken(symbol, now, now + max(0.06, min(0.18, length)), stress)
                now += max(0.06, min(0.18, length))
            last_vowel = vowel
        pause = float(random.uniform(0.15, 0.28))
        yield Spoken("-", now, now + pause, 1.0)
        now += pause


def _draw(random: np.random.Generator, weights: dict[str, int]) -> str:
    names = list(weights)
    shares = np.array([weights[name] for name in names], float)
    return names[int(random.choice(len(names), p=shares / shares.sum()))]


class _Keys:
    """Points of one curve; between them it runs smoothly and never beyond them."""

    def __init__(self) -> None:
        self.points: list[tuple[float, float]] = []

    def put(self, time_s: float, value: float) -> None:
        if not self.points or time_s > self.points[-1][0] + 1e-4:
            self.points.append((time_s, value))

    def at(self, times_s: F64) -> F64:
        keys, values = zip(*self.points, strict=True)
        curve = PchipInterpolator(keys, values, extrapolate=False)(np.clip(times_s, keys[0], keys[-1]))
        return np.asarray(curve, np.float64)


def _curves(sounds: tuple[Spoken, ...]) -> Curves:
    keys = {name: _Keys() for name in ("opening", "width", "tuck", "tongue", "f1", "f2", "f3")}
    for before, sound, after in zip((sounds[0], *sounds[:-1]), sounds, (*sounds[1:], sounds[-1]), strict=True):
        _put_lips(keys, sound, _wanted(before), _wanted(after))
        phone = sound.phone
        for name, value in zip(("f1", "f2", "f3"), phone.formants_hz, strict=True):
            spread = 0.15 if phone.kind == "vowel" else 0.3
            length = sound.end_s - sound.start_s
            keys[name].put(sound.centre_s - spread * length, value)
            keys[name].put(sound.centre_s + spread * length, value)
    start_s = sounds[0].start_s
    times = start_s + np.arange(int((sounds[-1].end_s - start_s) * CURVE_RATE_HZ)) / CURVE_RATE_HZ
    drawn = {name: key.at(times) for name, key in keys.items()}
    formants = np.stack([drawn.pop("f1"), drawn.pop("f2"), drawn.pop("f3")], axis=1)
    return Curves(start_s, drawn["opening"], drawn["width"], drawn["tuck"], drawn["tongue"], formants)


def _wanted(sound: Spoken) -> float:
    """The opening a sound would like to have."""
    opening = sound.phone.opening
    return opening * sound.stress if sound.phone.kind == "vowel" else max(opening, 0.0)


def _put_lips(keys: dict[str, _Keys], sound: Spoken, before: float, after: float) -> None:
    phone, length = sound.phone, sound.end_s - sound.start_s
    if phone.kind == "pause":
        for time_s in (sound.start_s + 0.10, sound.end_s - 0.10):
            keys["opening"].put(time_s, phone.opening)
            keys["width"].put(time_s, 0.0)
    elif phone.opening < 0:
        # Shut exactly from the first to the last moment of the closure.
        keys["opening"].put(sound.start_s, 0.0)
        keys["opening"].put((sound.start_s + sound.release_s) / 2, phone.opening)
        keys["opening"].put(sound.release_s, 0.0)
    elif phone.kind == "vowel":
        keys["opening"].put(sound.centre_s - 0.1 * length, _wanted(sound))
        keys["opening"].put(sound.centre_s + 0.1 * length, 0.97 * _wanted(sound))
    else:
        mixed = phone.hold * phone.opening + (1 - phone.hold) * (before + after) / 2
        keys["opening"].put(sound.centre_s - 0.15 * length, mixed)
        keys["opening"].put(sound.centre_s + 0.15 * length, mixed)
    if phone.width:
        # Rounding and spreading are taken up early.
        keys["width"].put(sound.centre_s - 0.3 * length, phone.width)
        keys["width"].put(sound.centre_s + 0.1 * length, phone.width)
    for name, value in (("tuck", phone.tuck), ("tongue", phone.tongue)):
        keys[name].put(sound.centre_s - 0.25 * length, value)
        keys[name].put(sound.centre_s + 0.25 * length, value)
