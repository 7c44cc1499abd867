from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from syncqc.manifest.row import Clip
from syncqc.measure.sync import measure
from syncqc.stages.part import Sound
from syncqc.train.effect_figures import Numbers
from syncqc.train.seen import Face, Heard, SeenClip, SeenRow, foreign_sound, give_strangers, turned_rows

N = 50
MEASURED = measure(np.eye(31, 40) + 0.1, np.ones((31, 40), np.bool_), 0.1)


def heard(first_window: int, n: int) -> Heard:
    """The embedding of window j is (j, 1)."""
    windows = np.arange(first_window, first_window + n)
    return Heard(np.stack([windows, np.ones(n)], axis=1).astype(np.float32), windows % 2 == 0, first_window)


@pytest.mark.parametrize("first", [-3, 0, 4, 20], ids=["begins before", "at the start", "ends after", "beyond"])
def test_embeddings_are_taken_by_the_clip_s_clock(first: int) -> None:
    vectors, has_sound = heard(0, 8).at(first, 6)
    for j, (vector, present) in enumerate(zip(vectors, has_sound, strict=True), start=first):
        inside = 0 <= j < 8
        assert vector.tolist() == ([j, 1] if inside else [0, 0])
        assert present == (inside and j % 2 == 0)


def sound(value: float, n_images: int = N, first_image: int = 0) -> Sound:
    samples = np.full(n_images * 640, value, np.float32)
    return Sound(samples, first_image * 640, np.ones(len(samples), np.bool_))


def test_a_foreign_sound_is_laid_beside_and_masked_by_the_own() -> None:
    own, other = sound(0.1), sound(0.5)
    own.is_present[:640] = False
    laid = foreign_sound(own, other, 10)
    assert laid.first_sample == 0
    images = laid.samples.reshape(N, 640)
    assert [float(image.max()) for image in images] == pytest.approx([0] + [0.5] * 39 + [0] * 10)
    assert laid.is_present.reshape(N, 640).all(axis=1).tolist() == [False] + [True] * 39 + [False] * 10


def clip(name: str, speaker: str, n_images: int = N) -> SeenClip:
    nothing: Any = None
    seen = SeenClip(Clip(name, name), speaker, nothing, sound(0.1, n_images), heard(0, 1), [(0, n_images)])
    seen.rows = [SeenRow(0, Face(np.zeros((1, 2), np.float32), 0), yaw_deg=5.0, numbers=Numbers(MEASURED))]
    return seen


def lenders(*clips: SeenClip, n_foreign: int = 2) -> list[list[str]]:
    ears: Any = SimpleNamespace(hear=lambda *_: heard(0, 1), measured=lambda *_: MEASURED)
    give_strangers(clips, ears, n_foreign)
    return [[other.clip.clip_id for other, _ in seen.rows[0].strangers] for seen in clips]


def test_strangers_are_the_next_other_speakers_each_once() -> None:
    found = lenders(clip("a1", "a"), clip("a2", "a"), clip("b", "b"), clip("c", "c"))
    assert found == [["b", "c"], ["b", "c"], ["c", "a1"], ["a1", "a2"]]


def test_a_sound_that_is_too_short_is_not_lent() -> None:
    assert lenders(clip("a", "a"), clip("short", "b", 40), clip("c", "c")) == [["c"], ["c", "a"], ["a"]]


def test_foreign_numbers_stand_beside_the_own() -> None:
    seen = clip("a", "a")
    lenders(seen, clip("b", "b"), n_foreign=1)
    assert seen.rows[0].numbers == Numbers(MEASURED, [MEASURED])


def test_nobody_else_lends_nothing() -> None:
    seen = clip("a", "a")
    assert lenders(seen, clip("a2", "a")) == [[], []]
    assert seen.rows[0].numbers.foreign == []


def test_rows_are_handed_on_with_their_turn() -> None:
    (row,) = turned_rows([clip("a", "who")])
    assert (row.speaker, row.yaw_deg, row.halves) == ("who", 5.0, None)
