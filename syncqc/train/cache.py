"""Mouth crops and sound of a set of clips, kept so that training reads them again and again without decoding.

One folder: `crops.u8` (all crops, one after the other), `sound.i16` (16 kHz mono), `index.jsonl` (one line per face track).
Knows how it is read; nothing of how it is made, and nothing of networks.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from syncqc.clock import SAMPLES_PER_IMAGE
from syncqc.errors import UsageError
from syncqc.stages.keep_crops import CONTEXT_IMAGES as CONTEXT_IMAGES

ABOUT = "about.json"
"""Written last: a folder without it is no finished cache."""


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
        if not (folder / "crops.u8").exists():
            raise UsageError(f"{folder} holds a crop cache in its packed form, or not all of one (crops.u8 is missing)")
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

    @classmethod
    def around(cls, height_px: int, width_px: int) -> CacheShape:
        """Half as high again and a third wider than what a network sees, at the same scale; even numbers, as video needs them."""
        wider_px = 2 * round(width_px * 2 / 3)
        return cls(2 * round(height_px * 3 / 4), wider_px, wider_px / width_px)
