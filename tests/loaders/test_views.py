from __future__ import annotations

import numpy as np
import pytest

from syncqc.loaders.views import covering, faces, points_in_cover, points_in_faces


def dotted(height: int, width: int, at: tuple[int, int]) -> np.ndarray:
    """Two black pictures with a white square of 5 pixels whose centre is at x, y."""
    images = np.zeros((2, height, width, 3), np.uint8)
    x, y = at
    images[:, y - 2 : y + 3, x - 2 : x + 3] = 255
    return images


def centre_of_light(image: np.ndarray) -> tuple[float, float]:
    light = image[..., 0].astype(float)
    return (light.sum(axis=0) @ np.arange(light.shape[1]) / light.sum(), light.sum(axis=1) @ np.arange(light.shape[0]) / light.sum())


SIZES = {"smaller": (30, 40), "larger": (90, 80), "wider": (20, 90), "higher": (96, 24), "the same": (60, 80)}


@pytest.mark.parametrize("size_px", SIZES.values(), ids=SIZES.keys())
def test_a_picture_covers_its_size_and_points_stay_on_what_they_mark(size_px: tuple[int, int]) -> None:
    at = (41, 31)
    found, scale, cut_px = covering(dotted(60, 80, at), size_px)
    assert found.shape == (2, *size_px, 3)
    assert scale == max(size_px[0] / 60, size_px[1] / 80)
    points = points_in_cover(np.array([[at]] * 2, np.float32), scale, cut_px)
    assert points.shape == (2, 1, 2)
    np.testing.assert_allclose(points[1, 0], centre_of_light(found[1]), atol=0.3)


@pytest.mark.parametrize("size_px", SIZES.values(), ids=SIZES.keys())
def test_a_face_fills_its_size_and_points_stay_on_what_they_mark(size_px: tuple[int, int]) -> None:
    at = (41, 31)
    boxes = np.array([[30, 20, 50, 40]] * 2, np.float32)
    found, centres, steps = faces(dotted(60, 80, at), boxes, size_px, 1.3)
    assert found.shape == (2, *size_px, 3)
    # 1.3 boxes of 20 pixels fill the shorter side.
    np.testing.assert_allclose(steps, 26 / min(size_px), rtol=1e-6)
    points = points_in_faces(np.array([[at]] * 2, np.float32), centres, steps, size_px)
    np.testing.assert_allclose(points[1, 0], centre_of_light(found[1]), atol=0.3)


def test_beyond_the_picture_its_edge_is_repeated() -> None:
    image = np.full((1, 40, 40, 3), 200, np.uint8)
    found, _, _ = faces(image, np.array([[-20, -20, 10, 10]], np.float32), (16, 16), 1.5)
    assert (found == 200).all()
