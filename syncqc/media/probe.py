"""What a file says of itself: codecs, rates, times. Read from headers and packets; only the first picture and the first sound are decoded.

Knows nothing of what the pictures show.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from math import floor
from pathlib import Path
from typing import TYPE_CHECKING

import av

from syncqc.clock import IMAGE_RATE_HZ, SOUND_RATE_HZ
from syncqc.errors import ClipError, Failure
from syncqc.manifest.row import Row
from syncqc.media.codec import SoundCoding
from syncqc.media.container import decoded_pictures, decoded_sound, has_decoder, open_container, picture_stream, reason, sound_stream
from syncqc.media.scan import Scan, scan_packets

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

HALF_MS = Fraction(1, 2000)
"""Containers that count in milliseconds round times by at most this."""


def first_image_at(time_s: Fraction) -> int:
    """The first image that shows what appears at `time_s`: k/25 s is at `time_s`, later, or at most half a millisecond before it."""
    exact = (time_s - HALF_MS) * IMAGE_RATE_HZ
    return -(-exact.numerator // exact.denominator)


@dataclass(frozen=True)
class Upright:
    """How large the picture is as shown: turned upright, with square pixels."""

    width_px: int
    height_px: int
    rotation_deg: int
    sample_aspect: Fraction


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
    """The earliest time in the container; a sidecar's time 0, or a given time in it, stands for it."""
    duration_s: Fraction
    """From the first image to the end of the last one."""
    audio_codec: str | None = None
    source_audio_rate_hz: int | None = None
    source_audio_channels: int | None = None
    audio_start_s: Fraction | None = None
    """Start of the sound relative to the first image."""
    audio_duration_s: Fraction | None = None
    sidecar_start_s: Fraction = Fraction(0)
    """Time 0 of the sidecar sound on its own clock: MP3 and MPEG streams begin elsewhere."""
    sidecar_skip_s: Fraction = Fraction(0)
    """So much of the sidecar, from its time 0 on, belongs to what was before the container's start."""
    coding: Row = field(default_factory=dict)
    """The columns that say how pictures and sound are coded."""
    audio_block_start_s: Fraction | None = None
    """Where one of the sound codec's blocks begins, relative to the first image; None where they are not AAC-LC's."""
    notes: list[str] = field(default_factory=list)
    """Sentences about something unusual that did not prevent reading."""

    @property
    def n_images(self) -> int:
        """Images at 25 per second from the first image shown to the end of the last one; at least 1."""
        return max(1, first_image_at(self.duration_s))

    def sound_zero_s(self, *, is_sidecar: bool) -> Fraction:
        """The time of the first image on the clock of the file that holds the sound.

        A sidecar's time 0, or `sidecar_skip_s` after it, stands for the start of the container, as in a track that was extracted
        from it.
        """
        if not is_sidecar:
            return self.zero_s
        return self.zero_s - self.container_start_s + self.sidecar_start_s + self.sidecar_skip_s

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
            "audio_block_start_ms": None if self.audio_block_start_s is None else 1000.0 * float(self.audio_block_start_s),
            **self.coding,
        }


def probe(path: str, audio_path: str | None = None, audio_start_s: float | None = None) -> Facts:
    """The facts of a clip, its sound taken from `audio_path` where one is given, and there from `audio_start_s` on.

    A long sound file may serve many clips: what lies before `audio_start_s` then counts as if it had been cut off, in the length of
    the sound and in where it begins.

    Raises:
        ClipError: unreadable, no video, or a sidecar without sound. Missing sound in the video itself is no error here: the sound
            fields are None.
    """
    with open_container(path) as container:
        video = picture_stream(container)
        if video is None:
            raise ClipError(Failure.NO_VIDEO, "the file has no picture track")
        if not has_decoder(video):
            raise ClipError(Failure.UNREADABLE, "there is no decoder for the picture track")
        scan = scan_packets(container, video, None if audio_path else sound_stream(container))
    zero_s, first = _first_picture(path)
    facts = Facts(
        container_format=scan.container_format,
        video_codec=scan.pictures.codec if scan.pictures else "",
        width_px=first.width_px,
        height_px=first.height_px,
        rotation_deg=first.rotation_deg,
        sample_aspect=first.sample_aspect,
        source_fps=scan.fps(),
        is_vfr=scan.is_vfr(),
        key_frame_gap_frames=scan.key_frame_gap(),
        zero_s=zero_s,
        container_start_s=zero_s if scan.start_s is None else scan.start_s,
        duration_s=max(scan.video_length_s(zero_s), Fraction(1, IMAGE_RATE_HZ)),
        notes=scan.notes,
    )
    if scan.pictures is not None:
        facts.coding = scan.pictures.row(facts.duration_s, scan.key_gaps())
    if audio_path is None:
        _add_sound(facts, _Sound(scan, _first_sound_s(path)), facts.zero_s)
    else:
        found = _sound_file(audio_path)
        if found.scan.container_format in _STARTS_ANYWHERE and found.scan.start_s is not None:
            facts.sidecar_start_s = found.scan.start_s
        facts.sidecar_skip_s = exact_s(audio_start_s or 0.0)
        facts.notes += [f"in the sound file: {note}" for note in found.scan.notes]
        cut_s = None if audio_start_s is None else facts.sidecar_start_s + facts.sidecar_skip_s
        _add_sound(facts, found, facts.sound_zero_s(is_sidecar=True), cut_s)
    return facts


def exact_s(time_s: float) -> Fraction:
    """The time that was meant before it was rounded to a float: whole ticks of any clock up to 1 MHz come back exactly."""
    return Fraction(time_s).limit_denominator(10**6)


_STARTS_ANYWHERE = {"mp3", "mpegts", "mpeg"}
"""Formats whose clock need not begin at 0; MP3 begins after its priming."""


def _first_picture(path: str) -> tuple[Fraction, Upright]:
    """When the first picture is shown, on the file's clock, and how."""
    with open_container(path) as container:
        stream = picture_stream(container)
        if stream is None:
            raise ClipError(Failure.NO_VIDEO, "the file has no picture track")
        for frame, time_s in decoded_pictures(container, stream):
            return time_s, upright(frame, stream)
    raise ClipError(Failure.UNREADABLE, "no picture can be decoded")


def sidecar_start_s(audio_path: str) -> Fraction:
    """Time 0 of a sidecar on its own clock, as in `Facts`.

    Raises:
        ClipError: the file cannot be opened.
    """
    with open_container(audio_path) as container:
        begins_anywhere = container.format.name in _STARTS_ANYWHERE and container.start_time is not None
        return Fraction(container.start_time, av.time_base) if begins_anywhere else Fraction(0)


def upright(frame: VideoFrame, stream: VideoStream) -> Upright:
    """How large the picture of a file is as shown, going by its first frame."""
    aspect = stream.sample_aspect_ratio or Fraction(1)
    if not Fraction(1, 4) <= aspect <= 4:
        aspect = Fraction(1)
    width, height = max(1, round(frame.width * aspect)), frame.height
    rotation_deg = int(frame.rotation) % 360
    if rotation_deg % 180:
        width, height = height, width
    return Upright(width, height, rotation_deg, aspect)


def _first_sound_s(path: str) -> Fraction | None:
    """When the first sound that is heard begins: decoders leave priming out, packets do not."""
    with open_container(path) as container:
        stream = sound_stream(container)
        if stream is None:
            return None
        for frame in decoded_sound(container, stream):
            return frame.pts * frame.time_base if frame.pts is not None and frame.time_base else None
    return None


@dataclass
class _Sound:
    """The packets' times of the sound in a file, and when its first sound that is heard begins."""

    scan: Scan
    start_s: Fraction | None


def _sound_file(path: str) -> _Sound:
    """What is found in a sound file; looked through once where several clips in a row share it.

    Raises:
        ClipError: it cannot be opened or holds no sound.
    """
    try:
        facts = Path(path).stat()
    except OSError as error:
        raise ClipError(Failure.UNREADABLE, f"cannot be opened: {reason(error)}") from error
    return _look_through(path, facts.st_size, facts.st_mtime_ns)


@lru_cache(maxsize=8)
def _look_through(path: str, size: int, changed_ns: int) -> _Sound:
    with open_container(path) as container:
        sound = sound_stream(container)
        if sound is None:
            raise ClipError(Failure.NO_AUDIO, "the sound file holds no sound track that can be decoded")
        scan = scan_packets(container, None, sound)
    return _Sound(scan, _first_sound_s(path))


def _add_sound(facts: Facts, found: _Sound, zero_s: Fraction, cut_s: Fraction | None = None) -> None:
    """Puts what was found about the sound into the facts; `zero_s` is the first image on the clock of the sound's file.

    What lies before `cut_s`, on the same clock, counts as cut off.
    """
    coding = found.scan.sound
    if coding is not None:
        facts.audio_codec = coding.codec
        facts.coding |= coding.row(found.start_s)
        facts.audio_block_start_s = None if found.start_s is None else _block_start_s(coding, found.start_s, zero_s)
    facts.source_audio_rate_hz = found.scan.audio_rate_hz
    facts.source_audio_channels = found.scan.audio_channels
    if found.start_s is not None and found.scan.audio_end_s is not None:
        start_s = found.start_s if cut_s is None else max(found.start_s, cut_s)
        facts.audio_start_s = start_s - zero_s
        facts.audio_duration_s = max(found.scan.audio_end_s - start_s, Fraction(0))


def _block_start_s(coding: SoundCoding, first_sound_s: Fraction, zero_s: Fraction) -> Fraction | None:
    # Readers place the first sound on a whole sample of 16 kHz; the blocks are to be found in what they read.
    since_s = coding.since_block_s(first_sound_s)
    placed_s = Fraction(floor((first_sound_s - zero_s) * SOUND_RATE_HZ + Fraction(1, 2)), SOUND_RATE_HZ)
    return None if since_s is None else placed_s - since_s
