from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import butter, sosfilt

from syncqc.media.mux import run_ffmpeg
from syncqc.media.sound import SoundReader
from syncqc.media.sound_trace import (
    AAC_RATES_HZ,
    band_limit_hz,
    block_rhythm,
    block_trace,
    clipped_ratio,
    digital_silence_ratio,
    leak_risk,
)
from syncqc.stages.sound_traces import SoundTraces

LIMIT = SoundTraces.min_audio_rhythm
SECONDS = 5


def noise(seed: int, rate_hz: int = 16_000, seconds: float = SECONDS) -> np.ndarray:
    """Noise whose loudness rises and falls as in speech, float32."""
    n = int(seconds * rate_hz)
    random = np.random.default_rng(seed)
    swell = 0.6 + 0.4 * np.sin(2 * np.pi * 3.3 * np.arange(n) / rate_hz + seed)
    return (0.1 * swell * random.standard_normal(n)).astype(np.float32)


@pytest.fixture(scope="module")
def coded(tmp_path_factory: pytest.TempPathFactory):
    """Noise that was written by ffmpeg with these options and read back as the product reads it."""
    folder = tmp_path_factory.mktemp("coded")

    def make(rate_hz: int, *output: str, suffix: str = ".m4a", seed: int = 0) -> np.ndarray:
        out = folder / ("-".join([str(seed), str(rate_hz), *output]).replace(":", "") + suffix)
        if not out.exists():
            source = Path(f"{out}.wav")
            soundfile.write(source, noise(seed, rate_hz), rate_hz, "FLOAT")
            run_ffmpeg(["-i", str(source), *output, str(out)])
        samples, is_present = SoundReader(str(out), Fraction(0)).read(0, SECONDS * 16_000)
        assert is_present.all()
        return samples

    return make


@pytest.mark.parametrize(("rate_hz", "bit_rate"), [(44_100, "32k"), (48_000, "32k"), (32_000, "24k")], ids=["44.1 kHz", "48 kHz", "32 kHz"])
def test_coarse_aac_has_the_rhythm_of_its_blocks(coded, rate_hz: int, bit_rate: str) -> None:
    found = block_rhythm(coded(rate_hz, "-c:a", "aac", "-b:a", bit_rate))
    assert found is not None
    assert found.rate_hz == rate_hz
    assert found.strength > 2 * LIMIT


def test_the_rhythm_outlives_being_stored_without_loss_at_16_khz(coded, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "now.wav", coded(44_100, "-c:a", "aac", "-b:a", "32k")[1000:], 16_000)
    samples, _ = SoundReader(str(tmp_path / "now.wav"), Fraction(0)).read(0, 75_000)
    found = block_rhythm(samples)
    assert found is not None
    assert (found.rate_hz, found.strength > 2 * LIMIT) == (44_100, True)


def test_of_sound_that_was_never_coded_one_in_a_hundred_seems_to_have_one() -> None:
    strengths = [rhythm.strength for seed in range(200) if (rhythm := block_rhythm(noise(seed)))]
    assert len(strengths) == 200
    # The limit is meant for 1 %; more than six of two hundred would happen once in two hundred times.
    assert sum(strength >= LIMIT for strength in strengths) <= 6
    assert np.median(strengths) < LIMIT / 2


def test_fine_aac_has_little_rhythm_but_its_blocks_are_there(coded) -> None:
    samples, coarse = coded(44_100, "-c:a", "aac", "-b:a", "128k"), coded(44_100, "-c:a", "aac", "-b:a", "32k")
    rhythm, strong, trace = block_rhythm(samples), block_rhythm(coarse), block_trace(samples, 0.0, 44_100)
    assert rhythm is not None
    assert strong is not None
    assert trace is not None
    assert rhythm.strength < strong.strength / 4
    assert trace > 6


@pytest.mark.parametrize("rate_hz", [16_000, 22_050, 44_100, 48_000])
def test_blocks_stand_out_where_they_lie_and_nowhere_else(coded, rate_hz: int) -> None:
    samples = coded(rate_hz, "-c:a", "aac", "-b:a", "64k")
    block = 1024 * 16_000 / rate_hz
    # Where a block begins is the same one block, or seven, later or earlier.
    places = [block_trace(samples, at, rate_hz) for at in (0.0, 7 * block, -block)]
    assert all(place is not None and place > 6 for place in places)
    elsewhere = block_trace(samples, 0.21 * block, rate_hz)
    assert elsewhere is not None
    assert elsewhere < 4


@pytest.mark.parametrize("rate_hz", [16_000, 44_100])
def test_uncoded_sound_has_no_blocks(rate_hz: int) -> None:
    trace = block_trace(noise(3), 0.0, rate_hz)
    assert trace is not None
    assert abs(trace) < 4


def test_too_little_sound_is_not_measured() -> None:
    assert block_rhythm(noise(0, seconds=2.4)) is None
    assert block_rhythm(np.zeros(80_000, np.float32)) is None
    assert block_trace(noise(0, seconds=0.3), 0.0, 44_100) is None
    assert block_trace(np.zeros(80_000, np.float32), 0.0, 44_100) is None
    assert band_limit_hz(noise(0, seconds=0.2)) is None


@pytest.mark.parametrize("gain", [1e-3, 1.0, 8.0])
def test_loudness_changes_nothing(coded, gain: float) -> None:
    samples = coded(44_100, "-c:a", "aac", "-b:a", "32k")
    once, again = block_rhythm(samples), block_rhythm(samples * np.float32(gain))
    assert once is not None
    assert again is not None
    assert again.strength == pytest.approx(once.strength, rel=1e-3)
    assert block_trace(samples * np.float32(gain), 0.0, 44_100) == pytest.approx(block_trace(samples, 0.0, 44_100), rel=1e-2)


@pytest.mark.parametrize("limit_hz", [2000.0, 3400.0, 5500.0])
def test_band_limit(limit_hz: float) -> None:
    low = sosfilt(butter(16, limit_hz, output="sos", fs=16_000), noise(1)).astype(np.float32)
    found = band_limit_hz(low)
    assert found is not None
    assert found == pytest.approx(limit_hz, abs=300)


def test_sound_at_8_khz_that_came_to_16(coded) -> None:
    assert band_limit_hz(coded(8_000, "-c:a", "pcm_s16le", suffix=".wav")) == pytest.approx(4000, abs=250)


@pytest.mark.parametrize("order", [1, 2])
def test_a_gentle_fall_is_no_limit(order: int) -> None:
    assert band_limit_hz(sosfilt(butter(order, 2000.0, output="sos", fs=16_000), noise(1)).astype(np.float32)) is None
    assert band_limit_hz(noise(2)) is None


def test_a_gap_between_tones_is_no_limit() -> None:
    gap = sosfilt(butter(8, [3000.0, 5000.0], "bandstop", output="sos", fs=16_000), noise(1)).astype(np.float32)
    assert band_limit_hz(gap) is None


def test_clipped_and_silent_shares() -> None:
    samples = np.full(1600, 0.5, np.float32)
    samples[:16], samples[16:24] = 1.0, -1.0
    assert clipped_ratio(samples) == pytest.approx(24 / 1600)
    # 400 samples of silence count, 100 are too short to be more than a crossing of zero.
    samples[800:1200], samples[1300:1400] = 1e-6, 0.0
    assert digital_silence_ratio(samples) == pytest.approx(400 / 1600)
    assert (clipped_ratio(samples[:0]), digital_silence_ratio(samples[:0])) == (0.0, 0.0)


@given(lengths=st.lists(st.tuples(st.booleans(), st.integers(1, 400)), max_size=12))
def test_digital_silence_is_what_lasts_160_samples(lengths: list[tuple[bool, int]]) -> None:
    joined: list[tuple[bool, int]] = []
    for is_silent, n in lengths:
        if joined and joined[-1][0] == is_silent:
            joined[-1] = (is_silent, joined[-1][1] + n)
        else:
            joined.append((is_silent, n))
    samples = np.concatenate([np.zeros(0, np.float32), *(np.full(n, 0.0 if silent else 0.1, np.float32) for silent, n in joined)])
    expected = sum(n for silent, n in joined if silent and n >= 160) / max(1, len(samples))
    assert digital_silence_ratio(samples) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("codec", "rate_hz", "risk"),
    [
        ("aac", 48_000, "high"), ("aac", 44_100, "high"), ("aac", 32_000, "high"), ("aac", 22_050, "medium"), ("aac", 16_000, "low"),
        ("aac", None, None), ("pcm_s16le", 44_100, "none"), ("flac", 44_100, "none"), ("opus", 48_000, None), ("mp3", 44_100, None),
    ],
)  # fmt: skip
def test_risk_is_that_of_table_1(codec: str, rate_hz: int | None, risk: str | None) -> None:
    assert leak_risk(codec, rate_hz) == risk


def test_rates_are_those_of_aac() -> None:
    assert {44_100, 22_050, 16_000} < set(AAC_RATES_HZ)
