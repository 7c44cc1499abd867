"""The mouth crops of each track as a video stream and its sound as FLAC: what training needs, small enough to travel and to be moved.

Knows nothing of files: where the lines go is decided by who takes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from syncqc.clock import SAMPLES_PER_IMAGE
from syncqc.errors import Failure, UsageError
from syncqc.manifest import columns as c
from syncqc.manifest.row import Row
from syncqc.media.crop_video import MAX_CRF, encoded_crops
from syncqc.media.flac import encoded_sound
from syncqc.stages.base import CROPS, KEPT, SOUND, Payload, Stage
from syncqc.stages.part import Part, Sound, Track

CONTEXT_IMAGES = 40
"""Sound kept before and after a track: shifts of up to 30 images and the mel context."""


@dataclass
class KeepCrops(Stage):
    """One line per track in `Track.kept`, its crops compressed; the raw crops stay behind. Too short a track is not kept and says so."""

    crf: int = 22
    """0-51, more is smaller. 22 is about 5 KB per second of a 128x72 mouth, at 38 dB of the 43 dB that 4:2:0 alone allows."""
    min_images: int = 15

    reads: ClassVar[tuple[c.Column | Payload, ...]] = (CROPS, SOUND, c.TRACK_INDEX, c.FACE_WIDTH_PX)
    writes: ClassVar[tuple[c.Column | Payload, ...]] = (KEPT,)

    def open(self) -> None:
        """Refuses a quality that H.264 does not know.

        Raises:
            UsageError: not within 0-51.
        """
        if not 0 <= self.crf <= MAX_CRF:
            raise UsageError(f"--crf must be from 0 to {MAX_CRF}, not {self.crf}")

    def __call__(self, parts: list[Part]) -> list[Part]:
        """The parts with their kept tracks; see `Stage`."""
        for part in parts:
            for track in part.tracks if part.failure is None else ():
                if track.n_images < self.min_images:
                    track.row |= {"failure": str(Failure.TOO_SHORT), "detail": f"the face is there for {track.n_images} images"}
                else:
                    track.kept = self._line(part, track)
            for track in part.tracks:
                track.crops = np.empty((0, *track.crops.shape[1:]), np.uint8)
        return parts

    def _line(self, part: Part, track: Track) -> Row:
        assert part.sound is not None
        samples, (begin, end) = sound_around(track, part.sound)
        video, sound = encoded_crops(track.crops, self.crf), encoded_sound(samples)
        return {
            "clip_id": part.clip.clip_id,
            "source": part.clip.dataset or "",
            "speaker": part.clip.speaker or part.clip.clip_id,
            "part_index": part.part_index,
            "track_index": track.row["track_index"],
            "first_image": track.first_image,
            "n_images": track.n_images,
            "n_samples": len(samples),
            "present_begin": begin,
            "present_end": end,
            "face_width_px": track.row["face_width_px"],
            "n_tracks": len(part.tracks),
            "n_video_bytes": len(video),
            "n_sound_bytes": len(sound),
            "video": video,
            "sound": sound,
        }


def sound_around(track: Track, sound: Sound) -> tuple[npt.NDArray[np.int16], tuple[int, int]]:
    """The track's sound with `CONTEXT_IMAGES` on both sides as 16-bit samples, and which of them [begin, end) the file really has."""
    begin = (track.first_image - CONTEXT_IMAGES) * SAMPLES_PER_IMAGE - sound.first_sample
    n = (track.n_images + 2 * CONTEXT_IMAGES) * SAMPLES_PER_IMAGE
    out = np.zeros(n, np.int16)
    lo, hi = max(0, begin), min(len(sound.samples), begin + n)
    out[lo - begin : hi - begin] = np.clip(np.rint(sound.samples[lo:hi] * 32768), -32768, 32767)
    where = np.flatnonzero(sound.is_present[lo:hi]) + lo - begin
    return out, ((int(where[0]), int(where[-1]) + 1) if len(where) else (0, 0))
