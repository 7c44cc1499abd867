"""What a file says of itself: codecs, rates, times. Read from headers and packets; only the first picture is decoded.

Knows nothing of what the pictures show.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np

from syncqc.clock import IMAGE_RATE_HZ
from syncqc.errors import ClipError, Failure
from syncqc.manifest.row import Row

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

HALF_MS = Fraction(1, 2000)
"""Containers that count in milliseconds round times by at most this."""


@dataclass
class Facts:
    """What is known of a clip before its images are decoded. Times are exact seconds."""

    container_format: str
    video_codec: str
    width_px: int
    height_px: int
    rotation_deg: int
    sample_aspect: Fraction
    source_fps: float | None
    is_vfr: bool
    key_frame_gap_frames: float | None
    zero_s: Fraction
    """When the first image is shown, on the container's clock."""
    container_start_s: Fraction
    """The earliest time in the container; a sidecar's time 0 stands for it."""
    duration_s: Fraction
    """From the first image to the end of the last one."""
    audio_codec: str | None = None
    source_audio_rate_hz: int | None = None
    source_audio_channels: int | None = None
    audio_start_s: Fraction | None = None
    """Start of the sound relative to the first image."""
    audio_duration_s: Fraction | None = None
    notes: list[str] = field(default_factory=list)
    """Sentences about something unusual that did not prevent reading."""

    @property
    def n_images(self) -> int:
        """Images at 25 per second from the first image shown to the end of the last one; at least 1."""
        exact = (self.duration_s - HALF_MS) * IMAGE_RATE_HZ
        return max(1, -(-exact.numerator // exact.denominator))

    def sound_zero_s(self, *, is_sidecar: bool) -> Fraction:
        """The time of the first image on the clock of the file that holds the sound.

        A sidecar's time 0 stands for the start of the container, as in a track that was extracted from it.
        """
        return self.zero_s - self.container_start_s if is_sidecar else self.zero_s

    def row(self) -> Row:
        """The container columns of the manifest."""
        return {
            "container_format": self.container_format,
            "video_codec": self.video_codec,
            "audio_codec": self.audio_codec,
            "width_px": self.width_px,
            "height_px": self.height_px,
            "source_fps": self.source_fps,
            "is_vfr": self.is_vfr,
            "rotation_deg": self.rotation_deg,
            "key_frame_gap_frames": self.key_frame_gap_frames,
            "source_audio_rate_hz": self.source_audio_rate_hz,
            "source_audio_channels": self.source_audio_channels,
            "duration_s": float(self.duration_s),
            "audio_duration_s": None if self.audio_duration_s is None else float(self.audio_duration_s),
            "av_start_gap_ms": None if self.audio_start_s is None else 1000.0 * float(self.audio_start_s),
        }


def open_container(path: str) -> InputContainer:
    """An open input container.

    Raises:
        ClipError: the path is no regular file, may not be read, or is no medium that FFmpeg knows.
    """
    try:
        mode = Path(path).stat().st_mode
        if not stat.S_ISREG(mode):
            raise ClipError(Failure.UNREADABLE, "not a regular file")
        if Path(path).stat().st_size == 0:
            raise ClipError(Failure.UNREADABLE, "the file is empty (0 bytes)")
        return av.open(path, metadata_errors="replace")
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise ClipError(Failure.UNREADABLE, f"cannot be opened: {reason(error)}") from error


def reason(error: BaseException) -> str:
    """The error in a few words, without paths."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def probe(path: str, audio_path: str | None = None) -> Facts:
    """The facts of a clip, its sound taken from `audio_path` where one is given.

    Raises:
        ClipError: unreadable, or no video. Missing sound is no error here: the sound fields are None.
    """
    with open_container(path) as container:
        video = picture_stream(container)
        if video is None:
            raise ClipError(Failure.NO_VIDEO, "the file has no picture track")
        scan = _scan(container, video)
    zero_s, first = _first_frame(path)
    end_s = scan.video_end_s if scan.video_end_s is not None else zero_s
    aspect = first.sample_aspect
    width, height = max(1, round(first.width * aspect)), first.height
    if first.rotation_deg % 180:
        width, height = height, width
    container_start = scan.start_s if scan.start_s is not None else zero_s
    facts = Facts(
        container_format=scan.container_format,
        video_codec=scan.video_codec,
        width_px=width,
        height_px=height,
        rotation_deg=first.rotation_deg,
        sample_aspect=aspect,
        source_fps=scan.fps(),
        is_vfr=scan.is_vfr(),
        key_frame_gap_frames=scan.key_frame_gap(),
        zero_s=zero_s,
        container_start_s=container_start,
        duration_s=max(end_s - zero_s, Fraction(1, IMAGE_RATE_HZ)),
        notes=scan.notes,
    )
    if audio_path is None:
        _add_sound(facts, scan, zero_s)
    else:
        with open_container(audio_path) as container:
            sidecar = _scan(container, None)
        if sidecar.audio_codec is None:
            raise ClipError(Failure.NO_AUDIO, "the sound file holds no sound track")
        _add_sound(facts, sidecar, facts.sound_zero_s(is_sidecar=True))
    return facts


def picture_stream(container: InputContainer) -> VideoStream | None:
    """The first picture track that is not a cover image; None where there is none."""
    for stream in container.streams.video:
        if not stream.disposition & av.stream.Disposition.attached_pic:
            return stream
    return None


@dataclass
class _First:
    width: int
    height: int
    rotation_deg: int
    sample_aspect: Fraction


def _first_frame(path: str) -> tuple[Fraction, _First]:
    with open_container(path) as container:
        stream = picture_stream(container)
        if stream is None:
            raise ClipError(Failure.NO_VIDEO, "the file has no picture track")
        try:
            for frame in container.decode(stream):
                aspect = stream.sample_aspect_ratio or Fraction(1)
                if not Fraction(1, 4) <= aspect <= 4:
                    aspect = Fraction(1)
                zero_s = Fraction(0) if frame.pts is None or frame.time_base is None else frame.pts * frame.time_base
                return zero_s, _First(frame.width, frame.height, int(frame.rotation) % 360, aspect)
        except (av.error.FFmpegError, ValueError) as error:
            raise ClipError(Failure.UNREADABLE, f"no picture can be decoded: {reason(error)}") from error
    raise ClipError(Failure.UNREADABLE, "no picture can be decoded")


@dataclass
class _Scan:
    """Times of the packets that are shown, in the order of the file."""

    container_format: str
    video_codec: str = ""
    header_fps: float | None = None
    video_pts_s: list[float] = field(default_factory=list)
    video_end_s: Fraction | None = None
    is_key: list[bool] = field(default_factory=list)
    audio_codec: str | None = None
    audio_rate_hz: int | None = None
    audio_channels: int | None = None
    audio_start_s: Fraction | None = None
    audio_end_s: Fraction | None = None
    start_s: Fraction | None = None
    notes: list[str] = field(default_factory=list)

    def _gaps_s(self) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.diff(np.sort(np.asarray(self.video_pts_s, dtype=np.float64)))

    def fps(self) -> float | None:
        gaps = self._gaps_s()
        total = float(gaps.sum())
        return len(gaps) / total if total > 0 else self.header_fps

    def is_vfr(self) -> bool:
        gaps = self._gaps_s()
        return bool(len(gaps) > 1 and gaps.max() - gaps.min() > 0.0021)

    def key_frame_gap(self) -> float | None:
        keys = np.flatnonzero(self.is_key)
        return float(np.diff(keys).mean()) if len(keys) > 1 else None


def _scan(container: InputContainer, video: VideoStream | None) -> _Scan:
    """One pass over all packets without decoding."""
    scan = _Scan(container.format.name)
    streams = [stream for stream in (video, _sound_stream(container)) if stream is not None]
    if video is not None:
        scan.video_codec = video.codec_context.name
        rate = video.average_rate or video.guessed_rate
        scan.header_fps = float(rate) if rate else None
    for stream in streams:
        if stream.type == "audio":
            scan.audio_codec = stream.codec_context.name
            scan.audio_rate_hz = stream.codec_context.sample_rate or None
            scan.audio_channels = stream.codec_context.channels or None
    if container.start_time is not None:
        scan.start_s = Fraction(container.start_time, av.time_base)
    try:
        for packet in container.demux(streams):
            _note_packet(scan, packet)
    except (av.error.FFmpegError, ValueError) as error:
        scan.notes.append(f"the file breaks off: {reason(error)}")
    return scan


def _note_packet(scan: _Scan, packet: av.Packet) -> None:
    time = packet.pts if packet.pts is not None else packet.dts
    if packet.size == 0 or time is None or packet.time_base is None or packet.is_discard:
        return
    start_s = time * packet.time_base
    end_s = start_s + (packet.duration or 0) * packet.time_base
    if packet.stream.type == "audio":
        scan.audio_start_s = start_s if scan.audio_start_s is None else min(scan.audio_start_s, start_s)
        scan.audio_end_s = end_s if scan.audio_end_s is None else max(scan.audio_end_s, end_s)
        return
    if end_s == start_s and scan.header_fps:
        end_s += 1 / Fraction(scan.header_fps).limit_denominator(100_000)
    scan.video_pts_s.append(float(start_s))
    scan.is_key.append(packet.is_keyframe)
    scan.video_end_s = end_s if scan.video_end_s is None else max(scan.video_end_s, end_s)


def _sound_stream(container: InputContainer) -> av.audio.AudioStream | None:
    return container.streams.audio[0] if container.streams.audio else None


def _add_sound(facts: Facts, scan: _Scan, zero_s: Fraction) -> None:
    facts.audio_codec = scan.audio_codec
    facts.source_audio_rate_hz = scan.audio_rate_hz
    facts.source_audio_channels = scan.audio_channels
    if scan.audio_start_s is not None and scan.audio_end_s is not None:
        facts.audio_start_s = scan.audio_start_s - zero_s
        facts.audio_duration_s = scan.audio_end_s - scan.audio_start_s
