"""Which face track of a part is the one that a dataset's list points at.

Knows boxes and times, neither pictures nor the list's format.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from syncqc.faces.track import FaceTrack

_REACH = 1.5
"""A box enlarged by half must hold the point: lists say where the face was when the segment began, and faces move."""


def listed_track(tracks: Sequence[FaceTrack], point_px: tuple[float, float], *, is_first_part: bool) -> int | None:
    """The number of the track that is the face at `point_px`; None where no track's box, enlarged by half, holds the point.

    Of tracks that are there at the same time the nearest one. Of tracks that follow each other (cuts end a track) the earliest
    in the clip's first part, since the list speaks of the segment's beginning, and the longest in later parts.
    """
    far = [_distance(track, point_px, at_beginning=is_first_part) for track in tracks]
    at_point = [i for i, distance in enumerate(far) if distance <= 1]
    nearest = [i for i in at_point if not any(_is_beside(tracks[i], tracks[j]) and (far[j], j) < (far[i], i) for j in at_point)]
    if is_first_part:
        return min(nearest, key=lambda i: (tracks[i].images[0], far[i]), default=None)
    return min(nearest, key=lambda i: (-tracks[i].n_images, far[i]), default=None)


def _distance(track: FaceTrack, point_px: tuple[float, float], *, at_beginning: bool) -> float:
    """How far the point lies from the middle of the track's box; 1 on the edge of the enlarged box."""
    box = track.boxes_px[0] if at_beginning else np.median(np.stack(track.boxes_px), axis=0)
    left, top, right, bottom = (float(edge) for edge in box)
    across, down = (abs(2 * point_px[0] - left - right), abs(2 * point_px[1] - top - bottom))
    return max(across / (_REACH * max(right - left, 1.0)), down / (_REACH * max(bottom - top, 1.0)))


def _is_beside(one: FaceTrack, other: FaceTrack) -> bool:
    return one is not other and one.images[0] <= other.images[-1] and other.images[0] <= one.images[-1]
