"""Batches: which windows, in which order, and that each has its own sound beside it, to the mel column."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from syncqc.media.mel import MelFrontEnd
from syncqc.train import augment
from syncqc.train.batches import Example, WindowBatches, examples, loudness, pick_windows, stack_images, stream
from syncqc.train.cache import CropCache
from syncqc.train.config import TrainConfig, images_needed

MEL = MelFrontEnd()
FIRST_SAMPLE = -8 * 200 - 401
"""Eight mel columns of context, half a mel window and one sample for pre-emphasis before image 0."""


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures and sound as they are in the cache."""
    monkeypatch.setattr(augment, "disturb", lambda sound, other, rng: sound)
    monkeypatch.setattr(augment, "stutter", lambda n, rng: np.arange(n))
    monkeypatch.setattr(augment, "recolour", lambda images, rng: images)
    monkeypatch.setattr(augment, "degrade", lambda images, rng: images)
    monkeypatch.setattr(augment, "erase", lambda images, rng: images)
    monkeypatch.setattr(augment, "speed", lambda rng: 1.0)
    monkeypatch.setattr(augment, "mask_bands", lambda mel, rng: mel)
    monkeypatch.setattr(augment, "other_throat", lambda mel, rng: mel)
    place = augment.place
    monkeypatch.setattr(augment, "place", lambda crops, height, width, rng: place(crops, height, width, None))


def one_batch(tracks: list[Example], config: TrainConfig, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    return WindowBatches(tracks, replace(config, seed=seed), 16, 32, MEL)[0]


def test_a_window_is_image_by_image_and_red_green_blue_within() -> None:
    images = np.zeros((5, 2, 3, 3), np.uint8)
    for image in range(5):
        for colour in range(3):
            images[image, ..., colour] = 10 * image + colour
    images[4, 1, 2, 0] = 99
    stacked = stack_images(images)
    assert stacked.shape == (15, 2, 3)
    assert stacked[:, 0, 0].tolist() == [10 * image + colour for image in range(5) for colour in range(3)]
    assert stacked[12, 1, 2] == 99
    assert stacked.flags.c_contiguous


def test_loudness_by_hand() -> None:
    # Eight images: three of amplitude 0.1, five of silence. Sound before and behind counts for nothing.
    own = np.concatenate([np.full(3 * 640, 0.1), np.zeros(5 * 640)])
    samples = np.concatenate([np.full(2001, 0.9), own, np.full(900, 0.9)]).astype(np.float32)
    # Windows of five images hold 3, 2, 1 and 0 loud ones: 10 log10(0.01 * 3/5) and so on; silence is -100 dB.
    assert loudness(samples, -2001, 8).tolist() == pytest.approx([-22.2185, -23.9794, -26.9897, -100.0], abs=1e-3)


@given(
    n_windows=st.integers(2, 12),
    gap=st.integers(1, 4),
    spare=st.integers(0, 60),
    quiet=st.floats(0, 1),
    seed=st.integers(0, 2**32 - 1),
)
def test_picked_windows_are_as_many_as_asked_for_ascending_and_apart(n_windows: int, gap: int, spare: int, quiet: float, seed: int) -> None:
    config = TrainConfig(n_windows=n_windows, min_gap_images=gap, span_images=200)
    rng = np.random.default_rng(seed)
    n_choices = images_needed(config) - 4 + spare
    loud = np.where(rng.random(n_choices) < quiet, -90.0, -20.0).astype(np.float32)
    picked = pick_windows(loud, config, rng)
    assert len(picked) == n_windows
    assert picked == sorted(picked)
    assert (np.diff(picked) >= gap).all()
    assert picked[0] >= 0
    assert picked[-1] < n_choices


def test_quiet_windows_are_taken_more_seldom() -> None:
    config = TrainConfig(n_windows=2, quiet_share=0.25)
    loud = np.where(np.arange(100) % 2 == 0, -20.0, -70.0).astype(np.float32)
    rng = np.random.default_rng(0)
    picked = [window for _ in range(600) for window in pick_windows(loud, config, rng)]
    # Half of the windows are quiet and count a quarter: 0.25 / 1.25 of those taken.
    assert np.mean(np.array(picked) % 2) == pytest.approx(0.2, abs=0.04)
    evenly = replace(config, quiet_share=1.0)
    picked = [window for _ in range(600) for window in pick_windows(loud, evenly, rng)]
    assert np.mean(np.array(picked) % 2) == pytest.approx(0.5, abs=0.05)


def test_every_window_has_its_chance() -> None:
    config = TrainConfig(n_windows=4)
    rng = np.random.default_rng(0)
    counts = np.bincount([w for _ in range(500) for w in pick_windows(np.zeros(30, np.float32), config, rng)], minlength=30)
    assert counts.min() > 30


BRIGHT_IMAGE = 23


def clicking_face(faces: Any, offset_frames: int) -> Any:
    """Dark but for one image, silent but for one click; the click comes `offset_frames` images before the bright image."""
    crops = np.full((60, 24, 48, 3), 20, np.uint8)
    crops[BRIGHT_IMAGE] = 250
    sound = np.zeros((60 + 80) * 640)
    sound[(40 + BRIGHT_IMAGE - offset_frames) * 640] = 0.9
    return faces.of(crops, sound)


def click_column(mel: np.ndarray) -> int | None:
    """The column of a mel window (32, 80) with the click in its middle; None without any."""
    loud = mel.sum(axis=1)
    return int(loud.argmax()) if loud.max() > loud.min() + 1 else None


@pytest.mark.parametrize("offset", [0, 3, -4])
def test_the_tracks_own_offset_is_taken_out(plain: None, faces: Any, make_cache: Callable[..., CropCache], offset: int) -> None:
    # offset_frames > 0: the sound comes early. Once corrected, the click sounds while the bright image is on show.
    cache = make_cache(clicking_face(faces, offset))
    config = TrainConfig(n_segments=1, n_windows=12, min_gap_images=2, span_images=60, sound_jitter_samples=0)
    places = set()
    for seed in range(6):
        images, mels = one_batch([Example(cache, cache.entries[0], offset)], config, seed)
        for window, mel in zip(images.numpy(), mels.numpy()[:, 0], strict=True):
            bright = np.flatnonzero(window.reshape(5, -1).max(axis=1) == 250)
            if len(bright):
                # Image p of the window begins 640 p samples after its first of 16 aligned columns, give or take half a column.
                column = click_column(mel)
                assert column is not None
                assert abs(column - (8 + 3.2 * bright[0])) <= 1
                places.add(int(bright[0]))
    assert places == {0, 1, 2, 3, 4}


def test_an_offset_left_in_shows(plain: None, faces: Any, make_cache: Callable[..., CropCache]) -> None:
    cache = make_cache(clicking_face(faces, 2))
    config = TrainConfig(n_segments=1, n_windows=12, span_images=60, sound_jitter_samples=0)
    seen = 0
    for seed in range(6):
        images, mels = one_batch([Example(cache, cache.entries[0], 0)], config, seed)
        for window, mel in zip(images.numpy(), mels.numpy()[:, 0], strict=True):
            bright = np.flatnonzero(window.reshape(5, -1).max(axis=1) == 250)
            if len(bright):
                # Two images early: 6.4 columns before the picture.
                column = click_column(mel)
                assert column is not None
                assert abs(column - (8 + 3.2 * (bright[0] - 2))) <= 1
                seen += 1
    assert seen


def test_the_sound_is_moved_by_less_than_an_image(plain: None, faces: Any, make_cache: Callable[..., CropCache]) -> None:
    cache = make_cache(clicking_face(faces, 0))
    config = TrainConfig(n_segments=1, n_windows=4, span_images=60, sound_jitter_samples=128)
    batches = WindowBatches([Example(cache, cache.entries[0])], config, 16, 32, MEL)
    places = set()
    for seed in range(40):
        first_sample, samples = batches._samples(batches.tracks[0], 0, 60, np.random.default_rng(seed))
        places.add(int(samples.argmax()) + first_sample - BRIGHT_IMAGE * 640)
    assert first_sample == FIRST_SAMPLE
    assert min(places) >= -128
    assert max(places) <= 128
    assert max(places) - min(places) > 128


def test_a_stretch_inside_the_track_has_its_own_sound(plain: None, faces: Any, make_cache: Callable[..., CropCache]) -> None:
    cache = make_cache(clicking_face(faces, 0))
    config = TrainConfig(n_segments=1, n_windows=4, span_images=30, sound_jitter_samples=0)
    batches = WindowBatches([Example(cache, cache.entries[0])], config, 16, 32, MEL)
    first_sample, samples = batches._samples(batches.tracks[0], 10, 30, np.random.default_rng(0))
    assert int(samples.argmax()) + first_sample == (BRIGHT_IMAGE - 10) * 640


SPEEDS = [0.87, 0.93, 1.0, 1.06, 1.15]


@pytest.mark.parametrize("offset", [0, 3])
@pytest.mark.parametrize("speed", SPEEDS)
def test_at_every_speed_the_sound_stays_with_its_picture(
    plain: None, faces: Any, make_cache: Callable[..., CropCache], monkeypatch: pytest.MonkeyPatch, speed: float, offset: int
) -> None:
    monkeypatch.setattr(augment, "speed", lambda rng: speed)
    face = clicking_face(faces, offset)
    face.crops[:] = 4 * np.arange(60, dtype=np.uint8)[:, None, None, None]  # a picture's brightness tells its place
    cache = make_cache(face)
    config = TrainConfig(n_segments=1, n_windows=12, min_gap_images=2, span_images=60, sound_jitter_samples=0)
    steps, clicks = [], []
    for seed in range(4):
        images, mels = one_batch([Example(cache, cache.entries[0], offset)], config, seed)
        for window, mel in zip(images.numpy(), mels.numpy()[:, 0], strict=True):
            places = window.reshape(5, -1)[:, 0] / 4
            steps += np.diff(places).tolist()
            if (column := click_column(mel)) is not None and 8 <= column <= 23:
                clicks.append(places[0] + speed * (column - 8) / 3.2)
    # A place is exact to a tenth of an image, and an eighth of the rounding; a column to half of itself.
    assert np.mean(steps) == pytest.approx(speed, abs=0.01)
    assert np.ptp(steps) < 0.5
    assert len(clicks) >= 5
    assert clicks == pytest.approx([BRIGHT_IMAGE] * len(clicks), abs=0.45)


@pytest.mark.parametrize("speed", SPEEDS)
def test_at_every_speed_a_click_lies_at_its_own_sample(plain: None, faces: Any, make_cache: Callable[..., CropCache], speed: float) -> None:
    cache = make_cache(clicking_face(faces, 0))
    config = TrainConfig(n_segments=1, n_windows=4, span_images=40, sound_jitter_samples=0)
    batches = WindowBatches([Example(cache, cache.entries[0])], config, 16, 32, MEL)
    first_sample, samples = batches._samples(batches.tracks[0], 5, 40, np.random.default_rng(0), speed)
    assert first_sample == FIRST_SAMPLE
    assert int(samples.argmax()) + first_sample == pytest.approx((BRIGHT_IMAGE - 5) * 640 / speed, abs=1)


def test_at_speed_1_pictures_and_sound_are_those_of_the_cache(plain: None, faces: Any, make_cache: Callable[..., CropCache]) -> None:
    cache = make_cache(faces.random(60, 1))
    (entry,) = cache.entries
    config = TrainConfig(n_segments=1, n_windows=4, span_images=30, sound_jitter_samples=0)
    batches = WindowBatches([Example(cache, entry, 2)], config, 16, 32, MEL)
    first_sample, samples = batches._samples(batches.tracks[0], 10, 30, np.random.default_rng(0), 1.0)
    assert np.array_equal(samples, cache.samples(entry, (10 + 40 - 2) * 640 + first_sample, len(samples)))
    own = {image.transpose(2, 0, 1).tobytes() for image in augment.place(cache.crops(entry, 0, 60), 16, 32, None)}
    assert all(image.tobytes() in own for window in batches[0][0].numpy() for image in window.reshape(5, 3, 16, 32))


@pytest.mark.parametrize("spare", [0, 2, 3])
def test_a_track_with_no_image_to_spare_keeps_its_speed(
    plain: None, faces: Any, make_cache: Callable[..., CropCache], config: TrainConfig, monkeypatch: pytest.MonkeyPatch, spare: int
) -> None:
    monkeypatch.setattr(augment, "speed", lambda rng: 1.15)
    n = images_needed(config) + spare
    places = np.broadcast_to(4 * np.arange(n, dtype=np.uint8)[:, None, None, None], (n, 24, 48, 3))
    cache = make_cache(faces.of(places, np.zeros((n + 80) * 640)))
    images, _ = WindowBatches([Example(cache, cache.entries[0])], replace(config, n_segments=1), 16, 32, MEL)[0]
    steps = np.diff(images.numpy().reshape(-1, 5, 3 * 16 * 32)[..., 0].astype(int))
    # 15 are needed: (15 + 3 - 1) / 1.15 + 1 is just 15 again, of 17 there would be too few.
    assert (steps == 4).all() == (spare < 3)


def test_placement_alone_changes_no_speed_and_hides_nothing(
    faces: Any, make_cache: Callable[..., CropCache], config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("not with placement")

    for name in ("speed", "erase", "stutter", "disturb"):
        monkeypatch.setattr(augment, name, refuse)
    tracks = examples([make_cache(*(faces.random(40, seed) for seed in range(4)))], config)
    WindowBatches(tracks, replace(config, augmentation="placement"), 16, 32, MEL)[0]
    with pytest.raises(AssertionError, match="not with placement"):
        one_batch(tracks, config)


def test_sound_beyond_what_is_kept_is_silent(plain: None, faces: Any, make_cache: Callable[..., CropCache]) -> None:
    # The sound is 45 images late, so the track's last images want sound from behind the 40 that are kept.
    face = faces.random(30, 1)
    cache = make_cache(face, faces.random(30, 2))
    config = TrainConfig(n_segments=1, n_windows=4, span_images=30, sound_jitter_samples=0)
    batches = WindowBatches([Example(cache, cache.entries[0], -45)], config, 16, 32, MEL)
    first_sample, samples = batches._samples(batches.tracks[0], 0, 30, np.random.default_rng(0))
    end = (30 + 40 - 45) * 640 - first_sample
    assert np.abs(samples[end - 100 : end]).max() > 0.01
    assert not samples[end:].any()


def test_shape_kind_and_order_of_a_batch(faces: Any, make_cache: Callable[..., CropCache], config: TrainConfig) -> None:
    cache = make_cache(*(faces.random(40, seed) for seed in range(4)))
    images, mels = one_batch(examples([cache], config), config)
    assert (images.dtype, tuple(images.shape)) == (torch.uint8, (12, 15, 16, 32))
    assert (mels.dtype, tuple(mels.shape)) == (torch.float32, (12, 1, 32, 80))


def test_tracks_come_in_a_row_and_differ(plain: None, faces: Any, make_cache: Callable[..., CropCache], config: TrainConfig) -> None:
    grey = [faces.of(np.full((40, 24, 48, 3), 50 * level, np.uint8), np.zeros(120 * 640)) for level in range(5)]
    cache = make_cache(*grey)
    for seed in range(5):
        images, _ = one_batch(examples([cache], config), config, seed)
        levels = images.amax((1, 2, 3)).reshape(config.n_segments, config.n_windows)
        assert torch.equal(levels, levels[:, :1].expand_as(levels))
        assert len(levels[:, 0].unique()) == config.n_segments


def test_the_seed_decides(faces: Any, make_cache: Callable[..., CropCache], config: TrainConfig) -> None:
    cache = make_cache(*(faces.random(40, seed) for seed in range(4)))
    tracks = examples([cache], config)
    one, same, other = (one_batch(tracks, config, seed) for seed in (1, 1, 2))
    assert torch.equal(one[0], same[0])
    assert torch.equal(one[1], same[1])
    assert not torch.equal(one[1], other[1])


def test_batches_go_on_and_differ(faces: Any, make_cache: Callable[..., CropCache], config: TrainConfig) -> None:
    cache = make_cache(*(faces.random(40, seed) for seed in range(4)))
    batches = WindowBatches(examples([cache], config), config, 16, 32, MEL)
    assert not torch.equal(batches[0][1], batches[1][1])


def same(one: tuple[torch.Tensor, torch.Tensor], other: tuple[torch.Tensor, torch.Tensor]) -> bool:
    return torch.equal(one[0], other[0]) and torch.equal(one[1], other[1])


def test_a_batch_depends_on_its_number_not_on_those_before(faces: Any, make_cache: Callable[..., CropCache], config: TrainConfig) -> None:
    cache = make_cache(*(faces.random(40, seed) for seed in range(4)))
    batches = WindowBatches(examples([cache], config), config, 16, 32, MEL)
    third = batches[3]
    for number in (0, 7):
        assert not same(batches[number], third)
    assert same(batches[3], third)


def test_each_process_of_a_group_has_its_own_share(faces: Any, make_cache: Callable[..., CropCache], config: TrainConfig) -> None:
    cache = make_cache(*(faces.random(40, seed) for seed in range(4)))
    first, second = (WindowBatches(examples([cache], config), config, 16, 32, MEL, rank) for rank in (0, 1))
    assert not same(first[0], second[0])


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning", "ignore:This DataLoader will create:UserWarning")
def test_every_number_of_workers_gives_the_same_batches(faces: Any, make_cache: Callable[..., CropCache], config: TrainConfig) -> None:
    cache = make_cache(*(faces.random(40, seed) for seed in range(4)))
    tracks = examples([cache], config)
    made = [WindowBatches(tracks, replace(config, n_loader_workers=n), 16, 32, MEL) for n in (0, 1, 3)]
    here, *beside = [list(stream(batches, 2, 7)) for batches in made]
    assert len(here) == 5
    assert same(here[0], made[0][2])
    for batches in beside:
        assert [same(one, other) for one, other in zip(here, batches, strict=True)] == [True] * 5


def test_placement_alone_leaves_colours_and_sound_as_they_are(
    faces: Any, make_cache: Callable[..., CropCache], config: TrainConfig
) -> None:
    grey = [faces.of(np.full((40, 24, 48, 3), 100, np.uint8), 0.1 * np.ones(120 * 640)) for _ in range(3)]
    tracks = examples([make_cache(*grey)], config)
    for seed in range(3):
        plain_config = replace(config, augmentation="placement", sound_jitter_samples=0, seed=seed)
        images, mels = WindowBatches(tracks, plain_config, 16, 32, MEL)[0]
        assert (images == 100).all()
        assert torch.equal(mels, mels[:1].expand_as(mels)), "a constant sound has one spectrum"
        assert not (one_batch(tracks, config, seed)[0] == 100).all()


def test_placement_alone_still_moves_pictures(faces: Any, make_cache: Callable[..., CropCache], config: TrainConfig) -> None:
    cache = make_cache(*(faces.random(40, seed) for seed in range(4)))
    config = replace(config, augmentation="placement")
    batches = WindowBatches([Example(cache, cache.entries[0])], replace(config, n_segments=1), 16, 32, MEL)
    middle = augment.place(cache.crops(cache.entries[0], 0, 40), 16, 32, None)
    shown = {image.tobytes() for image in middle}
    assert not any(window[:3].transpose(1, 2, 0).tobytes() in shown for window in batches[0][0].numpy())


def chosen(*arguments: Any) -> dict[tuple[str, int], tuple[int, float]]:
    return {(e.entry.clip_id, e.entry.track_index): (e.offset_frames, e.weight) for e in examples(*arguments)}


def test_tracks_are_weighted_by_length_and_source(faces: Any, make_cache: Callable[..., CropCache], config: TrainConfig) -> None:
    config = replace(config, source_weights={"rare": 0.5, "never": 0.0})
    need = images_needed(config)
    cache = make_cache(
        faces.random(need - 1, 1),
        faces.random(need, 2),
        faces.random(50, 3, source="rare"),
        faces.random(50, 4, source="never"),
        faces.random(90, 5),
        faces.random(50, 6, n_tracks=2),
    )
    # Too short, in a source with weight 0, beside another face: left out. Longer than two spans of 30 counts as two spans.
    assert chosen([cache], config) == {("clip-2", 0): (0, need), ("clip-3", 0): (0, 25.0), ("clip-5", 0): (0, 60.0)}


def test_corrections_decide_over_offset_weight_and_faces(faces: Any, make_cache: Callable[..., CropCache], config: TrainConfig) -> None:
    two = [faces.random(50, seed, clip_id="two", track_index=seed, n_tracks=2) for seed in range(2)]
    cache = make_cache(faces.random(50, 5), *two, faces.random(50, 7))
    corrections = {("clip-5", 0, 0): (-3, 0.5), ("two", 0, 1): (2, 1.0), ("clip-7", 0, 0): (1, 0.0)}
    assert chosen([cache], config, corrections) == {("clip-5", 0): (-3, 25.0), ("two", 1): (2, 50.0)}


def test_offsets_beyond_the_limits_of_a_source_are_left_out(faces: Any, make_cache: Callable[..., CropCache], config: TrainConfig) -> None:
    config = replace(config, min_offset_frames={"rare": -2.0}, max_offset_frames={"rare": 3.0})
    cache = make_cache(*(faces.random(50, seed, source="rare" if seed < 5 else "other") for seed in range(1, 6)))
    corrections = {(f"clip-{seed}", 0, 0): (offset, 1.0) for seed, offset in ((1, -3), (2, -2), (3, 3), (4, 4), (5, 9))}
    assert {clip for clip, _ in chosen([cache], config, corrections)} == {"clip-2", "clip-3", "clip-5"}


def test_a_heavy_track_is_taken_more_often(plain: None, faces: Any, make_cache: Callable[..., CropCache], config: TrainConfig) -> None:
    grey = [faces.of(np.full((40, 24, 48, 3), 50 * level, np.uint8), np.zeros(120 * 640)) for level in range(1, 4)]
    cache = make_cache(*grey)
    tracks = [Example(cache, entry, 0, weight) for entry, weight in zip(cache.entries, (6.0, 1.0, 1.0), strict=True)]
    batches = WindowBatches(tracks, replace(config, n_segments=1), 16, 32, MEL)
    levels = [int(batches[number][0].max()) for number in range(120)]
    assert levels.count(50) / len(levels) == pytest.approx(0.75, abs=0.12)
