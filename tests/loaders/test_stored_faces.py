from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from syncqc.errors import UsageError
from syncqc.loaders.index import Segment
from syncqc.loaders.stored_faces import StoredFaces
from syncqc.manifest.store import tracks_path


def segment(clip_id: str, part: int = 0, n_images: int = 41) -> Segment:
    return Segment(clip_id, "x.mp4", None, part, 0, 0, n_images, 0, 0.0, 0.0)


def moving(world, name: str, part: int = 0, first: int = 0) -> list[dict[str, object]]:
    """A face that goes one pixel to the right with each image, detected on every tenth."""
    return [line for i in range(first, first + 41, 10) for line in world.faces(name, [i], (32.0 + i, 24.0), part)]


@pytest.mark.parametrize("is_sorted", [True, False])
def test_each_rows_face_is_found_and_filled_in(world, is_sorted: bool) -> None:
    names = [f"clip {i:02d}" for i in range(12)]
    lines = [line for name in names for part in (0, 1) for line in moving(world, name, part, 41 * part)]
    world.manifest([], faces=lines if is_sorted else lines[::-1])
    faces = StoredFaces(tracks_path(world.folder / "m.parquet"), 2.0)
    for name in (names[0], names[5], names[11], names[5]):
        face = faces.of(segment(name, part=1), 41 + 5, 30)
        # Steady motion is not bent by the smoothing; the mouth is between the corners.
        np.testing.assert_allclose(face.landmarks_px[:, 3:].mean(axis=1), [[32 + 46 + i, 24] for i in range(30)], atol=1e-3)
        np.testing.assert_allclose(face.boxes_px[:, 0], [20 + 46 + i for i in range(30)], atol=1e-3)
        assert face.landmarks_px.shape == (30, 5, 2)
        assert face.boxes_px.shape == (30, 4)


def test_smoothing_is_asked_for(world) -> None:
    lines = world.faces("x", [0], (20.0, 24.0)) + world.faces("x", [1, 2], (40.0, 24.0))
    world.manifest([], faces=lines)
    path = tracks_path(world.folder / "m.parquet")
    rough, smooth = (StoredFaces(path, sigma).of(segment("x"), 0, 3).landmarks_px[:, 2, 0] for sigma in (0.0, 1.0))
    np.testing.assert_allclose(rough, [20, 40, 40])
    assert 20 < smooth[1] < 40


MISSING = {
    "another clip": ("y", 0, 0, 41),
    "another part": ("x", 1, 0, 41),
    "too early": ("x", 0, -1, 5),
    "too long": ("x", 0, 0, 42),
}


@pytest.mark.parametrize(("name", "part", "first", "n"), MISSING.values(), ids=MISSING.keys())
def test_faces_that_are_not_there(world, name: str, part: int, first: int, n: int) -> None:
    world.manifest([], faces=moving(world, "x"))
    faces = StoredFaces(tracks_path(world.folder / "m.parquet"), 2.0)
    with pytest.raises(UsageError, match=rf"holds no face for images {first} to {first + n - 1} of {name}, part {part}, track 0"):
        faces.of(segment(name, part), first, n)


def test_no_file_and_no_tracks(world, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no .*nowhere"):
        StoredFaces(tmp_path / "nowhere.parquet", 2.0)
    (tmp_path / "text.parquet").write_text("text")
    with pytest.raises(UsageError, match="not a Parquet file"):
        StoredFaces(tmp_path / "text.parquet", 2.0)
    with pytest.raises(UsageError, match="holds no tracks"):
        StoredFaces(world.manifest([]), 2.0)


def test_it_travels_between_processes(world) -> None:
    world.manifest([], faces=moving(world, "x"))
    faces = StoredFaces(tracks_path(world.folder / "m.parquet"), 2.0)
    before = faces.of(segment("x"), 0, 41)
    after = pickle.loads(pickle.dumps(faces)).of(segment("x"), 0, 41)
    np.testing.assert_array_equal(before.landmarks_px, after.landmarks_px)
