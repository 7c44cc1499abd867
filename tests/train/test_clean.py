"""Cleaning, with curves drawn by hand: a peak of some height at the shift that an offset stands for."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from syncqc.media.mel import MelFrontEnd
from syncqc.train import clean as module
from syncqc.train.cache import Entry
from syncqc.train.clean import Cleaned, CleanSettings, clean

TAU = 0.1
W = CleanSettings().w
KEPT, NO_SOUND, EDGE = "kept", "no sound", "the offset is at the edge of the search"
NOTHING, DISAGREES = "the lips do not tell the offset", "the part disagrees with its clip"
OTHER_FACE, SHORT = "another face of the part is better in sync", "the track is too short to be measured"


class Face:
    """One track of a cache, with the curve that a network would give: `height` at `offset`, a little noise elsewhere."""

    def __init__(
        self, offset: int, height: float = 0.3, *, n: int = 100, clip: str = "a", part: int = 0, track: int = 0, first: int = 0,
        source: str = "made", n_images: int | None = None,
    ) -> None:  # fmt: skip
        n_images = n + 4 if n_images is None else n_images
        self.entry = Entry(clip, source, f"of {clip}", part, track, first, n_images, 0, 0, 0, (0, 0), 80.0, 1)
        self.curve = 0.01 * np.cos(np.arange(2 * W + 1))
        self.curve[W - offset] = height
        self.n = n


Look = Callable[..., dict[tuple[str, int, int], Cleaned]]


@pytest.fixture
def cleaned(monkeypatch: pytest.MonkeyPatch) -> Look:
    """What becomes of the faces, by (clip, part, track)."""

    def cleaned(*faces: Face, **settings: Any) -> dict[tuple[str, int, int], Cleaned]:
        by_key = {(f.entry.clip_id, f.entry.part_index, f.entry.track_index): f for f in faces}

        def curve(network: object, cache: object, entry: Entry, mel: object, w: int) -> tuple[np.ndarray, int]:
            face = by_key[entry.clip_id, entry.part_index, entry.track_index]
            return (face.curve, face.n) if face.n else (np.zeros(2 * w + 1), 0)

        monkeypatch.setattr(module, "_curve", curve)
        half = len(faces) // 2
        caches: Any = [SimpleNamespace(entries=[f.entry for f in some]) for some in (faces[:half], faces[half:])]
        network: Any = SimpleNamespace(tau=TAU)
        found = clean(network, caches, MelFrontEnd(), CleanSettings(**settings))
        assert found.keys() == by_key.keys(), "every track is spoken of"
        assert all((one.weight == 1.0) == (one.reason == KEPT) for one in found.values())
        return found

    return cleaned


@pytest.mark.parametrize("offset", [-11, -4, 0, 3, 11])
def test_the_offset_of_a_long_clip_is_found(offset: int, cleaned: Look) -> None:
    assert cleaned(Face(offset)) == {("a", 0, 0): Cleaned(offset, 1.0, KEPT)}


def test_all_parts_of_a_clip_get_its_one_offset(cleaned: Look) -> None:
    found = cleaned(Face(3, part=0), Face(4, part=1), Face(3, part=2))
    assert set(found.values()) == {Cleaned(3, 1.0, KEPT)}


def test_long_parts_weigh_more(cleaned: Look) -> None:
    found = cleaned(Face(1, 0.3, part=0, n=100), Face(7, 0.5, part=1, n=30))
    assert found["a", 0, 0] == Cleaned(1, 1.0, KEPT)


def test_the_parts_of_a_clip_are_long_together(cleaned: Look) -> None:
    others = [Face(0, clip=f"b{i}", n=100) for i in range(9)]
    found = cleaned(Face(5, part=0, n=30), Face(5, part=1, n=30), *others)
    assert found["a", 0, 0] == found["a", 1, 0] == Cleaned(5, 1.0, KEPT)


def test_short_clips_take_the_offset_of_their_source(cleaned: Look) -> None:
    # Each is misled by itself; what they have in common is 2.
    words = []
    for i, misled in enumerate((-9, 7, 4, -3)):
        word = Face(2, 0.3, clip=f"w{i}", n=25)
        word.curve[W - misled] = 0.4
        words.append(word)
    elsewhere = [Face(-6, clip=f"b{i}", n=25, source="other") for i in range(5)]
    found = cleaned(*words, *elsewhere)
    assert {found[f"w{i}", 0, 0] for i in range(4)} == {Cleaned(2, 1.0, KEPT)}
    assert {found[f"b{i}", 0, 0] for i in range(5)} == {Cleaned(-6, 1.0, KEPT)}


def test_a_short_clip_that_does_not_show_its_sources_offset_is_left_out(cleaned: Look) -> None:
    found = cleaned(Face(-8, clip="odd", n=25), *(Face(2, clip=f"w{i}", n=25) for i in range(5)))
    assert found["odd", 0, 0] == Cleaned(2, 0.0, NOTHING)


def test_a_part_that_disagrees_with_its_clip_is_left_out(cleaned: Look) -> None:
    # It has a peak at the clip's offset as well, so its margin there is enough; its best shift is another.
    odd = Face(-6, 0.5, part=2)
    odd.curve[W - 1] = 0.2
    found = cleaned(Face(1, part=0), Face(1, part=1), odd)
    assert found["a", 2, 0] == Cleaned(1, 0.0, DISAGREES)
    assert found["a", 0, 0] == Cleaned(1, 1.0, KEPT)


def test_a_short_part_may_be_misled(cleaned: Look) -> None:
    misled = Face(-6, 0.5, part=2, n=57)
    misled.curve[W - 1] = 0.2
    assert cleaned(Face(1, part=0), Face(1, part=1), misled)["a", 2, 0] == Cleaned(1, 1.0, KEPT)


def test_half_of_a_clip_that_was_just_cut_is_long(cleaned: Look) -> None:
    # 126 images are cut into two parts of 63, which have 59 windows.
    odd = Face(-6, 0.3, part=1, n=59)
    odd.curve[W - 1] = 0.2
    assert cleaned(Face(1, 0.4, part=0, n=59), odd)["a", 1, 0].reason == DISAGREES


@pytest.mark.parametrize(
    ("height", "reason"), [(0.051, KEPT), (0.049, NOTHING), (-0.2, NOTHING)], ids=["just enough", "just too little", "foreign sound"]
)
def test_the_lips_must_tell_the_offset(height: float, reason: str, cleaned: Look) -> None:
    found = cleaned(Face(4, part=0), Face(4, part=1), Face(4, height, part=2, n=40))
    assert found["a", 2, 0].reason == reason


@pytest.mark.parametrize("near", [-1, 1], ids=["an image before", "an image after"])
def test_a_peak_one_image_away_is_enough(near: int, cleaned: Look) -> None:
    assert cleaned(Face(4, part=0), Face(4, part=1), Face(4 + near, part=2))["a", 2, 0] == Cleaned(4, 1.0, KEPT)


def test_of_two_faces_the_one_in_sync_is_kept(cleaned: Look) -> None:
    found = cleaned(Face(0, 0.1, track=0), Face(3, 0.3, track=1, n=90))
    assert found == {("a", 0, 0): Cleaned(0, 0.0, OTHER_FACE), ("a", 0, 1): Cleaned(3, 1.0, KEPT)}


def test_a_short_track_with_a_chance_peak_does_not_beat_a_long_one(cleaned: Look) -> None:
    found = cleaned(Face(-7, 0.4, track=0, n=11), Face(3, 0.3, track=1, n=100))
    assert (found["a", 0, 0].reason, found["a", 0, 1].reason) == (OTHER_FACE, KEPT)


def test_faces_after_a_cut_are_not_beside_each_other(cleaned: Look) -> None:
    found = cleaned(Face(2, 0.3, track=0, first=0, n=50), Face(2, 0.2, track=1, first=54, n=40))
    assert [one.reason for one in found.values()] == [KEPT, KEPT]
    found = cleaned(Face(2, 0.3, track=0, first=0, n=50), Face(2, 0.2, track=1, first=53, n=40))
    assert [one.reason for one in found.values()] == [KEPT, OTHER_FACE]


def test_faces_of_different_parts_are_not_beside_each_other(cleaned: Look) -> None:
    assert {one.reason for one in cleaned(Face(2, part=0), Face(2, 0.2, part=1)).values()} == {KEPT}


def test_a_listener_has_no_say_in_the_offset_of_the_source(cleaned: Look) -> None:
    # Two listeners beside each speaker agree on -9, each a little less clearly than the speaker on 3.
    faces = [
        Face(offset, height, clip=f"w{i}", track=track, n=25)
        for i in range(4)
        for track, (offset, height) in enumerate([(-9, 0.2), (3, 0.3), (-9, 0.2)])
    ]
    found = cleaned(*faces)
    assert {found[f"w{i}", 0, 1] for i in range(4)} == {Cleaned(3, 1.0, KEPT)}
    assert {found[f"w{i}", 0, track].reason for i in range(4) for track in (0, 2)} == {OTHER_FACE}


def test_no_sound(cleaned: Look) -> None:
    found = cleaned(Face(3, part=0), Face(0, part=1, n=0, n_images=100))
    assert (found["a", 1, 0].reason, found["a", 1, 0].weight) == (NO_SOUND, 0.0)
    assert cleaned(Face(0, n=0, n_images=100))["a", 0, 0].reason == NO_SOUND


@pytest.mark.parametrize("offset", [-W, W])
def test_an_offset_at_the_edge_is_not_believed(offset: int, cleaned: Look) -> None:
    assert cleaned(Face(offset)) == {("a", 0, 0): Cleaned(offset, 0.0, EDGE)}


def test_a_track_that_is_too_short_is_left_out_without_a_look(cleaned: Look) -> None:
    found = cleaned(Face(3, clip="a"), Face(3, clip="b", n_images=14, n=10))
    assert found["b", 0, 0] == Cleaned(0, 0.0, SHORT)


@pytest.mark.parametrize("offset", [-5, 0, 7])
def test_a_curve_is_highest_at_the_shift_of_the_offset(offset: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # The sound of window j is that of the picture of window j - offset: the sound comes early by `offset`.
    rng = np.random.default_rng(0)
    video = rng.normal(size=(200, 8))
    n = 40
    audio = video[60 - W + offset : 60 + n + W + offset]
    monkeypatch.setattr(module, "embed_track", lambda *_: (video[60 : 60 + n], audio, np.ones(n + 2 * W, np.bool_)))
    nothing: Any = None
    curve, n_windows = module._curve(nothing, nothing, nothing, MelFrontEnd(), W)
    assert (W - int(curve.argmax()), n_windows) == (offset, n)
    assert np.median(curve) == pytest.approx(0)


def test_shifts_without_sound_are_no_peaks(monkeypatch: pytest.MonkeyPatch) -> None:
    n = 20
    video = np.ones((n, 4))
    audio = np.concatenate([np.ones((W, 4)), -np.ones((n + W, 4))])
    has_sound = np.arange(n + 2 * W) >= W  # nothing before the track
    monkeypatch.setattr(module, "embed_track", lambda *_: (video, audio, has_sound))
    nothing: Any = None
    curve, n_windows = module._curve(nothing, nothing, nothing, MelFrontEnd(), W)
    # At least half of the windows count from shift 2 on; the others are level with the median.
    assert (curve.tolist(), n_windows) == ([0.0] * (2 * W + 1), n)
    monkeypatch.setattr(module, "embed_track", lambda *_: (video, audio, np.zeros(n + 2 * W, np.bool_)))
    assert module._curve(nothing, nothing, nothing, MelFrontEnd(), W)[1] == 0
