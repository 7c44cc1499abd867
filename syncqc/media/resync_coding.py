"""Repaired sound as a codec's bytes: which container holds which codec, at which rate, and how ffmpeg is told.

AAC. An encoder puts 1024 samples of priming before the sound: 64 ms at 16 kHz, 1.6 images. Containers hide it by an edit list, and who
ignores edit lists then hears everything late. Here nothing is hidden: the sound's first 1024 samples are left out and the priming, which
is silent, takes their place. So sample n is at n/rate for every reader. After a delay by two images or more nothing but silence is lost.

Knows nothing of clips and shifts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from math import floor

import av
import numpy as np
import numpy.typing as npt

from syncqc.clock import SOUND_RATE_HZ
from syncqc.errors import UsageError, unknown_name

F32 = npt.NDArray[np.float32]

AAC_FRAME_SAMPLES = 1024

AAC_RATES_HZ = (8000, 11025, 12000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 64_000, 88_200, 96_000)
OPUS_RATES_HZ = (8000, 12_000, 16_000, 24_000, 48_000)
DEFAULT_BIT_RATE_KBPS = {"aac": 64, "opus": 64}
"""Per channel."""

VIDEO_FILES: dict[str, tuple[str, ...]] = {
    ".mp4": ("aac", "flac", "opus"),
    ".m4v": ("aac", "flac", "opus"),
    ".mov": ("aac", "pcm"),
    ".mkv": ("aac", "flac", "pcm", "opus"),
    ".webm": ("opus",),
    ".avi": ("pcm",),
}
"""What of the four codecs ffmpeg writes, at the right times, into a video file of this suffix; the first is the usual one."""
SOUND_FILES: dict[str, tuple[str, ...]] = {
    ".m4a": ("aac",),
    ".mp4": ("aac", "flac", "opus"),
    ".aac": ("aac",),
    ".wav": ("pcm",),
    ".flac": ("flac",),
    ".opus": ("opus",),
    ".ogg": ("opus",),
    ".mka": ("aac", "flac", "pcm", "opus"),
}
"""The same for sound files; the first one is taken where the one asked for cannot be held."""


@dataclass(frozen=True)
class Coding:
    """How the sound is compressed."""

    codec: str
    rate_hz: int
    n_channels: int
    bit_rate_kbps: int | None
    """None where the codec has none."""

    def n_samples(self, duration_s: Fraction) -> int:
        """As many as last `duration_s`; AAC comes in blocks of 1024, and the nearest number of them is taken, at least 2."""
        exact = duration_s * self.rate_hz
        if self.codec == "aac":
            return AAC_FRAME_SAMPLES * max(2, floor(exact / AAC_FRAME_SAMPLES + Fraction(1, 2)))
        return max(1, floor(exact + Fraction(1, 2)))

    @property
    def n_priming(self) -> int:
        """Samples at the beginning that hold the encoder's priming in place of the sound."""
        return AAC_FRAME_SAMPLES if self.codec == "aac" else 0

    def input_arguments(self, url: str) -> list[str]:
        """How ffmpeg reads, from there, the bytes of `fed`."""
        if self.codec == "aac":
            return ["-f", "aac", "-i", url]
        return ["-f", "f32le", "-ar", str(self.rate_hz), "-ac", str(self.n_channels), "-i", url]

    def output_arguments(self) -> list[str]:
        """How ffmpeg writes them."""
        rate = [] if self.bit_rate_kbps is None else ["-b:a", f"{self.bit_rate_kbps * self.n_channels}k"]
        return {
            "aac": ["-c:a", "copy"],
            "flac": ["-c:a", "flac", "-sample_fmt", "s16", "-strict", "experimental"],
            "pcm": ["-c:a", "pcm_s16le"],
            "opus": ["-c:a", "libopus", *rate],
        }[self.codec]

    def fed(self, pieces: Iterator[F32]) -> Iterator[bytes]:
        """The samples, pieces (n, channels), as the bytes that ffmpeg is fed: AAC in ADTS, else 32-bit floats."""
        if self.codec == "aac":
            return self._as_adts(pieces)
        return (np.ascontiguousarray(piece, "<f4").tobytes() for piece in pieces)

    def _as_adts(self, pieces: Iterator[F32]) -> Iterator[bytes]:
        sink = BytesIO()
        layout = "mono" if self.n_channels == 1 else "stereo"
        assert self.bit_rate_kbps is not None
        with av.open(sink, "w", format="adts") as container:
            stream = container.add_stream("aac", rate=self.rate_hz, layout=layout)
            stream.bit_rate = 1000 * self.bit_rate_kbps * self.n_channels
            is_first = True
            for piece in pieces:
                for first in range(AAC_FRAME_SAMPLES if is_first else 0, len(piece), AAC_FRAME_SAMPLES):
                    block = np.ascontiguousarray(piece[first : first + AAC_FRAME_SAMPLES].T)
                    frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=layout)
                    frame.sample_rate = self.rate_hz
                    container.mux(stream.encode(frame))
                is_first = False
                yield _taken(sink)
            container.mux(stream.encode(None))
        yield sink.getvalue()


def _taken(sink: BytesIO) -> bytes:
    taken = sink.getvalue()
    sink.seek(0)
    sink.truncate()
    return taken


def rate_to_write(codec: str, asked_hz: int | None, own_hz: int) -> int:
    """The rate asked for; else 16 kHz for AAC, and the source's for others (for Opus the next higher one that it knows).

    Raises:
        UsageError: the codec does not know the rate asked for.
    """
    known = {"aac": AAC_RATES_HZ, "opus": OPUS_RATES_HZ}.get(codec)
    if asked_hz is not None:
        if known is not None and asked_hz not in known:
            raise UsageError(f"{codec} knows no rate of {asked_hz} Hz; known: {', '.join(map(str, known))}")
        return asked_hz
    if codec == "aac":
        return SOUND_RATE_HZ
    return own_hz if known is None else next((rate for rate in known if rate >= own_hz), known[-1])


def check_codec(codec: str, suffix: str, files: dict[str, tuple[str, ...]]) -> None:
    """Nothing, where a file of this suffix holds the codec.

    Raises:
        UsageError: it does not, or the suffix or the codec is unknown; it names what can.
    """
    codecs = sorted({known for held in files.values() for known in held})
    if codec not in codecs:
        raise unknown_name("audio codec", codec, codecs)
    held = files.get(suffix.lower())
    holders = ", ".join(name for name, can in files.items() if codec in can)
    if held is None:
        raise UsageError(f"no repaired sound is written into {suffix or 'a file without a suffix'}; {codec} goes into {holders}")
    if codec not in held:
        raise UsageError(f"{suffix} cannot hold {codec}, only {', '.join(held)}; {codec} goes into {holders}")
