from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from syncqc.engine.local import run_local
from syncqc.engine.plan import default_plan
from syncqc.faces.track import FaceTrack
from syncqc.manifest.row import Clip
from syncqc.media.synthetic import Talk, draw
from syncqc.stages.listed_face import listed_track

Box = tuple[float, float, float, float]


def track(*boxes: Box, first: int = 0, every: int = 5) -> FaceTrack:
    """A track seen on every fifth image, with these boxes."""
    images = list(range(first, first + every * len(boxes), every))
    return FaceTrack(images, [np.array(box, np.float32) for box in boxes], [np.zeros((5, 2), np.float32)] * len(boxes), [0.9] * len(boxes))


def still(box: Box, n: int = 5, first: int = 0) -> FaceTrack:
    return track(*[box] * n, first=first)


LEFT, RIGHT = (0.0, 0.0, 40.0, 60.0), (50.0, 0.0, 90.0, 60.0)


@pytest.mark.parametrize("is_first_part", [True, False], ids=["first part", "later part"])
@pytest.mark.parametrize(
    ("point", "number"),
    [
        ((20, 30), 0),
        ((70, 30), 1),
        ((46, 30), 1),  # in the enlarged boxes of both: 26 px from the middle of the left one, 24 px from that of the right one
        ((44, 30), 0),
        ((-9, 30), 0),  # the left box enlarged by half reaches from -10 to 50 and from -15 to 75
        ((-11, 30), None),
        ((20, 74), 0),
        ((20, 76), None),
    ],
    ids=["left", "right", "between, nearer to the right", "between, nearer to the left", "just in", "just out", "below", "too far below"],
)
def test_the_nearest_of_the_faces_whose_enlarged_box_holds_the_point(
    point: tuple[float, float], number: int | None, is_first_part: bool
) -> None:
    assert listed_track([still(LEFT), still(RIGHT)], point, is_first_part=is_first_part) == number


def test_without_faces_there_is_none() -> None:
    assert listed_track([], (20, 30), is_first_part=True) is None


def test_in_the_first_part_the_face_counts_where_it_was_at_the_beginning() -> None:
    # One walks away from the point, the other one onto it.
    leaves, comes = track(LEFT, LEFT, *[RIGHT] * 6), track(RIGHT, RIGHT, *[LEFT] * 6)
    assert listed_track([leaves, comes], (20, 30), is_first_part=True) == 0
    assert listed_track([leaves, comes], (20, 30), is_first_part=False) == 1


def test_after_a_cut_the_earlier_face_is_it_in_the_first_part_and_the_longer_one_later() -> None:
    # The later shot is longer, and its face a little nearer to the point.
    shots = [still(LEFT, n=20, first=100), still((4.0, 0.0, 44.0, 60.0), n=4)]
    assert listed_track(shots, (21, 30), is_first_part=True) == 1
    assert listed_track(shots, (21, 30), is_first_part=False) == 0


def test_in_each_shot_the_nearest_is_meant_however_long_another_is() -> None:
    beside = (14.0, 0.0, 54.0, 60.0)
    assert listed_track([still(beside, n=20), still(LEFT, n=10)], (20, 30), is_first_part=False) == 1


def test_of_two_faces_at_one_place_the_larger_one_that_comes_first() -> None:
    assert listed_track([still(LEFT), still(LEFT)], (20, 30), is_first_part=True) == 0


@pytest.mark.slow
def test_with_two_faces_the_one_that_the_list_points_at_is_chosen_from_file_to_row(tmp_path: Path) -> None:
    path = tmp_path / "two.mp4"
    draw(Talk(seed=3, duration_s=3.0, offset_frames=4, has_listener=True, width_px=640), path)  # the talker on the left
    points = {"listener": (0.75, 0.5), "nobody": (0.5, 0.02), "talker": (0.25, 0.5)}
    clips = [Clip(name, str(path), listed_face_x=x, listed_face_y=y) for name, (x, y) in points.items()]
    found = {}
    for result in run_local(default_plan(), [*clips, Clip("no list", str(path))], isolate=False):
        (larger, talker) = result.rows
        assert talker["offset_frames"] == 4
        assert larger["face_width_px"] > talker["face_width_px"]  # type: ignore[operator]
        chosen = next(name for name, row in (("listener", larger), ("talker", talker)) if row["is_chosen_track"])
        assert larger["clip_offset_frames"] == (talker if chosen == "talker" else larger)["offset_frames"]
        found[result.clip.clip_id] = (chosen, larger.get("is_listed_face"), talker.get("is_listed_face"), talker.get("detail"))
    assert found == {
        "listener": ("listener", True, False, None),
        "nobody": ("talker", False, False, "no face where the dataset's list says"),
        "talker": ("talker", False, True, None),
        "no list": ("talker", None, None, None),
    }
