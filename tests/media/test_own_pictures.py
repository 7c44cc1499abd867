from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from syncqc.media.mux import Encoding, Pictures, write_clip
from syncqc.media.own_pictures import middle_square, own_pictures
from syncqc.media.probe import probe


def clip(path: Path, times_s: list[Fraction] | None = None, fps: int | None = None, n: int = 30) -> Path:
    """Pictures of 96 x 64 that get lighter, picture k of grey 20 + 5 k, a white square in the middle of each."""
    images = []
    for k in range(n):
        image = np.full((64, 96, 3), 20 + 5 * k, np.uint8)
        image[24:40, 40:56] = 255
        images.append(image)
    rate = None if fps is None else Fraction(fps)
    write_clip(path, Pictures(images, 96, 64, rate, times_s), None, Encoding("h264"))
    return path


def greys(pictures: np.ndarray) -> list[int]:
    return [round((float(picture[0, 0].mean()) - 20) / 5) for picture in pictures]


@pytest.mark.parametrize(("is_reduced", "n_white"), [(True, 8), (False, 16)], ids=["reduced", "at its own scale"])
def test_every_picture_comes_once_with_its_time_and_from_its_middle(tmp_path: Path, is_reduced: bool, n_white: int) -> None:
    path = str(clip(tmp_path / "a.mp4", fps=30))
    pictures, times_s, end_s = own_pictures(path, probe(path), Fraction(2), 32, is_reduced=is_reduced)
    assert pictures.shape == (30, 32, 32, 3)
    assert greys(pictures) == list(range(30))
    assert times_s == [Fraction(k, 30) for k in range(30)]
    assert end_s == 1
    assert abs(int((pictures[0, 16, :, 0] > 150).sum()) - n_white) <= 1
    assert pictures[0, 16, 16, 0] > 230


def test_nothing_is_read_after_the_time_that_was_asked_for(tmp_path: Path) -> None:
    path = str(clip(tmp_path / "a.mp4", fps=10))
    pictures, times_s, end_s = own_pictures(path, probe(path), Fraction(1), 32, is_reduced=True)
    assert greys(pictures) == list(range(10))
    assert (times_s[-1], end_s) == (Fraction(9, 10), 1)


def test_uneven_pictures_keep_their_times(tmp_path: Path) -> None:
    times_s = [Fraction(k * k, 100) for k in range(8)]
    path = str(clip(tmp_path / "a.mkv", times_s, n=8))
    pictures, found_s, _ = own_pictures(path, probe(path), Fraction(9), 32, is_reduced=True)
    assert greys(pictures) == list(range(8))
    assert found_s == times_s


@pytest.mark.parametrize("size", [(64, 96), (96, 64), (20, 90), (10, 11)])
def test_a_middle_square_of_any_picture(size: tuple[int, int]) -> None:
    rows, columns = np.indices(size)
    picture = np.stack([rows, columns, rows], 2).astype(np.uint8)
    cut = middle_square(picture, 40)
    assert cut.shape == (40, 40, 3)
    # The middle stays the middle; where the picture ends its edge goes on.
    assert abs(int(cut[20, 20, 0]) - size[0] // 2) <= 1
    assert abs(int(cut[20, 20, 1]) - size[1] // 2) <= 1
    assert set(np.unique(cut[:, :, 1])) <= set(range(size[1]))
