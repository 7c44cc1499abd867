from __future__ import annotations

import numpy as np
import pytest

from syncqc.measure.offset import best_shift, is_at_edge, margin

NAN = np.nan


@pytest.mark.parametrize(
    ("curve", "shift"),
    [
        pytest.param([0.1, 0.4, 0.2], 1, id="highest, not lowest"),
        pytest.param([-0.3, -0.1, -0.2], 1, id="all negative"),
        pytest.param([NAN, 0.1, 0.3, 0.2, NAN], 2, id="null shifts are skipped"),
        pytest.param([0.2, 0.2, 0.2, 0.2, 0.2], 2, id="flat: the middle"),
        pytest.param([0.9, 0.1, 0.1, 0.9, 0.1], 3, id="equals: nearer the middle"),
        pytest.param([0.1, 0.9, 0.1, 0.9, 0.1], 1, id="equals, equally near: the first"),
        pytest.param([NAN, NAN, NAN], None, id="all null"),
    ],
)
def test_best_shift(curve: list[float], shift: int | None) -> None:
    assert best_shift(np.array(curve)) == shift


@pytest.mark.parametrize(
    ("curve", "expected"),
    [
        pytest.param([0.1, 0.7, 0.2, 0.3, 0.0], 0.5, id="0.7 - median(0 .1 .2 .3 .7) = 0.7 - 0.2"),
        pytest.param([NAN, 0.7, 0.2, 0.4, NAN, 0.1], 0.4, id="0.7 - median(.1 .2 .4 .7) = 0.7 - 0.3"),
        pytest.param([0.3, 0.3, 0.3], 0.0, id="flat"),
        pytest.param([NAN, 0.3, NAN], 0.0, id="a single shift stands above nothing"),
    ],
)
def test_margin(curve: list[float], expected: float) -> None:
    assert margin(np.array(curve)) == pytest.approx(expected)


def test_margin_of_nothing_is_null() -> None:
    assert margin(np.full(3, NAN)) is None


@pytest.mark.parametrize(
    ("curve", "expected"),
    [
        pytest.param([0.9, 0.1, 0.1], True, id="first"),
        pytest.param([0.1, 0.1, 0.9], True, id="last"),
        pytest.param([0.1, 0.9, 0.1], False, id="inside"),
        pytest.param([NAN, 0.9, 0.1, 0.2, NAN], True, id="first that could be the answer"),
        pytest.param([NAN, 0.2, 0.1, 0.9, NAN], True, id="last that could be the answer"),
        pytest.param([NAN, 0.2, 0.9, 0.1, NAN], False, id="inside the shifts that could be"),
        pytest.param([0.3, 0.3, 0.3, 0.3, 0.3], False, id="flat"),
        pytest.param([NAN, NAN, NAN], False, id="no answer"),
    ],
)
def test_is_at_edge(curve: list[float], expected: bool) -> None:
    assert is_at_edge(np.array(curve)) is expected
