"""Jumps into long sound files: the samples must be those that reading from the file's start gives."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from syncqc.errors import ClipError, Failure
from syncqc.media import sound_seek
from syncqc.media.sound import SoundReader
from syncqc.media.sound_seek import sound_from

RATE_HZ = 16_000
WANTED_S = 14.3
LENGTH_S = 20.0
ZERO_S = Fraction(1_234_567, 1_000_000)
"""So that the clip's samples fall between those of the file."""


class Decoded:
    """Counts the blocks that are decoded."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.n = 0
        self._real = sound_seek.decoded_sound
        monkeypatch.setattr(sound_seek, "decoded_sound", self)

    def __call__(self, *arguments: Any) -> Iterator[object]:
        for frame in self._real(*arguments):
            self.n += 1
            yield frame


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Decoded:
    return Decoded(monkeypatch)


@pytest.fixture(autouse=True)
def nearer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short files are long enough to be jumped into."""
    monkeypatch.setattr(sound_seek, "FAR_S", 4)


def read(path: Path, from_s: float = WANTED_S, length_s: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    first = round(from_s * RATE_HZ)
    return SoundReader(str(path), ZERO_S).read(first, first + round(length_s * RATE_HZ))


def both(path: Path, decoded: Decoded, from_s: float = WANTED_S) -> tuple[np.ndarray, np.ndarray, float]:
    """The samples after a jump, those from the start on, and how many blocks the former needed, as a share of the latter."""
    samples, is_present = read(path, from_s)
    n_jump = decoded.n
    whole = SoundReader(str(path), ZERO_S)
    whole.read(-RATE_HZ, -RATE_HZ + 1)
    first = round(from_s * RATE_HZ)
    expected, expected_present = whole.read(first, first + RATE_HZ)
    np.testing.assert_array_equal(is_present, expected_present)
    return samples, expected, n_jump / (decoded.n - n_jump)


def long_file(make: Any, suffix: str, *output: str, rate_hz: int = 44_100, n_channels: int = 1) -> Path:
    # Its chirps are spread so that no second sounds like another.
    chirps = tuple(k + 0.9 * (k * k % 61) / 61 + 0.05 for k in range(19))
    return make.clip(suffix, *output, with_video=False, sound_s=LENGTH_S, chirps_s=chirps, rate_hz=rate_hz, n_channels=n_channels)


EXACT = {
    "m4a": (".m4a", "-c:a", "aac"),
    "m4a at a low rate": (".m4a", "-c:a", "aac", "-b:a", "24k", "-aac_pns", "0"),
    "mp3": (".mp3", "-c:a", "libmp3lame"),
    "mp3 of variable rate": (".mp3", "-c:a", "libmp3lame", "-q:a", "5"),
    "mp3 without an index": (".mp3", "-c:a", "libmp3lame", "-write_xing", "0"),
    "flac": (".flac", "-c:a", "flac"),
    "wav": (".wav", "-c:a", "pcm_s16le"),
    "opus": (".opus", "-c:a", "libopus"),
    "webm opus": (".webm", "-c:a", "libopus"),
    "ogg vorbis": (".ogg", "-c:a", "libvorbis"),
    "mka aac": (".mka", "-c:a", "aac"),
    "mka flac": (".mka", "-c:a", "flac"),
    "ts aac": (".ts", "-c:a", "aac"),
}


@pytest.mark.parametrize("output", EXACT.values(), ids=EXACT.keys())
def test_a_jump_gives_the_same_samples(make, decoded: Decoded, output: tuple[str, ...]) -> None:
    samples, expected, share = both(long_file(make, *output, n_channels=2), decoded)
    np.testing.assert_array_equal(samples, expected)
    assert np.abs(expected).max() > 0.3, "there is something to be compared"
    assert share < 0.6


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 22_050, 32_000, 48_000])
@pytest.mark.parametrize("suffix", [".m4a", ".flac", ".mp3"])
def test_a_jump_gives_the_same_samples_at_every_rate(make, decoded: Decoded, suffix: str, rate_hz: int) -> None:
    codec = {".m4a": "aac", ".flac": "flac", ".mp3": "libmp3lame"}[suffix]
    samples, expected, share = both(long_file(make, suffix, "-c:a", codec, rate_hz=rate_hz, n_channels=1), decoded)
    np.testing.assert_array_equal(samples, expected)
    assert share < 0.6


@pytest.mark.parametrize(
    "from_s", [2.7, 2.8, 5.5, 17.0, 18.3, 21.0, 300.0], ids=["near", "just far", "far", "late", "over the end", "behind", "far behind"]
)
def test_wherever_the_jump_leads(make, decoded: Decoded, from_s: float) -> None:
    samples, expected, _ = both(long_file(make, ".m4a", "-c:a", "aac"), decoded, from_s)
    np.testing.assert_array_equal(samples, expected)


def test_noise_that_the_decoder_makes_up_is_as_loud_as_from_the_start(make, decoded: Decoded) -> None:
    noisy = "anoisesrc=a=0.1:r=44100:seed=1[noise];[0][noise]amix=duration=first"
    path = make.changed(long_file(make, ".wav"), ".m4a", "-filter_complex", noisy, "-c:a", "aac", "-b:a", "32k")
    samples, expected, share = both(path, decoded)
    assert np.abs(samples - expected).max() > 1e-3, "the encoder left noise to the decoder"
    assert samples.std() == pytest.approx(expected.std(), rel=0.02)
    assert make.chirps_in(samples) == pytest.approx(make.chirps_in(expected), abs=1e-4)
    assert share < 0.6


# Where one cannot rely on a jump


SLOW = {
    "vorbis, times in ms": (".mka", "-c:a", "libvorbis"),
    "avi counts bytes": (".avi", "-c:a", "libmp3lame"),
}


@pytest.mark.parametrize("output", SLOW.values(), ids=SLOW.keys())
def test_where_times_do_not_tell_the_sample_the_file_is_read_from_its_start(
    make, decoded: Decoded, output: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    samples, expected, share = both(long_file(make, *output), decoded)
    np.testing.assert_array_equal(samples, expected)
    assert share > 0.9
    assert "is read from its start, since one cannot jump to 15.53 s" in caplog.text


def seeking(container: Any, seek: Any) -> Any:
    """The container with another `seek`."""

    class Other:
        def __getattr__(self, name: str) -> Any:
            return getattr(container, name)

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *_: object) -> None:
            container.close()

        def seek(self, offset: int, **options: Any) -> None:
            seek(container, offset, **options)

    return Other()


def fails(container: Any, offset: int, **_: Any) -> None:
    raise av.error.PermissionError(1, "Operation not permitted")


def leads_too_far(container: Any, offset: int, stream: Any) -> None:
    container.seek(offset + round(4.9 / stream.time_base), stream=stream)


def leads_to_the_end(container: Any, offset: int, stream: Any) -> None:
    container.seek(round((LENGTH_S - 0.5) / stream.time_base), stream=stream)


def leads_to_the_start(container: Any, offset: int, stream: Any) -> None:
    container.seek(0, stream=stream)


@pytest.mark.parametrize(
    ("seek", "said"),
    [
        (fails, "Operation not permitted"),
        (leads_too_far, "it leads too far"),
        (leads_to_the_end, "it leads too far"),
        (leads_to_the_start, None),
    ],
    ids=["it fails", "too far", "to the end", "to the start"],
)
def test_wherever_seeking_leads_the_samples_are_the_same(
    make, decoded: Decoded, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, seek: Any, said: str | None
) -> None:
    caplog.set_level(logging.INFO)
    real = sound_seek.open_container
    monkeypatch.setattr(sound_seek, "open_container", lambda path: seeking(real(path), seek))
    samples, expected, _ = both(long_file(make, ".m4a", "-c:a", "aac"), decoded)
    np.testing.assert_array_equal(samples, expected)
    assert [record.getMessage().rpartition("15.53 s: ")[2] for record in caplog.records] == ([] if said is None else [said])


def test_blocks_whose_times_do_not_go_on_are_no_place_to_begin(make, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the jump one time is odd, as decoders give them: the place is counted from blocks that follow each other."""
    path = long_file(make, ".m4a", "-c:a", "aac")
    expected, _ = read(path)
    real = sound_seek.decoded_sound

    def odd(*arguments: Any) -> Iterator[Any]:
        for k, frame in enumerate(real(*arguments)):
            if 30 < k < 400 and k % 7 == 0:
                frame.pts += 300
            yield frame

    monkeypatch.setattr(sound_seek, "decoded_sound", odd)
    np.testing.assert_array_equal(read(path)[0], expected)


def test_a_hole_where_the_clip_begins_stays_a_hole(make, decoded: Decoded) -> None:
    path = make.changed(long_file(make, ".wav"), ".mka", "-af", "asetnsamples=441,aselect='not(between(t,11,16))'", "-c:a", "pcm_s16le")
    samples, is_present = read(path)
    expected, expected_present = SoundReader(str(path), ZERO_S).read(-RATE_HZ, round((WANTED_S + 1) * RATE_HZ))
    # In front of the hole is no sound to begin with, so the file is read from its start.
    np.testing.assert_array_equal(is_present, expected_present[-RATE_HZ:])
    np.testing.assert_array_equal(samples, expected[-RATE_HZ:])
    assert 0.2 < is_present.mean() < 0.8


def test_nothing_to_decode_is_no_error(make) -> None:
    path = make.clip(".mkv", "-c:a", "pcm_s16le", "-af", "atrim=end=0")
    assert list(sound_from(str(path), Fraction(100))) == []


def test_no_sound_track_is_told(make) -> None:
    with pytest.raises(ClipError, match="no sound track") as caught:
        list(sound_from(str(make.clip(".mp4", with_audio=False)), Fraction(100)))
    assert caught.value.failure is Failure.NO_AUDIO
