from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from syncqc.media.mel import MelFrontEnd, mel_columns, mel_tensor, reach, slaney_bands

RATE_HZ, HOP, WINDOW = 16_000, 200, 800
PLAIN = MelFrontEnd(pre_emphasis=0.0)


def noise(seed: int, n: int) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(n)).astype(np.float32)


def columns(sound: np.ndarray, first_sample: int, first: int, n: int, front_end: MelFrontEnd | None = None) -> np.ndarray:
    """Columns cut out of sound that begins at `first_sample`."""
    a, b = reach(first, n)
    assert first_sample <= a
    assert b <= first_sample + len(sound)
    piece = sound[a - first_sample : b - first_sample]
    return mel_columns(piece, np.ones(len(piece), np.bool_), front_end or MelFrontEnd())[0]


# The same numbers by other means: a Fourier sum written out, and the mel scale by numerical search.


def hz_of_mel(mel: float) -> float:
    """Slaney's scale: 3 mel per 200 Hz up to 1 kHz, then 27 mel per factor of 6.4."""
    return mel * 200 / 3 if mel < 15 else 1000 * 6.4 ** ((mel - 15) / 27)


def mel_of_hz(hz: float) -> float:
    low, high = 0.0, 100.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if hz_of_mel(middle) < hz else (low, middle)
    return low


def weight(hz: float, left: float, centre: float, right: float) -> float:
    """A triangle over the frequency axis whose area is 1."""
    if not left < hz < right:
        return 0.0
    height = 2 / (right - left)
    return height * (hz - left) / (centre - left) if hz <= centre else height * (right - hz) / (right - centre)


def slow_column(sound: np.ndarray, first_sample: int, k: int, front_end: MelFrontEnd) -> np.ndarray:
    at = np.arange(HOP * k - WINDOW // 2, HOP * k + WINDOW // 2)
    x = sound.astype(np.float64)
    emphasised = x[at - first_sample] - front_end.pre_emphasis * x[at - first_sample - 1]
    windowed = emphasised * (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW))
    magnitude = np.array([abs(np.sum(windowed * np.exp(-2j * np.pi * f * np.arange(WINDOW) / WINDOW))) for f in range(401)])
    mels = np.linspace(mel_of_hz(front_end.min_hz), mel_of_hz(front_end.max_hz), 82)
    edges = [hz_of_mel(mel) for mel in mels]
    bands = [[weight(20.0 * f, *edges[i : i + 3]) for f in range(401)] for i in range(80)]
    db = 20 * np.log10(np.maximum(front_end.floor, np.array(bands) @ magnitude))
    return (db - front_end.low_db) / (front_end.high_db - front_end.low_db)


@pytest.mark.parametrize(
    "front_end", [MelFrontEnd(), PLAIN, MelFrontEnd(min_hz=0.0, max_hz=8000.0)], ids=["default", "no pre-emphasis", "all bands"]
)
def test_columns_equal_the_definition(front_end: MelFrontEnd) -> None:
    sound = noise(1, 4000)
    found = columns(sound, -1000, 0, 3, front_end)
    for k in range(3):
        np.testing.assert_allclose(found[k], slow_column(sound, -1000, k, front_end), atol=2e-5)


def test_bands_have_unit_area_and_cover_the_range_once() -> None:
    bands = slaney_bands(55.0, 7600.0)
    assert bands.shape == (80, 401)
    assert (bands >= 0).all()
    wide = bands[40:]
    # Narrow bands lie between the bins of 20 Hz; for wide ones the sum comes close to the area.
    np.testing.assert_allclose(wide.sum(axis=1) * 20, 1.0, atol=0.02)
    peaks = bands.argmax(axis=1)
    assert (np.diff(peaks) >= 0).all()
    assert bands[:, :2].sum() == 0
    assert bands[:, 381:].sum() == 0


@given(first=st.integers(-50, 50), n=st.integers(1, 30), seed=st.integers(0, 5))
def test_a_part_has_the_columns_of_the_whole(first: int, n: int, seed: int) -> None:
    a, b = reach(-60, 150)
    sound = noise(seed, b - a)
    whole = columns(sound, a, -60, 150)
    np.testing.assert_allclose(columns(sound, a, first, n), whole[first + 60 : first + 60 + n], atol=1e-6)


@pytest.mark.parametrize("k", [0, 7, 31])
def test_column_k_is_centred_on_sample_200_k(k: int) -> None:
    a, b = reach(-5, 50)
    sound = np.zeros(b - a, np.float32)
    sound[HOP * k - a] = 1.0
    loudness = columns(sound, a, -5, 50, PLAIN).mean(axis=1)
    assert loudness.argmax() - 5 == k
    # A click is heard in the columns whose window holds it, and as loudly on both sides.
    around = loudness[k + 5 - 2 : k + 5 + 3]
    np.testing.assert_allclose(around, around[::-1], atol=1e-6)
    assert around[0] == 0
    # At the centre the window is 1, a hop away 1/2: 6 dB of 120.
    assert around[2] - around[1] == pytest.approx(6.02 / 120, abs=1e-3)


def test_tone_is_loudest_in_its_band() -> None:
    t = np.arange(4001) / RATE_HZ
    for hz in (200.0, 1000.0, 4000.0):
        band = columns(np.sin(2 * np.pi * hz * t).astype(np.float32), -401, 2, 1, PLAIN)[0].argmax()
        edges = np.linspace(mel_of_hz(55.0), mel_of_hz(7600.0), 82)
        assert edges[band] < mel_of_hz(hz) < edges[band + 2]


def test_silence_is_0_and_each_factor_of_10_is_20_db() -> None:
    assert not columns(np.zeros(2001, np.float32), -401, 0, 5).any()
    quiet, loud = (columns(scale * noise(2, 2001), -401, 0, 5) for scale in (0.1, 1.0))
    np.testing.assert_allclose(loud - quiet, 20 / 120, atol=1e-4)


def test_present_is_what_the_centre_is() -> None:
    a, b = reach(3, 6)
    present = np.ones(b - a, np.bool_)
    present[: HOP * 5 - a] = False
    present[HOP * 7 - a :] = False
    _, is_present = mel_columns(np.zeros(b - a, np.float32), present, MelFrontEnd())
    assert is_present.tolist() == [False, False, True, True, False, False]


@pytest.mark.parametrize("n_samples", [0, 800, 802, 900])
def test_samples_that_belong_to_no_columns(n_samples: int) -> None:
    with pytest.raises(ValueError, match="belongs to no whole number of columns"):
        mel_columns(np.zeros(n_samples, np.float32), np.zeros(n_samples, np.bool_), MelFrontEnd())


@given(first=st.integers(-1000, 1000), n=st.integers(1, 40))
def test_reach_is_as_long_as_the_columns_need(first: int, n: int) -> None:
    a, b = reach(first, n)
    assert b - a == 1 + WINDOW + HOP * (n - 1)
    assert a == HOP * first - 401
    assert mel_columns(np.zeros(b - a, np.float32), np.ones(b - a, np.bool_), MelFrontEnd())[0].shape == (n, 80)


def test_input_is_not_changed() -> None:
    sound = noise(3, 2001)
    before = sound.copy()
    mel_columns(sound, np.ones(2001, np.bool_), MelFrontEnd())
    np.testing.assert_array_equal(sound, before)


def test_a_batch_of_tensors_gives_the_same_columns_in_its_precision() -> None:
    begin, end = reach(0, 7)
    sounds = np.stack([noise(seed, end - begin) for seed in (1, 2)])
    expected = np.stack([columns(sound, begin, 0, 7) for sound in sounds])
    single = mel_tensor(torch.from_numpy(sounds), MelFrontEnd())
    np.testing.assert_allclose(single.numpy(), expected, atol=1e-6)
    double = mel_tensor(torch.from_numpy(sounds).double(), MelFrontEnd())
    assert (single.dtype, double.dtype) == (torch.float32, torch.float64)
    np.testing.assert_allclose(double.numpy(), expected, atol=1e-4)
    # Samples that make no whole column are not used.
    longer = torch.cat([torch.from_numpy(sounds), torch.ones(2, 199)], dim=1)
    assert mel_tensor(longer, MelFrontEnd()).shape == (2, 7, 80)
