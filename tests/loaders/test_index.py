from __future__ import annotations

import logging
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from syncqc.errors import UsageError
from syncqc.loaders.index import SegmentIndex
from syncqc.loaders.settings import LoaderSettings
from syncqc.manifest.store import PROVENANCE_KEY

BY_CLIP = LoaderSettings()


def served(index: SegmentIndex) -> list[str]:
    return [index[i].clip_id for i in range(len(index))]


ROWS = [
    ("good", {}),
    ("second part", {"part_index": 1, "start_s": 2.4}),
    ("not measured", {"failure": "no_face", "offset_frames": None, "track_index": None, "is_chosen_track": None}),
    ("listener", {"is_chosen_track": False}),
    ("dropped", {"dropped_by": "p"}),
    ("empty", {"n_images": 0}),
]
CHOICES = {
    "by default": (None, BY_CLIP, ["good", "second part"]),
    "with a condition": ("part_index = 1 -- the later one", BY_CLIP, ["second part"]),
    "with a condition on what was dropped": ("dropped_by IS NOT NULL", BY_CLIP, ["dropped"]),
    "all that is measured": (None, LoaderSettings(rows="measured"), ["good", "second part", "listener"]),
}


@pytest.mark.parametrize(("where", "settings", "expected"), CHOICES.values(), ids=CHOICES.keys())
def test_which_rows_are_served(world, where: str | None, settings: LoaderSettings, expected: list[str]) -> None:
    path = world.manifest([world.row(name, **columns) for name, columns in ROWS])
    assert served(SegmentIndex(path, where, settings)) == expected


# The offset is +3, of which resync may have taken away 2.
SHIFTS = {
    "virtual": ({}, BY_CLIP, 3),
    "by the row's own": ({"offset_frames": -4}, LoaderSettings(offset="row"), -4),
    "none": ({}, LoaderSettings(offset="none"), 0),
    "in a written file": ({"resynced_path": "new.mp4", "resync_shift_frames": 2}, BY_CLIP, 1),
    "in a written sidecar": ({"audio_path": "a.wav", "resynced_audio_path": "b.wav", "resync_shift_frames": 2}, BY_CLIP, 1),
    "as decided but not written": ({"resync_shift_frames": 2}, BY_CLIP, 3),
    "in a file that was copied": ({"resynced_path": "new.mp4"}, BY_CLIP, 3),
}


@pytest.mark.parametrize(("columns", "settings", "expected"), SHIFTS.values(), ids=SHIFTS.keys())
def test_what_is_left_of_the_shift(world, columns: dict[str, object], settings: LoaderSettings, expected: int) -> None:
    path = world.manifest([world.row("x", **({"clip_offset_frames": 3} | columns))])
    assert SegmentIndex(path, None, settings)[0].shift_frames == expected


SOURCES = {
    "sound in the video": ({}, ("x.mp4", None, 0.0, 0.0)),
    "sidecar": ({"audio_path": "x.wav", "audio_start_s": 60.5}, ("x.mp4", "x.wav", 60.5, 0.0)),
    "written video": ({"resynced_path": "y.mp4", "resync_pad_s": 0.12}, ("y.mp4", None, 0.0, 0.12)),
    "written video instead of a sidecar": (
        {"resynced_path": "y.mp4", "audio_path": "x.wav", "audio_start_s": 60.5, "resync_pad_s": -0.25},
        ("y.mp4", None, 0.0, -0.25),
    ),
    "written sidecar": (
        {"audio_path": "x.wav", "audio_start_s": 60.5, "resynced_audio_path": "y.wav"},
        ("x.mp4", "y.wav", 0.0, 0.0),
    ),
    "silence of a file that was not written": ({"resync_pad_s": 0.12}, ("x.mp4", None, 0.0, 0.0)),
}


@pytest.mark.parametrize(("columns", "expected"), SOURCES.values(), ids=SOURCES.keys())
def test_where_pictures_and_sound_are(world, columns: dict[str, object], expected: tuple[object, ...]) -> None:
    path = world.manifest([world.row("x", **({"path": "x.mp4"} | columns))])
    found = SegmentIndex(path, None, BY_CLIP)[0]
    assert (found.path, found.audio_path, found.audio_start_s) == expected[:3]
    assert found.pad_s == pytest.approx(expected[3])


def test_names_that_are_no_utf8_lead_to_the_file(world) -> None:
    path = world.manifest([world.row("x", path="clip\udcff.mp4")])
    assert SegmentIndex(path, None, BY_CLIP)[0].path == "clip\udcff.mp4"


def test_what_is_left_out_is_counted_and_said(world, caplog: pytest.LogCaptureFixture) -> None:
    rows = [world.row("a"), world.row("b", n_images=24), world.row("c", clip_offset_frames=None), world.row("d", is_offset_drifting=True)]
    with caplog.at_level(logging.WARNING):
        index = SegmentIndex(world.manifest(rows), None, LoaderSettings(n_images=25))
    assert served(index) == ["a", "d"]
    assert (index.n_too_short, index.n_without_offset, index.n_drifting) == (1, 1, 1)
    assert "1 rows are left out because they are shorter than n_images" in caplog.text
    assert "1 rows are left out because their clip has no offset" in caplog.text
    assert "1 rows are of clips whose offset drifts" in caplog.text


NOTHING = {
    "no row at all": ([], "none is measured, chosen and meets the condition"),
    "none that is long enough": ([{"n_images": 4}, {"n_images": 24}], "2 rows are left out because they are shorter than n_images"),
}


@pytest.mark.parametrize(("rows", "said"), NOTHING.values(), ids=NOTHING.keys())
def test_no_row_is_an_error_that_says_why(world, rows: list[dict[str, object]], said: str) -> None:
    path = world.manifest([world.row("x", **columns) for columns in rows])
    with pytest.raises(UsageError, match=said):
        SegmentIndex(path, None, LoaderSettings(n_images=25))


def test_a_wrong_condition_names_the_nearest_column(world) -> None:
    with pytest.raises(UsageError, match="did you mean 'offset_frames'"):
        SegmentIndex(world.manifest([world.row("x")]), "offset_frame = 0", BY_CLIP)


def test_a_digest_is_of_the_rows_and_not_of_how_they_are_loaded(world) -> None:
    rows = [world.row("a"), world.row("b")]
    one = SegmentIndex(world.manifest(rows), None, BY_CLIP).digest()
    assert SegmentIndex(world.manifest(rows, "again.parquet"), None, LoaderSettings(offset="row")).digest() == one
    assert SegmentIndex(world.manifest(rows[::-1], "turned.parquet"), None, BY_CLIP).digest() != one


def large_manifest(path: Path, n_clips: int) -> Path:
    """Five parts of each of so many clips, written as columns."""
    n = 5 * n_clips
    ids = [f"dev/mp4/id{clip // 60:05d}/abcdefghijk/{clip % 60:05d}" for clip in range(n_clips) for _ in range(5)]
    table = pa.table(
        {
            "clip_id": ids,
            "path": [f"/data/voxceleb2/{name}.mp4" for name in ids],
            "part_index": pa.array(np.tile(np.arange(5), n_clips), pa.int32()),
            "track_index": pa.array(np.zeros(n), pa.int32()),
            "start_s": pa.array(np.tile(np.arange(5) * 5.0, n_clips)),
            "n_images": pa.array(np.full(n, 125), pa.int32()),
            "is_chosen_track": pa.array(np.ones(n, np.bool_)),
            "offset_frames": pa.array(np.zeros(n), pa.int32()),
            "clip_offset_frames": pa.array(np.arange(n) % 7, pa.int32()),
        }
    )
    pq.write_table(table.replace_schema_metadata({PROVENANCE_KEY: b"{}"}), path)
    return path


def test_a_row_takes_some_fifty_bytes_beside_its_clips_names(tmp_path: Path) -> None:
    n_clips = 20_000
    index = SegmentIndex(large_manifest(tmp_path / "m.parquet", n_clips), None, BY_CLIP)
    assert len(index) == 5 * n_clips
    names = n_clips * (len(index[0].clip_id) + len(index[0].path) + 3 * 4)
    pickled = pickle.dumps(index)
    assert (len(pickled) - names) / len(index) < 60
    again = pickle.loads(pickled)
    for row in (0, 7, 5 * n_clips - 1):
        assert again[row] == index[row]
    assert (index[7].part_index, index[7].first_image, index[7].shift_frames) == (2, 250, 0)
    np.testing.assert_array_equal(index.clips[:11], [0] * 5 + [1] * 5 + [2])


def test_a_set_that_was_moved_is_found_at_its_new_place(world) -> None:
    rows = [world.row("a", path="/old/set/a.mp4", audio_path="/sound/a.wav"), world.row("b", path="/older/set/b.mp4")]
    settings = LoaderSettings(moved=(("/old/set", "/new"), ("/sound", "/new/sound")))
    index = SegmentIndex(world.manifest(rows), None, settings)
    # "/older" only begins with the same letters.
    assert [(index[i].path, index[i].audio_path) for i in range(2)] == [("/new/a.mp4", "/new/sound/a.wav"), ("/older/set/b.mp4", None)]
