"""What flows between stages: a part of a clip with its pictures, its sound, and the face tracks found in it.

Knows no stage and no library but numpy.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from syncqc.errors import Failure
from syncqc.manifest.row import Clip, Row

U8 = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]


@dataclass
class Sound:
    """Sound of a part with its surroundings, on the clip's clock."""

    samples: F32
    """(n,), 16 kHz mono, in [-1, 1]."""
    first_sample: int
    """Sample number of `samples[0]`; 0 is the first image shown, negative before it."""
    is_present: Bools
    """(n,), False where the file has no sound; `samples` is 0 there."""


@dataclass
class Mel:
    """Log-mel columns of a part with its surroundings, on the clip's clock."""

    columns: F32
    """(n, 80); column i is centred on sample 200 (first_column + i)."""
    first_column: int
    is_present: Bools
    """(n,), False where the column's centre lies outside the file's sound."""


@dataclass
class Track:
    """One face through one shot of a part: where it is, its mouth, and the columns written so far."""

    first_image: int
    """Image of the clip at which the track begins."""
    crops: U8
    """(n_images, height, width, 3), RGB mouths, one per image without holes; none once they are `kept`."""
    detected_images: npt.NDArray[np.int32]
    """(n_detections,), images of the clip on which the detector found this face."""
    boxes_px: F32
    """(n_detections, 4), left, top, right, bottom in pixels of the shown picture."""
    landmarks_px: F32
    """(n_detections, 5, 2), x and y of left eye, right eye, nose, left and right mouth corner as seen in the picture."""
    confidences: F32
    """(n_detections,), 0-1."""
    row: Row = field(default_factory=dict)
    similarity: npt.NDArray[np.float16] | None = None
    """(2 w + 1, n_windows), cosines, nan where a shift does not count; only where it is to be kept."""
    kept: Row | None = None
    """The line of a crop cache; only where one is made."""

    @property
    def n_images(self) -> int:
        """How many images the track lasts, as long as its crops are here."""
        return int(self.crops.shape[0])


@dataclass
class Part:
    """One part of a clip on its way through the stages. A part with a `failure` is passed on untouched."""

    clip: Clip
    part_index: int
    n_parts: int
    first_image: int
    n_images: int
    row: Row = field(default_factory=dict)
    """Columns that hold for every row of the part."""
    images: U8 | None = None
    """(n_images, height, width, 3), RGB, perhaps reduced; never leaves the process that read it."""
    image_scale: float = 1.0
    """Pixels of `images` per pixel of the shown picture (1 or less)."""
    sound: Sound | None = None
    """Never leaves the process that read it."""
    mel: Mel | None = None
    tracks: list[Track] = field(default_factory=list)
    failure: Failure | None = None
    detail: str | None = None

    def fail(self, failure: Failure, detail: str) -> None:
        """Marks the part as not measurable; the first reason stays."""
        if self.failure is None:
            self.failure, self.detail = failure, detail

    def rows(self) -> list[Row]:
        """One row per track, or one row for a part without tracks; clip, part and track columns merged.

        A part's failure stands in each of its rows, unless the track has its own or was measured before the part failed.
        """
        shared: Row = {**self.clip.row(), "part_index": self.part_index, "n_parts": self.n_parts, **self.row}
        failed: Row = {} if self.failure is None else {"failure": str(self.failure), "detail": self.detail}
        if not self.tracks:
            return [shared | failed]
        return [{**shared, **({} if "offset_frames" in track.row else failed), **track.row} for track in self.tracks]
