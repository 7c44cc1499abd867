from __future__ import annotations

import sys
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from syncqc.media.speech import CHUNK_SAMPLES, SpeechFinder, is_speech, speech_ratio
from syncqc.media.synthetic_speech import speak
from syncqc.media.synthetic_voice import speaker, voice

RATE_HZ = 16_000


@cache
def talk(duration_s: float) -> np.ndarray:
    """Synthetic speech, with its pauses."""
    return voice(speak(1, duration_s), speaker(1), 1)[: round(duration_s * RATE_HZ)].astype(np.float32)


@pytest.fixture(scope="module")
def finder() -> SpeechFinder:
    return SpeechFinder()


def test_voice_is_speech(finder: SpeechFinder) -> None:
    speech = is_speech(finder.speech_probability(talk(3.0)))
    assert speech_ratio(speech, 0, 3 * RATE_HZ) > 0.7


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(3 * RATE_HZ, np.float32),
        (0.05 * np.random.default_rng(0).standard_normal(3 * RATE_HZ)).astype(np.float32),
        (0.3 * np.sin(2 * np.pi * 440 * np.arange(3 * RATE_HZ) / RATE_HZ)).astype(np.float32),
    ],
    ids=["silence", "noise", "tone"],
)
def test_other_sound_is_no_speech(finder: SpeechFinder, samples: np.ndarray) -> None:
    assert speech_ratio(is_speech(finder.speech_probability(samples)), 0, 3 * RATE_HZ) < 0.1


def test_speech_is_found_where_it_is(finder: SpeechFinder) -> None:
    samples = np.zeros(4 * RATE_HZ, np.float32)
    samples[RATE_HZ : 3 * RATE_HZ] = talk(2.0)
    speech = is_speech(finder.speech_probability(samples))
    assert speech_ratio(speech, 0, RATE_HZ) < 0.1
    assert speech_ratio(speech, RATE_HZ, 3 * RATE_HZ) > 0.7
    assert speech_ratio(speech, round(3.3 * RATE_HZ), 4 * RATE_HZ) < 0.2


@pytest.mark.parametrize(("n_samples", "n_chunks"), [(0, 0), (1, 1), (512, 1), (513, 2), (80_000, 157)])
def test_one_probability_per_chunk(finder: SpeechFinder, n_samples: int, n_chunks: int) -> None:
    probability = finder.speech_probability(talk(5.0)[:n_samples])
    assert probability.shape == (n_chunks,)
    assert probability.dtype == np.float32
    assert np.all((probability >= 0) & (probability <= 1))


def test_answers_do_not_depend_on_earlier_calls(finder: SpeechFinder) -> None:
    samples = talk(1.0)
    first = finder.speech_probability(samples)
    finder.speech_probability(talk(2.0)[::-1].copy())
    np.testing.assert_allclose(finder.speech_probability(samples), first, atol=1e-6)


def test_loading_leaves_the_threads_of_torch_alone() -> None:
    n_threads = torch.get_num_threads()
    for name in [name for name in sys.modules if name.startswith("silero_vad")]:
        del sys.modules[name]
    try:
        torch.set_num_threads(2)
        SpeechFinder()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(n_threads)


@pytest.mark.parametrize(
    ("probability", "expected"),
    [
        ("0000000000", "0000000000"),
        ("1111111111", "1111111111"),
        ("1110001111", "1111111111"),
        ("0001110000000000000", "0000000000000000000"),
        ("00011110000000000000", "00011110000000000000"),
        ("111100000000001111", "111100000000001111"),
        ("1111000000000111", "1111111111111111"),
        ("0110110", "0111110"),
        ("", ""),
    ],
    ids=["silence", "speech", "pause", "blip", "short word", "long pause", "0.288 s pause", "pauses close before blips go", "no chunks"],
)
def test_pauses_close_and_blips_go(probability: str, expected: str) -> None:
    speech = is_speech(np.array([float(p) for p in probability], np.float32))
    assert "".join(str(int(flag)) for flag in speech) == expected


@pytest.mark.parametrize(
    ("first", "end", "expected"),
    [(0, 2048, 0.5), (0, 1024, 0.5), (512, 1024, 1.0), (256, 768, 0.5), (600, 610, 1.0), (0, 640, 0.2)],
)
def test_ratio_counts_samples(first: int, end: int, expected: float) -> None:
    speech = np.array([False, True, False, True])
    assert speech_ratio(speech, first, end) == pytest.approx(expected)


@pytest.mark.parametrize(("first", "end"), [(0, 0), (10, 5), (-1, 5), (0, 2049)])
def test_ratio_of_what_is_not_there(first: int, end: int) -> None:
    with pytest.raises(ValueError, match="are not within 4 chunks"):
        speech_ratio(np.zeros(4, np.bool_), first, end)


@given(flags=st.lists(st.booleans(), min_size=1, max_size=60), data=st.data())
def test_ratio_is_the_mean_over_the_samples(flags: list[bool], data: st.DataObject) -> None:
    speech = np.array(flags)
    first = data.draw(st.integers(0, len(flags) * CHUNK_SAMPLES - 1))
    end = data.draw(st.integers(first + 1, len(flags) * CHUNK_SAMPLES))
    assert speech_ratio(speech, first, end) == pytest.approx(np.repeat(speech, CHUNK_SAMPLES)[first:end].mean())
