"""Faces of a part, with a detector that finds painted squares: tracks, crops, coordinates, and why there is none."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from syncqc.errors import Failure
from syncqc.faces.detector import Faces, no_faces
from syncqc.manifest.row import Clip
from syncqc.stages import find_faces
from syncqc.stages.find_faces import FindFaces
from syncqc.stages.part import Part

HEIGHT, WIDTH = 120, 200
LANDMARKS = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]], np.float32)
"""In a face's box. The mouth is at (0.5, 0.8); its crop is 2.1 * 0.4 = 0.84 of the box wide."""


def scene(n: int, *faces: tuple[float, float, float, float], background: int = 60, first_number: int = 0) -> np.ndarray:
    """Pictures with square faces (left, top, side, step to the right per image); the mouths of image k are as green as k."""
    images = np.full((n, HEIGHT, WIDTH, 3), background, np.uint8)
    for k in range(n):
        for left, top, side, step in faces:
            x, y, s = round(left + step * k), round(top), round(side)
            images[k, y : y + s, x : x + s] = (250, 0, 120)
            mouth = y + round(0.8 * s), x + round(0.5 * s)
            images[k, mouth[0] - s // 8 : mouth[0] + s // 8, mouth[1] - s // 8 : mouth[1] + s // 8, 1] = first_number + k
    return images


@dataclass
class SquareFinder:
    """Finds the painted squares, wherever they are in the pictures it is handed."""

    name: str = "squares"
    handed: list[int] = field(default_factory=list)

    def detect(self, images: np.ndarray) -> list[Faces]:
        self.handed.append(len(images))
        return [self._one(image) for image in images]

    def _one(self, image: np.ndarray) -> Faces:
        from scipy.ndimage import find_objects, label

        places = find_objects(label(image[..., 0] > 200)[0])
        if not places:
            return no_faces()
        boxes = np.array([[at[1].start, at[0].start, at[1].stop, at[0].stop] for at in places], np.float32)
        corners, sides = boxes[:, None, :2], (boxes[:, 2:] - boxes[:, :2])[:, None]
        return Faces(boxes, corners + LANDMARKS * sides, np.full(len(boxes), 0.9, np.float32))


@pytest.fixture
def finder(monkeypatch: pytest.MonkeyPatch) -> SquareFinder:
    found = SquareFinder()
    monkeypatch.setattr(find_faces, "open_detector", lambda *_: found)
    return found


def opened(**settings: Any) -> FindFaces:
    stage = FindFaces(**settings)
    stage.open()
    return stage


def part_of(images: np.ndarray | None, first_image: int = 0, index: int = 0, scale: float = 1.0) -> Part:
    part = Part(Clip("a", "a.mp4"), index, 3, first_image, 0 if images is None else len(images), image_scale=scale)
    part.images = images
    return part


ONE = (40.0, 20.0, 50.0, 0.5)


def test_one_face_gives_one_track_with_a_crop_for_every_image(finder: SquareFinder) -> None:
    part = part_of(scene(41, ONE), first_image=100)
    assert opened(every=5)([part]) == [part]
    (track,) = part.tracks
    assert (track.first_image, track.n_images) == (100, 41)
    assert track.crops.shape == (41, 48, 96, 3)
    assert track.detected_images.tolist() == [100, 105, 110, 115, 120, 125, 130, 135, 140]
    assert finder.handed == [9], "only every fifth image is looked at, all of a part at once"
    assert track.confidences.tolist() == pytest.approx([0.9] * 9)


def test_each_crop_is_of_its_own_image_and_has_the_mouth_in_its_middle(finder: SquareFinder) -> None:
    part = part_of(scene(41, ONE, first_number=20))
    (track,) = opened()([part])[0].tracks
    centre = track.crops[:, 23:25, 46:50].mean(axis=(1, 2))
    assert centre[:, 1] == pytest.approx(20 + np.arange(41), abs=1)
    assert centre[:, 0] == pytest.approx([250] * 41, abs=1)
    # The crop is 42 of the face's 50 px wide and reaches 21 / 2 px above and below the mouth: all face, but for the lowest half px.
    assert (track.crops[:, :44, 2:-2, 0] > 240).all()


def test_the_row_tells_where_the_face_is(finder: SquareFinder) -> None:
    part = part_of(scene(41, ONE), first_image=100)
    (track,) = opened()([part])[0].tracks
    expected = {"track_index": 0, "start_s": 4.0, "end_s": 5.64, "n_images": 41, "face_share": 1.0, "face_width_px": 50.0}
    assert track.row == {**expected, "is_listed_face": None}
    assert part.row == {"n_tracks": 1, "n_shot_cuts": 0}
    assert part.failure is None


def test_a_face_that_comes_later_has_its_own_times_and_share(finder: SquareFinder) -> None:
    images = np.concatenate([scene(20), scene(20, ONE)])
    part = part_of(images, first_image=100)
    (track,) = opened(every=5)([part])[0].tracks
    assert (track.first_image, track.n_images) == (120, 20)
    # The face appears with the mouth of image 0, and each of its crops shows its own image.
    assert track.crops[:, 23:25, 46:50, 1].mean(axis=(1, 2)) == pytest.approx(np.arange(20), abs=1)
    assert (track.row["start_s"], track.row["end_s"], track.row["face_share"]) == (4.8, 5.6, 0.5)


@pytest.mark.parametrize("scale", [1.0, 0.5, 0.25])
def test_coordinates_are_those_of_the_shown_picture(finder: SquareFinder, scale: float) -> None:
    # The same clip, read at full size or reduced: 4 px of the shown picture are one of a quarter.
    still = (40.0, 20.0, 48.0, 0.0)
    step = round(1 / scale)
    part = part_of(np.ascontiguousarray(scene(11, still)[:, ::step, ::step]), scale=scale)
    (track,) = opened()([part])[0].tracks
    assert track.boxes_px == pytest.approx(np.tile([40.0, 20.0, 88.0, 68.0], (3, 1)))
    assert track.landmarks_px == pytest.approx(np.tile(np.array([40.0, 20.0]) + 48 * LANDMARKS, (3, 1, 1)), abs=1e-3)
    assert track.row["face_width_px"] == pytest.approx(48.0)
    assert (track.boxes_px.dtype, track.landmarks_px.dtype) == (np.float32, np.float32)


def test_reduced_pictures_give_the_same_crops(finder: SquareFinder) -> None:
    import cv2

    images = scene(6, (40.0, 20.0, 80.0, 0.0))
    half = np.stack([cv2.resize(image, (WIDTH // 2, HEIGHT // 2), interpolation=cv2.INTER_AREA) for image in images])
    (full_track,), (half_track,) = (opened()([part_of(x, scale=s)])[0].tracks for x, s in ((images, 1.0), (half, 0.5)))
    assert np.abs(full_track.crops.astype(float) - half_track.crops).mean() < 6


def test_no_face_is_a_failure_that_says_how_much_was_looked_at(finder: SquareFinder) -> None:
    part = part_of(scene(21))
    opened(every=5)([part])
    assert (part.failure, part.detail) == (Failure.NO_FACE, "no face on 5 images looked at")
    assert part.tracks == []
    assert part.row == {"n_tracks": 0, "n_shot_cuts": 0}


SMALL, MIDDLE, LARGE = (10.0, 10.0, 20.0, 0.0), (50.0, 10.0, 40.0, 0.0), (110.0, 10.0, 60.0, 0.0)


def test_the_largest_faces_are_kept_and_all_are_counted(finder: SquareFinder) -> None:
    part = part_of(scene(21, SMALL, MIDDLE, LARGE))
    opened(max_tracks=2)([part])
    assert part.row["n_tracks"] == 3
    assert [(t.row["track_index"], t.row["face_width_px"]) for t in part.tracks] == [(0, 60.0), (1, 40.0)]


def listing(part: Part, x: float | None, y: float | None) -> Part:
    part.clip = replace(part.clip, listed_face_x=x, listed_face_y=y)
    return part


def marks(part: Part) -> list[tuple[Any, Any]]:
    return [(t.row["face_width_px"], t.row.get("is_listed_face")) for t in part.tracks]


# The faces' middles are at x = 20, 70 and 140 of 200, y = 20, 30 and 40 of 120.
@pytest.mark.parametrize("scale", [1.0, 0.5])
@pytest.mark.parametrize(
    ("x", "y", "found"),
    [
        (140 / 200, 40 / 120, [(60.0, True), (40.0, False), (20.0, False)]),
        (20 / 200, 20 / 120, [(60.0, False), (40.0, False), (20.0, True)]),
        (0.5, 0.9, [(60.0, False), (40.0, False), (20.0, False)]),
        (None, None, [(60.0, None), (40.0, None), (20.0, None)]),
        (0.5, None, [(60.0, None), (40.0, None), (20.0, None)]),
    ],
    ids=["large", "small", "nobody there", "no list", "half a point"],
)
def test_the_face_that_the_list_points_at_is_marked(
    finder: SquareFinder, x: float | None, y: float | None, found: list[tuple[float, bool | None]], scale: float
) -> None:
    step = round(1 / scale)
    images = np.ascontiguousarray(scene(21, SMALL, MIDDLE, LARGE)[:, ::step, ::step])
    (part,) = opened()([listing(part_of(images, scale=scale), x, y)])
    assert marks(part) == found


def test_the_listed_face_is_scored_even_when_others_are_larger(finder: SquareFinder) -> None:
    (part,) = opened(max_tracks=2)([listing(part_of(scene(21, SMALL, MIDDLE, LARGE)), 20 / 200, 20 / 120)])
    assert marks(part) == [(60.0, False), (20.0, True)]
    assert [track.row["track_index"] for track in part.tracks] == [0, 1]
    assert part.row["n_tracks"] == 3


def test_a_part_without_a_face_has_no_row_to_mark(finder: SquareFinder) -> None:
    (part,) = opened()([listing(part_of(scene(21)), 0.5, 0.5)])
    assert [row.get("is_listed_face") for row in part.rows()] == [None]
    assert part.failure is Failure.NO_FACE


def test_a_cut_ends_a_track(finder: SquareFinder) -> None:
    # The same place in the picture before and after the cut, so only the cut tells two tracks.
    images = np.concatenate([scene(20, ONE, background=20), scene(25, ONE, background=220)])
    part = part_of(images, first_image=50)
    opened()([part])
    assert part.row["n_shot_cuts"] == 1
    assert sorted((t.first_image, t.n_images) for t in part.tracks) == [(50, 20), (70, 25)]
    assert [t.row["track_index"] for t in part.tracks] == [0, 1]


def test_a_cut_between_two_parts_is_inside_neither(finder: SquareFinder) -> None:
    stage = opened()
    parts = [part_of(scene(20, ONE, background=20)), part_of(scene(20, ONE, background=220), first_image=20, index=1)]
    for part in parts:
        stage([part])
    assert [part.row["n_shot_cuts"] for part in parts] == [0, 0]


def test_another_clip_does_not_go_on_from_the_last_one(finder: SquareFinder) -> None:
    stage = opened()
    alone = part_of(scene(20, ONE, background=220))
    opened()([alone])
    stage([part_of(scene(20, ONE, background=20))])
    after = part_of(scene(20, ONE, background=220))
    stage([after])
    assert np.array_equal(after.tracks[0].crops, alone.tracks[0].crops)
    assert after.row == alone.row


@pytest.mark.parametrize(("height", "width", "margin"), [(128, 256, 1.0), (72, 128, 4 / 3)])
def test_the_shape_of_the_crop_is_a_setting(finder: SquareFinder, height: int, width: int, margin: float) -> None:
    (track,) = opened(crop_height_px=height, crop_width_px=width, crop_margin=margin)([part_of(scene(6, ONE))])[0].tracks
    assert track.crops.shape == (6, height, width, 3)
    # 0.84 * margin of the face's width is shown: with margin 4/3 more than the face.
    is_face = track.crops[:, height // 2, :, 0] > 240
    assert is_face.mean() == pytest.approx(min(1.0, 1 / (0.84 * margin)), abs=0.03)


def test_a_single_image_is_enough_to_look_at(finder: SquareFinder) -> None:
    (track,) = opened()([part_of(scene(1, ONE))])[0].tracks
    assert (track.n_images, track.row["face_share"]) == (1, 1.0)


def test_failed_parts_pass_untouched_and_do_not_stop_the_others(finder: SquareFinder) -> None:
    failed = part_of(None)
    failed.fail(Failure.UNREADABLE, "half a file")
    silent = part_of(scene(6, ONE), first_image=0)
    silent.fail(Failure.SILENT, "nothing to hear")
    good = part_of(scene(6, ONE), first_image=6, index=1)
    assert opened()([failed, silent, good]) == [failed, silent, good]
    assert (failed.row, failed.tracks, silent.row, silent.tracks) == ({}, [], {}, [])
    assert finder.handed == [2]
    assert len(good.tracks) == 1


def test_the_detector_is_opened_as_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(find_faces, "open_detector", lambda *arguments: asked.append(arguments) or SquareFinder())
    opened(detector="insightface:buffalo_l", detector_root="/packs")
    opened()
    assert asked == [("insightface:buffalo_l", Path("/packs")), ("centerface", None)]
