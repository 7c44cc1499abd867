from __future__ import annotations

from io import BytesIO

import av
import numpy as np
import pytest

from syncqc.media.crop_video import DamagedStreamError, decoded_crops, encoded_crops


def moving(n: int, height: int = 24, width: int = 48) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    red = 128 + 100 * np.sin((x[None] + 3 * np.arange(n)[:, None, None]) / 9)
    return np.stack([red, np.broadcast_to(200.0 * y / height, red.shape), np.broadcast_to(200.0 * x / width, red.shape)], axis=-1).astype(
        np.uint8
    )


def psnr_db(one: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.square(one.astype(float) - other).mean()))


@pytest.mark.parametrize("n", [1, 2, 5, 40])
@pytest.mark.parametrize(("height", "width"), [(24, 48), (72, 128), (54, 90)])
def test_every_image_comes_back_in_its_place(n: int, height: int, width: int) -> None:
    crops = moving(n, height, width)
    back = decoded_crops(encoded_crops(crops, 10), n, height, width)
    assert back.shape == crops.shape
    nearest = [int(np.argmin([np.abs(image.astype(int) - other).mean() for other in crops])) for image in back]
    assert nearest == list(range(n))
    assert psnr_db(crops, back) > 36


def test_colours_are_those_that_went_in() -> None:
    colours = np.array([[200, 40, 40], [40, 200, 40], [40, 40, 200], [250, 250, 250], [4, 4, 4]], np.uint8)
    for colour in colours:
        crops = np.broadcast_to(colour, (3, 16, 16, 3))
        assert np.abs(decoded_crops(encoded_crops(crops, 10), 3, 16, 16).astype(int) - colour).max() <= 3


def test_a_higher_crf_is_smaller_and_farther_from_the_truth() -> None:
    crops = moving(25, 72, 128) // 2 + np.random.default_rng(1).integers(0, 20, (25, 72, 128, 3), np.uint8)
    streams = [encoded_crops(crops, crf) for crf in (15, 25, 35)]
    sizes = [len(stream) for stream in streams]
    quality_db = [psnr_db(crops, decoded_crops(stream, 25, 72, 128)) for stream in streams]
    assert sizes == sorted(sizes, reverse=True)
    assert quality_db == sorted(quality_db, reverse=True)


def test_the_same_crops_give_the_same_bytes() -> None:
    assert encoded_crops(moving(30), 20) == encoded_crops(moving(30), 20)


def test_one_key_frame_and_no_note_of_the_encoder() -> None:
    stream = encoded_crops(moving(120), 20)
    assert b"x264" not in stream
    with av.open(BytesIO(stream), format="h264") as container:
        assert [frame.key_frame for frame in container.decode(video=0)] == [True] + [False] * 119


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda stream: stream, "5 images can be decoded, not 6"),
        (lambda stream: b"", "0 images can be decoded, not 6"),
        (lambda stream: bytes(300), "cannot be decoded|can be decoded, not 6"),
        (lambda stream: encoded_crops(moving(6, 32, 48), 20), "the images are 48x32, not 48x24"),
        (lambda stream: encoded_crops(moving(7), 20), "7 images can be decoded, not 6"),
    ],
    ids=["too few", "nothing", "zeros", "another size", "too many"],
)
def test_a_stream_that_is_another_one_is_refused(damage: object, sentence: str) -> None:
    with pytest.raises(DamagedStreamError, match=sentence):
        decoded_crops(damage(encoded_crops(moving(5), 20)), 6, 24, 48)  # type: ignore[operator]
