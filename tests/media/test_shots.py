from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncqc.media.shots import ShotFinder, shots

HEIGHT, WIDTH = 90, 160


def scene(seed: int, brightness: float = 1.0) -> np.ndarray:
    """A smooth picture in several colours, another one for each seed."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (WIDTH * 2, HEIGHT * 2)) * brightness, np.uint8)


def still(seed: int, n: int, brightness: float = 1.0) -> list[np.ndarray]:
    """`n` images of one scene with a little noise."""
    rng = np.random.default_rng(seed + 1000)
    picture = scene(seed, brightness)[:HEIGHT, :WIDTH].astype(np.int16)
    return [np.clip(picture + rng.integers(-4, 5, picture.shape), 0, 255).astype(np.uint8) for _ in range(n)]


def pan(seed: int, n: int, step_px: int) -> list[np.ndarray]:
    wide = scene(seed)
    return [wide[:HEIGHT, k * step_px : k * step_px + WIDTH] for k in range(n)]


def repeated_at_10_fps(seed: int) -> list[np.ndarray]:
    return [image for image in pan(seed, 10, 3) for _ in range(3)][:25]


FLASH = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)

CASES = {
    "nothing": (still(1, 30), []),
    "one cut": (still(1, 12) + still(2, 18), [12]),
    "two cuts 3 images apart": (still(1, 12) + still(2, 3) + still(3, 15), [12, 15]),
    "cut at image 1": (still(1, 1) + still(2, 20), [1]),
    "cut at the last image": (still(1, 20) + still(2, 1), [20]),
    "dark scenes": (still(1, 12, 0.3) + still(2, 12, 0.3), [12]),
    "pan": (pan(1, 20, 8), []),
    "cut between two pans": (pan(1, 12, 4) + pan(2, 12, 4), [12]),
    "flash of 1 image": ([*still(1, 12), FLASH, *still(1, 12)], []),
    "flash of 2 images": (still(1, 12) + [FLASH] * 2 + still(1, 12), []),
    "white shot of 12 images": (still(1, 12) + [FLASH] * 12 + still(1, 12), [12, 24]),
    "cut through a flash": ([*still(1, 12), FLASH, *still(2, 12)], [12, 13]),
    "pictures at 10 per second": (repeated_at_10_fps(1), []),
}


@pytest.mark.parametrize(("images", "expected"), CASES.values(), ids=CASES.keys())
def test_cuts_are_where_the_scene_changes(images: list[np.ndarray], expected: list[int]) -> None:
    assert ShotFinder().cuts(np.stack(images), 0) == expected


@pytest.mark.parametrize("border", [3, 9, 10, 11, 12, 13, 14, 25], ids=lambda border: f"batch ends before {border}")
def test_batches_give_what_one_call_gives(border: int) -> None:
    images = np.stack(still(1, 12) + still(2, 18))
    finder = ShotFinder()
    assert finder.cuts(images[:border], 0) + finder.cuts(images[border:], border) == [12]


def test_single_images_are_batches_too() -> None:
    images = np.stack(still(1, 6) + still(2, 6))
    finder = ShotFinder()
    assert [cut for i in range(12) for cut in finder.cuts(images[i : i + 1], i)] == [6]


def test_batch_that_does_not_go_on_starts_afresh() -> None:
    finder = ShotFinder()
    assert finder.cuts(np.stack(still(1, 10)), 0) == []
    assert finder.cuts(np.stack(still(2, 10)), 0) == [], "another clip, not a cut"
    assert finder.cuts(np.stack(still(3, 10)), 50) == [], "images are missing between the batches"


def test_pictures_of_another_size_start_afresh() -> None:
    finder = ShotFinder()
    finder.cuts(np.stack(still(1, 10)), 0)
    assert finder.cuts(np.stack(still(2, 10))[:, :60, :80], 10) == []


def test_empty_batch_has_no_cuts() -> None:
    assert ShotFinder().cuts(np.zeros((0, HEIGHT, WIDTH, 3), np.uint8), 0) == []


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 700), (241, 321), (1280, 720)])
def test_any_size_of_picture_works(height: int, width: int) -> None:
    images = np.zeros((10, height, width, 3), np.uint8)
    images[5:] = 200
    assert ShotFinder().cuts(images, 0) == [5]


def test_input_is_not_changed() -> None:
    images = np.stack(still(1, 4) + still(2, 4))
    before = images.copy()
    ShotFinder().cuts(images, 0)
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize(
    ("first", "end", "cuts", "expected"),
    [
        (0, 100, [], [(0, 100)]),
        (0, 100, [40], [(0, 40), (40, 100)]),
        (50, 100, [50, 100, 7, 120], [(50, 100)]),
        (50, 100, [90, 60, 60], [(50, 60), (60, 90), (90, 100)]),
        (50, 50, [50], []),
    ],
    ids=["no cut", "one cut", "borders and outside", "unsorted and double", "no images"],
)
def test_shots(first: int, end: int, cuts: list[int], expected: list[tuple[int, int]]) -> None:
    assert shots(first, end, cuts) == expected


@given(first=st.integers(0, 50), n=st.integers(1, 50), cuts=st.lists(st.integers(-10, 110)))
def test_shots_cover_every_image_once(first: int, n: int, cuts: list[int]) -> None:
    images = [image for start, end in shots(first, first + n, cuts) for image in range(start, end)]
    assert images == list(range(first, first + n))
