"""What is done to a clip's sound, what came of it, and what is asked of every file that is written for it.

Knows nothing of how the pictures get into the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

from syncqc.clock import IMAGE_RATE_HZ
from syncqc.errors import ClipError, Failure, UsageError, unknown_name
from syncqc.media.container import open_container, picture_stream
from syncqc.media.mux import MuxError
from syncqc.media.probe import Facts, probe
from syncqc.media.resync_coding import DEFAULT_BIT_RATE_KBPS, SOUND_FILES, VIDEO_FILES, Coding, check_codec, rate_to_write
from syncqc.media.resync_sound import OwnSound, Placed, own_sound

Mode = Literal["bake", "remux"]
AudioCodec = Literal["aac", "flac", "pcm", "opus"]

_IMAGE_S = Fraction(1, IMAGE_RATE_HZ)
_LEAST_NOTED_S = Fraction(1, 100)
_MOST_START_S = Fraction(1, 100)
"""The written sound may begin so far from the first image: milliseconds of Matroska, 6.5 ms of Opus."""


@dataclass(frozen=True)
class Repair:
    """What is done to the sound of a clip.

    Raises:
        UsageError: the mode is unknown, or a rate or bit rate is not above 0.
    """

    shift_frames: int
    """By how many images of 1/25 s the sound is delayed; < 0: brought forward."""
    mode: Mode = "bake"
    audio_codec: AudioCodec = "aac"
    """``pcm`` is 16 bits, ``flac`` too. Not used by ``remux``."""
    audio_rate_hz: int | None = None
    """None: 16 kHz for AAC; the source's for others (for Opus the next higher one that it knows)."""
    audio_bit_rate_kbps: int | None = None
    """Per channel; None: 64 for AAC and Opus."""

    def __post_init__(self) -> None:
        """Refuses what cannot be done."""
        if self.mode not in ("bake", "remux"):
            raise unknown_name("mode", self.mode, ("bake", "remux"))
        for name in ("audio_rate_hz", "audio_bit_rate_kbps"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise UsageError(f"{name} must be above 0, not {value}")

    @property
    def shift_s(self) -> Fraction:
        """The delay in seconds, exactly."""
        return self.shift_frames * _IMAGE_S


@dataclass(frozen=True)
class Repaired:
    """What was written."""

    path: Path
    """The video file; of `repair_sidecar` the source, which is as it was."""
    audio_path: Path | None
    """The sound file of `repair_sidecar`."""
    pad_s: float
    """Silence that was put in: > 0 so long at the beginning, < 0 at the end. The one on the side to which the shift made room; 0 where
    there was sound to fill it, and for ``remux``."""
    notes: tuple[str, ...]
    """Sentences about what a reader of the file should know."""


def check_out_suffix(suffix: str, repair: Repair, *, is_cut: bool = False) -> None:
    """Nothing, where a video file of that suffix can hold what the repair writes, of `cut_part` if `is_cut`.

    Raises:
        UsageError: it cannot, or the codec does not know the rate; it names what can.
    """
    if suffix.lower() not in VIDEO_FILES:
        raise UsageError(f"no video is written into {suffix or 'a file without a suffix'}; known: {', '.join(VIDEO_FILES)}")
    if is_cut and suffix.lower() not in CUT_FILES:
        raise UsageError(f"parts are encoded as H.264, which goes into {', '.join(CUT_FILES)} and not into {suffix}")
    if repair.mode == "bake" or is_cut:
        check_codec(repair.audio_codec, suffix, VIDEO_FILES)
        rate_to_write(repair.audio_codec, repair.audio_rate_hz, 48_000)


CUT_FILES = (".mp4", ".m4v", ".mov", ".mkv")
"""Suffixes of the files that `cut_part` writes."""


def refuse_source(out: Path, *sources: Path | None) -> None:
    """Nothing, where `out` is none of the sources, nor another name of one.

    Raises:
        UsageError: it is.
    """
    for source in sources:
        if source is not None and out.exists() and source.exists() and out.samefile(source):
            raise UsageError(f"{out} is the source; files of a source are never written")


@dataclass(frozen=True)
class Given:
    """The clip as it is."""

    source: Path
    sidecar: Path | None
    facts: Facts
    own: OwnSound
    zero_s: Fraction
    """The first image on the clock of the file that holds the sound."""

    def coding(self, repair: Repair, codec: str) -> Coding:
        """How its sound is written with this codec.

        Raises:
            UsageError: the codec does not know the rate asked for.
        """
        rate_hz = rate_to_write(codec, repair.audio_rate_hz, self.own.rate_hz)
        default = DEFAULT_BIT_RATE_KBPS.get(codec)
        return Coding(codec, rate_hz, self.own.n_channels, None if default is None else repair.audio_bit_rate_kbps or default)

    def placed(self, repair: Repair, coding: Coding, from_s: Fraction, duration_s: Fraction) -> Placed:
        """Its sound, shifted, for the images from `from_s` on."""
        first_s = self.zero_s + from_s - repair.shift_s
        return Placed(self.sidecar or self.source, first_s, coding.n_samples(duration_s), coding.rate_hz, coding.n_channels)


def given(source: Path, sidecar: Path | None, sidecar_start_s: float) -> Given:
    """The clip, looked at; `sidecar_start_s` of the sidecar belongs to the start of the source.

    Raises:
        ClipError: it cannot be read or has no sound.
    """
    facts = probe(str(source)) if sidecar is None else probe(str(source), str(sidecar), sidecar_start_s or None)
    if facts.audio_start_s is None:
        raise ClipError(Failure.NO_AUDIO, "the file has no sound that can be decoded")
    zero_s = facts.sound_zero_s(is_sidecar=sidecar is not None)
    return Given(source, sidecar, facts, own_sound(sidecar or source), zero_s)


def pad_s(placed: Placed, repair: Repair) -> float:
    """The silence on the side to which the shift made room, with the sign of `Repaired.pad_s`."""
    if repair.shift_frames >= 0:
        return placed.n_silent_head / placed.rate_hz
    return -placed.n_silent_tail / placed.rate_hz


def sound_notes(placed: Placed, repair: Repair, coding: Coding) -> list[str]:
    """What is silent beside the pad."""
    notes = []
    rate_hz = placed.rate_hz
    other = placed.n_silent_tail if repair.shift_frames >= 0 else placed.n_silent_head
    if other > _LEAST_NOTED_S * rate_hz:
        notes.append(f"silence of {ms(Fraction(other, rate_hz))} at the {'end' if repair.shift_frames >= 0 else 'beginning'}")
    if placed.n_silent_within > _LEAST_NOTED_S * rate_hz:
        notes.append(f"gaps in the sound became silence: {ms(Fraction(placed.n_silent_within, rate_hz))}")
    lost = coding.n_priming - placed.n_silent_head
    if lost > 0:
        notes.append(f"the first {ms(Fraction(coding.n_priming, rate_hz))} are silent: there lies the priming of AAC")
    return notes


def track_notes(source: Path) -> list[str]:
    """Which tracks beside the pictures and the sound are left out; one that holds the chapters' names is not."""
    with open_container(str(source)) as container:
        video = picture_stream(container)
        others = [stream.type for stream in container.streams if stream.type != "audio" and (video is None or stream.index != video.index)]
        if container.chapters() and "data" in others and container.format.name.startswith("mov"):
            others.remove("data")
    return [f"left out: {', '.join(sorted(others))}"] if others else []


def ms(time_s: Fraction) -> str:
    """The time in words."""
    return f"{1000 * float(time_s):.0f} ms"


def sidecar_codec(suffix: str, repair: Repair) -> str:
    """The codec asked for where a sound file of that suffix holds it, else the suffix's own.

    Raises:
        UsageError: no sound is written into files of that suffix.
    """
    held = SOUND_FILES.get(suffix.lower(), ())
    codec = repair.audio_codec if repair.audio_codec in held or not held else held[0]
    check_codec(codec, suffix, SOUND_FILES)
    return codec


def check_written(aside: Path, duration_s: Fraction, sound_s: Fraction | None) -> None:
    """Nothing, where the file, probed, shows pictures for as long as asked for, and sound for as long, from the first one on.

    Without `sound_s` it is only asked that there is sound.

    Raises:
        MuxError: it does not.
    """
    facts = _probed(aside, None)
    if abs(facts.duration_s - duration_s) > max(_IMAGE_S, 1 / Fraction(facts.source_fps or IMAGE_RATE_HZ)):
        raise MuxError(f"the pictures last {float(facts.duration_s):.3f} s instead of {float(duration_s):.3f} s")
    if sound_s is not None:
        _check_sound(facts, Fraction(0), sound_s)


def check_sidecar(source: Path, aside: Path, late_s: Fraction, sound_s: Fraction) -> None:
    """Nothing, where the sound file, probed with its video, begins `late_s` before the first image and lasts as long as asked for.

    Raises:
        MuxError: it does not.
    """
    _check_sound(_probed(source, aside), -late_s, sound_s)


def _probed(path: Path, audio_path: Path | None) -> Facts:
    try:
        facts = probe(str(path), None if audio_path is None else str(audio_path))
    except ClipError as error:
        raise MuxError(f"what ffmpeg wrote cannot be read: {error.detail}") from error
    if facts.audio_start_s is None:
        raise MuxError("what ffmpeg wrote has no sound")
    return facts


def _check_sound(facts: Facts, start_s: Fraction, duration_s: Fraction) -> None:
    if facts.audio_start_s is None or abs(facts.audio_start_s - start_s) > _MOST_START_S:
        raise MuxError(f"the sound begins {ms(facts.audio_start_s or Fraction(0))} after the first image, not {ms(start_s)}")
    if facts.audio_duration_s is None or abs(facts.audio_duration_s - duration_s) > _IMAGE_S:
        raise MuxError(f"the sound lasts {float(facts.audio_duration_s or 0):.3f} s instead of {float(duration_s):.3f} s")


def output(aside: Path, *, is_plain: bool = False) -> list[str]:
    """The arguments for an output file that is the same whenever it is written, and, unless `is_plain`, needs no edit list for B-frames."""
    is_mp4 = aside.suffix.lower() in (".mp4", ".m4v", ".mov")
    times = ["-movflags", "+negative_cts_offsets"] if is_mp4 and not is_plain else []
    return ["-fflags", "+bitexact", *times, "-threads", "1", f"file:{aside}"]
