"""The sound of a clip from one moment on, at its own rate, in pieces: silence where the file has none.

::

    sound of the clip     ........|~~~~~~~~~~~~~~~~~~~~~~|....     0 is the first image
    delayed by 0.2 s      first_s = -0.2:  [    ~~~~~~~~~~~~~~~]   silence, then the sound
    brought forward       first_s = +0.2:  [~~~~~~~~~~~~~~~    ]   its beginning is trimmed, silence at the end

Knows nothing of pictures.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import numpy.typing as npt

from syncqc.errors import ClipError, Failure
from syncqc.media.container import decoded_sound, open_container, reason, sound_stream
from syncqc.media.sound import Stretch, in_stretches, is_nameless
from syncqc.media.sound_seek import sound_from

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame

F32 = npt.NDArray[np.float32]

_PIECE_SAMPLES = 64 * 1024
_MAX_CHANNELS = 2


@dataclass
class Placed:
    """A stretch of a file's sound, and, once it was read, where it had none."""

    path: Path
    first_s: Fraction
    """The time of its first sample on the file's own clock."""
    n_samples: int
    rate_hz: int
    n_channels: int
    n_silent_head: int = 0
    """Samples at the beginning for which the file has no sound."""
    n_silent_tail: int = 0
    n_silent_within: int = 0
    _reached: int = field(default=0, repr=False)

    def pieces(self) -> Iterator[F32]:
        """Yields float32 (n, channels), together `n_samples`, all but the last a multiple of 1024 long; silence where there is no sound.

        Raises:
            ClipError: the sound cannot be read.
            MemoryError: FFmpeg ran out of memory.
        """
        self.n_silent_head = self.n_silent_within = self._reached = 0
        piece = np.zeros((min(_PIECE_SAMPLES, self.n_samples), self.n_channels), np.float32)
        begin = 0
        has_sound = False
        for start, block in self._blocks():
            skip = max(0, self._reached - start)
            start, block = start + skip, block[skip : max(0, self.n_samples - start)]
            if not len(block):
                continue
            silent = start - self._reached
            if has_sound:
                self.n_silent_within += silent
            else:
                self.n_silent_head, has_sound = silent, True
            self._reached = start + len(block)
            while len(block):
                while start >= begin + len(piece):
                    yield piece
                    begin += len(piece)
                    piece = np.zeros((min(_PIECE_SAMPLES, self.n_samples - begin), self.n_channels), np.float32)
                n = min(len(block), begin + len(piece) - start)
                piece[start - begin : start - begin + n] = block[:n]
                start, block = start + n, block[n:]
            if self._reached >= self.n_samples:
                break
        if not has_sound:
            raise ClipError(Failure.NO_AUDIO, "there is no sound where the picture is")
        self.n_silent_tail = self.n_samples - self._reached
        while len(piece):
            yield piece
            begin += len(piece)
            piece = np.zeros((min(_PIECE_SAMPLES, self.n_samples - begin), self.n_channels), np.float32)

    def _blocks(self) -> Iterator[tuple[int, F32]]:
        try:
            yield from _blocks(str(self.path), self.first_s, self.rate_hz, self.n_channels)
        except av.error.MemoryError as error:
            raise MemoryError from error
        except (av.error.FFmpegError, ValueError) as error:
            raise ClipError(Failure.UNREADABLE, f"the sound cannot be converted: {reason(error)}") from error


def _blocks(path: str, first_s: Fraction, rate_hz: int, n_channels: int) -> Iterator[tuple[int, F32]]:
    """Stretches as (number of the first sample, samples (n, channels)), anchored to timestamps at each break."""
    frames = sound_from(path, first_s)
    return in_stretches(frames, first_s, lambda frame, start_s: _OwnRate(frame, start_s, first_s, rate_hz, n_channels))


class _OwnRate(Stretch):
    """Sound without a break, at a rate and with channels of one's choice."""

    def __init__(self, frame: AudioFrame, start_s: Fraction, first_s: Fraction, rate_hz: int, n_channels: int) -> None:
        super().__init__(frame, start_s, first_s)
        self._position = floor((start_s - first_s) * rate_hz + Fraction(1, 2))
        self._n_channels = n_channels
        layout = "mono" if n_channels == 1 else "stereo"
        is_ready = self._kind == ("flt", layout, rate_hz)
        self._resampler = None if is_ready else av.AudioResampler(format="flt", layout=layout, rate=rate_hz)

    def add(self, frame: AudioFrame) -> Iterator[tuple[int, F32]]:
        """What is ready once this block is known."""
        yield from super().add(_as_stereo(frame) if self._n_channels == _MAX_CHANNELS and is_nameless(frame.layout.name) else frame)

    def _counted(self, frames: list[AudioFrame]) -> Iterator[tuple[int, F32]]:
        for frame in frames:
            samples: Any = frame.to_ndarray()
            block = np.asarray(samples.reshape(-1, self._n_channels), np.float32)
            yield self._position, block
            self._position += len(block)


def _as_stereo(frame: AudioFrame) -> AudioFrame:
    """The block, whose two channels have no names, with those of stereo: so are many WAV files."""
    samples: Any = frame.to_ndarray()
    named = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format=frame.format.name, layout="stereo")
    named.sample_rate = frame.sample_rate
    return named


@dataclass(frozen=True)
class OwnSound:
    """What a file's sound is like when it is decoded, and which of its tracks is meant."""

    rate_hz: int
    n_channels: int
    """1 or 2: more are mixed to two, and more without names to one."""
    track_index: int
    """Among all tracks of the file."""
    channel_notes: tuple[str, ...]
    track_notes: tuple[str, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """What is lost of it."""
        return (*self.channel_notes, *self.track_notes)


def own_sound(path: Path) -> OwnSound:
    """What the first sound track that can be decoded is like.

    Raises:
        ClipError: the file cannot be opened or has no sound.
    """
    with open_container(str(path)) as container:
        stream = sound_stream(container)
        frame = None if stream is None else next(decoded_sound(container, stream), None)
        if stream is None or frame is None:
            raise ClipError(Failure.NO_AUDIO, "the file has no sound that can be decoded")
        n_given = frame.layout.nb_channels
        n_channels = 1 if is_nameless(frame.layout.name) and n_given > _MAX_CHANNELS else min(_MAX_CHANNELS, n_given)
        n_others = len(container.streams.audio) - 1
        mixed = () if n_channels == n_given else (f"its {n_given} channels were mixed to {n_channels}",)
        left = (f"left out: {n_others} more sound {'track' if n_others == 1 else 'tracks'}",) if n_others else ()
        return OwnSound(frame.sample_rate, n_channels, stream.index, mixed, left)
