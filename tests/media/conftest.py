"""Made clips: every picture carries its number, and a chirp is heard at known times, so that a reader can be checked exactly.

::

    picture i of the source     8 bars, black or white: the bits of i
    sound                       a soft hum, and a 50 ms chirp centred on each time of `chirps_s`

The files are made by the ffmpeg program, which is not the decoder under test.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Sequence
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
    means = [image[:, a + (b - a) // 4 : b - (b - a) // 4].mean() for a, b in zip(edges[:-1], edges[1:], strict=True)]
    assert all(mean < 90 or mean > 166 for mean in means), f"not a picture of ours: {means}"
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
    return sorted(found)


@dataclass(frozen=True)
class Source:
    """What goes into a file; pictures at `fps`, of which those in `kept` are taken with their times (None: all)."""

    fps: Fraction = Fraction(25)
    n_pictures: int | None = None
    """None: as many as last as long as the sound."""
    width: int = 64
    height: int = 48
    kept: tuple[int, ...] | None = None
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


@dataclass
class Maker:
    """Makes files in a folder; the same order gives the same file without running ffmpeg again."""

    folder: Path
    _made: dict[str, Path] = field(default_factory=dict)

    def clip(self, suffix: str, source: Source, *output: str, before_sound: Sequence[str] = (), before_video: Sequence[str] = ()) -> Path:
        """A file with the source's pictures and sound, written with ffmpeg's options `output`."""
        key = repr((suffix, source, output, tuple(before_sound), tuple(before_video)))
        if key not in self._made:
            path = self.folder / (hashlib.sha256(key.encode()).hexdigest()[:16] + suffix)
            self._run_clip(path, source, output, before_sound, before_video)
            self._made[key] = path
        return self._made[key]

    def _run_clip(
        self, path: Path, source: Source, output: Sequence[str], before_sound: Sequence[str], before_video: Sequence[str]
    ) -> None:
        command: list[str] = []
        raw = b""
        if source.with_video:
            size = f"{source.width}x{source.height}"
            command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", str(source.fps), *before_video, "-i", "pipe:0"]
            raw = b"".join(picture(i, source.width, source.height).tobytes() for i in range(source.n))
        if source.with_audio:
            wav = path.with_suffix(".source.wav")
            soundfile.write(wav, sound(source.sound_s, source.rate_hz, source.chirps_s, source.n_channels), source.rate_hz, "FLOAT")
            command += [*before_sound, "-i", str(wav)]
        if source.kept is not None:
            chosen = "+".join(f"eq(n,{i})" for i in source.kept)
            command += ["-vf", f"select='{chosen}'", "-vsync", "vfr"]
        self.ffmpeg(*command, "-shortest" if "-shortest" in output else "-y", *(o for o in output if o != "-shortest"), str(path), piped=raw)

    def sound(self, suffix: str, source: Source, *output: str) -> Path:
        """A file with the source's sound alone."""
        return self.clip(suffix, Source(**{**source.__dict__, "with_video": False}), *output)

    def changed(self, path: Path, suffix: str, *options: str, before: Sequence[str] = ()) -> Path:
        """A file that ffmpeg made from `path`, for instance by a cut without encoding."""
        key = repr((path, suffix, options, tuple(before)))
        if key not in self._made:
            out = self.folder / (hashlib.sha256(key.encode()).hexdigest()[:16] + suffix)
            self.ffmpeg(*before, "-i", str(path), *options, str(out))
            self._made[key] = out
        return self._made[key]

    def ffmpeg(self, *arguments: str, piped: bytes = b"") -> bytes:
        """Runs ffmpeg; what it printed to stdout."""
        command = [ffmpeg_binary(), "-y", "-nostdin" if not piped else "-hide_banner", "-v", "error", *arguments]
        done = subprocess.run(command, input=piped or None, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        return done.stdout

    picture = staticmethod(picture)
    number_of = staticmethod(number_of)
    chirp = staticmethod(chirp)
    chirps_in = staticmethod(chirps_in)
    source = Source


@pytest.fixture(scope="session")
def make(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    """The maker of this test run's files; they are shared between tests, so never change one."""
    return Maker(tmp_path_factory.mktemp("clips"))
