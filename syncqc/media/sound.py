"""Sound at 16 kHz mono by presentation time, on the clock whose zero is the first image shown.

Knows nothing of pictures. Reads forwards and keeps only what the current window needs, so memory does not grow with length;
a first window far inside a long file is jumped to. Where the file has no sound the samples are zero and marked as not present.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cache
from itertools import chain, pairwise
from math import floor
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import numpy.typing as npt

from syncqc.clock import SOUND_RATE_HZ
from syncqc.errors import ClipError, Failure
from syncqc.media.container import reason
from syncqc.media.sound_seek import kind_of, length_of, sound_from, start_of

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame

Samples = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

REANCHOR_S = Fraction(1, 100)
"""Timestamps that differ from the counted samples by more than this start a new stretch; less is container rounding."""


class SoundReader:
    """Samples of a file by their number on the clip's clock, read in windows that move forwards only."""

    def __init__(self, path: str, zero_s: Fraction) -> None:
        """Opens nothing yet; `zero_s` is the time of sample 0 on the file's own clock."""
        self._path, self._zero_s = path, zero_s
        self._blocks: Iterator[tuple[int, Samples]] | None = None
        self._kept: deque[tuple[int, Samples]] = deque()
        self._kept_to: int | None = None
        self._first: int | None = None
        self._is_at_end = False
        self._error: ClipError | None = None

    def read(self, first_sample: int, end_sample: int) -> tuple[Samples, Bools]:
        """Samples [first_sample, end_sample), 1 is full scale, and whether the file has sound there.

        Lossy codecs may go a little beyond 1; nothing is clipped.

        Raises:
            ValueError: the window begins before an earlier one.
            ClipError: the file cannot be opened, has no sound, or sound of a kind that cannot be converted.
            MemoryError: FFmpeg ran out of memory.
        """
        if self._first is not None and first_sample < self._first:
            raise ValueError(f"windows move forwards only: {first_sample = } after {self._first}")
        self._first = first_sample
        if self._blocks is None:
            self._blocks = _blocks(self._path, self._zero_s, first_sample)
        while not self._is_at_end and (self._kept_to is None or self._kept_to < end_sample):
            block = self._next_block()
            if block is None:
                self._is_at_end = True
            else:
                self._keep(*block)
                self._drop_before(first_sample)
        self._drop_before(first_sample)
        samples, is_present = np.zeros(end_sample - first_sample, np.float32), np.zeros(end_sample - first_sample, np.bool_)
        for start, piece in self._kept:
            a, b = max(start, first_sample), min(start + len(piece), end_sample)
            if a < b:
                samples[a - first_sample : b - first_sample] = piece[a - start : b - start]
                is_present[a - first_sample : b - first_sample] = True
        return samples, is_present

    def _next_block(self) -> tuple[int, Samples] | None:
        if self._error is not None:  # a generator that has raised is at its end, but the file is not
            raise self._error
        assert self._blocks is not None
        try:
            return next(self._blocks, None)
        except ClipError as error:
            self._error = error
            raise
        except av.error.MemoryError as error:
            raise MemoryError from error
        except (av.error.FFmpegError, ValueError) as error:
            self._error = ClipError(Failure.UNREADABLE, f"the sound cannot be converted: {reason(error)}")
            raise self._error from error

    def _keep(self, start: int, block: Samples) -> None:
        # A stretch may overlap what came before by rounding; what came first stays.
        skip = 0 if self._kept_to is None else max(0, self._kept_to - start)
        if skip < len(block):
            self._kept.append((start + skip, block[skip:]))
            self._kept_to = start + len(block)

    def _drop_before(self, first_sample: int) -> None:
        while self._kept and self._kept[0][0] + len(self._kept[0][1]) <= first_sample:
            self._kept.popleft()


def _blocks(path: str, zero_s: Fraction, first_sample: int) -> Iterator[tuple[int, Samples]]:
    """Stretches of 16 kHz mono as (number of the first sample, samples), anchored to timestamps at each break.

    What lies before `first_sample` may be missing.
    """
    frames = sound_from(path, zero_s + Fraction(first_sample, SOUND_RATE_HZ))
    return in_stretches(frames, zero_s, lambda frame, start_s: Stretch(frame, start_s, zero_s))


def in_stretches(
    frames: Iterator[AudioFrame], zero_s: Fraction, begun: Callable[[AudioFrame, Fraction], Stretch]
) -> Iterator[tuple[int, Samples]]:
    """What the stretches of `frames` give, each anchored to the time stamp of its first block and then counted.

    `begun` makes a stretch of its first block and its start. Without a time stamp it begins where the last one ended, or at `zero_s`.
    """
    stretch: Stretch | None = None
    for frame, following in pairwise(chain(frames, [None])):
        assert frame is not None
        if stretch is None or not stretch.goes_on_with(frame, following):
            if stretch is not None:
                yield from stretch.close()
            start_s = start_of(frame)
            if start_s is None:
                start_s = zero_s if stretch is None else stretch.end_s
            stretch = begun(frame, start_s)
        yield from stretch.add(frame)
    if stretch is not None:
        yield from stretch.close()


class Stretch:
    """Sound without a break: placed once by its first timestamp, then counted in samples."""

    def __init__(self, frame: AudioFrame, start_s: Fraction, zero_s: Fraction) -> None:
        self.end_s = start_s
        self._kind = kind_of(frame)
        # Halves go up, whatever number they follow: a stretch is placed alike from wherever it is read.
        self._position = floor((start_s - zero_s) * SOUND_RATE_HZ + Fraction(1, 2))
        self._gain = mono_gain(frame.layout.name)
        # PyAV hands on what needs no conversion and cannot be asked for the rest of it.
        is_ready = self._kind == ("flt", "mono", SOUND_RATE_HZ)
        self._resampler = None if is_ready else av.AudioResampler(format="flt", layout="mono", rate=SOUND_RATE_HZ)

    def goes_on_with(self, frame: AudioFrame, following: AudioFrame | None) -> bool:
        """Whether the block has the format of this stretch and begins where it ends.

        One odd timestamp between good ones is an error of the file and no break.
        """
        if kind_of(frame) != self._kind:
            return False
        start_s = start_of(frame)
        if start_s is None or abs(start_s - self.end_s) <= REANCHOR_S:
            return True
        after_s = None if following is None else start_of(following)
        return after_s is not None and abs(after_s - self.end_s - length_of(frame)) <= REANCHOR_S

    def add(self, frame: AudioFrame) -> Iterator[tuple[int, Samples]]:
        """What is ready once this block is known."""
        self.end_s += length_of(frame)
        frame = _mended(frame)
        # Timestamps were looked at by the caller; the resampler must only count samples.
        frame.pts = None
        yield from self._counted([frame] if self._resampler is None else self._resampler.resample(frame))

    def close(self) -> Iterator[tuple[int, Samples]]:
        """The rest."""
        if self._resampler is not None:
            yield from self._counted(self._resampler.resample(None))

    def _counted(self, frames: list[AudioFrame]) -> Iterator[tuple[int, Samples]]:
        for frame in frames:
            block = np.asarray(frame.to_ndarray().reshape(-1) / self._gain, np.float32)
            yield self._position, block
            self._position += len(block)


@cache
def mono_gain(layout_name: str) -> float:
    """How much louder FFmpeg's mix of this layout to mono is than each of its channels when all say the same; 1.41 for stereo."""
    if layout_name == "mono" or is_nameless(layout_name):
        return 1.0
    n_channels = av.AudioLayout(layout_name).nb_channels
    ones = av.AudioFrame.from_ndarray(np.ones((n_channels, 64), np.float32), format="fltp", layout=layout_name)
    ones.sample_rate = SOUND_RATE_HZ
    resampler = av.AudioResampler(format="flt", layout="mono", rate=SOUND_RATE_HZ)
    mixed = [block.to_ndarray() for block in (*resampler.resample(ones), *resampler.resample(None))]
    return float(np.concatenate(mixed, axis=1).mean())


def is_nameless(layout_name: str) -> bool:
    """Whether the layout says how many channels there are but not which is which."""
    return layout_name.endswith("channels") or layout_name.startswith("ambisonic")


def _mended(frame: AudioFrame) -> AudioFrame:
    """The block with what is no number silenced, and in mono where FFmpeg cannot mix it.

    That is the mean where the file does not say which channel is which, and the first channel of ambisonic sound, which
    is heard from everywhere.
    """
    has_no_names = is_nameless(frame.layout.name)
    is_float = frame.format.name in ("flt", "fltp", "dbl", "dblp")
    if not has_no_names and not is_float:
        return frame
    samples: Any = frame.to_ndarray()
    if not has_no_names and np.isfinite(samples).all():
        return frame
    samples = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
    format_name, layout_name = frame.format.name, frame.layout.name
    if has_no_names:
        samples = samples.reshape(frame.layout.nb_channels, -1, order="C" if frame.format.is_planar else "F")
        samples = _to_float(samples)
        samples = samples[:1] if frame.layout.name.startswith("ambisonic") else samples.mean(axis=0, keepdims=True)
        format_name, layout_name = "flt", "mono"
    mended = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format=format_name, layout=layout_name)
    mended.sample_rate = frame.sample_rate
    return mended


def _to_float(samples: npt.NDArray[np.generic]) -> Samples:
    if samples.dtype.kind not in "iu":
        return samples.astype(np.float32)
    centre = 128 if samples.dtype == np.uint8 else 0
    return ((samples.astype(np.float64) - centre) / 2.0 ** (8 * samples.dtype.itemsize - 1)).astype(np.float32)
