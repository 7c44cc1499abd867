"""Copies of a clip in which one thing is changed: its sound, or its pictures. Made by ffmpeg, read back and checked.

Whoever measures a copy reads it as any other file. What must hold of it is asked here: there are pictures and sound, as many
images and pictures a second as expected, and the sound lies where it lay, counted from the first image. Copies are Matroska,
whose times are rounded to milliseconds. Knows nothing of faces or networks, and changes no file but the copy.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.signal import correlate

from syncqc.clock import SAMPLES_PER_IMAGE, SOUND_RATE_HZ
from syncqc.errors import ClipError
from syncqc.media.mux import MuxError, run_ffmpeg
from syncqc.media.probe import Facts, probe
from syncqc.media.sound import SoundReader

F32 = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

MOST_DELAY_SAMPLES = 16
"""1 ms: what Matroska's rounding may do."""
_FARTHEST_SAMPLES = SOUND_RATE_HZ // 2
_MORE_OR_LESS_IMAGES = 2
"""The last picture lasts longer or shorter at another rate."""
_RATE_TOLERANCE = 0.02
_TICK = "1:60000"
"""Pictures keep their times, whatever the rate."""

H264_CLEAN = ("libx264", "-preset", "ultrafast", "-crf", "10", "-pix_fmt", "yuv420p")
"""So good that nothing else than what the filter does can be seen."""


@dataclass(frozen=True)
class ClipFile:
    """The file, or the two files, of which copies are made, and what is known of them."""

    path: str
    facts: Facts
    audio_path: str | None = None

    def sound(self, first_sample: int, end_sample: int) -> tuple[F32, Bools]:
        """Samples [first_sample, end_sample) on the clip's clock, 0 being the first image, and where there is sound.

        Raises:
            ClipError: the sound cannot be read.
        """
        zero_s = self.facts.sound_zero_s(is_sidecar=self.audio_path is not None)
        return SoundReader(self.audio_path or self.path, zero_s).read(first_sample, end_sample)

    @property
    def end_sample(self) -> int:
        """One past the last sample beside an image."""
        return self.facts.n_images * SAMPLES_PER_IMAGE


def clip_file(path: str, audio_path: str | None = None) -> ClipFile:
    """The clip with its facts.

    Raises:
        ClipError: it cannot be read.
    """
    return ClipFile(path, probe(path, audio_path), audio_path)


@dataclass(frozen=True)
class PictureChange:
    """What ffmpeg does to the pictures."""

    filters: str | None = None
    encoder: tuple[str, ...] = H264_CLEAN
    fps: int | None = None
    """The rate afterwards; None where it stays."""
    drops_pictures: bool = False
    """Whether the filter drops pictures, so that the rate falls."""


def with_samples(clip: ClipFile, out: Path, samples: F32, first_sample: int) -> ClipFile:
    """A copy with these samples as its sound, lossless, from `first_sample` of the clip's clock on; its pictures are the same packets.

    Raises:
        MuxError: ffmpeg failed, or the copy is not what was asked for.
    """
    start_s = clip.facts.zero_s - clip.facts.container_start_s + Fraction(first_sample, SOUND_RATE_HZ)
    with tempfile.TemporaryDirectory(dir=out.parent) as folder:
        raw = Path(folder) / "sound.f32"
        np.ascontiguousarray(samples, "<f4").tofile(raw)
        given = ["-f", "f32le", "-ar", str(SOUND_RATE_HZ), "-ac", "1", "-itsoffset", f"{float(start_s):.6f}", "-i", str(raw)]
        run_ffmpeg(["-i", clip.path, *given, "-map", "0:V:0", "-map", "1:a:0", "-c:v", "copy", "-c:a", "pcm_f32le", str(out)])
    copy = _checked(out, clip)
    _refuse_delayed(copy, samples, first_sample)
    return copy


def with_coded_sound(clip: ClipFile, out: Path, encoder: Sequence[str]) -> ClipFile:
    """A copy whose sound went, as mono, through a lossy encoder (its name, then its options); its pictures are the same packets.

    Raises:
        MuxError: ffmpeg failed, or the copy is not what was asked for.
        ClipError: the clip's own sound cannot be read.
    """
    run_ffmpeg([*_inputs(clip), "-c:v", "copy", "-ac", "1", "-c:a", *encoder, str(out)])
    copy = _checked(out, clip)
    _refuse_delayed(copy, clip.sound(0, clip.end_sample)[0], 0)
    return copy


def with_pictures(clip: ClipFile, out: Path, change: PictureChange) -> tuple[ClipFile, int]:
    """A copy with changed pictures, its sound the same packets, and by how many samples its sound is later on the copy's clock.

    Where the pictures get another rate, the first one may be shown a little earlier or later; that moves the clock, not the sound.

    Raises:
        MuxError: ffmpeg failed, or the copy is not what was asked for.
        ClipError: the clip's own sound cannot be read.
    """
    filters = [] if change.filters is None else ["-vf", change.filters]
    times = ["-fps_mode", "passthrough", "-enc_time_base", _TICK]
    run_ffmpeg([*_inputs(clip), "-threads", "1", *filters, *times, "-c:v", *change.encoder, "-c:a", "copy", str(out)])
    copy = _checked(out, clip, change)
    heard = copy.sound(0, clip.end_sample)[0]
    return copy, delay_samples(heard, clip.sound(0, clip.end_sample)[0])


def delay_samples(found: F32, expected: F32) -> int:
    """By how many samples `found` comes later than `expected`, both (n,), where they are most alike; within half a second."""
    likeness = correlate(found.astype(np.float64), expected.astype(np.float64), mode="full", method="fft")
    middle = len(expected) - 1
    reach = min(_FARTHEST_SAMPLES, middle)
    near = likeness[middle - reach : middle + reach + 1]
    return int(near.argmax()) - reach


def _inputs(clip: ClipFile) -> list[str]:
    if clip.audio_path is None:
        return ["-i", clip.path, "-map", "0:V:0", "-map", "0:a:0"]
    return ["-i", clip.path, "-i", clip.audio_path, "-map", "0:V:0", "-map", "1:a:0"]


def _refuse_delayed(copy: ClipFile, expected: F32, first_sample: int) -> None:
    heard = _readable(copy).sound(first_sample, first_sample + len(expected))[0]
    delay = delay_samples(heard, expected)
    if abs(delay) > MOST_DELAY_SAMPLES:
        raise MuxError(f"the sound of the copy comes {1000 * delay / SOUND_RATE_HZ:+.1f} ms late")


def _readable(copy: ClipFile) -> ClipFile:
    if copy.facts.audio_codec is None:
        raise MuxError("the copy has no sound")
    return copy


def _checked(out: Path, clip: ClipFile, change: PictureChange | None = None) -> ClipFile:
    """The copy, probed again.

    Raises:
        MuxError: it cannot be read, lacks its sound, or has other times than it should have.
    """
    try:
        copy = clip_file(str(out))
    except ClipError as error:
        raise MuxError(f"the copy cannot be read: {error.detail}") from error
    drops = change is not None and change.drops_pictures
    before, after = clip.facts, _readable(copy).facts
    most_fewer = _MORE_OR_LESS_IMAGES + (SOUND_RATE_HZ // SAMPLES_PER_IMAGE // 4 if drops else 0)
    if not -most_fewer <= after.n_images - before.n_images <= _MORE_OR_LESS_IMAGES:
        raise MuxError(f"the copy lasts {after.n_images} images instead of {before.n_images}")
    expected_fps = change.fps if change is not None and change.fps is not None else before.source_fps
    if not drops and expected_fps and after.source_fps and abs(after.source_fps / expected_fps - 1) > _RATE_TOLERANCE:
        raise MuxError(f"the copy has {after.source_fps:.2f} pictures a second instead of {expected_fps:.2f}")
    return copy
