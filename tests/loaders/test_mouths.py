"""Crops through which gradients flow are the crops that the network was trained on."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from syncqc.faces.crop import CropShape, mouth_crops
from syncqc.loaders.mouths import mouths

FACE = np.array([[-25, -25], [25, -27], [0, 5], [-17, 35], [20, 33]], np.float32)
"""Five landmarks around the middle of a face with eyes 50 pixels apart."""


def picture(seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (200, 240, 3), dtype=np.uint8)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2)
    return cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX)


def face(size: float, x: float, y: float, turn_deg: float = 0.0) -> np.ndarray:
    turn = np.deg2rad(turn_deg)
    turned = FACE @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]], np.float32)
    return (turned * size + np.array([x, y])).astype(np.float32)


FACES = {
    "small": face(0.4, 120, 90),
    "as large as the crop": face(0.914, 120, 90),
    "large": face(1.7, 120, 90),
    "turned": face(0.8, 110, 100, turn_deg=25),
    "over the border": face(1.2, 10, 170, turn_deg=-10),
}


@pytest.mark.parametrize("shape", [CropShape(), CropShape(32, 64, 1.5)], ids=["48x96", "32x64 and more around"])
@pytest.mark.parametrize("landmarks", FACES.values(), ids=FACES)
def test_the_crop_is_that_of_faces_crop(landmarks: np.ndarray, shape: CropShape) -> None:
    image = picture(1)
    expected = mouth_crops(image[None], landmarks[None], shape)[0]
    found = mouths(torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255, torch.from_numpy(landmarks)[None], shape)
    assert found.shape == (1, 3, shape.height_px, shape.width_px)
    off = np.abs(255 * found[0].permute(1, 2, 0).numpy() - expected)
    # Rounding to bytes alone gives up to 0.5, on average 0.25; OpenCV also rounds places to 1/32 pixel.
    assert off.mean() < 0.4
    assert off.max() < 3
    assert expected.std() > 5, "a flat picture would agree anywhere"


def test_faces_of_different_sizes_keep_their_order() -> None:
    images = torch.stack([torch.from_numpy(picture(seed)).permute(2, 0, 1).double() / 255 for seed in range(len(FACES))])
    landmarks = torch.from_numpy(np.stack(list(FACES.values())))
    together = mouths(images, landmarks, CropShape())
    one_by_one = torch.cat([mouths(images[i : i + 1], landmarks[i : i + 1], CropShape()) for i in range(len(FACES))])
    torch.testing.assert_close(together, one_by_one)


def test_gradients_are_those_of_finite_differences() -> None:
    torch.manual_seed(0)
    images = torch.rand(3, 3, 24, 30, dtype=torch.double, requires_grad=True)
    landmarks = torch.from_numpy(np.stack([face(0.1, 15, 10), face(0.3, 12, 12, 20), face(0.12, 2, 20)]))
    assert torch.autograd.gradcheck(lambda x: mouths(x, landmarks, CropShape(6, 12)), images, fast_mode=True)


def test_no_gradient_reaches_the_landmarks() -> None:
    images = torch.rand(1, 3, 24, 30, requires_grad=True)
    landmarks = torch.from_numpy(face(0.2, 15, 10))[None].requires_grad_()
    mouths(images, landmarks, CropShape()).sum().backward()
    assert landmarks.grad is None
    assert images.grad is not None
    assert images.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("images", "landmarks", "words"),
    [
        ((2, 3, 24, 30), (3, 5, 2), r"images must be \(n, 3, h, w\)"),
        ((2, 24, 30, 3), (2, 5, 2), r"images must be \(n, 3, h, w\)"),
        ((2, 3, 24, 30), (2, 68, 2), r"landmarks \(n, 5, 2\)"),
    ],
    ids=["another number", "channels last", "68 points"],
)
def test_wrong_shapes_are_refused(images: tuple[int, ...], landmarks: tuple[int, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        mouths(torch.zeros(images), torch.zeros(landmarks), CropShape())


def test_a_face_that_was_not_found_is_refused() -> None:
    landmarks = torch.from_numpy(np.stack([face(0.2, 15, 10), np.full((5, 2), np.nan, np.float32)]))
    with pytest.raises(ValueError, match="not finite"):
        mouths(torch.zeros(2, 3, 24, 30), landmarks, CropShape())
