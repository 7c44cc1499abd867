"""Beginning in the middle of a long sound file, so that a clip at its end need not wait for hours of it to be decoded.

Knows nothing of clips and windows. What is decoded after a jump is what would have been decoded there from the file's start on:
the jump goes some seconds too far back, so that decoders are sure again; where it led is told by presentation times alone; and
the first block is cut where samples at 16 kHz fall into the same places as if they had been counted from the file's start.
Where one of this cannot be had the file is read from its start: the same samples, only later.

Noise that a decoder makes up (AAC's PNS, the dither of AC-3, WMA) is of the same loudness, but another one after a jump. Where
times and samples of a file drift apart (pieces that were joined) a jump goes by the times there, and reading from the start is up
to 10 ms off them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, pairwise
from math import floor, gcd
from typing import TYPE_CHECKING, Any

import av
import numpy as np

from syncqc.clock import SOUND_RATE_HZ
from syncqc.errors import ClipError, Failure
from syncqc.media.container import decoded_sound, open_container, reason, sound_stream

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer

log = logging.getLogger(__name__)

FAR_S = 30
"""What is wanted from within so many seconds of the file's start is read from the start."""
_LEAD_S = 5
"""The jump goes so far before what is wanted,"""
_SETTLED_S = 2
"""and so far before it decoders are sure again, and counting begins."""
_LEAST_LEAD_S = Fraction(1, 2)
"""No later than so far before it: filters need some sound ahead."""

_BLOCKS_VARY = {"vorbis"}
"""Codecs whose blocks are of several sizes."""


def sound_from(path: str, wanted_s: Fraction) -> Iterator[AudioFrame]:
    """Decoded blocks of sound in the order of the file, all that reach to `wanted_s` (on the file's clock) or beyond.

    What lies farther before it may be missing.

    Raises:
        ClipError: the file cannot be opened, or has no sound that can be decoded.
        MemoryError: FFmpeg ran out of memory.
    """
    with open_container(path) as container:
        stream = _sound_stream(container)
        blocks = decoded_sound(container, stream)
        first = next(blocks, None)
        if first is None:
            return
        start_s = start_of(first)
        if start_s is None or wanted_s - start_s < FAR_S:
            yield from chain([first], blocks)
            return
        try:
            yield from _after_jump(container, stream, _Start(first, start_s, stream.codec_context.codec.canonical_name), wanted_s)
            return
        except _NoJumpError as error:
            log.info("%s is read from its start, since one cannot jump to %.2f s: %s", path, wanted_s, error)
    with open_container(path) as container:
        yield from decoded_sound(container, _sound_stream(container))


def start_of(frame: AudioFrame) -> Fraction | None:
    """When the block begins, on the file's clock; None where it does not say."""
    return frame.pts * frame.time_base if frame.pts is not None and frame.time_base else None


def length_of(frame: AudioFrame) -> Fraction:
    """How many seconds the block lasts."""
    return Fraction(frame.samples, frame.sample_rate)


def kind_of(frame: AudioFrame) -> tuple[str, str, int]:
    """What must not change between blocks that are converted together."""
    return frame.format.name, frame.layout.name, frame.sample_rate


class _NoJumpError(Exception):
    """Why the file must be read from its start."""


@dataclass
class _Start:
    """The file's first block, from which all samples are counted."""

    frame: AudioFrame
    start_s: Fraction
    codec: str

    @property
    def grid(self) -> int:
        """Every so many samples of the file one falls together with a sample at 16 kHz."""
        rate_hz = self.frame.sample_rate
        return rate_hz // gcd(rate_hz, SOUND_RATE_HZ)

    def number_of(self, frame: AudioFrame) -> int | None:
        """The number of the block's first sample in the file; None where its time does not tell.

        Matroska rounds times to 1 ms: there blocks are counted instead, where all are of one size and it fits the rounded time.
        """
        start_s = start_of(frame)
        if start_s is None or frame.time_base is None or kind_of(frame) != kind_of(self.frame):
            return None
        exact = (start_s - self.start_s) * frame.sample_rate
        tick = frame.time_base * frame.sample_rate
        if tick.numerator == 1:
            return exact.numerator if exact.denominator == 1 else None
        if self.codec in _BLOCKS_VARY:
            return None
        counted = self.frame.samples + round((exact - self.frame.samples) / frame.samples) * frame.samples
        return counted if abs(counted - exact) <= 2 * tick < frame.samples / 2 else None


def _sound_stream(container: InputContainer) -> AudioStream:
    stream = sound_stream(container)
    if stream is None:
        raise ClipError(Failure.NO_AUDIO, "the file has no sound track that can be decoded")
    return stream


def _after_jump(container: InputContainer, stream: AudioStream, start: _Start, wanted_s: Fraction) -> Iterator[AudioFrame]:
    if stream.time_base is None:
        raise _NoJumpError("the track has no clock")
    try:
        container.seek(floor((wanted_s - _LEAD_S) / stream.time_base), stream=stream)
    except av.error.MemoryError:
        raise
    except (av.error.FFmpegError, ValueError) as error:
        raise _NoJumpError(reason(error)) from error
    blocks = decoded_sound(container, stream)
    rate_hz = start.frame.sample_rate
    earliest, latest = ((wanted_s - before_s - start.start_s) * rate_hz for before_s in (_SETTLED_S, _LEAST_LEAD_S))
    for before, frame in pairwise(blocks):
        n = start.number_of(frame)
        if n is None or start.number_of(before) != n - before.samples or n < earliest:
            continue
        if n > latest:
            raise _NoJumpError("it leads too far")
        n_cut = -n % start.grid
        if n_cut < frame.samples:
            yield _cut(frame, n_cut, start.start_s + Fraction(n + n_cut, rate_hz))
            yield from blocks
            return
    raise _NoJumpError("no times that can be relied on are found there")


def _cut(frame: AudioFrame, n: int, start_s: Fraction) -> AudioFrame:
    """The block without its first `n` samples, beginning at `start_s`."""
    if n:
        try:
            samples: Any = frame.to_ndarray()[:, n * (1 if frame.format.is_planar else frame.layout.nb_channels) :]
        except ValueError as error:
            raise _NoJumpError(str(error)) from error
        rest = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format=frame.format.name, layout=frame.layout.name)
        rest.sample_rate = frame.sample_rate
        frame = rest
    frame.pts, frame.time_base = start_s.numerator, Fraction(1, start_s.denominator)
    return frame
