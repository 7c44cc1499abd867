"""Faces followed through a shot: detections on every k-th image, joined by overlap, filled in and smoothed in between.

Knows nothing of how faces are detected or cropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from syncqc.faces.detector import F32, Faces, overlap


@dataclass
class FaceTrack:
    """One face in one shot, as the detector saw it."""

    images: list[int] = field(default_factory=list)
    boxes_px: list[F32] = field(default_factory=list)
    landmarks_px: list[F32] = field(default_factory=list)
    confidences: list[float] = field(default_factory=list)

    def add(self, image: int, faces: Faces, index: int) -> None:
        """Takes face `index` of `faces` as the track's face on `image`."""
        self.images.append(image)
        self.boxes_px.append(faces.boxes_px[index])
        self.landmarks_px.append(faces.landmarks_px[index])
        self.confidences.append(float(faces.confidences[index]))

    @property
    def n_images(self) -> int:
        """Images from the first detection to the last."""
        return self.images[-1] - self.images[0] + 1

    @property
    def size(self) -> float:
        """Mean box area times length: what makes a track the main one."""
        boxes = np.stack(self.boxes_px)
        return float(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1).mean()) * self.n_images


def images_to_detect(shots: Sequence[tuple[int, int]], every: int) -> list[int]:
    """Every `every`-th image of each shot [first, end), and the shot's last, so that tracks reach both ends."""
    return sorted({image for first, end in shots if first < end for image in (*range(first, end, every), end - 1)})


def follow(
    detections: dict[int, Faces], shots: Sequence[tuple[int, int]], min_overlap: float = 0.3, max_misses: int = 2
) -> list[FaceTrack]:
    """The face tracks, largest first. No track crosses a cut; a face missed on more than `max_misses` detected images in a row ends it.

    A face seen on a single image of a shot that was looked at three times or more is taken for a false alarm.
    """
    tracks: list[FaceTrack] = []
    for first, end in shots:
        looked_at = [image for image in sorted(detections) if first <= image < end]
        live: list[tuple[FaceTrack, int]] = []
        for turn, image in enumerate(looked_at):
            live = [(track, last) for track, last in live if turn - last <= max_misses + 1]
            _extend(live, tracks, turn, image, detections[image], min_overlap)
        if len(looked_at) >= 3:
            tracks = [track for track in tracks if len(track.images) > 1 or not first <= track.images[0] < end]
    return sorted(tracks, key=lambda track: -track.size)


def _extend(live: list[tuple[FaceTrack, int]], tracks: list[FaceTrack], turn: int, image: int, faces: Faces, min_overlap: float) -> None:
    """Gives each face to the live track it overlaps most, best pairs first; the others begin tracks."""
    pairs = [
        (float(shares[face]), slot, face)
        for slot, (track, _) in enumerate(live)
        if len(faces)
        for shares in [overlap(track.boxes_px[-1], faces.boxes_px)]
        for face in range(len(faces))
        if shares[face] >= min_overlap
    ]
    free_slots, free_faces = set(range(len(live))), set(range(len(faces)))
    for _, slot, face in sorted(pairs, reverse=True):
        if slot in free_slots and face in free_faces:
            free_slots.discard(slot)
            free_faces.discard(face)
            live[slot][0].add(image, faces, face)
            live[slot] = (live[slot][0], turn)
    for face in sorted(free_faces):
        track = FaceTrack()
        track.add(image, faces, face)
        tracks.append(track)
        live.append((track, turn))


def landmarks_per_image(track: FaceTrack, smooth_images: float = 2.0) -> F32:
    """Landmarks (n_images, 5, 2) for every image from the first detection to the last: interpolated, then smoothed in time.

    The smoothing is a Gaussian whose standard deviation is `smooth_images`; at the ends it uses the images there are.
    """
    return _per_image(track, track.landmarks_px, smooth_images).reshape(-1, 5, 2)


def boxes_per_image(track: FaceTrack, smooth_images: float = 2.0) -> F32:
    """Boxes (n_images, 4) for every image from the first detection to the last, filled in as `landmarks_per_image` does."""
    return _per_image(track, track.boxes_px, smooth_images)


def _per_image(track: FaceTrack, values: Sequence[F32], smooth_images: float) -> F32:
    images = np.arange(track.images[0], track.images[-1] + 1)
    seen = np.stack(values).reshape(len(track.images), -1)
    filled = np.stack([np.interp(images, track.images, seen[:, i]) for i in range(seen.shape[1])], axis=1)
    return _smooth(filled, smooth_images).astype(np.float32)


def _smooth(values: npt.NDArray[np.float64], sigma: float) -> npt.NDArray[np.float64]:
    if sigma <= 0 or len(values) < 3:
        return values
    reach = min(int(3 * sigma + 0.5), len(values) - 1)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    # Mirrored through the end point, so that steady motion is not bent at the ends.
    head = 2 * values[0] - values[reach:0:-1]
    tail = 2 * values[-1] - values[-2 : -reach - 2 : -1]
    padded = np.concatenate([head, values, tail])
    return np.stack([np.convolve(padded[:, i], kernel, mode="valid") for i in range(values.shape[1])], axis=1)
