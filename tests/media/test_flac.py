from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from syncqc.media.crop_video import DamagedStreamError
from syncqc.media.flac import decoded_sound, encoded_sound


def noise(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-(2**15), 2**15, n, np.int16)


@settings(max_examples=40)
@given(st.integers(1, 70_000), st.integers(0, 9))
def test_the_samples_come_back_bit_for_bit(n: int, seed: int) -> None:
    samples = noise(n, seed)
    assert np.array_equal(decoded_sound(encoded_sound(samples), n), samples)


def test_another_reader_reads_the_same() -> None:
    samples = noise(5000)
    read, rate_hz = soundfile.read(BytesIO(encoded_sound(samples)), dtype="int16")
    assert rate_hz == 16_000
    assert np.array_equal(read, samples)


def test_silence_takes_hardly_any_room() -> None:
    assert len(encoded_sound(np.zeros(160_000, np.int16))) < 2000


@pytest.mark.parametrize(
    ("stream", "sentence"),
    [
        (encoded_sound(noise(5000)), "5000 samples can be decoded, not 6000"),
        (encoded_sound(noise(6000))[:7000], "the sound cannot be decoded"),
        (b"", "0 samples can be decoded, not 6000"),
        (b"no sound at all" * 100, "0 samples can be decoded, not 6000"),
    ],
    ids=["too few", "cut off", "nothing", "text"],
)
def test_a_stream_that_is_another_one_is_refused(stream: bytes, sentence: str) -> None:
    with pytest.raises(DamagedStreamError, match=sentence):
        decoded_sound(stream, 6000)
