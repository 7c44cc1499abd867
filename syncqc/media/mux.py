"""Pictures and sound into one file, through the ffmpeg program; every file is written aside, probed, and then renamed.

Knows nothing of what is shown or said. Reading back is done by PyAV, another program than the one that wrote.

::

    start_gap_s = 0      pictures |0 1 2 3 ...      sound |~~~~~~~~~     both begin at 0
    start_gap_s > 0      pictures |0 1 2 3 ...      sound    |~~~~~~     the sound begins later
    start_gap_s < 0      pictures    |0 1 2 3 ...   sound |~~~~~~~~~     the pictures begin later

AAC and MP3 encoders put priming before the sound (AAC: 1024 samples, 64 ms at 16 kHz). MP4 takes it away by an edit list, in
Matroska the pictures begin later by as much. AVI can do neither: there the first samples of the sound are left out and the
priming takes their place. So a click lies where it was put, counted from the first picture, within a millisecond, for every
reader that goes by time; only Opus in Matroska comes out 7 ms early when ffmpeg 5 wrote it.
"""

from __future__ import annotations

import contextlib
import itertools
import shutil
import subprocess
import tempfile
import wave
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO

import av
import imageio_ffmpeg
import numpy as np
import numpy.typing as npt

from syncqc.errors import ClipError, UsageError, unknown_name
from syncqc.manifest.aside import written_aside
from syncqc.media.probe import probe

U8 = npt.NDArray[np.uint8]

_TICK_S = Fraction(1, 60_000)
"""Where pictures come at no constant rate; MPEG-4 Part 2 counts no finer than 1/65535 s."""

VIDEO_ENCODERS: dict[str, tuple[str, ...]] = {
    "h264": ("libx264", "-preset", "veryfast", "-crf", "20", "-pix_fmt", "yuv420p"),
    "mpeg4": ("mpeg4", "-q:v", "3", "-pix_fmt", "yuv420p"),
    "vp9": ("libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-crf", "30", "-b:v", "0", "-pix_fmt", "yuv420p"),
}
AUDIO_ENCODERS: dict[str, tuple[str, ...]] = {
    "aac": ("aac",),
    "mp3": ("libmp3lame",),
    "pcm": ("pcm_s16le",),
    "flac": ("flac",),
    "opus": ("libopus",),
}


_VFR_LAST_FPS = 100
_PRIMING_SAMPLES = {"aac": 1024, "mp3": 1105}


class MuxError(RuntimeError):
    """ffmpeg failed, or what it wrote is not what was asked for."""


@dataclass(frozen=True)
class Pictures:
    """Images of one size in the order in which they are shown, and when."""

    images: Iterable[U8]
    """Each (height, width, 3), RGB; height and width even."""
    width_px: int
    height_px: int
    fps: Fraction | None = None
    """The constant rate; None where `times_s` says when each image appears."""
    times_s: Sequence[Fraction] | None = None
    """Rising, the first one 0; only where there is no `fps`. Containers round them (Matroska to 1 ms)."""


@dataclass(frozen=True)
class SoundTrack:
    """Sound in [-1, 1] that begins at time 0."""

    samples: npt.NDArray[np.float64]
    """(n,) mono or (n, channels)."""
    rate_hz: int


@dataclass(frozen=True)
class Encoding:
    """How pictures and sound are compressed; the container follows from the file's suffix.

    Raises:
        UsageError: a codec is unknown.
    """

    video_codec: str = "h264"
    audio_codec: str = "aac"

    def __post_init__(self) -> None:
        """Refuses unknown codecs."""
        for kind, name, known in (("video codec", self.video_codec, VIDEO_ENCODERS), ("audio codec", self.audio_codec, AUDIO_ENCODERS)):
            if name not in known:
                raise unknown_name(kind, name, known)


def ffmpeg_binary() -> str:
    """The system's ffmpeg, or imageio-ffmpeg's where the system has none.

    Raises:
        MuxError: there is neither.
    """
    found = shutil.which("ffmpeg")
    if found:
        return found
    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise MuxError("no ffmpeg: install it, or reinstall imageio-ffmpeg from a wheel that carries one") from error


def run_ffmpeg(arguments: Sequence[str]) -> None:
    """The ffmpeg program ran with these arguments and succeeded.

    Raises:
        MuxError: it did not; with its last line.
    """
    command = [ffmpeg_binary(), "-nostdin", "-y", "-v", "error", *arguments]
    done = subprocess.run(command, capture_output=True, check=False)
    _check(done.returncode, done.stderr)


def feed_ffmpeg(arguments: Sequence[str], pieces: Iterable[bytes]) -> None:
    """The ffmpeg program ran with these arguments, which name ``pipe:0`` as an input, was given the pieces there, and succeeded.

    Raises:
        MuxError: it did not; with its last line. What the pieces raise goes on to the caller, and ffmpeg is stopped.
    """

    def feed(pipe: IO[bytes]) -> None:
        for piece in pieces:
            pipe.write(piece)

    _piped([ffmpeg_binary(), "-y", "-v", "error", *arguments], feed)


def write_clip(
    path: Path, pictures: Pictures, sound: SoundTrack | None = None, encoding: Encoding | None = None, start_gap_s: Fraction = Fraction(0)
) -> None:
    """A file at `path` with these pictures and this sound; a file of that name is replaced once the new one is whole.

    `start_gap_s` > 0: the sound begins that much after the first image; < 0: before it.

    Raises:
        UsageError: the container cannot hold the pictures' times.
        ValueError: neither or both of `fps` and `times_s` are given.
        MuxError: ffmpeg failed, or the file read back lacks a track or ends early.
    """
    if (pictures.fps is None) == (pictures.times_s is None):
        raise ValueError("give either the rate of the pictures or their times")
    encoding = encoding or Encoding()
    is_avi = path.suffix.lower() == ".avi"
    is_timed = pictures.fps is None or start_gap_s < 0
    if is_avi and (encoding.video_codec != "mpeg4" or is_timed):
        raise UsageError("AVI holds no picture times: only mpeg4 at a constant rate that begins with the sound or before it")
    video = ["-c:v", *VIDEO_ENCODERS[encoding.video_codec]]
    if is_timed:
        # With B-frames MP4 would let the last picture last as long as some earlier one.
        video += ["-bf", "0", "-fps_mode", "passthrough", "-enc_time_base", f"{_TICK_S.numerator}:{_TICK_S.denominator}"]
    with tempfile.TemporaryDirectory() as folder, written_aside(path, keeps_suffix=True) as aside:
        late_s = max(-start_gap_s, Fraction(0))
        arguments = ["-itsoffset", f"{float(late_s):.6f}", "-f", "nut", "-i", "pipe:0"] if is_timed else _raw_input(pictures)
        outputs = ["-map", "0:v:0", *video]
        if sound is not None:
            wav = Path(folder) / "sound.wav"
            priming = _PRIMING_SAMPLES.get(encoding.audio_codec, 0) if is_avi else 0
            write_wav(wav, SoundTrack(sound.samples[priming:], sound.rate_hz))
            delay_s = max(start_gap_s, Fraction(0)) + Fraction(priming, sound.rate_hz)
            arguments += ["-itsoffset", f"{float(delay_s):.6f}", "-i", str(wav)]
            outputs += ["-map", "1:a:0", "-c:a", *AUDIO_ENCODERS[encoding.audio_codec]]
        command = [ffmpeg_binary(), "-y", "-v", "error", *arguments, *outputs, "-threads", "1", str(aside)]
        n_images = _pipe(command, pictures, is_timed)
        _check_written(aside, pictures, n_images, sound is not None)


def write_wav(path: Path, sound: SoundTrack) -> None:
    """A 16-bit WAV file of the sound."""
    samples = sound.samples if sound.samples.ndim == 2 else sound.samples[:, None]
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(sound.rate_hz)
        file.writeframes(np.round(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())


def _raw_input(pictures: Pictures) -> list[str]:
    assert pictures.fps is not None
    size, rate = f"{pictures.width_px}x{pictures.height_px}", f"{pictures.fps.numerator}/{pictures.fps.denominator}"
    return ["-f", "rawvideo", "-pix_fmt", "rgb24", "-video_size", size, "-framerate", rate, "-i", "pipe:0"]


def _pipe(command: list[str], pictures: Pictures, is_timed: bool) -> int:
    """Feeds the pictures to ffmpeg and says how many there were."""
    fed: list[int] = []
    _piped(command, lambda pipe: fed.append(_feed_timed(pipe, pictures) if is_timed else _feed(pipe, pictures)))
    return fed[0] if fed else 0


def _piped(command: list[str], feed: Callable[[IO[bytes]], None]) -> None:
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors)
        assert process.stdin is not None
        try:
            feed(process.stdin)
        except (BrokenPipeError, av.error.BrokenPipeError):
            pass  # ffmpeg gave up; its own words say why.
        except BaseException:
            process.kill()
            raise
        finally:
            # What is still in the pipe's buffer has no reader any more.
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            code = process.wait()
        errors.seek(0)
        _check(code, errors.read())


def _feed(pipe: IO[bytes], pictures: Pictures) -> int:
    n_images = 0
    for image in pictures.images:
        pipe.write(_checked(image, pictures).tobytes())
        n_images += 1
    return n_images


def _feed_timed(pipe: IO[bytes], pictures: Pictures) -> int:
    """Raw pictures in NUT, a container that carries the time of each."""
    n_images = 0
    times_s = (k / pictures.fps for k in itertools.count()) if pictures.fps is not None else iter(pictures.times_s or ())
    with av.open(pipe, "w", format="nut") as container:
        # The rate only says how long the last picture lasts.
        stream = container.add_stream("rawvideo", rate=pictures.fps or _VFR_LAST_FPS)
        stream.width, stream.height, stream.pix_fmt = pictures.width_px, pictures.height_px, "rgb24"
        stream.codec_context.time_base = stream.time_base = _TICK_S
        for image, time_s in zip(pictures.images, times_s, strict=pictures.fps is None):
            frame = av.VideoFrame.from_ndarray(_checked(image, pictures), format="rgb24")
            frame.time_base, frame.pts = _TICK_S, round(time_s / _TICK_S)
            container.mux(stream.encode(frame))
            n_images += 1
        container.mux(stream.encode())
    return n_images


def _checked(image: U8, pictures: Pictures) -> U8:
    expected = (pictures.height_px, pictures.width_px, 3)
    if image.shape != expected or image.dtype != np.uint8:
        raise ValueError(f"{image.shape = }, {image.dtype = }, not {expected} of uint8")
    return image


def _check(code: int, errors: bytes) -> None:
    if code:
        lines = errors.decode(errors="replace").strip().splitlines()
        raise MuxError(f"ffmpeg stopped with code {code}: {lines[-1] if lines else 'it said nothing'}")


def _check_written(path: Path, pictures: Pictures, n_images: int, has_sound: bool) -> None:
    """Raises where the file, read by PyAV, lacks a track or is shorter than its pictures."""
    try:
        facts = probe(str(path))
    except ClipError as error:
        raise MuxError(f"what ffmpeg wrote cannot be read: {error.detail}") from error
    if has_sound and facts.audio_codec is None:
        raise MuxError("what ffmpeg wrote has no sound")
    expected_s = n_images / pictures.fps if pictures.fps is not None else list(pictures.times_s or [Fraction(0)])[-1]
    if facts.duration_s < expected_s - Fraction(1, 20):
        raise MuxError(f"what ffmpeg wrote lasts {float(facts.duration_s):.3f} s instead of {float(expected_s):.3f} s")
