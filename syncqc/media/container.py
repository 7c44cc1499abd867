"""Opening media files and decoding them forwards, whatever is broken in them.

Knows nothing of the clip's clock, of images at 25 per second or of sound at 16 kHz. FFmpeg writes nothing to the terminal:
PyAV keeps its log to itself unless someone asks for it.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av

from syncqc.errors import ClipError, Failure

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream


def open_container(path: str) -> InputContainer:
    """An open input container.

    Raises:
        ClipError: the path is no regular file, may not be read, or is no medium that FFmpeg knows.
    """
    try:
        facts = Path(path).stat()
        if not stat.S_ISREG(facts.st_mode):
            raise ClipError(Failure.UNREADABLE, "not a regular file")
        if facts.st_size == 0:
            raise ClipError(Failure.UNREADABLE, "the file is empty (0 bytes)")
        # A name like "12:30.mp4" is no protocol, and a playlist must not make FFmpeg open anything from the net.
        return av.open(f"file:{path}", metadata_errors="replace", options={"protocol_whitelist": "file"})
    except av.error.MemoryError as error:
        raise MemoryError from error
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise ClipError(Failure.UNREADABLE, f"cannot be opened: {reason(error)}") from error


def has_index(container: InputContainer) -> bool:
    """Whether the container's format keeps an index of presentation times, so that seeking leads where it was asked to."""
    return container.format.name in ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm")


def reason(error: BaseException) -> str:
    """The error in a few words, without paths."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def picture_stream(container: InputContainer) -> VideoStream | None:
    """The first picture track that is not a cover image; None where there is none."""
    for stream in container.streams.video:
        if not stream.disposition & av.stream.Disposition.attached_pic:
            return stream
    return None


def sound_stream(container: InputContainer) -> AudioStream | None:
    """The first sound track that FFmpeg can decode; None where there is none."""
    for stream in container.streams.audio:
        if has_decoder(stream):
            _forget_custom_layout(stream)
            return stream
    return None


def _forget_custom_layout(stream: AudioStream) -> None:
    # PyAV frees a layout that lists its channels one by one twice, which ends the process. So they stay nameless.
    layout = stream.codec_context.layout
    if "channels (" in layout.name:
        stream.codec_context.layout = f"{layout.nb_channels}C"


def has_decoder(stream: VideoStream | AudioStream) -> bool:
    """Whether FFmpeg has a decoder for the track."""
    context: object = stream.codec_context  # None where there is no decoder, though PyAV's types deny it
    return context is not None


def packets(container: InputContainer, *streams: Stream, notes: list[str] | None = None) -> Iterator[Packet[Stream]]:
    """The packets of these tracks in the order of the file, without empty ones; ends where the file breaks off, which is put in `notes`.

    Raises:
        MemoryError: FFmpeg ran out of memory.
    """
    demuxed = container.demux(*streams)
    while True:
        try:
            packet = next(demuxed)
        except av.error.MemoryError as error:
            raise MemoryError from error
        except StopIteration:
            return
        except av.error.FFmpegError as error:
            if notes is not None:
                notes.append(f"the file breaks off: {reason(error)}")
            return
        # A decoder takes an empty packet for the end of the file, and some files have empty ones in the middle.
        if packet.size:
            yield packet


def decoded_pictures(container: InputContainer, stream: VideoStream) -> Iterator[tuple[VideoFrame, Fraction]]:
    """Decoded pictures with the time at which each is shown, on the container's clock; times rise.

    Broken packets are left out, and pictures that come no later than the one before. AVI holds no presentation times: its
    pictures are shown in the order of their decoding times. A picture without any time follows the one before at the
    mean rate.

    Raises:
        MemoryError: FFmpeg ran out of memory.
    """
    is_avi = container.format.name == "avi"
    last_s: Fraction | None = None
    for frame in _decoded(container, stream):
        ticks = frame.dts if is_avi else frame.pts
        if ticks is not None and frame.time_base:
            time_s = ticks * frame.time_base
        else:
            time_s = Fraction(0) if last_s is None else last_s + picture_length_s(frame, stream)
        if last_s is None or time_s > last_s:
            last_s = time_s
            yield frame, time_s


def picture_length_s(frame: VideoFrame, stream: VideoStream) -> Fraction:
    """How long the picture is shown: what the file says, else one period of the mean rate."""
    if frame.duration and frame.time_base:
        return frame.duration * frame.time_base
    rate = stream.average_rate or stream.guessed_rate
    return 1 / rate if rate else Fraction(1, 25)


def decoded_sound(container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
    """Decoded blocks of sound in the order of the file; broken packets are left out.

    Raises:
        MemoryError: FFmpeg ran out of memory.
    """
    yield from _decoded(container, stream)


def _decoded(container: InputContainer, stream: VideoStream | AudioStream) -> Iterator[Any]:
    for packet in chain(packets(container, stream), [None]):
        try:
            frames = stream.decode(packet)
        except av.error.MemoryError as error:
            raise MemoryError from error
        except av.error.FFmpegError:
            continue
        for frame in frames:
            if frame.time_base is None:  # so it is with those that only come at the end
                frame.time_base = stream.time_base
            yield frame
