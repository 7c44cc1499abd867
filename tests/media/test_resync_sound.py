from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile

from syncqc.errors import ClipError, Failure
from syncqc.media.disturb import delay_samples
from syncqc.media.mux import run_ffmpeg
from syncqc.media.resync_sound import Placed, own_sound

RATE_HZ = 22_050
N = 3 * RATE_HZ


@pytest.fixture(scope="module")
def stereo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two channels that differ, 3 s, whose samples are known."""
    path = tmp_path_factory.mktemp("sound") / "stereo.wav"
    soundfile.write(path, sound(), RATE_HZ, "FLOAT")
    return path


def sound() -> np.ndarray:
    return np.random.default_rng(3).uniform(-0.5, 0.5, (N, 2)).astype(np.float32)


def read(placed: Placed) -> np.ndarray:
    pieces = list(placed.pieces())
    assert all(len(piece) % 1024 == 0 for piece in pieces[:-1])
    return np.concatenate(pieces)


CASES = {
    "all of it": (0, N, 0, 0),
    "delayed": (-5000, N, 5000, 0),
    "brought forward": (5000, N, 0, 5000),
    "longer than the file on both sides": (-70_000, 3 * N, 70_000, 2 * N - 70_000),
    "a stretch within": (20_000, 10_000, 0, 0),
}


@pytest.mark.parametrize(("first", "n", "head", "tail"), CASES.values(), ids=CASES)
def test_samples_are_those_of_the_file_and_silence_beyond(stereo: Path, first: int, n: int, head: int, tail: int) -> None:
    placed = Placed(stereo, Fraction(first, RATE_HZ), n, RATE_HZ, 2)
    expected = np.zeros((n, 2), np.float32)
    at = np.arange(n) + first
    inside = (at >= 0) & (at < N)
    expected[inside] = sound()[at[inside]]
    assert np.array_equal(read(placed), expected)
    assert (placed.n_silent_head, placed.n_silent_tail, placed.n_silent_within) == (head, tail, 0)


def test_a_gap_becomes_silence_of_its_length(stereo: Path, tmp_path: Path) -> None:
    gap = "aselect='lt(t,1)+gte(t,2)'"
    run_ffmpeg(["-i", str(stereo), "-af", gap, "-c:a", "pcm_f32le", str(path := tmp_path / "gap.mkv")])
    placed = Placed(path, Fraction(0), N, RATE_HZ, 2)
    heard = read(placed)
    assert abs(placed.n_silent_within - RATE_HZ) <= 1024
    # Matroska rounds times to 1 ms.
    assert abs(delay_samples(heard[2 * RATE_HZ + 2048 :, 0], sound()[2 * RATE_HZ + 2048 :, 0])) <= RATE_HZ // 1000
    assert not heard[RATE_HZ + 2048 : 2 * RATE_HZ - 2048].any()


def test_another_rate_keeps_the_times(tmp_path: Path) -> None:
    time_s = np.arange(48_000) / 48_000
    soundfile.write(path := tmp_path / "a.wav", 0.5 * np.sin(2 * np.pi * 300 * time_s), 48_000, "FLOAT")
    heard = read(Placed(path, Fraction(1, 10), 8000, 16_000, 1))[:, 0]
    expected = 0.5 * np.sin(2 * np.pi * 300 * (0.1 + np.arange(8000) / 16_000))
    assert np.abs(heard - expected).max() < 0.01


@pytest.mark.parametrize("first", [10 * RATE_HZ, -1100, -10 * RATE_HZ], ids=["after it", "just before it", "before it"])
def test_a_stretch_without_sound_is_no_sound(stereo: Path, first: int) -> None:
    with pytest.raises(ClipError) as caught:
        read(Placed(stereo, Fraction(first, RATE_HZ), 1000, RATE_HZ, 2))
    assert caught.value.failure is Failure.NO_AUDIO


def test_reading_twice_gives_the_same(stereo: Path) -> None:
    placed = Placed(stereo, Fraction(-1, 10), N, RATE_HZ, 2)
    assert np.array_equal(read(placed), read(placed))
    assert placed.n_silent_head == 2205


def test_what_the_sound_is_like(stereo: Path, tmp_path: Path) -> None:
    found = own_sound(stereo)
    assert (found.rate_hz, found.n_channels, found.track_index, found.notes) == (RATE_HZ, 2, 0, ())
    (text := tmp_path / "a.wav").write_text("no sound")
    with pytest.raises(ClipError):
        own_sound(text)
