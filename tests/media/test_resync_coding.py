from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from io import BytesIO

import av
import numpy as np
import pytest

from syncqc.errors import UsageError
from syncqc.media.resync_coding import Coding, rate_to_write

AAC, PCM = Coding("aac", 16_000, 1, 64), Coding("pcm", 16_000, 2, None)


@pytest.mark.parametrize(
    ("coding", "duration_s", "n"),
    [
        (PCM, Fraction(3), 48_000),
        (PCM, Fraction(1, 10**6), 1),
        (AAC, Fraction(3), 47 * 1024),
        (AAC, Fraction(16, 100), 3 * 1024),
        (AAC, Fraction(0), 2 * 1024),
    ],
    ids=["PCM", "at least one", "46.875 blocks", "halves go up", "at least two blocks"],
)
def test_how_many_samples_last_as_long(coding: Coding, duration_s: Fraction, n: int) -> None:
    assert coding.n_samples(duration_s) == n


@pytest.mark.parametrize(
    ("codec", "asked_hz", "own_hz", "rate_hz"),
    [
        ("aac", None, 44_100, 16_000),
        ("aac", 44_100, 16_000, 44_100),
        ("flac", None, 44_100, 44_100),
        ("pcm", None, 11_025, 11_025),
        ("opus", None, 22_050, 24_000),
        ("opus", None, 96_000, 48_000),
    ],
)
def test_the_rate(codec: str, asked_hz: int | None, own_hz: int, rate_hz: int) -> None:
    assert rate_to_write(codec, asked_hz, own_hz) == rate_hz


def test_a_rate_that_the_codec_lacks_is_refused() -> None:
    with pytest.raises(UsageError, match="opus knows no rate of 44100 Hz; known: 8000, 12000, 16000, 24000, 48000"):
        rate_to_write("opus", 44_100, 44_100)


@pytest.mark.parametrize("n_channels", [1, 2])
def test_priming_takes_the_place_of_the_first_samples(n_channels: int) -> None:
    """Sample n stays sample n, counted from the first one that is decoded, whatever the reader knows of priming."""
    n = 20 * 1024
    time_s = np.arange(n) / 16_000
    sound = (0.4 * np.sin(2 * np.pi * (200 + 300 * time_s) * time_s))[:, None].repeat(n_channels, 1).astype(np.float32)

    def pieces() -> Iterator[np.ndarray]:
        yield from (sound[: 8 * 1024], sound[8 * 1024 :])

    adts = b"".join(Coding("aac", 16_000, n_channels, 64).fed(pieces()))
    with av.open(BytesIO(adts), format="aac") as container:
        heard = np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)
    assert heard.shape == (n_channels, n)
    assert np.abs(heard[:, :1000]).max() < 0.01  # the echo that such codecs make ahead of a sound
    assert np.abs(heard[:, 1200:-1024] - sound[1200:-1024].T).mean() < 0.01


def test_other_codecs_are_fed_floats() -> None:
    piece = np.arange(6, dtype=np.float32).reshape(3, 2)
    assert b"".join(PCM.fed(iter([piece, piece[:1]]))) == np.array([0, 1, 2, 3, 4, 5, 0, 1], "<f4").tobytes()
