"""Made clips: every picture carries its number, and a chirp is heard at known times, so that a reader can be checked exactly.

::

    picture i of the source     8 bars, black or white: the bits of i
    sound                       a soft hum, and a 50 ms chirp centred on each time of `chirps_s`

The files are made by the ffmpeg program, which is not the decoder under test.
"""

from __future__ import annotations

import hashlib
import itertools
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import correlate

from syncqc.media.mux import ffmpeg_binary

N_BITS = 8
CHIRP_S = 0.05
SOUND_RATE_HZ = 16_000


def picture(number: int, width: int = 64, height: int = 48) -> np.ndarray:
    """The picture that stands for `number` (0-255): bit b is bar b from the left."""
    bits = [number >> b & 1 for b in range(N_BITS)]
    edges = np.linspace(0, width, N_BITS + 1).round().astype(int)
    row = np.repeat([16 + 224 * bit for bit in bits], np.diff(edges)).astype(np.uint8)
    return np.repeat(np.repeat(row[None, :, None], height, 0), 3, 2)


def number_of(image: np.ndarray) -> int:
    """The number that a picture stands for, after compression and scaling."""
    edges = np.linspace(0, image.shape[1], N_BITS + 1).round().astype(int)
    means = [image[:, a + (b - a) // 4 : b - (b - a) // 4].mean() for a, b in itertools.pairwise(edges)]
    assert all(mean < 100 or mean > 155 for mean in means), f"not a picture of ours: {means}"
    return sum(int(mean > 128) << b for b, mean in enumerate(means))


def chirp(rate_hz: int) -> np.ndarray:
    """A sweep from 0.3 to 3 kHz under a Hann window, an odd number of samples with the middle one in the centre."""
    half = int(CHIRP_S / 2 * rate_hz)
    t = np.arange(-half, half + 1) / rate_hz
    return np.sin(2 * np.pi * (1650 * t + 27_000 * t**2)) * np.hanning(2 * half + 1)


def sound(duration_s: float, rate_hz: int, chirps_s: Sequence[float], n_channels: int = 1) -> np.ndarray:
    """Samples (n, channels); the chirps are centred on the nearest sample, so choose times that fall on one."""
    n = round(duration_s * rate_hz)
    samples = 0.01 * np.sin(2 * np.pi * 110 * np.arange(n) / rate_hz)
    one = chirp(rate_hz)
    for time_s in chirps_s:
        first = round(time_s * rate_hz) - len(one) // 2
        samples[first : first + len(one)] += 0.5 * one
    return np.repeat(samples[:, None], n_channels, 1)


def chirps_in(samples: np.ndarray, first_sample: int = 0) -> list[float]:
    """Where the chirps are centred in sound at 16 kHz, in s, finer than a sample, ascending."""
    score = np.abs(correlate(samples.astype(np.float64), chirp(SOUND_RATE_HZ), mode="same", method="fft"))
    found = []
    level = 0.5 * score.max()
    while score.max() > level > 1e-3:
        peak = int(score.argmax())
        a, b, c = (score[min(max(i, 0), len(score) - 1)] for i in (peak - 1, peak, peak + 1))
        found.append((first_sample + peak + 0.5 * (a - c) / (a - 2 * b + c)) / SOUND_RATE_HZ)
        score[max(0, peak - 400) : peak + 400] = 0
    return sorted(float(time_s) for time_s in found)


@dataclass(frozen=True)
class Source:
    """What goes into a file: pictures at a constant rate, or those of them that are `kept`, and sound."""

    fps: Fraction = Fraction(25)
    n_pictures: int | None = None
    """None: as many as last as long as the sound."""
    width: int = 64
    height: int = 48
    kept: tuple[int, ...] | None = None
    """Pictures that stay, at their own times; None: all."""
    rate_hz: int = 16_000
    n_channels: int = 1
    sound_s: float = 2.0
    chirps_s: tuple[float, ...] = (0.5, 1.5)
    with_video: bool = True
    with_audio: bool = True

    @property
    def n(self) -> int:
        """The number of pictures made."""
        return int(self.sound_s * self.fps) if self.n_pictures is None else self.n_pictures


H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-threads", "1")
DEFAULTS = {".avi": ("-c:v", "mpeg4", "-q:v", "2", "-c:a", "libmp3lame"), ".wav": ("-c:a", "pcm_s16le")}


@dataclass
class Maker:
    """Makes files in a folder; the same order gives the same file without running ffmpeg again."""

    folder: Path
    _made: dict[str, Path] = field(default_factory=dict)

    def clip(self, suffix: str, *output: str, before_video: Sequence[str] = (), before_sound: Sequence[str] = (), **source: object) -> Path:
        """A file with pictures and sound as in `Source`, written with ffmpeg's options `output`.

        Where no codec is named it is H.264 and AAC, or MPEG-4 Part 2 and MP3 in AVI.
        """
        what = Source(**source)  # type: ignore[arg-type]
        codecs = DEFAULTS.get(suffix, (*H264, "-c:a", "aac"))
        video, sound = codecs[: codecs.index("-c:a")], codecs[codecs.index("-c:a") :]
        given = [*(() if "-c:v" in output else video), *(() if "-c:a" in output else sound), *output]
        out = self._path(suffix, what, given, before_video, before_sound)
        if not out.exists():
            self._make_clip(out, what, given, before_video, before_sound)
        return out

    def _make_clip(self, out: Path, what: Source, output: Sequence[str], before_video: Sequence[str], before_sound: Sequence[str]) -> None:
        command: list[str] = []
        raw = b""
        if what.with_video:
            size = f"{what.width}x{what.height}"
            command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", str(what.fps), *before_video, "-i", "pipe:0"]
            raw = b"".join(picture(i, what.width, what.height).tobytes() for i in range(what.n))
        if what.with_audio:
            wav = out.with_suffix(".source.wav")
            soundfile.write(wav, sound(what.sound_s, what.rate_hz, what.chirps_s, what.n_channels), what.rate_hz, "FLOAT")
            command += [*before_sound, "-i", str(wav)]
        if what.kept is not None:
            chosen = "+".join(f"eq(n,{i})" for i in what.kept)
            command += ["-vf", f"select='{chosen}'", "-fps_mode", "vfr"]
        self.ffmpeg(*command, *output, str(out), piped=raw)

    def changed(self, path: Path, suffix: str, *output: str, before: Sequence[str] = ()) -> Path:
        """A file that ffmpeg made from `path`, for instance by a cut without encoding."""
        out = self._path(suffix, path, output, before)
        if not out.exists():
            self.ffmpeg(*before, "-i", str(path), *output, str(out))
        return out

    def altered(self, path: Path, alter: Callable[[bytearray], bytearray], suffix: str | None = None) -> Path:
        """A copy of `path` with its bytes altered."""
        out = self.folder / f"altered-{len(list(self.folder.iterdir()))}{suffix or path.suffix}"
        out.write_bytes(alter(bytearray(path.read_bytes())))
        return out

    def ffmpeg(self, *arguments: str, piped: bytes = b"") -> tuple[bytes, str]:
        """What ffmpeg printed to stdout and stderr."""
        command = [ffmpeg_binary(), "-y", "-hide_banner", *([] if piped else ["-nostdin"]), "-v", "info", *arguments]
        done = subprocess.run(command, input=piped or None, capture_output=True, check=False)
        errors = done.stderr.decode(errors="replace")
        assert done.returncode == 0, errors
        return done.stdout, errors

    def _path(self, suffix: str, *what: object) -> Path:
        return self.folder / (hashlib.sha256(repr(what).encode()).hexdigest()[:16] + suffix)

    picture = staticmethod(picture)
    number_of = staticmethod(number_of)
    chirps_in = staticmethod(chirps_in)
    sound = staticmethod(sound)


@pytest.fixture(scope="session")
def make(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    """The maker of this test run's files; they are shared between tests, so never change one."""
    return Maker(tmp_path_factory.mktemp("clips"))
