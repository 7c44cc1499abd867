"""What a file says of itself: codecs, rates, times. Read from headers and packets; only the first picture and the first sound are decoded.

Knows nothing of what the pictures show.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from syncqc.clock import IMAGE_RATE_HZ
from syncqc.errors import ClipError, Failure
from syncqc.manifest.row import Row
from syncqc.media.container import decoded_pictures, decoded_sound, has_decoder, open_container, picture_stream, sound_stream
from syncqc.media.scan import Scan, scan_packets

HALF_MS = Fraction(1, 2000)
"""Containers that count in milliseconds round times by at most this."""


def first_image_at(time_s: Fraction) -> int:
    """The first image that shows what appears at `time_s`: k/25 s is at `time_s`, later, or at most half a millisecond before it."""
    exact = (time_s - HALF_MS) * IMAGE_RATE_HZ
    return -(-exact.numerator // exact.denominator)


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
    sidecar_start_s: Fraction = Fraction(0)
    """Time 0 of the sidecar sound on its own clock: MP3 and MPEG streams begin elsewhere."""
    notes: list[str] = field(default_factory=list)
    """Sentences about something unusual that did not prevent reading."""

    @property
    def n_images(self) -> int:
        """Images at 25 per second from the first image shown to the end of the last one; at least 1."""
        return max(1, first_image_at(self.duration_s))

    def sound_zero_s(self, *, is_sidecar: bool) -> Fraction:
        """The time of the first image on the clock of the file that holds the sound.

        A sidecar's time 0 stands for the start of the container, as in a track that was extracted from it.
        """
        return self.zero_s - self.container_start_s + self.sidecar_start_s if is_sidecar else self.zero_s

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


def probe(path: str, audio_path: str | None = None) -> Facts:
    """The facts of a clip, its sound taken from `audio_path` where one is given.

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
    first = _first_picture(path)
    width, height = max(1, round(first.width * first.sample_aspect)), first.height
    if first.rotation_deg % 180:
        width, height = height, width
    facts = Facts(
        container_format=scan.container_format,
        video_codec=scan.video_codec,
        width_px=width,
        height_px=height,
        rotation_deg=first.rotation_deg,
        sample_aspect=first.sample_aspect,
        source_fps=scan.fps(),
        is_vfr=scan.is_vfr(),
        key_frame_gap_frames=scan.key_frame_gap(),
        zero_s=first.time_s,
        container_start_s=first.time_s if scan.start_s is None else scan.start_s,
        duration_s=max(scan.video_length_s(first.time_s), Fraction(1, IMAGE_RATE_HZ)),
        notes=scan.notes,
    )
    if audio_path is None:
        _add_sound(facts, scan, path, facts.zero_s)
    else:
        with open_container(audio_path) as container:
            sound = sound_stream(container)
            if sound is None:
                raise ClipError(Failure.NO_AUDIO, "the sound file holds no sound track that can be decoded")
            scan = scan_packets(container, None, sound)
        if scan.container_format in _STARTS_ANYWHERE and scan.start_s is not None:
            facts.sidecar_start_s = scan.start_s
        facts.notes += [f"in the sound file: {note}" for note in scan.notes]
        _add_sound(facts, scan, audio_path, facts.sound_zero_s(is_sidecar=True))
    return facts


_STARTS_ANYWHERE = {"mp3", "mpegts", "mpeg"}
"""Formats whose clock need not begin at 0; MP3 begins after its priming."""


@dataclass
class _First:
    time_s: Fraction
    width: int
    height: int
    rotation_deg: int
    sample_aspect: Fraction


def _first_picture(path: str) -> _First:
    with open_container(path) as container:
        stream = picture_stream(container)
        if stream is None:
            raise ClipError(Failure.NO_VIDEO, "the file has no picture track")
        for frame, time_s in decoded_pictures(container, stream):
            aspect = stream.sample_aspect_ratio or Fraction(1)
            if not Fraction(1, 4) <= aspect <= 4:
                aspect = Fraction(1)
            return _First(time_s, frame.width, frame.height, int(frame.rotation) % 360, aspect)
    raise ClipError(Failure.UNREADABLE, "no picture can be decoded")


def _first_sound_s(path: str) -> Fraction | None:
    """When the first sound that is heard begins: decoders leave priming out, packets do not."""
    with open_container(path) as container:
        stream = sound_stream(container)
        if stream is None:
            return None
        for frame in decoded_sound(container, stream):
            return frame.pts * frame.time_base if frame.pts is not None and frame.time_base else None
    return None


def _add_sound(facts: Facts, scan: Scan, path: str, zero_s: Fraction) -> None:
    """Puts what was found about the sound in `path` into the facts; `zero_s` is the first image on that file's clock."""
    facts.audio_codec = scan.audio_codec
    facts.source_audio_rate_hz = scan.audio_rate_hz
    facts.source_audio_channels = scan.audio_channels
    start_s = _first_sound_s(path)
    if start_s is not None and scan.audio_end_s is not None:
        facts.audio_start_s = start_s - zero_s
        facts.audio_duration_s = max(scan.audio_end_s - start_s, Fraction(0))
