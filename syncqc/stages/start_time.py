"""The beginning of a clip, as the start-time test sees or hears it: pictures in small, or sound without loss.

Knows nothing of networks or verdicts. Pictures are not cut to faces: the test asks what the file tells, not the mouth.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from syncqc.clock import SOUND_RATE_HZ
from syncqc.errors import ClipError, Failure, UsageError, unknown_name
from syncqc.manifest import columns as c
from syncqc.manifest.row import Clip, Row
from syncqc.media.own_pictures import own_pictures
from syncqc.media.probe import Facts, probe
from syncqc.media.resync_sound import Placed, own_sound
from syncqc.stages.base import KEPT, Payload, Source
from syncqc.stages.part import Part, Track
from syncqc.stages.read import failed_clip

STEPS_PER_S = 10
"""Trims begin on this grid, and their images are as far apart."""
MAX_STEPS = 100
"""10 s: no more of a clip is read."""
MIN_STEPS = 20
MODALITIES = ("rgb", "audio")
BLOCK_SAMPLES = {"aac": 1024, "mp3": 1152, "mp2": 1152, "ac3": 1536, "eac3": 1536}
"""How many samples a codec codes at once."""
_SAME = 0.01


@dataclass
class ReadStart(Source):
    """One part per clip, with one track whose kept line holds up to 10 s of pictures or sound; nothing where there are under 2 s."""

    modality: str = "rgb"
    side_px: int = 80
    """Pictures are so wide and so high: the middle square of the file's, reduced."""
    at_own_scale: bool = False
    """Pictures are not reduced, the middle of them is cut out: traces of coding are finer than what is left after reducing."""
    at_own_rate: bool = False
    """Sound at the file's own rate, as in the paper, and not at the 16 kHz at which syncqc hears."""

    writes: ClassVar[tuple[c.Column | Payload, ...]] = (
        KEPT, c.START_S, c.END_S,
        c.CONTAINER_FORMAT, c.VIDEO_CODEC, c.AUDIO_CODEC, c.WIDTH_PX, c.HEIGHT_PX, c.SOURCE_FPS, c.IS_VFR, c.ROTATION_DEG,
        c.KEY_FRAME_GAP_FRAMES, c.SOURCE_AUDIO_RATE_HZ, c.SOURCE_AUDIO_CHANNELS, c.DURATION_S, c.AUDIO_DURATION_S,
        c.AV_START_GAP_MS,
    )  # fmt: skip

    def __post_init__(self) -> None:
        """Refuses what cannot work.

        Raises:
            UsageError: another modality, or pictures that are too small for the network.
        """
        if self.modality not in MODALITIES:
            raise unknown_name("modality", self.modality, MODALITIES)
        if not 32 <= self.side_px <= 512:
            raise UsageError(f"--side-px must be from 32 to 512, not {self.side_px}")

    def __call__(self, clip: Clip) -> Iterator[Part]:
        """The one part; see `Source`."""
        try:
            facts = probe(clip.path, clip.audio_path, clip.audio_start_s)
        except ClipError as error:
            yield failed_clip(clip, error.failure, error.detail)
            return
        part = Part(clip, 0, 1, 0, facts.n_images, row=facts.row())
        try:
            line = _pictures(clip, facts, self.side_px, not self.at_own_scale) if self.modality == "rgb" else self._sound(clip, facts)
            part.row |= {"start_s": 0.0, "end_s": _int(line, "n_steps") / STEPS_PER_S}
            if _int(line, "n_steps") < MIN_STEPS:
                raise ClipError(Failure.TOO_SHORT, f"there are {part.row['end_s']:g} s, and {MIN_STEPS / STEPS_PER_S:g} s are the least")
            part.tracks = [_track(line)]
        except ClipError as error:
            part.fail(error.failure, error.detail)
        yield part

    def _sound(self, clip: Clip, facts: Facts) -> Row:
        if facts.audio_codec is None:
            raise ClipError(Failure.NO_AUDIO, "the file has no sound track and no sidecar sound is given")
        path = Path(clip.audio_path or clip.path)
        own = own_sound(path)
        rate_hz = own.rate_hz if self.at_own_rate else SOUND_RATE_HZ
        zero_s = facts.sound_zero_s(is_sidecar=clip.audio_path is not None)
        placed = Placed(path, zero_s, MAX_STEPS * rate_hz // STEPS_PER_S, rate_hz, own.n_channels)
        samples = np.concatenate([piece.mean(axis=1) for piece in placed.pieces()])
        # Silence before the sound begins would tell where the file begins; it is left out, on the grid.
        first = ceil(Fraction(placed.n_silent_head * STEPS_PER_S, rate_hz))
        n_steps = floor(Fraction((len(samples) - placed.n_silent_tail) * STEPS_PER_S, rate_hz)) - first
        kept = samples[first * rate_hz // STEPS_PER_S :]
        if not np.any(kept):
            raise ClipError(Failure.SILENT, "the sound is digital silence")
        block = BLOCK_SAMPLES.get(facts.audio_codec)
        source_rate_hz = facts.source_audio_rate_hz
        return {
            **_who(clip),
            "n_steps": max(0, n_steps),
            "period_s": block / source_rate_hz if block and source_rate_hz else None,
            "rate_hz": rate_hz,
            "sound": np.clip(np.rint(kept * 32768), -32768, 32767).astype("<i2").tobytes(),
        }


def _pictures(clip: Clip, facts: Facts, side_px: int, is_reduced: bool) -> Row:
    pictures, times_s, end_s = own_pictures(clip.path, facts, Fraction(MAX_STEPS + 1, STEPS_PER_S), side_px, is_reduced=is_reduced)
    places = trim_places(times_s, None if facts.is_vfr else facts.source_fps)
    used, packed = np.unique(places[places >= 0], return_inverse=True)
    places[places >= 0] = packed
    row = facts.row()
    gap, fps = row.get("key_frame_gap_frames"), facts.source_fps
    is_regular = row.get("gop_is_regular") is True and isinstance(gap, float | int) and fps is not None and not facts.is_vfr
    return {
        **_who(clip),
        "n_steps": min(MAX_STEPS, floor(end_s * STEPS_PER_S + Fraction(1, 200))),
        "period_s": float(str(gap)) / float(fps or 1) if is_regular else None,
        "side_px": side_px,
        "places": places.astype("<i2").tobytes(),
        "pictures": pictures[used].tobytes(),
    }


def trim_places(times_s: Sequence[Fraction], fps: float | None) -> npt.NDArray[np.int64]:
    """Which picture is image j of the trim that begins at step s, `(50, 50)` by s and j; -1 where there is none.

    A trim begins with the picture on show at s / 10 s, and its own clock with that picture: image j is the one on show j / 10 s after
    it appeared. So two trims of even pictures are the same pattern of pictures, wherever they begin; on the file's clock, 10 images out
    of 25 pictures would be steps of 2 and 3 pictures in turn, and the first step would tell even starts from odd ones. Where the
    pictures come evenly (`fps`) the pattern is counted, so that rounded times do not change it.
    """
    n = MAX_STEPS // 2
    times = np.array([float(time_s) for time_s in times_s])
    on_grid = np.arange(n) / STEPS_PER_S
    first = np.searchsorted(times, on_grid + 0.0005, "right") - 1
    if fps is None:
        places = np.searchsorted(times, times[first][:, None] + on_grid[None, :] + 0.0005, "right") - 1
    else:
        places = first[:, None] + np.floor(on_grid * fps + _SAME).astype(np.int64)[None, :]
    return np.where(places < len(times), places, -1)


def _who(clip: Clip) -> Row:
    return {"clip_id": clip.clip_id, "source": clip.dataset or "", "group": clip.speaker or clip.clip_id}


def _track(line: Row) -> Track:
    nothing = np.zeros((0, 4), np.float32)
    return Track(
        0, np.zeros((0, 1, 1, 3), np.uint8), np.zeros(0, np.int32), nothing, nothing.reshape(0, 2, 2), nothing[:, 0], kept=line
    )  # fmt: skip


def _int(line: Row, name: str) -> int:
    return int(str(line[name]))
