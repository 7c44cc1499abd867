from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from syncqc.errors import ClipError, Failure
from syncqc.media import sound, sound_seek
from syncqc.media.container import open_container
from syncqc.media.probe import probe
from syncqc.media.sound import SoundReader, mono_gain
from syncqc.media.video import read_images

RATE_HZ = 16_000
PCM = ("-c:a", "pcm_s16le")
CUT = ("-ss", "1.28", "-t", "2", "-c", "copy")
WHOLE = {"sound_s": 4.0, "chirps_s": (1.5, 2.5)}


def read(path: Path, first: int = 0, end: int = 2 * RATE_HZ) -> tuple[np.ndarray, np.ndarray]:
    return SoundReader(str(path), Fraction(0)).read(first, end)


# The distance between picture and sound

CONTAINERS = {
    "mp4 h264 aac": (".mp4", ()),
    "mp4 h264 with B-frames aac": (".mp4", ("-bf", "2")),
    "mov pcm": (".mov", PCM),
    "mkv aac": (".mkv", ("-bf", "2")),
    "mkv flac": (".mkv", ("-c:a", "flac")),
    "mkv mp3": (".mkv", ("-c:a", "libmp3lame")),
    "mp4 mp3": (".mp4", ("-c:a", "libmp3lame")),
    "ts aac": (".ts", ("-bf", "2")),
    "flv aac": (".flv", ()),
    "webm vp8 vorbis": (".webm", ("-c:v", "libvpx", "-c:a", "libvorbis")),
    "avi mpeg4 pcm": (".avi", PCM),
}


def distance_s(make, path: Path) -> list[float]:
    """How much later each chirp is heard than in the source, measured against the picture on show."""
    facts = probe(str(path))
    shown = [make.number_of(image) for image in read_images(str(path), facts)]
    # Sources here have 25 pictures per second, so the first image of picture i was made at i/25 s.
    offsets = {shown.index(i) - i for i in set(shown) if i != shown[0]}
    assert len(offsets) == 1, "the pictures keep their pace"
    samples, _ = SoundReader(str(path), facts.zero_s).read(-RATE_HZ, 6 * RATE_HZ)
    shift_s = offsets.pop() / 25
    return [time_s - shift_s for time_s in make.chirps_in(samples, -RATE_HZ)]


DELAYS = {"sound early": "-0.3", "together": None, "sound late": "0.3"}
# AVI holds no start times.
DELAYED = {f"{c}, {d}": (*CONTAINERS[c], DELAYS[d]) for c in CONTAINERS for d in DELAYS if not (c.startswith("avi") and DELAYS[d])}


@pytest.mark.parametrize(("suffix", "output", "delay_s"), DELAYED.values(), ids=DELAYED.keys())
def test_distance_between_picture_and_sound(make, suffix: str, output: tuple[str, ...], delay_s: str | None) -> None:
    path = make.clip(suffix, *output, before_sound=("-itsoffset", delay_s) if delay_s else ())
    delay = float(delay_s or 0)
    expected = [time_s + delay for time_s in (0.5, 1.5)]
    assert distance_s(make, path) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
@pytest.mark.parametrize("where", ["before the input", "after the input"])
def test_distance_after_a_cut_without_encoding(make, suffix: str, where: str) -> None:
    whole = make.clip(".mp4", "-g", "30", "-bf", "2", **WHOLE)
    before, after = (CUT[:2], CUT[2:]) if where == "before the input" else ((), CUT)
    found = distance_s(make, make.changed(whole, suffix, *after, before=before))
    assert found == pytest.approx([1.5, 2.5], abs=1e-3)


REMUXED = {
    "copied": ((), ("-c", "copy"), 0.0),
    "encoded again": ((), ("-c:v", "copy", "-c:a", "aac"), 0.0),
    "sound moved by 0.2 s": (("-itsoffset", "0.2"), ("-map", "1:v", "-map", "0:a", "-c", "copy"), 0.2),
}


@pytest.mark.parametrize(("before", "output", "shift_s"), REMUXED.values(), ids=REMUXED.keys())
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_distance_after_muxing_again(make, suffix: str, before: tuple[str, ...], output: tuple[str, ...], shift_s: float) -> None:
    once = make.clip(suffix, "-bf", "2")
    # The second input is the file itself, without the delay.
    twice = make.changed(once, ".mp4", *(("-i", str(once)) if before else ()), *output, before=before)
    assert distance_s(make, twice) == pytest.approx([0.5 + shift_s, 1.5 + shift_s], abs=1e-3)


# Formats of the source


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("codec", ["pcm_s16le", "flac"])
def test_rates(make, rate_hz: int, codec: str) -> None:
    # These times fall on a sample at every rate.
    path = make.clip(".mkv", "-c:a", codec, with_video=False, rate_hz=rate_hz, chirps_s=(0.4, 1.6))
    samples, is_present = read(path, 0, 2 * RATE_HZ + 100)
    assert make.chirps_in(samples) == pytest.approx([0.4, 1.6], abs=0.1 / RATE_HZ)
    assert is_present.sum() == pytest.approx(2 * RATE_HZ, abs=1)
    assert is_present[:-101].all()


@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 48_000])
@pytest.mark.parametrize("at", [441, 12_345, 31_999])
def test_click_lands_on_its_sample(tmp_path: Path, rate_hz: int, at: int) -> None:
    source = np.zeros(rate_hz * 5)
    source[at] = 0.9
    soundfile.write(path := tmp_path / "click.wav", source, rate_hz)
    samples, _ = read(path, 0, 5 * RATE_HZ)
    assert np.argmax(np.abs(samples)) == pytest.approx(at * RATE_HZ / rate_hz, abs=0.51)


@pytest.mark.parametrize("codec", ["pcm_u8", "pcm_s16le", "pcm_s32le", "pcm_f64le", "flac"])
@pytest.mark.parametrize("n_channels", [1, 2, 3, 6])
def test_loudness_does_not_depend_on_the_number_of_channels(make, n_channels: int, codec: str) -> None:
    path = make.clip(".mkv", "-c:a", codec, with_video=False, n_channels=n_channels)
    samples, _ = read(path)
    assert np.abs(samples).max() == pytest.approx(0.505, abs=0.015)
    assert make.chirps_in(samples) == pytest.approx([0.5, 1.5], abs=1e-4)


def test_channels_without_names_are_averaged(tmp_path: Path) -> None:
    source = np.zeros((RATE_HZ, 3), np.float32)
    source[:, 1] = 0.6
    soundfile.write(path := tmp_path / "three.wav", source, RATE_HZ, "PCM_16", format="WAV")
    data = bytearray(path.read_bytes())
    assert data[20:22] == b"\x01\x00", "a plain header, which names no channels"
    path.write_bytes(data)
    samples, is_present = read(path, 0, RATE_HZ)
    assert is_present.all()
    # FFmpeg takes three channels without names for 2.1, so the file says so itself or it is the mean: never silence.
    assert samples[1000:-1000].std() < 1e-3
    assert samples[5000] == pytest.approx(0.2, abs=0.11)


def test_sound_that_needs_no_conversion(tmp_path: Path) -> None:
    source = np.random.default_rng(0).uniform(-1, 1, RATE_HZ)
    for subtype in ("PCM_32", "FLOAT", "PCM_16"):
        soundfile.write(path := tmp_path / f"{subtype}.wav", source, RATE_HZ, subtype)
        samples, is_present = read(path, 0, RATE_HZ + 10)
        np.testing.assert_allclose(samples[:RATE_HZ], source, atol=4e-5)
        assert is_present.tolist() == [True] * RATE_HZ + [False] * 10


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("rate_hz", [16_000, 44_100])
def test_what_is_no_number_is_silence(tmp_path: Path, value: float, rate_hz: int) -> None:
    source = np.full(rate_hz, 0.25, np.float32)
    source[rate_hz // 2] = value
    soundfile.write(path := tmp_path / "bad.wav", source, rate_hz, "FLOAT")
    samples, is_present = read(path, 0, RATE_HZ)
    assert is_present.all()
    assert np.isfinite(samples).all()
    assert np.abs(samples[:7900] - 0.25).max() < 0.02
    assert np.abs(samples[7000:9000]).max() < 0.4


@pytest.mark.parametrize("n_channels", [1, 2])
@pytest.mark.parametrize("rate_hz", [16_000, 48_000])
def test_louder_than_full_scale_is_not_clipped(tmp_path: Path, n_channels: int, rate_hz: int) -> None:
    soundfile.write(path := tmp_path / "loud.wav", np.full((rate_hz, n_channels), 1.5, np.float32), rate_hz, "FLOAT")
    assert np.median(read(path, 0, RATE_HZ)[0]) == pytest.approx(1.5, rel=1e-3)


def test_ambisonic_sound_is_its_channel_without_direction(make) -> None:
    quad = make.clip(".wav", with_video=False, n_channels=4, rate_hz=48_000)
    path = make.changed(quad, ".mka", "-af", "aformat=channel_layouts=4.0", "-c:a", "libopus", "-mapping_family", "2", "-b:a", "256k")
    with open_container(str(path)) as container:
        assert container.streams.audio[0].layout.name == "ambisonic 1"
    samples, _ = read(path)
    assert make.chirps_in(samples) == pytest.approx([0.5, 1.5], abs=0.008)
    assert np.abs(samples).max() == pytest.approx(0.5, abs=0.1)


def test_sound_that_cannot_be_converted(make, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(frame: object) -> object:
        raise av.error.ArgumentError(22, "Invalid argument")

    monkeypatch.setattr(sound, "_mended", refuse)
    with pytest.raises(ClipError, match="the sound cannot be converted: Invalid argument") as caught:
        read(make.clip(".wav", with_video=False))
    assert caught.value.failure is Failure.UNREADABLE


@pytest.mark.parametrize(("layout", "gain"), [("mono", 1.0), ("stereo", 2**0.5), ("5.1", 2 + 2**0.5), ("3 channels", 1.0)])
def test_mono_gain(layout: str, gain: float) -> None:
    assert mono_gain(layout) == pytest.approx(gain, rel=1e-4)


# Gaps, overlaps, ends


def test_gap_is_marked_and_not_filled(make) -> None:
    whole = make.clip(".wav", with_video=False)
    path = make.changed(whole, ".mkv", "-af", "asetnsamples=160,aselect='not(between(t,0.8,1.19))'", *PCM)
    samples, is_present = read(path)
    absent = np.flatnonzero(~is_present)
    assert (absent[0], absent[-1] + 1) == pytest.approx((0.8 * RATE_HZ, 1.2 * RATE_HZ), abs=170)
    assert len(absent) == pytest.approx(0.4 * RATE_HZ, abs=170)
    assert not samples[~is_present].any()
    assert make.chirps_in(samples) == pytest.approx([0.5, 1.5], abs=1e-3)


def test_rate_that_changes_within_the_file(make, tmp_path: Path) -> None:
    first = make.clip(".ts", "-c:a", "mp2", with_video=False, rate_hz=44_100)
    second = make.clip(".ts", "-c:a", "mp2", "-output_ts_offset", "2.5", with_video=False, rate_hz=48_000, n_channels=2)
    path = tmp_path / "both.ts"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    samples, is_present = SoundReader(str(path), Fraction(14, 10)).read(0, 5 * RATE_HZ)
    # The encoder of MPEG layer 2 delays by 481 samples.
    assert make.chirps_in(samples) == pytest.approx([0.5, 1.5, 3.0, 4.0], abs=0.013)
    assert not is_present[round(2.1 * RATE_HZ) : round(2.4 * RATE_HZ)].any()


def test_before_and_after_the_sound_nothing_is_present(make) -> None:
    samples, is_present = read(make.clip(".wav", with_video=False), -1000, 2 * RATE_HZ + 1000)
    assert np.flatnonzero(is_present).tolist() == list(range(1000, 2 * RATE_HZ + 1000))
    assert not samples[~is_present].any()


def test_sound_before_the_first_image_is_kept(make) -> None:
    path = make.clip(".mkv", *PCM, before_sound=("-itsoffset", "-0.7"))
    samples, is_present = SoundReader(str(path), probe(str(path)).zero_s).read(-RATE_HZ, RATE_HZ)
    assert np.flatnonzero(is_present)[0] == pytest.approx(round(0.3 * RATE_HZ), abs=8)
    assert make.chirps_in(samples, -RATE_HZ) == pytest.approx([-0.2, 0.8], abs=1e-3)


def blocks_of(*pieces: tuple[int, int, float]):
    """Stands for a file that decodes to stretches (first sample, number, value)."""

    def decode(path: str, zero_s: Fraction, first_sample: int) -> Iterator[tuple[int, np.ndarray]]:
        for start, n, value in pieces:
            yield start, np.full(n, value, np.float32)

    return decode


OVERLAPS = {
    "overlap: what came first stays": ([(0, 10, 1), (6, 10, 2)], 0, 20, "1" * 10 + "2" * 6 + "." * 4),
    "contained": ([(0, 10, 1), (2, 5, 2), (10, 3, 3)], 0, 15, "1" * 10 + "3" * 3 + "." * 2),
    "starts over": ([(0, 10, 1), (0, 10, 2), (10, 5, 3)], 0, 15, "1" * 10 + "3" * 5),
    "gap": ([(0, 4, 1), (7, 3, 2)], 0, 10, "1111...222"),
    "before the window": ([(-20, 10, 1), (-5, 10, 2)], 0, 8, "22222..."),
    "begins later": ([(5, 3, 1)], 0, 10, ".....111.."),
    "far away": ([(0, 3, 1), (10**12, 3, 2)], 0, 6, "111..."),
    "nothing": ([], -2, 2, "...."),
}


@pytest.mark.parametrize(("pieces", "first", "end", "expected"), OVERLAPS.values(), ids=OVERLAPS.keys())
def test_stretches(monkeypatch: pytest.MonkeyPatch, pieces, first: int, end: int, expected: str) -> None:
    monkeypatch.setattr(sound, "_blocks", blocks_of(*pieces))
    samples, is_present = SoundReader("x", Fraction(0)).read(first, end)
    assert "".join(str(int(value)) if there else "." for value, there in zip(samples, is_present, strict=True)) == expected


@given(
    pieces=st.lists(st.tuples(st.integers(-30, 200), st.integers(1, 40), st.integers(1, 9)), max_size=8),
    windows=st.lists(st.tuples(st.integers(-50, 200), st.integers(1, 60)), min_size=1, max_size=8).map(sorted),
)
def test_windows_give_what_one_read_gives(pieces: list[tuple[int, int, int]], windows: list[tuple[int, int]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sound, "_blocks", blocks_of(*pieces))
        whole = SoundReader("x", Fraction(0)).read(-50, 300)
        reader = SoundReader("x", Fraction(0))
        for first, n in windows:
            for one, part in zip(whole, reader.read(first, first + n), strict=True):
                np.testing.assert_array_equal(part, one[first + 50 : first + 50 + n])


# Timestamps that err


class Clock:
    """Blocks of sound as a decoder would hand them on, with timestamps of one's choice."""

    def __init__(self, starts_ms: list[int | None], block_ms: int = 20) -> None:
        self.frames = []
        for i, start_ms in enumerate(starts_ms):
            data = np.full((1, block_ms * 16), (i + 1) / 100, np.float32)
            frame = av.AudioFrame.from_ndarray(data, format="flt", layout="mono")
            frame.sample_rate, frame.time_base, frame.pts = RATE_HZ, Fraction(1, 1000), start_ms
            self.frames.append(frame)

    def __call__(self, container: object, stream: object) -> Iterator[object]:
        return iter(self.frames)


CLOCKS = {
    "even": ([0, 20, 40, 60], [0, 20, 40, 60]),
    "no timestamps but the first": ([100, None, None], [100, 120, 140]),
    "none at all": ([None, None, None], [0, 20, 40]),
    "jitter below 10 ms": ([0, 25, 34, 62], [0, 20, 40, 60]),
    "one odd one": ([0, 20, 9999, 60, 80], [0, 20, 40, 60, 80]),
    "one odd one back": ([100, 120, 0, 160, 180], [100, 120, 140, 160, 180]),
    "gap": ([0, 20, 140, 160], [0, 20, 140, 160]),
    "gap before the last": ([0, 20, 140], [0, 20, 140]),
    "drift is followed in steps": ([0, 26, 52, 78, 104], [0, 20, 52, 72, 104]),
}


@pytest.mark.parametrize(("stamps_ms", "expected_ms"), CLOCKS.values(), ids=CLOCKS.keys())
def test_timestamps(make, monkeypatch: pytest.MonkeyPatch, stamps_ms: list[int | None], expected_ms: list[int]) -> None:
    monkeypatch.setattr(sound_seek, "decoded_sound", Clock(stamps_ms))
    samples, is_present = read(make.clip(".wav", with_video=False), 0, RATE_HZ)
    found_ms = [int(np.flatnonzero(np.isclose(samples, (i + 1) / 100, atol=1e-4))[0]) / 16 for i in range(len(stamps_ms))]
    assert found_ms == expected_ms
    assert not samples[~is_present].any()


# Long files


def test_windows_of_a_real_file(make) -> None:
    path = str(make.clip(".mp4", rate_hz=44_100))
    whole = SoundReader(path, Fraction(0)).read(-5000, 40_000)
    reader = SoundReader(path, Fraction(0))
    for first, end in [(-5000, 900), (-100, 7000), (6000, 6001), (15_000, 31_000), (31_000, 40_000), (31_000, 40_000)]:
        for one, part in zip(whole, reader.read(first, end), strict=True):
            np.testing.assert_array_equal(part, one[first + 5000 : end + 5000])


def test_windows_move_forwards_only(make) -> None:
    reader = SoundReader(str(make.clip(".wav", with_video=False)), Fraction(0))
    reader.read(100, 200)
    with pytest.raises(ValueError, match="forwards only"):
        reader.read(99, 200)


@pytest.fixture(scope="module")
def long_file(make) -> Path:
    """Ten minutes at 11,025 Hz with a chirp near each end, and one in the middle."""
    rate_hz, seconds = 11_025, 600
    source = np.zeros(rate_hz * seconds)
    one = make.sound(1.0, rate_hz, (0.5,))[:, 0]
    for second in (0, 300, 599):
        source[second * rate_hz : (second + 1) * rate_hz] = one
    soundfile.write(path := make.folder / "long.wav", source, rate_hz, "PCM_16")
    return path


def test_no_drift_and_no_growing_memory(make, long_file: Path) -> None:
    reader = SoundReader(str(long_file), Fraction(0))
    found: list[float] = []
    reader.read(0, 1)
    tracemalloc.start()
    for part in range(120):
        first = part * 5 * RATE_HZ
        samples, is_present = reader.read(first, first + 5 * RATE_HZ)
        assert is_present.all()
        found += make.chirps_in(samples, first)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == pytest.approx([0.5, 300.5, 599.5], abs=1e-4)
    # The whole file would be 38 MB; searching for chirps in a window takes most of this.
    assert peak_bytes < 12e6


def test_one_read_of_everything_is_quick(make, long_file: Path) -> None:
    samples, is_present = read(long_file, 0, 600 * RATE_HZ)
    assert is_present.all()
    assert make.chirps_in(samples[-RATE_HZ:]) == pytest.approx([0.5], abs=1e-4)


# Files without sound


def test_no_sound_track(make) -> None:
    with pytest.raises(ClipError, match="no sound track") as caught:
        read(make.clip(".mp4", with_audio=False))
    assert caught.value.failure is Failure.NO_AUDIO


def test_file_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(ClipError, match="No such file") as caught:
        read(tmp_path / "nowhere.wav")
    assert caught.value.failure is Failure.UNREADABLE


def test_error_stays(tmp_path: Path) -> None:
    reader = SoundReader(str(tmp_path / "nowhere.wav"), Fraction(0))
    for _ in range(2):
        with pytest.raises(ClipError, match="No such file"):
            reader.read(0, 100)


def test_sound_track_without_sound(make) -> None:
    path = make.clip(".mkv", *PCM, "-af", "atrim=end=0")
    samples, is_present = read(path)
    assert not is_present.any()
    assert not samples.any()
