"""The faces of a part, followed through its shots, and one mouth crop per image for each.

Knows nothing of sound or networks; the shape of the crop is a setting.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np

from syncqc.clock import IMAGE_RATE_HZ
from syncqc.errors import Failure
from syncqc.faces.crop import CropShape, mouth_crops
from syncqc.faces.detector import Detector
from syncqc.faces.registry import open_detector
from syncqc.faces.track import FaceTrack, follow, images_to_detect, landmarks_per_image
from syncqc.manifest import columns as c
from syncqc.media.shots import ShotFinder, shots
from syncqc.stages.base import CROPS, IMAGES, Payload, Stage
from syncqc.stages.listed_face import listed_track
from syncqc.stages.part import Part, Track


@dataclass
class FindFaces(Stage):
    """Face tracks of each part, largest first; a part without a face fails as `no_face`."""

    detector: str = "centerface"
    detector_root: str | None = None
    every: int = 5
    """Detect on every so many images; positions in between are interpolated."""
    smooth_images: float = 2.0
    """Standard deviation of the smoothing of landmarks along time."""
    max_tracks: int = 4
    """At most so many tracks of a part are cropped and scored, the one that the clip's list points at among them; `n_tracks` counts all."""
    crop_height_px: int = 48
    crop_width_px: int = 96
    crop_margin: float = 1.0
    _detector: Detector | None = field(default=None, repr=False, compare=False)
    _shots: ShotFinder | None = field(default=None, repr=False, compare=False)

    reads: ClassVar[tuple[c.Column | Payload, ...]] = (IMAGES, c.LISTED_FACE_X, c.LISTED_FACE_Y)
    writes: ClassVar[tuple[c.Column | Payload, ...]] = (
        CROPS, c.TRACK_INDEX, c.START_S, c.END_S, c.N_IMAGES, c.FACE_SHARE, c.FACE_WIDTH_PX, c.N_TRACKS, c.N_SHOT_CUTS,
        c.IS_LISTED_FACE,
    )  # fmt: skip

    def open(self) -> None:
        """Loads the detector."""
        root = Path(self.detector_root) if self.detector_root else None
        self._detector = open_detector(self.detector, root)

    def __call__(self, parts: list[Part]) -> list[Part]:
        """The parts with their tracks; see `Stage`."""
        for part in parts:
            if part.failure is None:
                self._find(part)
        return parts

    def _find(self, part: Part) -> None:
        assert self._detector is not None, "open() comes first"
        assert part.images is not None
        if self._shots is None or part.part_index == 0:
            self._shots = ShotFinder()
        cuts = self._shots.cuts(part.images, part.first_image)
        end = part.first_image + part.n_images
        stretches = shots(part.first_image, end, cuts)
        looked_at = images_to_detect(stretches, self.every)
        faces = self._detector.detect(part.images[np.array(looked_at) - part.first_image])
        tracks = follow(dict(zip(looked_at, faces, strict=True)), stretches)
        part.row |= {"n_tracks": len(tracks), "n_shot_cuts": len(stretches) - 1}
        if not tracks:
            part.fail(Failure.NO_FACE, f"no face on {len(looked_at)} images looked at")
        point_px = _listed_point_px(part)
        listed = None if point_px is None else listed_track(tracks, point_px, is_first_part=part.part_index == 0)
        kept = list(range(len(tracks)))[: self.max_tracks]
        if listed is not None and listed not in kept:
            kept[-1:] = [listed]
        part.tracks = [self._track(part, tracks[i], index) for index, i in enumerate(kept)]
        for i, track in zip(kept, part.tracks, strict=True):
            track.row["is_listed_face"] = None if point_px is None else i == listed

    def _track(self, part: Part, seen: FaceTrack, index: int) -> Track:
        assert part.images is not None
        first = seen.images[0]
        begin = first - part.first_image
        landmarks = landmarks_per_image(seen, self.smooth_images)
        shape = CropShape(self.crop_height_px, self.crop_width_px, self.crop_margin)
        crops = mouth_crops(part.images[begin : begin + seen.n_images], landmarks, shape)
        boxes = np.stack(seen.boxes_px) / part.image_scale
        track = Track(
            first_image=first,
            crops=crops,
            detected_images=np.array(seen.images, np.int32),
            boxes_px=boxes,
            landmarks_px=np.stack(seen.landmarks_px) / part.image_scale,
            confidences=np.array(seen.confidences, np.float32),
        )
        track.row = {
            "track_index": index,
            "start_s": first / IMAGE_RATE_HZ,
            "end_s": (first + seen.n_images) / IMAGE_RATE_HZ,
            "n_images": seen.n_images,
            "face_share": seen.n_images / part.n_images,
            "face_width_px": float(np.median(boxes[:, 2] - boxes[:, 0])),
        }
        return track


def _listed_point_px(part: Part) -> tuple[float, float] | None:
    """Where the clip's list says that the face is, in pixels of the part's images; None where it does not say."""
    assert part.images is not None
    x, y = part.clip.listed_face_x, part.clip.listed_face_y
    return None if x is None or y is None else (x * part.images.shape[2], y * part.images.shape[1])
