from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncqc.faces.detector import Faces, no_faces, overlap

UNIT = np.array([0, 0, 10, 10], np.float32)


@pytest.mark.parametrize(
    ("other", "share"),
    [
        pytest.param([0, 0, 10, 10], 1.0, id="itself"),
        pytest.param([5, 0, 15, 10], 1 / 3, id="half-beside"),
        pytest.param([5, 5, 15, 15], 25 / 175, id="corner"),
        pytest.param([2, 2, 7, 7], 0.25, id="inside"),
        pytest.param([10, 0, 20, 10], 0.0, id="touching"),
        pytest.param([12, 12, 20, 20], 0.0, id="apart-in-both-directions"),
        pytest.param([3, 3, 3, 3], 0.0, id="without-area"),
    ],
)
def test_overlap_by_hand(other: list[float], share: float) -> None:
    np.testing.assert_allclose(overlap(UNIT, np.array([other], np.float32)), [share], atol=1e-6)


def test_overlap_of_two_boxes_without_area_is_none() -> None:
    point = np.array([3, 3, 3, 3], np.float32)
    np.testing.assert_array_equal(overlap(point, point[None]), [0.0])


corner = st.floats(0, 500, width=32)
box = st.builds(lambda x, y, w, h: np.array([x, y, x + w, y + h], np.float32), corner, corner, st.floats(1, 200), st.floats(1, 200))


@given(one=box, two=box)
def test_overlap_is_a_share_and_the_same_from_both_sides(one: np.ndarray, two: np.ndarray) -> None:
    there, back = overlap(one, two[None])[0], overlap(two, one[None])[0]
    assert 0.0 <= there <= 1.0 + 1e-5
    assert there == pytest.approx(back, abs=1e-5)


def test_no_faces_have_the_shapes_of_faces() -> None:
    none = no_faces()
    assert len(none) == 0
    assert (none.boxes_px.shape, none.landmarks_px.shape) == ((0, 4), (0, 5, 2))
    assert len(Faces(np.zeros((3, 4), np.float32), np.zeros((3, 5, 2), np.float32), np.zeros(3, np.float32))) == 3
