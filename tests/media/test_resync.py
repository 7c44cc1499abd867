"""One file, many readers: by presentation time, by index, as an extracted WAV, and with edit lists ignored.

Every source shows one flash and is heard to beep once. What is asserted is by how much the beep comes after the flash.
"""

from __future__ import annotations

import hashlib
import itertools
import struct
import wave
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from syncqc.errors import ClipError, Failure, UsageError
from syncqc.media.mux import (
    VIDEO_ENCODERS,
    Encoding,
    MuxError,
    Pictures,
    SoundTrack,
    feed_ffmpeg,
    run_ffmpeg,
    write_clip,
    write_wav,
)
from syncqc.media.probe import probe
from syncqc.media.resync import Repair, repair_sidecar, repair_video

AT_S = 2.0
CLOSE_S = 0.005
"""A beep's onset is found within a millisecond; Opus adds up to 4.4 ms for who goes by index."""


def beep(rate_hz: int, duration_s: float, at_s: float = AT_S) -> np.ndarray:
    time_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    return np.where((time_s >= at_s) & (time_s < at_s + 0.04), 0.8 * np.sin(2 * np.pi * 1000 * time_s), 0.0)


def irregular_s(n: int) -> list[Fraction]:
    """Times of pictures at no constant rate; one of them at AT_S."""
    times = [Fraction(k, 25) + Fraction((7 * k) % 11, 1000) * (k * 40 != 1000 * AT_S) * (k > 0) for k in range(n)]
    return [time for k, time in enumerate(times) if k % 9 != 4]


def source(
    path: Path,
    fps: Fraction | None = Fraction(25),
    rate_hz: int = 16_000,
    duration_s: float = 3.0,
    codecs: tuple[str, str] = ("h264", "aac"),
) -> Path:
    times_s = irregular_s(int(duration_s * 25)) if fps is None else [k / fps for k in range(int(duration_s * fps))]
    flash = max(k for k, time in enumerate(times_s) if time <= AT_S)
    images = [np.full((48, 64, 3), 235 if k == flash else 16, np.uint8) for k in range(len(times_s))]
    pictures = Pictures(images, 64, 48, fps, times_s if fps is None else None)
    write_clip(path, pictures, SoundTrack(beep(rate_hz, duration_s), rate_hz), Encoding(*codecs))
    return path


def gop_source(path: Path) -> Path:
    """H.264 with a key frame every 50 pictures and two B-frames, 6 s, and AAC at 16 kHz."""
    images = np.full((150, 48, 64, 3), 16, np.uint8)
    images[50] = 235
    raw = path.with_suffix(".f32")
    beep(16_000, 6.0).astype("<f4").tofile(raw)
    given = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "64x48", "-r", "25", "-i", "pipe:0", "-f", "f32le", "-ar", "16000", "-ac", "1"]
    video = [*VIDEO_ENCODERS["h264"], "-g", "50", "-bf", "2", "-threads", "1"]
    feed_ffmpeg([*given, "-i", str(raw), "-c:v", *video, "-c:a", "aac", str(path)], [images.tobytes()])
    return path


@dataclass(frozen=True)
class Seen:
    """By how much the beep comes after the flash, in s."""

    by_time_s: float
    by_index_s: float
    n_images: int
    sound_s: float

    @property
    def both_s(self) -> tuple[float, float]:
        return self.by_time_s, self.by_index_s


def onset(samples: np.ndarray) -> int:
    return int(np.flatnonzero(np.abs(samples) > 0.3 * np.abs(samples).max())[0])


def seen(path: Path, fps: float = 25, **options: str) -> Seen:
    """What PyAV tells: by the times of its frames, and by counting pictures and samples."""
    with av.open(str(path), options=options) as container:
        shown = [(frame.time, float(frame.to_ndarray(format="gray").mean())) for frame in container.decode(video=0)]
    with av.open(str(path), options=options) as container:
        resampler = av.AudioResampler(format="flt", layout="mono")
        blocks = [
            (frame.time, one.to_ndarray()[0], frame.sample_rate) for frame in container.decode(audio=0) for one in resampler.resample(frame)
        ]
    flash = max(range(len(shown)), key=lambda k: shown[k][1])
    heard = np.concatenate([block for _, block, _ in blocks])
    at, rate_hz = onset(heard), blocks[0][2]
    ends = np.cumsum([len(block) for _, block, _ in blocks])
    k = int(np.searchsorted(ends, at, "right"))
    by_time_s = blocks[k][0] + (at - ends[k] + len(blocks[k][1])) / rate_hz - shown[flash][0]
    return Seen(by_time_s, at / rate_hz - flash / fps, len(shown), len(heard) / rate_hz)


def seen_by_others(path: Path, fps: float = 25) -> float:
    """The same by OpenCV, which counts pictures, and a WAV that ffmpeg extracted."""
    wav = path.with_suffix(".extracted.wav")
    run_ffmpeg(["-i", str(path), "-vn", "-ac", "1", "-c:a", "pcm_s16le", str(wav)])
    with wave.open(str(wav)) as file:
        heard, rate_hz = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float64), file.getframerate()
    reader = cv2.VideoCapture(str(path))
    light = []
    while (read := reader.read())[0]:
        light.append(float(read[1].mean()))
    return onset(heard) / rate_hz - int(np.argmax(light)) / fps


def payloads(path: Path) -> list[str]:
    with av.open(str(path)) as container:
        return [hashlib.sha256(bytes(packet)).hexdigest() for packet in container.demux(video=0) if packet.size]


def picture_times_s(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        times = [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]
    return [time - times[0] for time in times]


def moved(path: Path, out: Path, *audio: str) -> Path:
    run_ffmpeg(["-i", str(path), *audio, "-i", str(path), "-map", "0:v", "-map", "1:a", "-c", "copy", str(out)])
    return out


@pytest.fixture(scope="module")
def gop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gop_source(tmp_path_factory.mktemp("gop") / "source.mp4")


MADE: dict[str, tuple[Callable[[Path, Path], object], tuple[float, float], tuple[float, float], float]] = {
    # how it is made; by time, by index; the same with edit lists ignored; OpenCV and a WAV
    "the source": (lambda a, b: b.symlink_to(a), (0.0, 0.0), (-0.016, 0.064), 0.0),
    "itsoffset +0.2": (lambda a, b: moved(a, b, "-itsoffset", "0.2"), (0.2, 0.064), (-0.016, 0.064), 0.064),
    "itsoffset -0.2": (lambda a, b: moved(a, b, "-itsoffset", "-0.2"), (-0.2, -0.2), (-0.016, 0.064), -0.2),
    "pictures delayed": (
        lambda a, b: run_ffmpeg(["-itsoffset", "0.2", "-i", str(a), "-i", str(a), "-map", "0:v", "-map", "1:a", "-c", "copy", str(b)]),
        (-0.2, 0.0),
        (-0.016, 0.064),
        0.0,
    ),
    "remux +5": (lambda a, b: repair_video(a, b, Repair(5, "remux")), (0.2, 0.064), (-0.016, 0.064), 0.064),
    "remux -5": (lambda a, b: repair_video(a, b, Repair(-5, "remux")), (-0.2, -0.2), (-0.016, 0.064), -0.2),
    "bake +5": (lambda a, b: repair_video(a, b, Repair(5)), (0.2, 0.2), (0.2, 0.2), 0.2),
    "bake -5": (lambda a, b: repair_video(a, b, Repair(-5)), (-0.2, -0.2), (-0.2, -0.2), -0.2),
    "bake 0": (lambda a, b: repair_video(a, b, Repair(0)), (0.0, 0.0), (0.0, 0.0), 0.0),
}


@pytest.mark.parametrize(("make", "plain", "ignoring", "others"), MADE.values(), ids=MADE)
def test_what_each_reader_sees(
    gop: Path,
    tmp_path: Path,
    make: Callable[[Path, Path], object],
    plain: tuple[float, float],
    ignoring: tuple[float, float],
    others: float,
) -> None:
    out = tmp_path / "out.mp4"
    make(gop, out)
    assert seen(out).both_s == pytest.approx(plain, abs=0.001)
    assert seen(out, ignore_editlist="1").both_s == pytest.approx(ignoring, abs=0.001)
    assert seen_by_others(out) == pytest.approx(others, abs=0.001)


def test_an_ordinary_wav_extraction_after_a_remux_needs_async(gop: Path, tmp_path: Path) -> None:
    repair_video(gop, out := tmp_path / "out.mp4", Repair(5, "remux"))
    run_ffmpeg(["-i", str(out), "-vn", "-af", "aresample=async=1:first_pts=0", str(wav := tmp_path / "a.wav")])
    with wave.open(str(wav)) as file:
        assert onset(np.frombuffer(file.readframes(10**9), "<i2").astype(float)) / 16_000 == pytest.approx(2.2, abs=0.001)


@pytest.fixture(scope="module")
def cut_by_copy(gop: Path) -> Path:
    """A cut without encoding: the group of pictures before it is hidden by an edit list."""
    out = gop.with_name("cut.mp4")
    run_ffmpeg(["-ss", "1", "-i", str(gop), "-t", "3", "-c", "copy", str(out)])
    return out


def test_pictures_hidden_by_an_edit_list_stay_hidden_and_are_told_of(cut_by_copy: Path, tmp_path: Path) -> None:
    done = repair_video(cut_by_copy, out := tmp_path / "out.mp4", Repair(5))
    assert (seen(cut_by_copy).n_images, seen(out).n_images, len(payloads(out))) == (77, 77, 102)
    assert seen(out).both_s == pytest.approx((0.2, 0.2), abs=0.001)
    assert seen_by_others(out) == pytest.approx(0.2, abs=0.001)
    assert payloads(out) == payloads(cut_by_copy)
    assert "an edit list hides 25 pictures at the head, as in the source: who ignores edit lists counts them" in done.notes
    # No copy can mend this: 25 pictures too many.
    assert seen(out, ignore_editlist="1").both_s == pytest.approx((0.2 - 1, 0.2 - 1), abs=0.001)


RATES = {"25": Fraction(25), "29.97": Fraction(30000, 1001), "vfr": None}
HOLDERS = [(".mp4", "aac"), (".mp4", "flac"), (".mp4", "opus"), (".mov", "pcm"), (".mkv", "aac"), (".mkv", "pcm"), (".mkv", "flac")]
KINDS = itertools.cycle((name, *holder) for holder in HOLDERS for name in RATES)
SHIFTS = [(shift, *next(KINDS)) for shift in range(-12, 13)]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    folder = tmp_path_factory.mktemp("sources")

    def of(rate: str, suffix: str) -> Path:
        path = folder / f"{rate}{suffix}"
        return path if path.exists() else source(path, RATES[rate])

    return of


@pytest.mark.parametrize(("shift", "rate", "suffix", "codec"), SHIFTS, ids=[f"{s:+d} {r} {c} in {x}" for s, r, x, c in SHIFTS])
def test_a_baked_file_is_right_for_every_reader(
    sources: Callable[[str, str], Path], tmp_path: Path, shift: int, rate: str, suffix: str, codec: str
) -> None:
    given = sources(rate, suffix)
    done = repair_video(given, out := tmp_path / f"out{suffix}", Repair(shift, audio_codec=codec))
    assert payloads(out) == payloads(given)
    assert picture_times_s(out) == pytest.approx(picture_times_s(given), abs=0.0011)
    before, fps = seen(given).by_time_s, float(RATES[rate] or 25)
    assert before == pytest.approx(0, abs=0.035)  # the flash is on the picture before the beep
    after = seen(out, fps)
    assert after.by_time_s - before == pytest.approx(shift / 25, abs=CLOSE_S)
    if rate != "vfr":  # counting pictures tells no time where they come at no constant rate
        assert after.by_index_s - before == pytest.approx(shift / 25, abs=CLOSE_S)
        assert seen_by_others(out, fps) - before == pytest.approx(shift / 25, abs=CLOSE_S)
    assert after.sound_s == pytest.approx(float(probe(str(given)).duration_s), abs=0.033)
    # Matroska's own priming, and what AAC has after the last picture, take the place of some of the silence.
    assert shift / 25 - 0.07 <= done.pad_s <= shift / 25 + 0.07


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return source(tmp_path_factory.mktemp("plain") / "plain.mp4")


@pytest.mark.parametrize(("suffix", "codec"), [(".mp4", "aac"), (".mp4", "flac"), (".mkv", "opus"), (".mov", "pcm")])
def test_the_same_input_gives_the_same_bytes(plain: Path, tmp_path: Path, suffix: str, codec: str) -> None:
    made = [tmp_path / f"{name}{suffix}" for name in ("one", "two")]
    for out in made:
        repair_video(plain, out, Repair(-3, audio_codec=codec))
    assert made[0].read_bytes() == made[1].read_bytes()


def test_what_the_file_says_of_itself_stays(plain: Path, tmp_path: Path) -> None:
    (words := tmp_path / "words.txt").write_text(";FFMETADATA1\ntitle=A talk\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1000\ntitle=Begin\n")
    given = tmp_path / "given.mp4"
    more = ["-map_metadata", "1", "-map_chapters", "1", "-metadata:s:a:0", "language=deu", "-metadata:s:v:0", "language=fra"]
    run_ffmpeg(["-i", str(plain), "-i", str(words), "-map", "0", *more, "-c", "copy", "-aspect", "64:24", str(given)])
    given.write_bytes(turned(given.read_bytes()))
    done = repair_video(given, out := tmp_path / "out.mp4", Repair(4))
    assert done.notes == ()
    facts = probe(str(given)), probe(str(out))
    assert [(one.rotation_deg, one.sample_aspect, one.duration_s) for one in facts] == [(270, 2, 3), (270, 2, 3)]
    with av.open(str(out)) as container:
        assert container.metadata["title"] == "A talk"
        assert [chapter["metadata"]["title"] for chapter in container.chapters()] == ["Begin"]
        assert [stream.language for stream in container.streams if stream.type != "data"] == ["fra", "deu"]


def turned(mp4: bytes) -> bytes:
    """The file with the display matrix of its first track turned by a quarter."""
    at = mp4.index(b"tkhd") + 44
    return mp4[:at] + struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30) + mp4[at + 36 :]


def test_the_first_sound_track_is_taken_and_mixed_to_stereo(plain: Path, tmp_path: Path) -> None:
    given = tmp_path / "given.mkv"
    two = ["-filter_complex", "[0:a]pan=5.1|c0=c0|c1=c0[a];[0:a]atrim=0:1[b]", "-map", "0:v", "-map", "[a]", "-map", "[b]"]
    run_ffmpeg(["-i", str(plain), *two, "-c:v", "copy", "-c:a", "flac", str(given)])
    done = repair_video(given, out := tmp_path / "out.mkv", Repair(5, audio_codec="flac"))
    assert done.notes == ("its 6 channels were mixed to 2", "left out: 1 more sound track")
    assert probe(str(out)).source_audio_channels == 2
    assert seen(out).both_s == pytest.approx((0.2, 0.2), abs=0.002)


def test_pictures_that_begin_late_begin_with_the_sound(plain: Path, tmp_path: Path) -> None:
    """As after ``-f segment -c copy``: an index reader was 80 ms off before."""
    given = tmp_path / "given.mp4"
    run_ffmpeg(["-itsoffset", "0.08", "-i", str(plain), "-i", str(plain), "-map", "0:v", "-map", "1:a", "-c", "copy", str(given)])
    assert seen(given).both_s == pytest.approx((-0.08, 0), abs=0.001)
    repair_video(given, out := tmp_path / "out.mp4", Repair(2))
    assert seen(out).both_s == pytest.approx((0, 0), abs=0.001)
    assert probe(str(out)).zero_s == 0


def test_without_sound_there_is_nothing_to_repair(plain: Path, tmp_path: Path) -> None:
    run_ffmpeg(["-i", str(plain), "-an", "-c", "copy", str(mute := tmp_path / "mute.mp4")])
    with pytest.raises(ClipError) as caught:
        repair_video(mute, tmp_path / "out.mp4", Repair(2))
    assert caught.value.failure is Failure.NO_AUDIO
    assert [path.name for path in tmp_path.iterdir()] == ["mute.mp4"]


def test_a_failure_leaves_the_old_file_and_nothing_else(plain: Path, tmp_path: Path) -> None:
    (out := tmp_path / "out.webm").write_text("old")
    with pytest.raises(MuxError, match="ffmpeg stopped"):  # WebM holds no H.264
        repair_video(plain, out, Repair(2, audio_codec="opus"))
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("out.webm", "old")]


@pytest.mark.parametrize(
    ("suffix", "held", "codec"),
    [(".m4a", "aac", "aac"), (".wav", "aac", "pcm_s16le"), (".flac", "aac", "flac"), (".opus", "flac", "opus"), (".mp4", "flac", "flac")],
)
def test_of_a_sidecar_only_the_sound_is_written(plain: Path, tmp_path: Path, suffix: str, held: str, codec: str) -> None:
    run_ffmpeg(["-i", str(plain), "-an", "-c", "copy", str(video := tmp_path / "video.mp4")])
    run_ffmpeg(["-i", str(plain), "-vn", str(sidecar := tmp_path / f"given{suffix}")])
    before = video.read_bytes()
    done = repair_sidecar(video, sidecar, out := tmp_path / f"out{suffix}", Repair(-5, audio_codec=held))
    assert (done.path, done.audio_path, video.read_bytes()) == (video, out, before)
    facts = probe(str(video), str(out))
    assert facts.audio_codec == codec
    assert float(facts.audio_duration_s or 0) == pytest.approx(3.0, abs=0.033)
    run_ffmpeg(["-i", str(video), "-i", str(out), "-c:v", "copy", "-c:a", "flac", str(both := tmp_path / "both.mkv")])
    assert seen(both).both_s == pytest.approx((-0.2, -0.2), abs=CLOSE_S)


def test_of_a_long_sidecar_only_the_stretch_of_the_clip_is_written(plain: Path, tmp_path: Path) -> None:
    long = SoundTrack(np.concatenate([np.full(40 * 16_000, 0.01), beep(16_000, 60)]), 16_000)
    write_wav(sidecar := tmp_path / "long.wav", long)
    done = repair_sidecar(plain, sidecar, out := tmp_path / "out.wav", Repair(5), sidecar_start_s=40.0)
    with wave.open(str(out)) as file:
        heard = np.frombuffer(file.readframes(10**9), "<i2").astype(np.float64)
    assert len(heard) == 3 * 16_000
    assert onset(heard) / 16_000 == pytest.approx(2.2, abs=0.001)
    # What is heard in the sidecar before the clip is no silence.
    assert (done.pad_s, heard[1600] > 0) == (0.0, True)
    joined = repair_video(plain, tmp_path / "out.mp4", Repair(5), sidecar, 40.0)
    assert joined.pad_s == 0
    assert seen(joined.path).both_s == pytest.approx((0.2, 0.2), abs=0.001)


def test_a_rate_can_be_asked_for(plain: Path, tmp_path: Path) -> None:
    repair_video(plain, out := tmp_path / "out.mp4", Repair(5, audio_rate_hz=48_000, audio_bit_rate_kbps=128))
    assert probe(str(out)).source_audio_rate_hz == 48_000
    assert seen(out, ignore_editlist="1").both_s == pytest.approx((0.2, 0.2), abs=0.001)


def test_what_cannot_be_done_is_refused(plain: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is the source"):
        repair_video(plain, plain, Repair(2))
    with pytest.raises(UsageError, match=r"\.mp4 cannot hold pcm, only aac, flac, opus; pcm goes into \.mov, \.mkv, \.avi"):
        repair_video(plain, tmp_path / "out.mp4", Repair(2, audio_codec="pcm"))
    for refused in (
        lambda: repair_video(plain, tmp_path / "o.mp4", Repair(2, "remux"), plain),
        lambda: repair_sidecar(plain, plain, tmp_path / "o.m4a", Repair(2, "remux")),
    ):
        with pytest.raises(UsageError, match="in a file of its own"):
            refused()
