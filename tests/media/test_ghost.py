"""Changes of blocks by hand, traces of planted changes, and repeats."""

from __future__ import annotations

import numpy as np
import pytest

from syncqc.media.ghost import MAX_PX, Plane, block_changes, change_trace, picture_on_show, repeated_share


def grey(*levels: int, height: int = 32, width: int = 48) -> np.ndarray:
    """Even images, one per level: grey in RGB is the same grey."""
    return np.stack([np.full((height, width, 3), level, np.uint8) for level in levels])


def test_a_blocks_change_is_its_mean_absolute_difference() -> None:
    images = grey(100, 100, 100)
    images[1, :16, :16] += 8  # one block of six by 8
    images[2, 16, 32] += 64  # one pixel of 256 by 64: 0.25; and the first block goes back
    changes, last = block_changes(images, 7)
    assert np.isnan(changes[0]).all()
    np.testing.assert_allclose(changes[1], [8, 0, 0, 0, 0, 0])
    np.testing.assert_allclose(changes[2], [8, 0, 0, 0, 0, 0.25])
    assert last.image == 9
    np.testing.assert_array_equal(last.grey[16, 30:34], [100, 100, 164, 100])


def test_green_counts_most_as_in_luma() -> None:
    images = np.zeros((2, 16, 16, 3), np.uint8)
    images[1, :, :, 1] = 100
    assert block_changes(images, 0)[0][1] == pytest.approx(0.587 * 100, abs=0.5)


@pytest.mark.parametrize(
    ("before", "is_compared"),
    [
        pytest.param(Plane(4, np.full((32, 48), 90, np.uint8)), True, id="the one ahead"),
        pytest.param(Plane(3, np.full((32, 48), 90, np.uint8)), False, id="not the one ahead"),
        pytest.param(Plane(4, np.full((16, 48), 90, np.uint8)), False, id="another size"),
        pytest.param(None, False, id="none"),
    ],
)
def test_the_first_image_is_held_against_the_one_ahead_of_it(before: Plane | None, is_compared: bool) -> None:
    changes, _ = block_changes(grey(100, 100), 5, before)
    expected = np.full(6, 10.0 if is_compared else np.nan)
    np.testing.assert_array_equal(changes[0], expected)


def test_parts_one_after_the_other_give_what_the_whole_gives() -> None:
    images = np.random.default_rng(0).integers(0, 255, (9, 32, 48, 3), np.uint8)
    whole, _ = block_changes(images, 0)
    one, plane = block_changes(images[:4], 0)
    other, _ = block_changes(images[4:], 4, plane)
    np.testing.assert_array_equal(np.concatenate([one, other]), whole)


def test_of_large_pictures_even_rows_are_looked_at() -> None:
    changes, last = block_changes(grey(1, 3, height=1088, width=1920), 0)
    assert 0.9 * MAX_PX < last.grey.size <= MAX_PX
    np.testing.assert_allclose(changes[1], 2)


@pytest.mark.parametrize("size", [(5, 5), (16, 16), (17, 40)], ids=str)
def test_small_pictures_have_at_least_one_block(size: tuple[int, int]) -> None:
    changes, _ = block_changes(grey(1, 3, height=size[0], width=size[1]), 0)
    np.testing.assert_allclose(changes[1], 2)


@pytest.mark.parametrize(
    ("fps", "pictures"),
    [
        (25.0, [0, 1, 2, 3, 4, 5]),
        (30.0, [0, 1, 2, 3, 4, 6]),
        (30000 / 1001, [0, 1, 2, 3, 4, 5]),  # 5 x 1.1988 = 5.994: not yet the sixth
        (50.0, [0, 2, 4, 6, 8, 10]),
        (12.5, [0, 0, 1, 1, 2, 2]),
    ],
)
def test_which_picture_an_image_shows(fps: float, pictures: list[int]) -> None:
    assert picture_on_show(np.arange(6), fps).tolist() == pictures


def noise(n: int = 100, blocks: int = 60, seed: int = 0) -> np.ndarray:
    """Changes of a still picture's noise; some blocks move a lot."""
    rng = np.random.default_rng(seed)
    changes = rng.gamma(8.0, 0.05, (n, blocks)).astype(np.float32)
    changes[:, : blocks // 4] += rng.gamma(2.0, 8.0, (n, blocks // 4)).astype(np.float32)
    return changes


def test_a_change_of_still_blocks_stands_out_and_one_of_moving_blocks_does_not() -> None:
    changes = noise()
    changes[40, 15:] *= 3
    changes[70, :15] *= 3
    trace = change_trace(changes, 0, 25.0)
    assert trace[40] == 6.0
    assert trace[70] < 3
    assert np.argmax(trace) == 40
    assert trace.min() >= -2.5


def test_what_was_not_compared_or_did_not_change_at_all_has_no_number() -> None:
    changes = noise()
    changes[0] = np.nan
    changes[[30, 31]] = 0
    trace = change_trace(changes, 0, 25.0)
    assert np.flatnonzero(np.isnan(trace)).tolist() == [0, 30, 31]


@pytest.mark.parametrize("n", [1, 21])
def test_too_few_images_have_no_numbers(n: int) -> None:
    assert np.isnan(change_trace(noise(n), 0, 25.0)).all()


@pytest.mark.parametrize("rhythm", [2, 3, 4, 5])
def test_short_rhythms_are_taken_out(rhythm: int) -> None:
    changes = noise(150)
    changes[rhythm - 1 :: rhythm, 15:] *= 1.6
    trace = change_trace(changes, 0, 25.0)
    means = [trace[phase::rhythm].mean() for phase in range(rhythm)]
    assert max(means) - min(means) < 0.6


def test_pictures_left_out_by_reading_30_at_25_are_no_rhythm() -> None:
    changes = noise(150)
    changes[5::5] *= 2  # every fifth image comes two pictures after the one before
    trace = change_trace(changes, 0, 30.0)
    assert abs(trace[5::5].mean() - np.delete(trace, np.s_[5::5]).mean()) < 0.6


@pytest.mark.parametrize(
    ("fps", "still", "share"),
    [
        pytest.param(25.0, [], 0.0, id="none"),
        pytest.param(25.0, [3, 8, 13, 18], 4 / 19, id="20 fps within 25"),
        pytest.param(25.0, list(range(1, 20, 2)), 10 / 19, id="every second"),
        pytest.param(12.5, list(range(1, 20, 2)), 0.0, id="repeats by reading 12.5"),
        pytest.param(25.0, list(range(20)), 1.0, id="frozen"),
    ],
)
def test_repeated_share(fps: float, still: list[int], share: float) -> None:
    changes = 1 + noise(20)
    changes[0] = np.nan
    changes[still] = 0.01
    changes[0] = np.nan
    assert repeated_share(changes, 0, fps) == pytest.approx(share)


def test_a_repeat_that_was_coded_again_still_counts() -> None:
    changes = 1 + noise(40)
    changes[10] *= 0.05
    assert repeated_share(changes[1:], 1, 25.0) == pytest.approx(1 / 39)


def test_nothing_compared_has_no_share() -> None:
    assert repeated_share(np.full((1, 4), np.nan, np.float32), 0, 25.0) is None
