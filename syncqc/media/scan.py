"""A file's packets, read in one pass without decoding: times here, rates and ends; what their headers say of the coding in `codec`.

Packets that an edit list hides do not count.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

import av
import numpy as np
import numpy.typing as npt

from syncqc.media.codec import PictureCoding, SoundCoding
from syncqc.media.container import packets

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream
    from av.video.stream import VideoStream

_TWO_TICKS_S = 0.0021
"""Distances between pictures that differ by no more come from rounding: two ticks of 1 ms, or one of QuickTime's 1/600 s."""

_BROKEN_OFF_S = Fraction(1, 2)
"""A file that is shorter than its header says by more than this was cut off; less is a matter of the last packet."""


@dataclass
class Scan:
    """Times of the packets that are shown, in the order of the file."""

    container_format: str
    pictures: PictureCoding | None = None
    sound: SoundCoding | None = None
    header_fps: Fraction | None = None
    video_times_s: list[float] = field(default_factory=list)
    video_end_s: Fraction | None = None
    audio_rate_hz: int | None = None
    audio_channels: int | None = None
    audio_end_s: Fraction | None = None
    start_s: Fraction | None = None
    notes: list[str] = field(default_factory=list)

    def _gaps_s(self) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.diff(np.sort(np.asarray(self.video_times_s, dtype=np.float64)))

    def fps(self) -> float | None:
        """Mean pictures per second; what the header says where there is but one picture."""
        gaps = self._gaps_s()
        total = float(gaps.sum())
        if total > 0:
            return len(gaps) / total
        return float(self.header_fps) if self.header_fps else None

    def is_vfr(self) -> bool:
        """Whether the distances between pictures vary by more than rounding."""
        gaps = self._gaps_s()
        return bool(len(gaps) > 1 and gaps.max() - gaps.min() > _TWO_TICKS_S)

    def key_gaps(self) -> npt.NDArray[np.int64]:
        """Distances between key frames, in pictures, in the order in which they are shown."""
        times_s = np.asarray(self.video_times_s, dtype=np.float64)
        at = np.searchsorted(np.sort(times_s), np.sort(times_s[self.pictures.key_at if self.pictures else []]))
        return np.asarray(at[1:] - at[:-1], np.int64)

    def key_frame_gap(self) -> float | None:
        """Mean distance between key frames in pictures; None with fewer than two."""
        gaps = self.key_gaps()
        return float(gaps.mean()) if len(gaps) else None

    def video_length_s(self, zero_s: Fraction) -> Fraction:
        """From the first picture shown to the end of the last one."""
        if self.video_end_s is None:
            return Fraction(0)
        end_s = self.video_end_s
        if self.container_format == "avi" and self.header_fps:
            # AVI times say when a picture is decoded; as many as come before the first is shown are shown after the last one came.
            end_s += sum(time_s < float(zero_s) for time_s in self.video_times_s) / self.header_fps
        return end_s - zero_s


def scan_packets(container: InputContainer, video: VideoStream | None, sound: AudioStream | None) -> Scan:
    """The times of all packets of these tracks.

    Raises:
        MemoryError: FFmpeg ran out of memory.
    """
    scan = Scan(container.format.name)
    streams: list[Stream] = []
    if video is not None:
        streams.append(video)
        scan.pictures = PictureCoding.of(video)
        scan.header_fps = video.average_rate or video.guessed_rate
    if sound is not None:
        streams.append(sound)
        scan.sound = SoundCoding.of(sound)
        scan.audio_rate_hz = sound.codec_context.sample_rate or None
        scan.audio_channels = sound.codec_context.channels or None
    if container.start_time is not None:
        scan.start_s = Fraction(container.start_time, av.time_base)
    for packet in packets(container, *streams, notes=scan.notes):
        _note_packet(scan, packet)
    if len(streams) == len(container.streams):
        _note_promise(scan, container)
    return scan


def _note_promise(scan: Scan, container: InputContainer) -> None:
    ends_s = [end_s for end_s in (scan.video_end_s, scan.audio_end_s) if end_s is not None]
    if container.duration is None or scan.start_s is None or not ends_s:
        return
    promised_s, found_s = Fraction(container.duration, av.time_base), max(ends_s) - scan.start_s
    if promised_s - found_s > _BROKEN_OFF_S:
        scan.notes.append(f"the file ends after {float(found_s):.2f} s; its header promises {float(promised_s):.2f} s")


def _note_packet(scan: Scan, packet: Packet[Stream]) -> None:
    is_sound = packet.stream.type == "audio"
    if is_sound and scan.sound is not None:
        scan.sound.note(packet)
    times = (packet.dts, packet.pts) if scan.container_format == "avi" else (packet.pts, packet.dts)
    time = next((time for time in times if time is not None), None)
    if time is None or not packet.time_base or packet.is_discard:
        return
    start_s = time * packet.time_base
    end_s = start_s + (packet.duration or 0) * packet.time_base
    if is_sound:
        scan.audio_end_s = end_s if scan.audio_end_s is None else max(scan.audio_end_s, end_s)
        return
    if end_s == start_s and scan.header_fps:
        end_s += 1 / scan.header_fps
    scan.video_times_s.append(float(start_s))
    if scan.pictures is not None:
        scan.pictures.note(packet)
    scan.video_end_s = end_s if scan.video_end_s is None else max(scan.video_end_s, end_s)
