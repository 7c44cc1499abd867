"""Detectors whose boxes have nothing in common give the same crop, because the landmarks alone place it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from syncqc.faces.centerface import CenterFace
from syncqc.faces.crop import CropShape, mouth_crops, placement
from syncqc.faces.detector import F32, U8, Detector, Faces
from syncqc.faces.track import follow, images_to_detect, landmarks_per_image

Moved = Callable[[float, float, tuple[float, float], tuple[int, int]], tuple[U8, F32]]
N_IMAGES, SHAPE = 16, CropShape(24, 48)


@dataclass
class Film:
    """A face that goes to the right, nods its head to one side and comes nearer."""

    images: U8
    landmarks: F32


@pytest.fixture(scope="module")
def film(moved_astronaut: Moved) -> Film:
    shown = [
        moved_astronaut(12 * np.sin(k / 4), 1.0 + 0.025 * k, (162.0 + 7.5 * k, 150.0 + 4 * np.sin(k / 3)), (640, 360))
        for k in range(N_IMAGES)
    ]
    return Film(np.stack([picture for picture, _ in shown]), np.stack([landmarks for _, landmarks in shown]))


class Told:
    """A detector that knows where the face is, up to noise, and draws its boxes in its own manner."""

    def __init__(self, name: str, film: Film, box: tuple[float, float, float, float], noise_px: float, seed: int) -> None:
        self.name, self.film, self.box, self.noise_px, self.seed = name, film, box, noise_px, seed

    def detect(self, images: U8) -> list[Faces]:
        random = np.random.default_rng(self.seed)
        found = []
        for image in images:
            (k,) = np.flatnonzero((self.film.images == image).all(axis=(1, 2, 3)))
            marks = self.film.landmarks[k] + random.normal(0, self.noise_px, (5, 2))
            width = float(np.ptp(marks[:, 0]))
            box = np.array([*marks[2], *marks[2]]) + width * np.array(self.box) + random.normal(0, 5 * self.noise_px, 4)
            found.append(Faces(box[None].astype(np.float32), marks[None].astype(np.float32), np.ones(1, np.float32)))
        return found


def track_landmarks(detector: Detector, film: Film, every: int) -> F32:
    looked_at = images_to_detect([(0, N_IMAGES)], every)
    (track,) = follow(dict(zip(looked_at, detector.detect(film.images[looked_at]), strict=True)), [(0, N_IMAGES)])
    return landmarks_per_image(track)


@dataclass
class Differences:
    """Between two tracks' crops, per image."""

    centre: F32
    """In sides of the face."""
    side: F32
    """As a share of the side."""
    turn_deg: F32
    grey: F32
    """Mean difference of the crops' values, of 255."""


def differences(one: F32, two: F32, film: Film) -> Differences:
    (centres, sides, turns), (other_centres, other_sides, other_turns) = placement(one), placement(two)
    crops, other_crops = (mouth_crops(film.images, landmarks, SHAPE).astype(np.float32) for landmarks in (one, two))
    return Differences(
        np.linalg.norm(centres - other_centres, axis=1) / sides,
        np.abs(other_sides / sides - 1),
        np.degrees(np.abs(turns - other_turns)),
        np.abs(crops - other_crops).mean(axis=(1, 2, 3)),
    )


TIGHT, LOOSE = (-0.8, -1.0, 0.8, 1.0), (-1.5, -1.9, 1.3, 1.6)


def test_boxes_that_differ_by_half_and_jitter_leave_the_crop_alone(film: Film) -> None:
    # Noise of 1 px here is 1 % of the face's side, a little more than CenterFace shows on real clips before smoothing.
    tight, loose = Told("tight", film, TIGHT, 1.0, seed=0), Told("loose", film, LOOSE, 1.0, seed=1)
    areas = [
        np.prod(faces.boxes_px[0, 2:] - faces.boxes_px[0, :2]) for faces in (tight.detect(film.images)[0], loose.detect(film.images)[0])
    ]
    assert areas[1] > 2 * areas[0]
    apart = differences(track_landmarks(tight, film, 3), track_landmarks(loose, film, 3), film)
    assert apart.centre.mean() < 0.03
    assert apart.side.mean() < 0.05
    assert apart.turn_deg.mean() < 2.0
    assert apart.grey.mean() < 8.0


def test_without_noise_the_crops_are_equal_to_the_last_pixel(film: Film) -> None:
    detectors = [Told("tight", film, TIGHT, 0.0, seed=0), Told("loose", film, LOOSE, 0.0, seed=1)]
    apart = differences(*(track_landmarks(detector, film, 3) for detector in detectors), film)
    assert apart.centre.max() == apart.side.max() == apart.turn_deg.max() == apart.grey.max() == 0.0


def test_looking_at_every_third_image_gives_the_crops_of_looking_at_all(film: Film) -> None:
    told = Told("told", film, TIGHT, 0.0, seed=0)
    apart = differences(track_landmarks(told, film, 3), track_landmarks(told, film, 1), film)
    assert apart.centre.max() < 0.01
    assert apart.side.max() < 0.01
    assert apart.turn_deg.max() < 1.0
    assert apart.grey.max() < 3.0


@pytest.mark.parametrize("short_side_px", [192, 288])
def test_centerface_at_another_resolution_gives_much_the_same_crops(centerface: CenterFace, film: Film, short_side_px: int) -> None:
    # The network reads a face differently at each size; single images stray up to twice as far as these means.
    other = track_landmarks(CenterFace(short_side_px=short_side_px), film, 3)
    apart = differences(track_landmarks(centerface, film, 3), other, film)
    assert apart.centre.mean() < 0.03
    assert apart.side.mean() < 0.06
    assert apart.turn_deg.mean() < 2.0


def test_centerface_places_the_crop_within_a_tenth_of_the_face(centerface: CenterFace, film: Film) -> None:
    apart = differences(film.landmarks, track_landmarks(centerface, film, 3), film)
    assert apart.centre.max() < 0.1
    assert apart.side.max() < 0.1
    assert apart.turn_deg.max() < 4.0
