"""Heads drawn from five points in space, turned, tilted, nodded and scaled, so that the answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncqc.faces.turn import NOSE_DEPTH_EYES, yaw_deg

# Left eye, right eye, nose, mouth corners: x to the right, y down, z towards the viewer, in eye distances.
HEAD = np.array([[-0.5, 0, 0], [0.5, 0, 0], [0, 0.6, NOSE_DEPTH_EYES], [-0.4, 1.1, 0], [0.4, 1.1, 0]])


def drawn(yaw: float, tilt: float = 0.0, nod: float = 0.0, size_px: float = 60.0, at: tuple[float, float] = (300, 200)) -> np.ndarray:
    """Landmarks (1, 5, 2) of the head as a distant camera sees it; yaw > 0 turns the nose to the picture's right."""
    y, p, r = np.radians([yaw, nod, tilt])
    turn = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    nodding = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
    seen = (HEAD @ nodding.T @ turn.T)[:, :2]
    tilting = np.array([[np.cos(r), -np.sin(r)], [np.sin(r), np.cos(r)]])
    return (seen @ tilting.T * size_px + np.array(at))[None].astype(np.float32)


@pytest.mark.parametrize("yaw", [-70, -40, -15, 0, 10, 35, 60])
def test_a_drawn_turn_is_read_off(yaw: float) -> None:
    assert yaw_deg(drawn(yaw))[0] == pytest.approx(yaw, abs=0.1)


@settings(max_examples=30)
@given(yaw=st.floats(-50, 50), tilt=st.floats(-35, 35), size=st.floats(15, 400), x=st.floats(-500, 500))
def test_size_place_and_tilt_play_no_part(yaw: float, tilt: float, size: float, x: float) -> None:
    assert yaw_deg(drawn(yaw, tilt, size_px=size, at=(x, 50)))[0] == pytest.approx(yaw, abs=0.5)


@pytest.mark.parametrize("nod", [-25, 25])
def test_a_nod_of_a_frontal_head_is_no_turn(nod: float) -> None:
    assert yaw_deg(drawn(0, nod=nod))[0] == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("nod", [-15, 15])
@pytest.mark.parametrize("yaw", [-40, 40])
def test_a_nod_blurs_a_turn_a_little(yaw: float, nod: float) -> None:
    assert yaw_deg(drawn(yaw, nod=nod))[0] == pytest.approx(yaw, abs=5)


def test_a_mirrored_head_is_turned_the_other_way() -> None:
    seen = drawn(25, tilt=10)
    mirrored = (seen * np.array([-1, 1], np.float32))[:, [1, 0, 2, 4, 3]]
    assert yaw_deg(mirrored)[0] == pytest.approx(-yaw_deg(seen)[0], abs=1e-3)


def test_each_head_has_its_own_turn() -> None:
    both = np.concatenate([drawn(20), drawn(-50)])
    assert yaw_deg(both) == pytest.approx([20, -50], abs=0.1)


@pytest.mark.parametrize(("nose_x", "expected"), [(310, 90), (290, -90)], ids=["right", "left"])
def test_where_the_eyes_fall_together_the_turn_is_a_profile(nose_x: float, expected: float) -> None:
    profile = np.array([[[300, 100], [300, 100], [nose_x, 130], [300, 160], [300, 160]]], np.float32)
    assert yaw_deg(profile)[0] == pytest.approx(expected, abs=0.1)
