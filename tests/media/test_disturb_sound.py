from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import welch

from syncqc.media.disturb import delay_samples
from syncqc.media.disturb_sound import babble, clipped, mixed, music, pink_noise, reverberated, room, telephone, white_noise

RATE = 16_000
Maker = Callable[[int, np.random.Generator], np.ndarray]


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def bursts(seconds: float = 4.0, seed: int = 5) -> np.ndarray:
    """Speech-like sound: noise in syllables, dark, in [-1, 1]."""
    n = int(seconds * RATE)
    noise = np.convolve(random(seed).standard_normal(n), np.ones(6) / 6, "same")
    loudness = np.clip(np.sin(2 * np.pi * 4 * np.arange(n) / RATE + random(seed + 1).uniform(0, 6)), 0, 1)
    return (0.3 * noise * loudness).clip(-1, 1).astype(np.float32)


def voices(n: int, rng: np.random.Generator) -> np.ndarray:
    return babble([bursts(2.0, seed) for seed in (10, 20, 30)], n, rng)


ADDED = {"white": white_noise, "pink": pink_noise, "babble": voices, "music": music}


@pytest.mark.parametrize("make", ADDED.values(), ids=ADDED)
@settings(max_examples=10)
@given(snr_db=st.floats(-5, 30), seed=st.integers(0, 50))
def test_the_ratio_asked_for_is_reached(make: Maker, snr_db: float, seed: int) -> None:
    samples = bursts(1.0)
    added = mixed(samples, make(len(samples), random(seed)), snr_db).astype(np.float64) - samples
    reached_db = 10 * np.log10(np.mean(samples.astype(np.float64) ** 2) / np.mean(added**2))
    assert reached_db == pytest.approx(snr_db, abs=0.01)


DISTURBED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    **{f"{name}-0db": lambda x, make=make: mixed(x, make(len(x), random()), 0) for name, make in ADDED.items()},
    "reverberation-0.3": lambda x: reverberated(x, 0.3, random()),
    "reverberation-0.8": lambda x: reverberated(x, 0.8, random()),
    "telephone": telephone,
    "clipping": clipped,
}


@pytest.mark.parametrize("disturb", DISTURBED.values(), ids=DISTURBED)
def test_nothing_is_delayed_or_lengthened(disturb: Callable[[np.ndarray], np.ndarray]) -> None:
    samples = bursts()
    before = samples.copy()
    disturbed = disturb(samples)
    assert (delay_samples(disturbed, samples), len(disturbed), disturbed.dtype) == (0, len(samples), np.float32)
    assert not np.array_equal(disturbed, samples)
    assert np.array_equal(samples, before), "the samples given are left alone"


def test_silence_stays_silence() -> None:
    assert not mixed(np.zeros(1000, np.float32), white_noise(1000, random()), 0).any()


@pytest.mark.parametrize(("make", "db_per_octave"), [(white_noise, 0.0), (pink_noise, -3.01)], ids=["white", "pink"])
def test_noise_has_its_colour(make: Maker, db_per_octave: float) -> None:
    hz, power = welch(make(40 * RATE, random()), RATE, nperseg=4096)
    octaves = [np.mean(power[(hz >= low) & (hz < 2 * low)]) for low in (125, 250, 500, 1000, 2000)]
    steps_db = [10 * np.log10(after / before) for before, after in pairwise(octaves)]
    assert steps_db == pytest.approx([db_per_octave] * 4, abs=0.5)


def test_babble_holds_every_voice_equally_loud() -> None:
    tones = [gain * np.sin(2 * np.pi * hz * np.arange(RATE) / RATE).astype(np.float32) for gain, hz in ((0.9, 300), (0.01, 1000))]
    hz, power = welch(babble(tones, 3 * RATE, random()), RATE, nperseg=RATE)
    assert power[list(hz).index(300)] == pytest.approx(power[list(hz).index(1000)], rel=0.02)


def test_babble_of_nobody_is_silence() -> None:
    assert not babble([], 100, random()).any()
    assert not babble([np.zeros(50, np.float32)], 100, random()).any()


def test_music_has_tones_and_a_beat() -> None:
    sound = music(10 * RATE, random())
    loud_ms = np.sqrt(np.mean(sound.reshape(-1, 160) ** 2, axis=1))
    rhythm = np.abs(np.fft.rfft(loud_ms - loud_ms.mean()))
    per_minute = 60 * np.fft.rfftfreq(len(loud_ms), 0.01)[1:][rhythm[1:].argmax()]
    tempo = random().uniform(90, 130)
    assert min(abs(per_minute / tempo - k) for k in (0.5, 1, 2, 4)) < 0.05
    spectrum = np.abs(np.fft.rfft(sound)) ** 2
    assert np.sort(spectrum)[-len(spectrum) // 100 :].sum() > 0.5 * spectrum.sum(), "a hundredth of the frequencies holds most of it"


@pytest.mark.parametrize("rt60_s", [0.3, 0.8])
def test_a_room_rings_as_long_as_asked(rt60_s: float) -> None:
    response = room(rt60_s, random(3))
    assert (response[0], np.abs(response[1:40]).max()) == (1.0, 0.0)
    left_db = 10 * np.log10(np.cumsum(response[:0:-1] ** 2)[::-1])
    left_db -= left_db[0]
    first, last = (int(np.flatnonzero(left_db <= level)[0]) for level in (-5, -25))
    assert 3 * (last - first) / RATE == pytest.approx(rt60_s, rel=0.1)
    assert np.sum(response[1:] ** 2) == pytest.approx(rt60_s / 0.8, rel=1e-6)


def test_the_telephone_lets_the_middle_through() -> None:
    def through(hz: float) -> float:
        tone = np.sin(2 * np.pi * hz * np.arange(RATE) / RATE).astype(np.float32)
        return float(np.std(telephone(tone)[4000:-4000]) / np.std(tone))

    assert through(1000) == pytest.approx(1, abs=0.01)
    assert max(through(100), through(6000)) < 0.01


def test_clipping_cuts_off_the_loudest() -> None:
    samples = bursts()
    cut = clipped(samples, 0.1)
    assert np.mean(cut != samples) == pytest.approx(0.1, abs=0.001)
    assert np.unique(np.abs(cut[cut != samples])).size == 1


def test_the_same_draw_gives_the_same_sound() -> None:
    assert np.array_equal(music(8000, random(4)), music(8000, random(4)))
    assert not np.array_equal(music(8000, random(4)), music(8000, random(5)))
