"""The crop cache: what stages found is what training reads, and a half-written cache is none."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from syncqc.errors import Failure, UsageError
from syncqc.manifest.row import Clip
from syncqc.nets.ic_syncnet import CONFIGS
from syncqc.stages.part import Part, Sound, Track
from syncqc.train import cache
from syncqc.train.cache import CacheShape, CropCache, build

SHAPE = CacheShape(12, 20, 1.5)
CONTEXT = 40 * 640


def samples_of(clip: Clip, first: int, n: int) -> np.ndarray:
    """The sound of a made clip: a ramp that tells its place, another one for each clip."""
    return (((np.arange(first, first + n) * 7 + len(clip.clip_id) * 1000) % 40_000 - 20_000) / 32768).astype(np.float32)


class MadeRead:
    """Two parts of 50 images per clip; the file has sound from its first image on, for 90 images. 'silent' clips fail."""

    reached: ClassVar[int] = 33
    """How many images of sound lie around a part."""

    def __call__(self, clip: Clip) -> Iterator[Part]:
        for index in range(2):
            if clip.clip_id == "breaks" and index == 1:
                raise KeyboardInterrupt
            part = Part(clip, index, 2, 50 * index, 50)
            first, n = (part.first_image - self.reached) * 640, (50 + 2 * self.reached) * 640
            numbers = np.arange(first, first + n)
            is_present = (numbers >= 0) & (numbers < 90 * 640)
            part.sound = Sound(np.where(is_present, samples_of(clip, first, n), 0).astype(np.float32), first, is_present)
            part.images = np.zeros((50, 4, 4, 3), np.uint8)
            if clip.clip_id == "silent":
                part.fail(Failure.SILENT, "silent")
            yield part


class MadeFaces:
    """One track through each part, and in the second part two more: one of 14 images, then one of 15."""

    shapes: ClassVar[list[tuple[int, int, float]]] = []

    def __init__(self, crop_height_px: int, crop_width_px: int, crop_margin: float) -> None:
        self.size = crop_height_px, crop_width_px
        self.shapes.append((crop_height_px, crop_width_px, crop_margin))
        self.is_open = False

    def open(self) -> None:
        self.is_open = True

    def __call__(self, parts: list[Part]) -> list[Part]:
        assert self.is_open
        for part in parts:
            if part.failure is None:
                lengths = [50] if part.part_index == 0 else [50, 14, 15]
                part.tracks = [self._track(part, i, n) for i, n in enumerate(lengths)]
        return parts

    def _track(self, part: Part, index: int, n: int) -> Track:
        empty = np.zeros(0, np.float32)
        first = part.first_image + 50 - n
        track = Track(first, crops_of(part.clip, first, n, index, self.size), empty.astype(np.int32), empty, empty, empty)
        track.row = {"track_index": index, "face_width_px": 60.0 + index}
        return track


def crops_of(clip: Clip, first: int, n: int, index: int, size: tuple[int, int]) -> np.ndarray:
    rng = np.random.default_rng([len(clip.clip_id), index])
    return rng.integers(0, 256, (first + n, *size, 3), np.uint8)[first:]


@pytest.fixture(autouse=True)
def made_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "ReadClip", MadeRead)
    monkeypatch.setattr(cache, "FindFaces", MadeFaces)
    MadeFaces.shapes = []


def labelled(*names: str) -> list[tuple[Clip, str, str]]:
    return [(Clip(name, f"/nowhere/{name}.mp4"), f"source of {name}", f"speaker of {name}") for name in names]


def filled(folder: Path, *names: str) -> CropCache:
    list(build(labelled(*names), folder, SHAPE))
    return CropCache(folder)


def test_the_crops_and_their_shape_come_back(tmp_path: Path) -> None:
    made = filled(tmp_path, "a", "bb")
    assert MadeFaces.shapes == [(12, 20, 1.5)]
    assert (made.height_px, made.width_px, made.margin) == (12, 20, 1.5)
    for entry in made.entries:
        clip = Clip(entry.clip_id, "")
        expected = crops_of(clip, entry.first_image, entry.n_images, entry.track_index, (12, 20))
        assert np.array_equal(made.crops(entry, 0, entry.n_images), expected)
        assert np.array_equal(made.crops(entry, 3, 4), expected[3:7])


def test_every_track_long_enough_has_a_line(tmp_path: Path) -> None:
    made = filled(tmp_path, "a", "silent", "bb")
    lines = [(e.clip_id, e.part_index, e.track_index, e.first_image, e.n_images, e.n_tracks, e.face_width_px) for e in made.entries]
    of_one = [(0, 0, 0, 50, 1, 60.0), (1, 0, 50, 50, 3, 60.0), (1, 2, 85, 15, 3, 62.0)]
    assert lines == [(name, *line) for name in ("a", "bb") for line in of_one]
    assert [(e.source, e.speaker) for e in made.entries[::3]] == [("source of a", "speaker of a"), ("source of bb", "speaker of bb")]


def test_it_tells_how_many_tracks_each_clip_gave(tmp_path: Path) -> None:
    given = [(clip.clip_id, n) for clip, n in build(labelled("a", "silent"), tmp_path, SHAPE)]
    assert given == [("a", 3), ("silent", 0)]


def test_the_sound_comes_back_with_its_surroundings(tmp_path: Path) -> None:
    made = filled(tmp_path, "a", "bb")
    for entry in made.entries:
        clip = Clip(entry.clip_id, "")
        lo, hi = entry.present
        assert entry.n_samples == (entry.n_images + 80) * 640
        # Number 0 of the kept sound is 40 images before the track.
        first = (entry.first_image - 40) * 640
        expected = np.zeros(entry.n_samples, np.float32)
        expected[lo:hi] = samples_of(clip, first + lo, hi - lo)
        assert np.abs(made.samples(entry, 0, entry.n_samples) - expected).max() < 1e-6


def test_it_tells_which_samples_the_file_really_has(tmp_path: Path) -> None:
    first, second, short = filled(tmp_path, "a").entries
    # Part 0 begins with the file: nothing before it; behind it, the reader kept 33 images.
    assert first.present == (CONTEXT, (40 + 50 + 33) * 640)
    # Part 1 begins at image 50, with 33 images kept before it; the file's sound ends at image 90.
    assert second.present == ((40 - 33) * 640, (40 + 90 - 50) * 640)
    # A track from image 85 on: 40 images before it are there.
    assert short.present == (0, (40 + 90 - 85) * 640)


def test_by_image_and_by_sample_is_the_same_sound(tmp_path: Path) -> None:
    made = filled(tmp_path, "a")
    entry = made.entries[1]
    assert np.array_equal(made.sound(entry, 2, 900), made.samples(entry, (40 + 2) * 640, 900))
    assert np.array_equal(made.sound(entry, -3, 900), made.samples(entry, (40 - 3) * 640, 900))


@pytest.mark.parametrize(("begin", "n"), [(-700, 1000), (-2000, 1000), (10**6, 50)], ids=["across the start", "before", "after"])
def test_samples_beyond_the_kept_sound_are_zero_and_never_a_neighbours(tmp_path: Path, begin: int, n: int) -> None:
    made = filled(tmp_path, "a", "bb")
    entry = made.entries[2]  # the sound of others lies on both sides of it in the file
    got = made.samples(entry, begin, n)
    inside = np.clip(np.arange(begin, begin + n), -1, entry.n_samples) == np.arange(begin, begin + n)
    assert got.shape == (n,)
    assert not got[~inside].any()
    end = made.samples(entry, entry.n_samples - 300, 1000)
    assert not end[300:].any()


def test_another_process_gets_the_place_of_a_cache_and_not_its_contents(tmp_path: Path) -> None:
    made = filled(tmp_path, "a")
    sent = pickle.dumps([made, made.entries[0]])
    assert len(sent) < 2000
    there, entry = pickle.loads(sent)
    assert np.array_equal(there.crops(entry, 0, 50), made.crops(made.entries[0], 0, 50))


def test_loud_sound_is_clipped_and_does_not_turn_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "samples_of", lambda clip, first, n: np.full(n, 1.5, np.float32))
    made = filled(tmp_path, "a")
    assert made.samples(made.entries[0], CONTEXT, 10).tolist() == pytest.approx([32767 / 32768] * 10)


def test_an_unfinished_cache_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        list(build(labelled("a", "breaks"), tmp_path, SHAPE))
    with pytest.raises(UsageError, match=r"holds no finished crop cache \(about\.json is missing\)") as error:
        CropCache(tmp_path)
    assert str(error.value).startswith(str(tmp_path))


def test_an_unfinished_cache_over_a_finished_one_is_refused_too(tmp_path: Path) -> None:
    filled(tmp_path, "a")
    with pytest.raises(KeyboardInterrupt):
        list(build(labelled("breaks"), tmp_path, SHAPE))
    with pytest.raises(UsageError, match="holds no finished crop cache"):
        CropCache(tmp_path)


def test_a_cache_without_any_track_is_refused(tmp_path: Path) -> None:
    list(build(labelled("silent"), tmp_path, SHAPE))
    with pytest.raises(UsageError, match="without any face track"):
        CropCache(tmp_path)


def test_the_default_crops_hold_the_networks_crops_at_the_same_scale() -> None:
    shape, small = CacheShape(), CONFIGS["small"]
    # One pixel is as much of the face in both.
    assert shape.margin / shape.width_px == pytest.approx(1 / small.width_px)
    assert (shape.height_px - small.height_px) % 2 == (shape.width_px - small.width_px) % 2 == 0
