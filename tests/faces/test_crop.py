from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncqc.faces.crop import CropShape, mouth_crops, placement
from syncqc.faces.detector import F32, U8

Moved = Callable[[float, float, tuple[float, float], tuple[int, int]], tuple[U8, F32]]

FRONTAL = np.array([[40, 50], [60, 50], [50, 60], [43, 70], [57, 70]], np.float32)
"""Eyes 20 apart and 20 above the mouth: the side is 2.1 * 20 = 42, the centre (50, 70)."""


@pytest.mark.parametrize(
    ("landmarks", "centre", "side", "turn_deg"),
    [
        pytest.param(FRONTAL, (50, 70), 42.0, 0.0, id="frontal-eyes-decide"),
        pytest.param([[46, 50], [54, 50], [50, 60], [47, 70], [53, 70]], (50, 70), 38.0, 0.0, id="profile-drop-decides"),
        pytest.param([[40, 50], [60, 50], [50, 70], [43, 90], [57, 90]], (50, 90), 76.0, 0.0, id="long-face"),
        pytest.param([[70, 40], [70, 60], [60, 50], [50, 43], [50, 57]], (50, 50), 42.0, 90.0, id="lying-on-its-left"),
        # Eyes level, mouth 5 to the right: the second reading says (20, -5), both together (40, -5).
        pytest.param([[40, 50], [60, 50], [52, 60], [48, 70], [62, 70]], (55, 70), 42.0, np.degrees(np.arctan2(-5, 40)), id="two-readings"),
    ],
)
def test_placement_by_hand(landmarks: object, centre: tuple[float, float], side: float, turn_deg: float) -> None:
    centres, sides, turns = placement(np.array([landmarks], np.float32))
    np.testing.assert_allclose(centres, [centre], atol=1e-4)
    np.testing.assert_allclose(sides, [side], rtol=1e-5)
    np.testing.assert_allclose(np.degrees(turns), [turn_deg], atol=1e-4)


coordinates = st.tuples(st.floats(0, 1), st.floats(0, 1))


@given(
    wobble=st.lists(coordinates, min_size=5, max_size=5),
    angle=st.floats(-3.0, 3.0),
    scale=st.floats(0.2, 5.0),
    shift=st.tuples(st.floats(-300, 300), st.floats(-300, 300)),
)
def test_placement_moves_turns_and_grows_with_the_face(
    wobble: list[tuple[float, float]], angle: float, scale: float, shift: tuple[float, float]
) -> None:
    face = FRONTAL + 6 * np.array(wobble, np.float32)
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    matrix = np.array([[cos, -sin], [sin, cos]])
    (centre,), (side,), (turn,) = placement(face[None])
    (moved_centre,), (moved_side,), (moved_turn,) = placement((face @ matrix.T + np.array(shift)).astype(np.float32)[None])
    np.testing.assert_allclose(moved_centre, matrix @ centre + np.array(shift), atol=2e-3 * max(scale, 1))
    assert moved_side == pytest.approx(scale * side, rel=1e-3)
    assert np.angle(np.exp(1j * (moved_turn - turn - angle))) == pytest.approx(0.0, abs=2e-3)


@given(wobble=st.lists(coordinates, min_size=5, max_size=5))
def test_a_mirrored_face_has_the_mirrored_placement(wobble: list[tuple[float, float]]) -> None:
    face = FRONTAL + 6 * np.array(wobble, np.float32)
    mirrored = (face * [-1, 1] + [100, 0])[[1, 0, 2, 4, 3]].astype(np.float32)
    (centre,), (side,), (turn,) = placement(face[None])
    (mirrored_centre,), (mirrored_side,), (mirrored_turn,) = placement(mirrored[None])
    np.testing.assert_allclose(mirrored_centre, [100 - centre[0], centre[1]], atol=1e-3)
    assert mirrored_side == pytest.approx(side, rel=1e-4)
    assert mirrored_turn == pytest.approx(-turn, abs=1e-4)


def test_the_nose_and_the_boxes_play_no_part() -> None:
    other = FRONTAL.copy()
    other[2] = (90, 10)
    for one, two in zip(placement(FRONTAL[None]), placement(other[None]), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.fixture
def noise() -> U8:
    return np.random.default_rng(1).integers(0, 256, (100, 120, 3)).astype(np.uint8)


AT_HALF = FRONTAL + np.array([0.5, 0], np.float32)
"""Centre (50.5, 70), side 42: at 21 x 42 px the crop is columns 30 to 71 and rows 60 to 80, pixel for pixel."""


@pytest.mark.parametrize(
    ("shape", "rows", "columns"),
    [
        pytest.param(CropShape(21, 42), slice(60, 81), slice(30, 72), id="one-side"),
        pytest.param(CropShape(31, 62, margin=62 / 42), slice(55, 86), slice(20, 82), id="with-margin"),
    ],
)
def test_an_upright_crop_of_the_same_size_is_a_piece_of_the_picture(noise: U8, shape: CropShape, rows: slice, columns: slice) -> None:
    (crop,) = mouth_crops(noise[None], AT_HALF[None], shape)
    np.testing.assert_array_equal(crop, noise[rows, columns])


@pytest.mark.parametrize(
    ("shift", "rows", "columns"),
    [
        pytest.param((-50, 0), (60, 81), (-20, 22), id="left"),
        pytest.param((60, 25), (85, 106), (90, 132), id="lower-right"),
        pytest.param((0, -75), (-15, 6), (30, 72), id="top"),
    ],
)
def test_beyond_the_border_the_edge_is_repeated(noise: U8, shift: tuple[int, int], rows: tuple[int, int], columns: tuple[int, int]) -> None:
    padded = np.pad(noise, ((50, 50), (50, 50), (0, 0)), mode="edge")
    (crop,) = mouth_crops(noise[None], (AT_HALF + np.array(shift, np.float32))[None], CropShape(21, 42))
    np.testing.assert_array_equal(crop, padded[rows[0] + 50 : rows[1] + 50, columns[0] + 50 : columns[1] + 50])


def test_a_turned_face_gives_an_upright_crop(noise: U8) -> None:
    # The picture turned by a quarter, clockwise: (x, y) goes to (99 - y, x).
    turned = np.ascontiguousarray(np.rot90(noise, k=-1))
    landmarks = np.stack([99 - AT_HALF[:, 1], AT_HALF[:, 0]], axis=1)
    (crop,) = mouth_crops(turned[None], landmarks[None], CropShape(21, 42))
    assert np.abs(crop.astype(int) - noise[60:81, 30:72]).max() <= 2


@pytest.mark.parametrize("step", [2, 4, 7])
def test_detail_finer_than_a_pixel_becomes_grey(step: int) -> None:
    board = np.indices((400, 400)).sum(axis=0) % 2 * 255
    picture = np.repeat(board[:, :, None], 3, axis=2).astype(np.uint8)
    landmarks = (FRONTAL - [50, 70]) * step + [200.3, 200.8]
    (crop,) = mouth_crops(picture[None], landmarks.astype(np.float32)[None], CropShape(21, 42))
    assert np.abs(crop.astype(int) - 127).max() <= 4


def test_one_crop_per_image_each_by_its_own_landmarks(noise: U8) -> None:
    images = np.stack([noise, 255 - noise])
    landmarks = np.stack([AT_HALF, AT_HALF + np.array([7, 3], np.float32)])
    before = images.copy()
    crops = mouth_crops(images, landmarks, CropShape(21, 42))
    assert (crops.shape, crops.dtype) == ((2, 21, 42, 3), np.uint8)
    np.testing.assert_array_equal(crops[0], noise[60:81, 30:72])
    np.testing.assert_array_equal(crops[1], 255 - noise[63:84, 37:79])
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize("landmarks", [np.full((5, 2), 30.0), FRONTAL * 0.01, FRONTAL + 5000.0], ids=["a-point", "tiny", "far-outside"])
def test_odd_landmarks_give_a_crop_all_the_same(noise: U8, landmarks: F32) -> None:
    assert mouth_crops(noise[None], landmarks.astype(np.float32)[None], CropShape()).shape == (1, 48, 96, 3)


@pytest.mark.parametrize(
    ("turn_deg", "scale"),
    [pytest.param(20.0, 1.0, id="turned"), pytest.param(-20.0, 0.8, id="other-way"), pytest.param(0.0, 1.6, id="scaled")],
)
def test_the_crop_of_a_moved_face_is_the_same(moved_astronaut: Moved, turn_deg: float, scale: float) -> None:
    shape = CropShape(24, 48)
    still, moved = (moved_astronaut(turn, size, (200.0, 150.0), (400, 340)) for turn, size in ((0.0, 1.0), (turn_deg, scale)))
    expected, crop = (mouth_crops(picture[None], landmarks[None], shape)[0].astype(int) for picture, landmarks in (still, moved))
    assert np.abs(crop - expected).mean() < 4
    # The same number for the crop that the unmoved landmarks would give shows that 4 is little.
    assert np.abs(mouth_crops(moved[0][None], still[1][None], shape)[0].astype(int) - expected).mean() > 12


def test_the_crop_of_a_mirrored_face_is_mirrored(astronaut: U8, astronaut_landmarks: F32) -> None:
    mirrored = (astronaut_landmarks * [-1, 1] + [511, 0])[[1, 0, 2, 4, 3]].astype(np.float32)
    (crop,) = mouth_crops(astronaut[None], astronaut_landmarks[None], CropShape())
    (other,) = mouth_crops(np.ascontiguousarray(astronaut[:, ::-1])[None], mirrored[None], CropShape())
    assert np.abs(crop.astype(int) - other[:, ::-1]).mean() < 1


def test_the_crop_shows_the_lower_half_of_the_face(astronaut: U8, astronaut_landmarks: F32) -> None:
    shape = CropShape(48, 96)
    (crop,) = mouth_crops(astronaut[None], astronaut_landmarks[None], shape)
    (side,) = placement(astronaut_landmarks[None])[1]
    middle = cv2.getRectSubPix(astronaut, (round(side), round(side / 2)), tuple(map(float, astronaut_landmarks[3:].mean(axis=0))))
    assert np.abs(cv2.resize(middle, (96, 48)).astype(int) - crop).mean() < 8
