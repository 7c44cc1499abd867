"""Talking heads made by code alone, whose offset, silence and foreign voices are known because they were put there.

They check the chain from file to number, on any machine. They prove nothing about real speech: how faces and voices are drawn
was chosen so that a network trained on real speech follows them. Neither the generator nor its face enters training.

Knows nothing of detectors, networks or the manifest: a `Truth` is what was drawn, not what will be measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d
from scipy.signal import resample_poly

from syncqc.clock import (
    IMAGE_RATE_HZ,
    SAMPLES_PER_IMAGE,
    SOUND_RATE_HZ,
    WINDOW_CENTRE_IMAGE,
    cut_into_parts,
    n_images_in,
    n_windows,
)
from syncqc.errors import Failure, UsageError
from syncqc.media.mux import Encoding, Pictures, SoundTrack, write_clip
from syncqc.media.synthetic_face import Face, Look, Mouth, Pose
from syncqc.media.synthetic_speech import LEAD_S, Curves, speak
from syncqc.media.synthetic_voice import speaker, voice

F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]
Interval = tuple[float, float]

FPS_BY_NAME = {"23.976": Fraction(24000, 1001), "29.97": Fraction(30000, 1001), "59.94": Fraction(60000, 1001)}
_MAX_OFFSET_FRAMES = int(LEAD_S * IMAGE_RATE_HZ) - 5
_LIP_LEAD_S = 0.055
"""In sync, lips move a little before what they do is heard: in connected speech between 20 ms after and 70 ms before. Within that
range it is a convention; at this value a network trained on real speech reads 0.

Source: Schwartz and Savariaux, "No, there is no 150 ms lead of visual speech on auditory speech", PLoS Comput Biol 10 (2014).
"""
_FOREIGN = 1_000_003
"""Added to the seed for the voice of somebody else."""


@dataclass(frozen=True)
class Talk:
    """What is to be drawn. Intervals are (start, end) on the picture's clock.

    Raises:
        UsageError: a value lies outside its range.
    """

    seed: int = 0
    duration_s: float = 5.0
    offset_frames: int = 0
    """As measured: > 0 the sound comes early."""
    offscreen_s: Interval | None = None
    """Somebody else is heard while the face listens."""
    frozen_s: Interval | None = None
    """The picture stands still while the voice goes on."""
    is_silent: bool = False
    """The sound track is digital silence."""
    has_sound: bool = True
    has_face: bool = True
    """Without: a moving test pattern."""
    has_listener: bool = False
    """A second, larger face with its mouth shut sits to the right."""
    fps: Fraction = Fraction(25)
    is_vfr: bool = False
    """Pictures come at irregular distances, on average a little rarer than `fps`."""
    width_px: int = 320
    height_px: int = 320
    encoding: Encoding = field(default_factory=Encoding)
    audio_rate_hz: int = SOUND_RATE_HZ
    audio_channels: int = 1

    def __post_init__(self) -> None:
        """Refuses what cannot be drawn."""
        if not 0 < self.duration_s <= 600:
            raise UsageError(f"duration_s must lie in 0-600, not {self.duration_s}")
        if abs(self.offset_frames) > _MAX_OFFSET_FRAMES:
            raise UsageError(f"offset_frames must lie within ±{_MAX_OFFSET_FRAMES}, not {self.offset_frames}")
        if self.width_px % 2 or self.height_px % 2 or min(self.width_px, self.height_px) < 64:
            raise UsageError(f"sides must be even and at least 64 px, not {self.width_px} x {self.height_px}")
        if not 8000 <= self.audio_rate_hz <= 48_000 or self.audio_channels not in (1, 2):
            raise UsageError(f"sound must have 8000-48000 Hz and 1 or 2 channels, not {self.audio_rate_hz} and {self.audio_channels}")
        for interval in (self.offscreen_s, self.frozen_s):
            if interval is not None and not 0 <= interval[0] < interval[1]:
                raise UsageError(f"an interval must begin at 0 or later and end after it begins, not {interval}")


@dataclass(frozen=True)
class PartTruth:
    """What holds for one part of the clip; null where nothing can or should be measured."""

    first_image: int
    end_image: int
    offset_frames: int | None
    offscreen_ratio: float | None
    """Share of windows whose middle image is shown while somebody else speaks or the picture stands still."""
    frozen_ratio: float
    failure: Failure | None


@dataclass(frozen=True)
class Truth:
    """What was drawn, part by part."""

    parts: tuple[PartTruth, ...]


def truth(talk: Talk) -> Truth:
    """What a perfect measurement of the clip would say; parts are those of `clock.cut_into_parts`."""
    failure = None
    if not talk.has_sound:
        failure = Failure.NO_AUDIO
    elif not talk.has_face:
        failure = Failure.NO_FACE
    elif talk.is_silent:
        failure = Failure.SILENT
    parts = []
    for first, end in cut_into_parts(n_images(talk)):
        images = np.arange(first, end)
        middles = first + WINDOW_CENTRE_IMAGE + np.arange(n_windows(end - first))
        is_off = _within(middles, talk.offscreen_s) | _within(middles, talk.frozen_s)
        ratio = float(is_off.mean()) if len(middles) else None
        is_measured = failure is None and ratio is not None
        parts.append(
            PartTruth(
                first,
                end,
                offset_frames=talk.offset_frames if is_measured else None,
                offscreen_ratio=ratio if is_measured else None,
                frozen_ratio=float(_within(images, talk.frozen_s).mean()),
                failure=failure if ratio is not None or failure is not None else Failure.TOO_SHORT,
            )
        )
    return Truth(tuple(parts))


def _within(images: npt.NDArray[np.int_], interval: Interval | None) -> npt.NDArray[np.bool_]:
    if interval is None:
        return np.zeros(len(images), np.bool_)
    times_s = images / IMAGE_RATE_HZ
    return np.asarray((times_s >= interval[0]) & (times_s < interval[1]), np.bool_)


def draw(talk: Talk, path: Path) -> Truth:
    """A file at `path` that shows and sounds the talk, and the truth about it; the container follows from the suffix.

    Raises:
        MuxError: the file could not be written.
    """
    times_s = picture_times_s(talk)
    pictures = Pictures(
        images(talk, times_s),
        talk.width_px,
        talk.height_px,
        fps=None if talk.is_vfr else talk.fps,
        times_s=times_s if talk.is_vfr else None,
    )
    track = None
    if talk.has_sound:
        samples = resample_poly(sound(talk), talk.audio_rate_hz, SOUND_RATE_HZ)
        track = SoundTrack(np.repeat(samples[:, None], talk.audio_channels, axis=1), talk.audio_rate_hz)
    write_clip(path, pictures, track, talk.encoding)
    return truth(talk)


def picture_times_s(talk: Talk) -> list[Fraction]:
    """When each picture appears, from 0 on; in milliseconds where the rate varies."""
    n = max(1, int(Fraction(talk.duration_s).limit_denominator(1000) * talk.fps))
    regular = [k / talk.fps for k in range(n)]
    if not talk.is_vfr:
        return regular
    random = np.random.default_rng([talk.seed, 5])
    gap_s = float(1 / talk.fps)
    # Moved by up to a third of their distance, one in ten left out. The last two are close together and within
    # the last image: some containers let the last picture last as long as the one before it.
    moved = [Fraction(round(1000 * (float(t) + gap_s * random.uniform(-0.33, 0.33))), 1000) for t in regular[1:-1]]
    kept = [t for t in moved if random.random() > 0.1]
    last_s = Fraction(n_images(talk) - 1, IMAGE_RATE_HZ) + Fraction(1, 50)
    before_s = last_s - Fraction(3, 200)
    return [Fraction(0), *[t for t in kept if t < before_s - Fraction(1, 100)], before_s, last_s]


def n_images(talk: Talk) -> int:
    """Images at 25 per second that the clip shows: its pictures end with the last whole one before `duration_s`."""
    n_pictures = max(1, int(Fraction(talk.duration_s).limit_denominator(1000) * talk.fps))
    return n_images_in(n_pictures / talk.fps)


def sound(talk: Talk) -> F64:
    """Samples (n,) at 16 kHz in [-1, 1] from the first image to the end; an offset moves them by 640 samples per image.

    ::

        offset_frames = +3     lips   ...  m  a  ...        heard[n] = spoken[n + 3 * 640]
                               sound  m  a  ...             early
    """
    n = n_images(talk) * SAMPLES_PER_IMAGE
    if talk.is_silent:
        return np.zeros(n)
    own = voice(speak(talk.seed, talk.duration_s), speaker(talk.seed), talk.seed)
    spoken = own
    if talk.offscreen_s is not None:
        other = talk.seed + _FOREIGN
        foreign = voice(speak(other, talk.duration_s), speaker(other, is_man=True), other)
        length = min(len(own), len(foreign))
        times_s = np.arange(length) / SOUND_RATE_HZ - LEAD_S
        heard = ((times_s >= talk.offscreen_s[0]) & (times_s < talk.offscreen_s[1])).astype(np.float64)
        share = gaussian_filter1d(heard, 0.005 * SOUND_RATE_HZ)
        spoken = own[:length] * (1 - share) + foreign[:length] * share
    first = round(LEAD_S * SOUND_RATE_HZ) + talk.offset_frames * SAMPLES_PER_IMAGE
    return spoken[first : first + n]


def images(talk: Talk, times_s: list[Fraction]) -> Iterator[U8]:
    """Pictures (height, width, 3), RGB, as they are at these times."""
    if not talk.has_face:
        yield from (_pattern(talk, float(time_s)) for time_s in times_s)
        return
    half_px = talk.width_px // 4 * 2 if talk.has_listener else talk.width_px
    talker = Face(half_px, talk.height_px, Look(is_mirrored=bool(talk.seed % 2), is_tinted=bool(talk.seed // 2 % 2)))
    listener = Face(talk.width_px - half_px, talk.height_px, Look(not talker.look.is_mirrored, True, 1.15)) if talk.has_listener else None
    mouths = mouth_at(talk, [_frozen(talk, float(t)) for t in times_s])
    for time_s, mouth in zip(times_s, mouths, strict=True):
        now = _frozen(talk, float(time_s))
        image = talker.draw(mouth, _pose(talk.seed, now))
        if listener is not None:
            rest = Mouth(0.02 + 0.02 * float(np.sin(1.7 * now)))
            image = np.concatenate([image, listener.draw(rest, _pose(talk.seed + 1, now))], axis=1)
        yield image


def mouth_at(talk: Talk, times_s: list[float]) -> list[Mouth]:
    """Positions of the talker's mouth at these times; while somebody else speaks it is at rest and hardly moves."""
    curves = speak(talk.seed, talk.duration_s).curves
    at = np.asarray(times_s)
    listens = np.zeros(len(at))
    if talk.offscreen_s is not None:
        grid = curves.times_s
        off = ((grid >= talk.offscreen_s[0]) & (grid < talk.offscreen_s[1])).astype(np.float64)
        listens = np.interp(at, grid, gaussian_filter1d(off, 50.0))
    still: dict[str, F64 | float] = {
        "opening": 0.03 + 0.02 * np.sin(2.1 * at + talk.seed),
        "width": 0.06 * np.sin(1.3 * at),
        "tuck": 0.0,
        "tongue": 0.0,
    }
    drawn = {name: (1 - listens) * _at(curves, name, at + _LIP_LEAD_S) + listens * rest for name, rest in still.items()}
    return [Mouth(*(float(drawn[name][i]) for name in ("opening", "width", "tuck", "tongue"))) for i in range(len(at))]


def _at(curves: Curves, name: str, times_s: F64) -> F64:
    return np.asarray(np.interp(times_s, curves.times_s, getattr(curves, name)), np.float64)


def _frozen(talk: Talk, time_s: float) -> float:
    """The time of which the picture is shown."""
    if talk.frozen_s is not None and talk.frozen_s[0] <= time_s < talk.frozen_s[1]:
        return talk.frozen_s[0]
    return time_s


def _pose(seed: int, time_s: float) -> Pose:
    """Slow, small, never repeating movements of the head."""
    random = np.random.default_rng([seed, 6])
    rates_hz, turns = random.uniform(0.1, 0.45, (4, 3)), random.uniform(0, 1, (4, 3))
    waves = np.sin(2 * np.pi * (rates_hz * time_s + turns)).sum(axis=1).tolist()
    return Pose(0.006 * waves[0], 0.004 * waves[1], 0.008 * waves[2], 0.004 * waves[3])


def _pattern(talk: Talk, time_s: float) -> U8:
    """Bars that wander and a ramp that breathes: motion everywhere, and no face."""
    x, y = np.arange(talk.width_px), np.arange(talk.height_px)
    bars = ((x + 60 * time_s) // (talk.width_px / 8) % 8).astype(np.int64)
    colours = np.array([[(b >> k & 1) * 200 + 20 for k in range(3)] for b in range(8)], np.float64)
    light = 0.75 + 0.25 * np.sin(y / talk.height_px * 6 + 2 * time_s)
    return np.asarray(colours[bars][None] * light[:, None, None], np.uint8)
