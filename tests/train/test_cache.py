"""The crop cache: what lies in its files is what training reads, and a half-written cache is none."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from syncqc.errors import UsageError
from syncqc.nets.ic_syncnet import CONFIGS
from syncqc.train.cache import CacheShape, CropCache


@pytest.fixture
def three(faces: Any) -> list[Any]:
    """Three tracks of other lengths."""
    return [faces.random(n, n) for n in (50, 15, 60)]


def test_the_crops_and_their_shape_come_back(three: list[Any], make_cache: Callable[..., CropCache]) -> None:
    made = make_cache(*three)
    assert (made.height_px, made.width_px, made.margin) == (24, 48, 1.5)
    for entry, face in zip(made.entries, three, strict=True):
        assert np.array_equal(made.crops(entry, 0, entry.n_images), face.crops)
        assert np.array_equal(made.crops(entry, 3, 4), face.crops[3:7])


def test_each_track_has_its_line(faces: Any, make_cache: Callable[..., CropCache]) -> None:
    about = {"clip_id": "a", "speaker": "anna", "source": "trial", "part_index": 2, "track_index": 1, "n_tracks": 3}
    (entry,) = make_cache(faces.random(50, 1, present=(7, 900), **about)).entries
    assert {name: getattr(entry, name) for name in about} == about
    assert entry.present == (7, 900)


def test_the_sound_comes_back_with_its_surroundings(three: list[Any], make_cache: Callable[..., CropCache]) -> None:
    made = make_cache(*three)
    for entry, face in zip(made.entries, three, strict=True):
        assert entry.n_samples == (entry.n_images + 80) * 640
        # In 16 bits.
        assert np.abs(made.samples(entry, 0, entry.n_samples) - face.sound).max() < 5e-5


def test_by_image_and_by_sample_is_the_same_sound(three: list[Any], make_cache: Callable[..., CropCache]) -> None:
    made = make_cache(*three)
    entry = made.entries[1]
    assert np.array_equal(made.sound(entry, 2, 900), made.samples(entry, (40 + 2) * 640, 900))
    assert np.array_equal(made.sound(entry, -3, 900), made.samples(entry, (40 - 3) * 640, 900))


@pytest.mark.parametrize(("begin", "n"), [(-700, 1000), (-2000, 1000), (10**6, 50)], ids=["across the start", "before", "after"])
def test_samples_beyond_the_kept_sound_are_zero_and_never_a_neighbours(
    three: list[Any], make_cache: Callable[..., CropCache], begin: int, n: int
) -> None:
    made = make_cache(*three)
    entry = made.entries[1]  # the sound of others lies on both sides of it in the file
    got = made.samples(entry, begin, n)
    inside = np.clip(np.arange(begin, begin + n), -1, entry.n_samples) == np.arange(begin, begin + n)
    assert got.shape == (n,)
    assert not got[~inside].any()
    end = made.samples(entry, entry.n_samples - 300, 1000)
    assert end[:300].any() and not end[300:].any()


def test_another_process_gets_the_place_of_a_cache_and_not_its_contents(three: list[Any], make_cache: Callable[..., CropCache]) -> None:
    made = make_cache(*three)
    sent = pickle.dumps([made, made.entries[0]])
    assert len(sent) < 2000
    there, entry = pickle.loads(sent)
    assert np.array_equal(there.crops(entry, 0, 50), made.crops(made.entries[0], 0, 50))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("about.json", r"holds no finished crop cache \(about\.json is missing\)"), ("crops.u8", r"not all of one \(crops\.u8 is missing\)")],
)
def test_an_unfinished_cache_is_refused(three: list[Any], make_cache: Callable[..., CropCache], name: str, sentence: str) -> None:
    folder = make_cache(*three).folder
    (folder / name).unlink()
    with pytest.raises(UsageError, match=sentence) as error:
        CropCache(folder)
    assert str(error.value).startswith(str(folder))


def test_a_cache_without_any_track_is_refused(three: list[Any], make_cache: Callable[..., CropCache]) -> None:
    folder = make_cache(*three).folder
    (folder / "index.jsonl").write_text("")
    with pytest.raises(UsageError, match="without any face track"):
        CropCache(folder)


def test_the_default_crops_hold_the_networks_crops_at_the_same_scale() -> None:
    shape, small = CacheShape(), CONFIGS["small"]
    # One pixel is as much of the face in both.
    assert shape.margin / shape.width_px == pytest.approx(1 / small.width_px)
    assert (shape.height_px - small.height_px) % 2 == (shape.width_px - small.width_px) % 2 == 0


@pytest.mark.parametrize(("seen", "kept"), [((48, 96), (72, 128)), ((128, 256), (192, 342)), ((50, 100), (76, 134))])
def test_room_around_what_a_network_sees_is_at_its_scale_and_even(seen: tuple[int, int], kept: tuple[int, int]) -> None:
    shape = CacheShape.around(*seen)
    assert (shape.height_px, shape.width_px) == kept
    assert shape.margin == pytest.approx(kept[1] / seen[1])
    assert CacheShape.around(48, 96) == CacheShape()
