from __future__ import annotations

import numpy as np
import pytest

from syncqc.measure.settings import MeasureSettings
from syncqc.measure.similarity import mean_curve, similarity_matrix, validity

ANY_LENGTH = MeasureSettings(min_windows=1)


def test_each_cell_compares_window_j_with_sound_window_j_plus_r_minus_w() -> None:
    # n = 2 windows, w = 1: audio[i] is the sound of window i - 1, so audio = sound of windows -1, 0, 1, 2
    video = np.array([[1.0, 0.0], [0.0, 1.0]])
    audio = np.array([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0], [-1.0, 0.0]])
    # r = 0: v0.a_-1 = 1,   v1.a_0 = 0.8
    # r = 1: v0.a_0  = 0.6, v1.a_1 = 1
    # r = 2: v0.a_1  = 0,   v1.a_2 = 0
    np.testing.assert_allclose(similarity_matrix(video, audio), [[1.0, 0.8], [0.6, 1.0], [0.0, 0.0]])


def test_cosine_does_not_depend_on_length() -> None:
    video = np.array([[3.0, 4.0]])
    audio = np.array([[0.5, 0.0], [0.0, 7.0], [-6.0, -8.0]])
    np.testing.assert_allclose(similarity_matrix(video, audio), [[0.6], [0.8], [-1.0]])


def test_a_vector_without_direction_gives_nan_in_its_cells_alone() -> None:
    video = np.array([[1.0, 0.0], [1.0, 0.0]])
    audio = np.array([[0.0, 0.0], [1.0, 0.0], [np.nan, 1.0], [1.0, 0.0]])
    # audio[0] is met by cell (0, 0); audio[2] by (1, 1) and (2, 0)
    np.testing.assert_array_equal(np.isnan(similarity_matrix(video, audio)), [[True, False], [False, True], [True, False]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
def test_precision_stays_that_of_the_embeddings(dtype: type) -> None:
    assert similarity_matrix(np.ones((4, 3), dtype), np.ones((10, 3), dtype)).dtype == dtype


def test_w_may_be_any_number() -> None:
    assert similarity_matrix(np.ones((4, 3)), np.ones((4 + 2 * 33, 3))).shape == (67, 4)


@pytest.mark.parametrize(
    ("video_shape", "audio_shape"),
    [
        pytest.param((4, 3), (7, 3), id="odd number of spare sound windows"),
        pytest.param((4, 3), (2, 3), id="fewer sound windows than windows"),
        pytest.param((4, 3), (6, 2), id="other dimension"),
        pytest.param((4,), (6,), id="no vectors"),
    ],
)
def test_shapes_that_do_not_fit_are_named(video_shape: tuple[int, ...], audio_shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"video must be \(n, d\) and audio \(n \+ 2 w, d\), got video.shape = "):
        similarity_matrix(np.ones(video_shape), np.ones(audio_shape))


def test_validity_follows_the_sound_window_along_the_diagonals() -> None:
    # n = 3, w = 1; the sound of windows -1, 0, 1, 2, 3; the one of window 1 (index 2) is missing
    is_present = np.array([True, True, False, True, True])
    expected = [[True, True, False], [True, False, True], [False, True, True]]
    np.testing.assert_array_equal(validity(is_present, w=1), expected)


def test_validity_needs_two_w_sound_windows() -> None:
    with pytest.raises(ValueError, match=r"is_present_window must be \(n \+ 2 w,\)"):
        validity(np.ones(5, np.bool_), w=3)


def test_mean_curve_is_the_mean_over_the_cells_that_count() -> None:
    similarity = np.array([[0.1, 0.2, 0.3, 0.4], [0.5, 9.0, 0.7, np.nan], [1.0, 2.0, 3.0, 4.0]])
    is_valid = np.array([[True] * 4, [True, False, True, False], [False, False, False, True]])
    # row 0: 1.0 / 4 = 0.25; row 1: (0.5 + 0.7) / 2 = 0.6, two of four are enough; row 2: one of four is less than half
    np.testing.assert_allclose(mean_curve(similarity, is_valid, ANY_LENGTH), [0.25, 0.6, np.nan])


@pytest.mark.parametrize(
    ("n_valid", "is_null"),
    [pytest.param(2, True, id="two of five are less than half"), pytest.param(3, False, id="three of five are enough")],
)
def test_fewer_than_half_of_an_odd_number_of_windows_is_null(n_valid: int, is_null: bool) -> None:
    is_valid = np.tile(np.arange(5) < n_valid, (3, 1))
    assert np.isnan(mean_curve(np.ones((3, 5)), is_valid, ANY_LENGTH)).tolist() == [is_null] * 3


@pytest.mark.parametrize(("n", "is_null"), [pytest.param(5, True, id="five"), pytest.param(6, False, id="six")])
def test_a_mean_needs_two_windows_without_a_common_image(n: int, is_null: bool) -> None:
    assert np.isnan(mean_curve(np.ones((3, n)), np.ones((3, n), np.bool_))).tolist() == [is_null] * 3


def test_mean_curve_of_no_windows_is_null() -> None:
    assert np.isnan(mean_curve(np.ones((3, 0)), np.ones((3, 0), np.bool_))).all()
