from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncqc import clock

images = st.integers(min_value=-(10**9), max_value=10**9)
counts = st.integers(min_value=0, max_value=200_000)


def test_the_rates_fit_together() -> None:
    assert clock.SAMPLES_PER_IMAGE == 640
    assert clock.MEL_HOP_SAMPLES == 200
    assert clock.MS_PER_IMAGE == 40
    assert clock.WINDOW_CENTRE_IMAGE == clock.WINDOW_IMAGES // 2
    # 16 columns are what five images last: 0.2 s.
    assert Fraction(clock.ALIGNED_MEL, clock.MEL_RATE_HZ) == Fraction(clock.WINDOW_IMAGES, clock.IMAGE_RATE_HZ)
    assert clock.ALIGNED_MEL + 2 * clock.CONTEXT_MEL == clock.WINDOW_MEL


@pytest.mark.parametrize(
    ("image", "nearest", "before"),
    [
        (0, 0, 0),
        (1, 3, 3),
        (2, 6, 6),
        (3, 10, 9),
        (4, 13, 12),
        (5, 16, 16),
        (-1, -3, -4),
        (-2, -6, -7),
        (-5, -16, -16),
        (10**9, 32 * 10**8, 32 * 10**8),
    ],
)
def test_aligned_mel_column_by_hand(image: int, nearest: int, before: int) -> None:
    assert clock.aligned_mel_column(image) == nearest
    assert clock.aligned_mel_column(image, "floor") == before


@given(images)
def test_round_is_the_nearest_column_and_floor_the_one_before(image: int) -> None:
    exact = Fraction(16 * image, 5)
    assert abs(clock.aligned_mel_column(image) - exact) < Fraction(1, 2)
    assert 0 <= exact - clock.aligned_mel_column(image, "floor") < 1


@given(images, st.sampled_from(["round", "floor"]))
def test_five_images_are_sixteen_columns(image: int, rounding: clock.MelRounding) -> None:
    # No drift: the columns move on by exactly 16 every five images, however late in the file.
    assert clock.first_mel_column(image + 5, rounding) - clock.first_mel_column(image, rounding) == 16


@given(images)
def test_first_mel_column_lies_the_context_before_the_aligned_one(image: int) -> None:
    assert clock.first_mel_column(image) == clock.aligned_mel_column(image) - 8
    assert clock.first_mel_column(image, context=0) == clock.aligned_mel_column(image)


@given(counts)
def test_windows_are_runs_of_five_images(n_images: int) -> None:
    assert clock.n_windows(n_images) == len(range(n_images - 4))


@pytest.mark.parametrize(("frames", "ms"), [(0, 0.0), (1, 40.0), (-3, -120.0), (15, 600.0)])
def test_offset_ms_keeps_the_sign(frames: int, ms: float) -> None:
    assert clock.offset_ms(frames) == ms


@pytest.mark.parametrize(
    ("shift", "offset"),
    [
        # Audio window j + r - w fits picture j. r < w: the fitting sound lies before the picture, so the sound is early.
        pytest.param(0, 15, id="sound 15 images before the picture: early, > 0"),
        pytest.param(12, 3, id="sound 3 before: early"),
        pytest.param(15, 0, id="together"),
        pytest.param(30, -15, id="sound 15 behind: late, < 0"),
    ],
)
def test_sign_of_an_offset(shift: int, offset: int) -> None:
    assert clock.offset_of_shift(shift, 15) == offset


@given(st.integers(0, 60), st.integers(1, 30))
def test_shift_and_offset_are_inverse(shift: int, w: int) -> None:
    assert clock.shift_of_offset(clock.offset_of_shift(shift, w), w) == shift


def test_the_words_say_which_sound_is_early() -> None:
    assert clock.SIGN_IN_WORDS.startswith("> 0: the sound comes early")


@pytest.mark.parametrize(
    ("duration_s", "n_images"),
    [
        (Fraction(0), 0),
        (Fraction(1, 25), 1),
        (Fraction(1, 24), 2),
        (Fraction(1), 25),
        (Fraction(1001, 1000), 26),
        (0.04, 1),
        (0.1, 3),
        (-1.0, 0),
    ],
)
def test_n_images_in_by_hand(duration_s: Fraction | float, n_images: int) -> None:
    assert clock.n_images_in(duration_s) == n_images


@given(st.fractions(min_value=0, max_value=20_000, max_denominator=90_000))
def test_n_images_in_counts_the_images_shown_before_the_end(duration_s: Fraction) -> None:
    n = clock.n_images_in(duration_s)
    assert n == 0 or Fraction(n - 1, 25) < duration_s
    assert Fraction(n, 25) >= duration_s


@given(st.integers(0, 10**6))
def test_n_images_in_knows_a_float_that_means_a_whole_number_of_images(n_images: int) -> None:
    assert clock.n_images_in(n_images / 25) == n_images


@given(counts, st.floats(min_value=0.2, max_value=60))
def test_parts_cover_every_image_once(n_images: int, max_part_s: float) -> None:
    parts = clock.cut_into_parts(n_images, max_part_s)
    assert [first for first, _ in parts] == [0, *(end for _, end in parts)][: len(parts)]
    assert sum(end - first for first, end in parts) == n_images
    lengths = {end - first for first, end in parts}
    assert not lengths or max(lengths) - min(lengths) <= 1
    assert all(0 < length <= max(5, max_part_s * 25) for length in lengths)


@pytest.mark.parametrize(
    ("n_images", "parts"),
    [
        pytest.param(0, [], id="nothing"),
        pytest.param(1, [(0, 1)], id="one image"),
        pytest.param(125, [(0, 125)], id="just five seconds"),
        pytest.param(126, [(0, 63), (63, 126)], id="one image more"),
        pytest.param(251, [(0, 83), (83, 167), (167, 251)], id="three nearly equal"),
    ],
)
def test_parts_by_hand(n_images: int, parts: list[tuple[int, int]]) -> None:
    assert clock.cut_into_parts(n_images) == parts
