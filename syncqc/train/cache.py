"""Mouth crops and sound of a set of clips, kept so that training reads them again and again without decoding.

One folder: `crops.u8` (all crops, one after the other), `sound.i16` (16 kHz mono), `index.jsonl` (one line per face track).
Knows the stages that read clips and find faces; nothing of networks.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from syncqc.clock import SAMPLES_PER_IMAGE, SOUND_RATE_HZ
from syncqc.errors import UsageError
from syncqc.manifest.row import Clip
from syncqc.stages.find_faces import FindFaces
from syncqc.stages.part import Part, Track
from syncqc.stages.read import ReadClip

ABOUT = "about.json"
"""Written last: a folder without it is no finished cache."""
CONTEXT_IMAGES = 40
"""Sound kept before and after a track: shifts of up to 30 images and the mel context."""


@dataclass(frozen=True)
class Entry:
    """One face track in the cache, and where its crops and its sound lie."""

    clip_id: str
    source: str
    speaker: str
    part_index: int
    track_index: int
    first_image: int
    n_images: int
    first_crop: int
    """Number of its first crop in `crops.u8`."""
    first_sample: int
    """Place of its first sample in `sound.i16`; that sample is `CONTEXT_IMAGES` images before the track begins."""
    n_samples: int
    present: tuple[int, int]
    """The samples [begin, end) of its own that the file really has."""
    face_width_px: float
    n_tracks: int


class CropCache:
    """A cache opened for reading. Crops and sound are mapped, not loaded."""

    def __init__(self, folder: Path) -> None:
        """Opens a finished cache.

        Raises:
            UsageError: the folder holds no finished cache, or an empty one.
        """
        self.folder = folder
        about = folder / ABOUT
        if not about.exists():
            raise UsageError(f"{folder} holds no finished crop cache ({ABOUT} is missing)")
        self.about = json.loads(about.read_text())
        self.height_px, self.width_px, self.margin = self.about["height_px"], self.about["width_px"], self.about["margin"]
        self.entries = [_entry(line) for line in (folder / "index.jsonl").read_text().splitlines()]
        if not self.entries:
            raise UsageError(f"{folder} holds a crop cache without any face track")
        shape = (-1, self.height_px, self.width_px, 3)
        self._crops = np.memmap(folder / "crops.u8", np.uint8, "r").reshape(shape)
        self._sound = np.memmap(folder / "sound.i16", np.int16, "r")

    def __reduce__(self) -> tuple[type[CropCache], tuple[Path]]:
        """Another process opens the files itself: what is mapped is not sent."""
        return CropCache, (self.folder,)

    def crops(self, entry: Entry, first: int, n: int) -> npt.NDArray[np.uint8]:
        """Crops (n, height, width, 3) of the track from its own image `first` on."""
        start = entry.first_crop + first
        return np.asarray(self._crops[start : start + n])

    def sound(self, entry: Entry, first_image: int, n_samples: int) -> npt.NDArray[np.float32]:
        """`n_samples` samples in [-1, 1] from the track's own image `first_image` on (may be negative); zeros beyond what is kept."""
        begin = (first_image + CONTEXT_IMAGES) * SAMPLES_PER_IMAGE
        return self.samples(entry, begin, n_samples)

    def samples(self, entry: Entry, begin: int, n_samples: int) -> npt.NDArray[np.float32]:
        """`n_samples` samples from number `begin` of the track's kept sound on; zeros beyond it."""
        out = np.zeros(n_samples, np.float32)
        lo, hi = max(0, begin), min(entry.n_samples, begin + n_samples)
        if hi > lo:
            out[lo - begin : hi - begin] = self._sound[entry.first_sample + lo : entry.first_sample + hi] / np.float32(32768)
        return out


def _entry(line: str) -> Entry:
    values = json.loads(line)
    values["present"] = tuple(values["present"])
    return Entry(**values)


@dataclass
class CacheShape:
    """Pixels of the cached crops: larger than the network's, so that training can shift and scale them."""

    height_px: int = 72
    width_px: int = 128
    margin: float = 4 / 3


def build(clips: Iterable[tuple[Clip, str, str]], folder: Path, shape: CacheShape, min_images: int = 15) -> Iterator[tuple[Clip, int]]:
    """Fills `folder` and yields each (clip, source, speaker)'s clip with the number of tracks kept from it.

    Parts that cannot be measured (no face, no sound, too short) give nothing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ABOUT).unlink(missing_ok=True)  # an older cache is about to be overwritten
    read = ReadClip()
    find = FindFaces(crop_height_px=shape.height_px, crop_width_px=shape.width_px, crop_margin=shape.margin)
    find.open()
    n_crops = n_samples = 0
    with (
        (folder / "crops.u8").open("wb") as crops,
        (folder / "sound.i16").open("wb") as sound,
        (folder / "index.jsonl").open("w") as index,
    ):
        for clip, source, speaker in clips:
            n_tracks = 0
            for part in read(clip):
                for track in find([part])[0].tracks:
                    if track.n_images < min_images or part.failure is not None:
                        continue
                    samples, present = _sound(part, track)
                    entry = Entry(
                        clip_id=clip.clip_id, source=source, speaker=speaker, part_index=part.part_index,
                        track_index=int(str(track.row["track_index"])), first_image=track.first_image,
                        n_images=track.n_images, first_crop=n_crops,
                        first_sample=n_samples, n_samples=len(samples), present=present,
                        face_width_px=float(str(track.row["face_width_px"])), n_tracks=len(part.tracks),
                    )  # fmt: skip
                    track.crops.tofile(crops)
                    samples.tofile(sound)
                    index.write(json.dumps(asdict(entry)) + "\n")
                    n_crops, n_samples, n_tracks = n_crops + track.n_images, n_samples + len(samples), n_tracks + 1
            yield clip, n_tracks
    (folder / ABOUT).write_text(json.dumps({**asdict(shape), "sound_rate_hz": SOUND_RATE_HZ}))


def _sound(part: Part, track: Track) -> tuple[npt.NDArray[np.int16], tuple[int, int]]:
    """The track's sound with its context as 16-bit samples, and which of them the file really has."""
    assert part.sound is not None
    begin = (track.first_image - CONTEXT_IMAGES) * SAMPLES_PER_IMAGE - part.sound.first_sample
    n = (track.n_images + 2 * CONTEXT_IMAGES) * SAMPLES_PER_IMAGE
    out = np.zeros(n, np.int16)
    lo, hi = max(0, begin), min(len(part.sound.samples), begin + n)
    out[lo - begin : hi - begin] = np.clip(np.rint(part.sound.samples[lo:hi] * 32768), -32768, 32767)
    where = np.flatnonzero(part.sound.is_present[lo:hi]) + lo - begin
    return out, ((int(where[0]), int(where[-1]) + 1) if len(where) else (0, 0))
