from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from miniature import OFFSETS, Planted, voxceleb2
from seen_by import offset_frames, packets_hash, pictures_by_index, sound_by_index, sound_by_pts, tree_hash

from syncqc.cli.main import main
from syncqc.loaders.segments import SegmentDataset
from syncqc.loaders.settings import LoaderSettings

SIDECAR_OFFSETS = (-6, 0, 8)


@dataclass(frozen=True)
class Ran:
    """A recipe that was carried out on a miniature."""

    source: Path
    out: Path
    planted: list[Planted]
    before: dict[str, str]

    @property
    def good(self) -> list[Planted]:
        return [one for one in self.planted if one.is_good]

    def written(self, one: Planted) -> Path:
        return self.out / "3-in-sync" / f"{one.clip_id}.mp4"

    def rows(self, name: str) -> list[dict[str, object]]:
        return list(pq.read_table(self.out / name).to_pylist())


def run(source: Path, out: Path, *more: str) -> int:
    return main(["run", "voxceleb2", str(source), str(out), "--max-failures", "0.5", "--engine", "local", *more])


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("voxceleb2")
    source, out = folder / "voxceleb2", folder / "clean"
    planted = voxceleb2(source)
    before = tree_hash(source)
    assert run(source, out) == 0
    return Ran(source, out, planted, before)


@pytest.mark.slow
def test_the_good_are_kept_whatever_their_offset_and_the_bad_are_dropped_with_a_reason(ran: Ran) -> None:
    assert {row["clip_id"] for row in ran.rows("2-kept.parquet")} == {one.clip_id for one in ran.good}
    dropped = {row["clip_id"]: row for row in ran.rows("2-dropped.parquet")}
    assert {one.clip_id for one in ran.planted} - {one.clip_id for one in ran.good} == dropped.keys()
    assert [row["failure"] for _, row in sorted(dropped.items())] == [None, "silent", "unreadable", "unreadable"]
    assert all(row["dropped_by"] for row in dropped.values())


@pytest.mark.slow
def test_the_sets_own_offset_and_its_speakers_are_columns(ran: Ran) -> None:
    found = {row["speaker"]: row["dataset_offset_frames"] for row in ran.rows("2-kept.parquet")}
    assert found == {f"id{i:05d}": offset for i, offset in enumerate(OFFSETS)}


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(OFFSETS)), ids=[f"{offset:+d}" for offset in OFFSETS])
def test_every_kept_clip_is_in_sync_for_readers_by_time_and_by_index(ran: Ran, number: int, tmp_path: Path) -> None:
    one = ran.planted[number]
    assert one.talk is not None
    assert abs(offset_frames(sound_by_pts(ran.written(one)), one.talk)) <= 1
    assert abs(offset_frames(sound_by_index(ran.written(one), tmp_path), one.talk)) <= 1
    shown, source = pictures_by_index(ran.written(one)), pictures_by_index(ran.source / f"{one.clip_id}.mp4")
    assert len(shown) == 125
    assert np.array_equal(shown, source)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(OFFSETS)), ids=[f"{offset:+d}" for offset in OFFSETS])
def test_the_coded_pictures_are_those_of_the_source(ran: Ran, number: int) -> None:
    one = ran.planted[number]
    assert packets_hash(ran.written(one)) == packets_hash(ran.source / f"{one.clip_id}.mp4")


@pytest.mark.slow
def test_a_clip_within_one_image_is_placed_as_it_is_and_the_others_are_shifted(ran: Ran) -> None:
    rows = {row["clip_id"]: row for row in ran.rows("3-in-sync/manifest.parquet")}
    for one, offset in zip(ran.good, OFFSETS, strict=True):
        row, is_same = rows[one.clip_id], ran.written(one).read_bytes() == (ran.source / f"{one.clip_id}.mp4").read_bytes()
        assert (row["resync_status"], is_same) == (("in_time", True) if abs(offset) <= 1 else ("shifted", False))
        assert row["resynced_path"] == str(ran.written(one))
        assert row["resync_shift_frames"] == (0 if abs(offset) <= 1 else row["clip_offset_frames"])


@pytest.mark.slow
def test_loaders_read_what_was_written_and_have_nothing_left_to_shift(ran: Ran) -> None:
    data = SegmentDataset(ran.out / "3-in-sync" / "manifest.parquet", settings=LoaderSettings(images="none", crops=True))
    # The clips within one image were not shifted, so the loader still takes that image away.
    assert sorted(data[i]["offset_frames"] for i in range(len(data))) == [0] * (len(OFFSETS) - 1) + [1]
    assert {tuple(data[i]["crops"].shape) for i in range(len(data))} == {(125, 3, 48, 96)}


@pytest.mark.slow
def test_the_source_is_as_it_was(ran: Ran) -> None:
    assert tree_hash(ran.source) == ran.before


@pytest.mark.slow
def test_the_same_command_again_changes_nothing(ran: Ran) -> None:
    before = tree_hash(ran.out / "3-in-sync")
    assert run(ran.source, ran.out) == 0
    assert tree_hash(ran.out / "3-in-sync") == before


@pytest.mark.slow
def test_sound_in_a_folder_of_its_own_is_put_right_there(tmp_path: Path) -> None:
    source, out = tmp_path / "voxceleb2", tmp_path / "clean"
    planted = voxceleb2(source, has_sidecars=True, offsets=SIDECAR_OFFSETS)
    assert run(source, out) == 0
    for one in planted:
        if not one.is_good:
            continue
        assert one.talk is not None
        video, sound = (out / "3-in-sync" / f"{name}" for name in (f"{one.clip_id}.mp4", f"{one.clip_id.replace('/mp4/', '/aac/')}.m4a"))
        assert video.read_bytes() == (source / f"{one.clip_id}.mp4").read_bytes()
        assert abs(offset_frames(sound_by_index(sound, tmp_path), one.talk)) <= 1
        assert abs(offset_frames(sound_by_pts(sound, zero_s=0), one.talk)) <= 1  # type: ignore[arg-type]
    shutil.rmtree(out)
