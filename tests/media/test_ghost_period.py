"""Planted periods are found at their place; order without meaning is not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncqc.media.ghost import picture_on_show
from syncqc.media.ghost_period import find_period, p_value


def planted(period: float, phase: float, n: int = 200, fps: float = 25.0, height: float = 5.0, seed: int = 0) -> np.ndarray:
    """Noise of deviation 1, higher by `height` in images that show picture ceil(phase + k period) first."""
    trace = np.random.default_rng(seed).normal(0, 1, n).astype(np.float32)
    shown = picture_on_show(np.arange(-1, n), fps)
    for k in range(int(shown[-1] / period) + 2):
        picture = math.ceil(phase + k * period)
        trace[(shown[:-1] < picture) & (picture <= shown[1:])] += height
    return trace


@given(period=st.integers(6, 40), share=st.floats(0, 0.999), seed=st.integers(0, 99))
@settings(max_examples=25)
def test_any_period_and_phase_is_found(period: int, share: float, seed: int) -> None:
    phase = int(share * period)
    ghost = find_period(planted(period, phase, seed=seed), np.arange(200), 25.0)
    assert ghost is not None
    assert (ghost.period_frames, ghost.phase_frames) == (period, phase)
    assert ghost.p_value < 0.01


@pytest.mark.parametrize("fps", [24.0, 24000 / 1001, 30000 / 1001, 30.0, 50.0])
def test_the_period_is_one_of_the_files_pictures(fps: float) -> None:
    ghost = find_period(planted(12, 5, fps=fps), np.arange(200), fps)
    assert ghost is not None
    assert (ghost.period_frames, ghost.phase_frames) == (12, 5)
    assert ghost.p_value < 1e-3


def test_24_pictures_that_became_25_give_half_a_picture() -> None:
    ghost = find_period(planted(12.5, 3), np.arange(200), 25.0)
    assert ghost is not None
    assert ghost.period_frames == 12.5
    assert ghost.p_value < 1e-3


def test_parts_with_a_gap_between_them_keep_their_phase() -> None:
    trace, images = planted(12, 7, n=240), np.arange(240)
    keep = (images < 90) | (images > 137)
    ghost = find_period(trace[keep], images[keep], 25.0)
    assert ghost is not None
    assert (ghost.period_frames, ghost.phase_frames) == (12, 7)


def test_images_without_a_number_change_nothing() -> None:
    trace = planted(12, 7)
    trace[[0, 50, 51, 120]] = np.nan
    ghost = find_period(trace, np.arange(200), 25.0)
    assert ghost is not None
    assert (ghost.period_frames, ghost.phase_frames) == (12, 7)


@pytest.mark.parametrize("kind", ["normal", "few large"])
def test_p_values_of_noise_are_about_even(kind: str) -> None:
    rng = np.random.default_rng(1)
    p = []
    for _ in range(120):
        trace = rng.normal(0, 1, 100)
        if kind == "few large":
            trace = np.clip(rng.standard_t(1.5, 100), -2.5, 6)
        ghost = find_period(trace.astype(np.float32), np.arange(100), 25.0)
        assert ghost is not None
        p.append(ghost.p_value)
    # Of 120 draws 60 and 12 are expected; the bounds are three standard deviations away.
    assert 43 <= np.sum(np.array(p) <= 0.5) <= 77
    assert 3 <= np.sum(np.array(p) <= 0.1) <= 22


@pytest.mark.parametrize(
    "trace",
    [
        pytest.param(np.full(60, np.nan, np.float32), id="nothing known"),
        pytest.param(np.ones(60, np.float32), id="all the same"),
        pytest.param(np.arange(24, dtype=np.float32), id="too short"),
    ],
)
def test_what_cannot_be_judged_is_none(trace: np.ndarray) -> None:
    assert find_period(trace, np.arange(len(trace)), 25.0) is None


def test_the_same_trace_gives_the_same_numbers() -> None:
    trace = planted(12, 7)
    assert find_period(trace, np.arange(200), 25.0) == find_period(trace.copy(), np.arange(200), 25.0)


@pytest.mark.parametrize(("strength", "p"), [(0.0, 1 - math.exp(-math.exp(-0.5772157))), (3.137, 0.01), (4.943, 0.001)])
def test_p_follows_gumbels_law(strength: float, p: float) -> None:
    assert p_value(strength) == pytest.approx(p, rel=0.01)


def test_p_is_never_quite_nought() -> None:
    assert p_value(100.0) == 1e-12
