from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncqc.media.probe import probe
from syncqc.media.still import frozen_ratio, frozen_start_s, stillness
from syncqc.media.video import read_images


def images(numbers: str) -> np.ndarray:
    """Plain pictures; each letter is a picture of its own brightness."""
    return np.stack([np.full((72, 128, 3), 20 + 3 * (ord(letter) - ord("a")), np.uint8) for letter in numbers])


MOVING = "abcdefghij"


@pytest.mark.parametrize(
    ("shown", "before", "start_s", "ratio"),
    [
        (MOVING, None, 0.0, 0.0),
        (MOVING, "a", 0.0, 0.0),
        ("a" * 9 + MOVING[1:], None, 0.0, 0.0),  # nine alike: eight repeats of the first
        ("a" * 10 + MOVING[1:], None, 0.4, 9 / 18),  # nine of the 18 that can repeat one
        ("a" * 10 + MOVING[1:], "z", 0.4, 9 / 19),
        ("a" * 9 + MOVING[1:], "a", 0.36, 9 / 18),  # with the one before it is ten
        ("a" * 8 + MOVING[1:], "a", 0.0, 0.0),
        ("a" * 20, None, 0.8, 1.0),
        ("a" * 20, "a", 0.8, 1.0),
        ("b" + "a" * 20, None, 0.0, 19 / 20),
        ("a" * 15 + "b" * 15, None, 0.6, 28 / 29),
        ("a", None, 0.0, 0.0),
        ("a", "a", 0.0, 0.0),
    ],
    ids=[
        "moves",
        "moves from the second one on",
        "nine alike",
        "ten alike",
        "ten alike after a cut",
        "nine alike after one before",
        "eight alike after one before",
        "all",
        "all, and before",
        "later",
        "two stills",
        "one image",
        "one image, as before",
    ],
)
def test_how_long_the_picture_stands_still(shown: str, before: str | None, start_s: float, ratio: float) -> None:
    ahead = None if before is None else images(before)[0]
    assert frozen_start_s(images(shown), ahead) == pytest.approx(start_s)
    assert frozen_ratio(images(shown), ahead) == pytest.approx(ratio)


def popping(*stretches: tuple[int, float]) -> np.ndarray:
    """Stretches of equal images, each brighter than the one before by so much on average."""
    shown, level = [], 0.0
    for n, step in stretches:
        level += step
        image = np.full((36, 64, 3), 100, np.uint8)
        image[: round(36 * level)] += 1  # so large a share of the picture is one grey level brighter
        shown += [image] * n
    return np.stack(shown)


@pytest.mark.parametrize(
    ("stretches", "n_still"),
    [
        ([(30, 0), (30, 0.25), (30, 0.25)], 90),
        ([(30, 0), (4, 0.25)], 34),
        ([(30, 0), (4, 0.25), (30, 0.25)], 30),
        ([(1, 0), (12, 0.25), (1, 0.25), (12, 0.25)], 26),
        ([(30, 0), (30, 0.75)], 30),
        ([(5, 0), (5, 0.25), (5, 0.25)], 0),
    ],
    ids=["key frames", "one near the end", "a picture of 0.16 s is none", "two in a row", "another picture", "a low frame rate"],
)
def test_a_key_frame_of_the_same_picture_does_not_end_it(stretches: list[tuple[int, float]], n_still: int) -> None:
    assert frozen_start_s(popping(*stretches)) * 25 == pytest.approx(n_still)


def test_no_images_stand_still_for_no_time() -> None:
    none = np.empty((0, 72, 128, 3), np.uint8)
    assert (frozen_start_s(none), frozen_ratio(none)) == (0.0, 0.0)


@given(runs=st.lists(st.tuples(st.sampled_from("abcde"), st.integers(1, 25)), min_size=1, max_size=4))
def test_a_picture_that_begins_still_is_still_for_as_large_a_share_at_least(runs: list[tuple[str, int]]) -> None:
    shown = images("".join(letter * n for letter, n in runs))
    found = stillness(shown)
    assert 0 <= found.frozen_start_s <= len(shown) / 25
    # All images of the beginning but the first repeat one; neighbours are 3 grey levels apart, so none is taken for a key frame.
    assert found.frozen_ratio * max(1, len(shown) - 1) >= found.frozen_start_s * 25 - 1 - 1e-9


@pytest.mark.parametrize(("first", "start_s"), [(25, 1.0), (5, 0.0)], ids=["a second", "less than 0.4 s"])
def test_the_still_pictures_that_a_trim_without_new_times_leaves(make, first: int, start_s: float) -> None:
    """A constant rate makes ffmpeg repeat the first picture that is left until its time has come."""
    whole = make.clip(".mp4", sound_s=3.0, with_audio=False)
    path = make.changed(whole, ".mp4", "-vf", f"trim=start_frame={first}:end_frame=70", "-r", "25", "-fps_mode", "cfr", "-crf", "18")
    facts = probe(str(path))
    shown = np.stack(list(read_images(str(path), facts)))
    n_alike = next(k for k, image in enumerate(shown) if make.number_of(image) != first)
    assert n_alike == first + 1, "the picture itself and its repeats"
    assert frozen_start_s(shown) == pytest.approx(start_s + (0.04 if start_s else 0))
