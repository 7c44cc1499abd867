"""Sound at 16 kHz mono by presentation time, on the clock whose zero is the first image shown.

Knows nothing of pictures. Reads forwards with a sliding window, so memory does not grow with length. Where the file has
no sound the samples are zero and marked as not present.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt

from syncqc.clock import SOUND_RATE_HZ
from syncqc.errors import ClipError, Failure
from syncqc.media.probe import open_container

Samples = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

REANCHOR_S = Fraction(1, 100)
"""Timestamps that differ from the counted samples by more than this start a new stretch; less is container rounding."""


class SoundReader:
    """Samples of a file by their number on the clip's clock, read in windows that move forwards only."""

    def __init__(self, path: str, zero_s: Fraction) -> None:
        """Opens nothing yet; `zero_s` is the time of sample 0 on the file's own clock."""
        self._blocks = _blocks(path, zero_s)
        self._samples: Samples = np.zeros(0, np.float32)
        self._present: Bools = np.zeros(0, np.bool_)
        self._first: int | None = None
        self._is_at_end = False

    def read(self, first_sample: int, end_sample: int) -> tuple[Samples, Bools]:
        """Samples [first_sample, end_sample) in [-1, 1], and whether the file has sound there.

        Raises:
            ValueError: the window begins before an earlier one.
            ClipError: the file cannot be opened or has no sound.
        """
        if self._first is None:
            self._first = first_sample
        if first_sample < self._first:
            raise ValueError(f"windows move forwards only: {first_sample = } after {self._first}")
        drop = min(first_sample - self._first, len(self._samples))
        self._samples, self._present = self._samples[drop:], self._present[drop:]
        self._first = first_sample
        while not self._is_at_end and self._decoded_to < end_sample:
            block = next(self._blocks, None)
            if block is None:
                self._is_at_end = True
            else:
                self._put(*block)
        return self._window(end_sample - first_sample)

    _decoded_to = -(2**62)

    def _put(self, start: int, block: Samples) -> None:
        assert self._first is not None
        # A stretch may overlap what came before by rounding; what came first stays.
        skip = max(0, max(self._first, self._decoded_to) - start)
        self._decoded_to = max(self._decoded_to, start + len(block))
        block, start = block[skip:], start + skip
        if not len(block):
            return
        gap = start - (self._first + len(self._samples))
        pieces = [self._samples, np.zeros(max(0, gap), np.float32), block]
        flags = [self._present, np.zeros(max(0, gap), np.bool_), np.ones(len(block), np.bool_)]
        self._samples, self._present = np.concatenate(pieces), np.concatenate(flags)

    def _window(self, n: int) -> tuple[Samples, Bools]:
        samples, present = np.zeros(n, np.float32), np.zeros(n, np.bool_)
        k = min(n, len(self._samples))
        samples[:k], present[:k] = self._samples[:k], self._present[:k]
        return samples, present


def _blocks(path: str, zero_s: Fraction) -> Iterator[tuple[int, Samples]]:
    """Stretches of 16 kHz mono as (number of the first sample, samples), anchored to timestamps at each break."""
    with open_container(path) as container:
        if not container.streams.audio:
            raise ClipError(Failure.NO_AUDIO, "the file has no sound track")
        stream = container.streams.audio[0]
        resampler: av.AudioResampler | None = None
        expected_s: Fraction | None = None
        position = 0
        layout: tuple[object, ...] = ()
        for frame in _frames(container, stream):
            start_s = frame.pts * frame.time_base if frame.pts is not None and frame.time_base else expected_s
            if start_s is None:
                start_s = zero_s
            now = (frame.format.name, frame.layout.name, frame.sample_rate)
            if resampler is None or expected_s is None or abs(start_s - expected_s) > REANCHOR_S or now != layout:
                if resampler is not None:
                    yield from _counted(resampler.resample(None), position)
                resampler = av.AudioResampler(format="flt", layout="mono", rate=SOUND_RATE_HZ)
                position, expected_s, layout = round((start_s - zero_s) * SOUND_RATE_HZ), start_s, now
            expected_s += Fraction(frame.samples, frame.sample_rate)
            # Timestamps are checked above; the resampler must only count samples.
            frame.pts = None
            for start, block in _counted(resampler.resample(frame), position):
                position = start + len(block)
                yield start, block
        if resampler is not None:
            yield from _counted(resampler.resample(None), position)


def _counted(frames: list[av.AudioFrame], position: int) -> Iterator[tuple[int, Samples]]:
    for frame in frames:
        block = frame.to_ndarray().reshape(-1).astype(np.float32, copy=False)
        yield position, block
        position += len(block)


def _frames(container: av.container.InputContainer, stream: av.audio.AudioStream) -> Iterator[av.AudioFrame]:
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
            frames = packet.decode()
        except (StopIteration, av.error.EOFError):
            return
        except av.error.InvalidDataError:
            continue
        except av.error.MemoryError as error:
            raise MemoryError from error
        except av.error.FFmpegError:
            return
        yield from frames
