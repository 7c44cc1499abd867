from __future__ import annotations

import numpy as np
import pytest

from syncqc.manifest.row import Clip
from syncqc.stages.part import Part, Sound
from syncqc.train.other_sound import FADE_S, Strangers, cut, equally_loud, replaced, runs, turned

IMAGE = 640
AROUND = 10
"""Images of sound before and after a part."""


def part(clip_id: str = "a", first_image: int = 0, n: int = 80, level: float = 1.0) -> Part:
    """A part whose samples hold their own number on the clip's clock, times the level."""
    begin = (first_image - AROUND) * IMAGE
    samples = level * np.arange(begin, begin + (n + 2 * AROUND) * IMAGE, dtype=np.float32)
    return Part(Clip(clip_id, f"{clip_id}.mp4"), 0, 1, first_image, n, sound=Sound(samples, begin, np.ones(len(samples), np.bool_)))


def at(sound: Sound, sample: int) -> float:
    return float(sound.samples[sample - sound.first_sample])


@pytest.mark.parametrize("first_image", [0, 125])
def test_turned_sound_is_that_of_half_a_part_away(first_image: int) -> None:
    one = part(first_image=first_image)
    sound = turned(one, reach_images=30)
    assert sound is not None
    begin, half, n = first_image * IMAGE, 40 * IMAGE, 80 * IMAGE
    for step in (1000, 20_000, 30_000, 50_000):
        assert at(sound, begin + step) == begin + (step + half) % n
    assert at(sound, begin - 1000) == begin + half - 1000, "what is before the part is the part's own sound again"
    seam = begin + n - half
    assert abs(at(sound, seam)) < 0.02 * (begin + n), "the end fades into the beginning"


def test_a_part_that_the_search_would_find_again_is_not_turned() -> None:
    assert turned(part(n=64), reach_images=30) is not None
    assert turned(part(n=63), reach_images=30) is None


def test_turned_sound_is_missing_where_the_own_is_or_where_it_comes_from() -> None:
    one = part()
    assert one.sound is not None
    one.sound.is_present[: (AROUND + 20) * IMAGE] = False
    sound = turned(one, reach_images=30)
    assert sound is not None
    present = sound.is_present[AROUND * IMAGE : (AROUND + 80) * IMAGE : IMAGE]
    # Images 0-19 are missing themselves, images 40-59 would have come from them.
    assert np.flatnonzero(~present).tolist() == [*range(20), *range(40, 60)]
    assert not sound.samples[~sound.is_present].any()


def test_the_other_becomes_as_loud_as_the_own() -> None:
    one, other = part(level=3e-5), part(level=1e-5)
    assert one.sound is not None and other.sound is not None
    found = equally_loud(other.sound, one)
    assert found is not None
    np.testing.assert_allclose(found.samples, one.sound.samples, rtol=1e-4)
    silence = Sound(np.zeros_like(other.sound.samples), other.sound.first_sample, other.sound.is_present)
    assert equally_loud(silence, one) is None


def test_a_stretch_is_replaced_and_one_sound_becomes_the_other_over_the_fade() -> None:
    own = Sound(np.ones(6400, np.float32), 1000, np.ones(6400, np.bool_))
    other = Sound(np.full(6400, 3, np.float32), 1000, np.ones(6400, np.bool_))
    sound = replaced(own, other, 3000, 5000)
    half = round(FADE_S * 16_000 / 2)
    assert [at(sound, sample) for sample in (1000, 3000 - half, 3000, 3000 + half, 5000, 5000 + half, 7399)] == [1, 1, 2, 3, 2, 1, 1]
    assert at(sound, 3000 + half // 2) == pytest.approx(2.5)
    assert at(replaced(own, other, None, 5000), 1000) == 3
    assert at(replaced(own, other, 3000, None), 7399) == 3
    assert (replaced(own, other, None, None).samples == 3).all()


def test_where_the_other_is_missing_nothing_is_heard_in_its_stretch() -> None:
    own = Sound(np.ones(6400, np.float32), 0, np.ones(6400, np.bool_))
    other = Sound(np.full(2000, 3, np.float32), 2000, np.ones(2000, np.bool_))
    sound = replaced(own, other, 3000, None)
    assert sound.is_present.tolist() == [True] * 4000 + [False] * 2400
    assert not sound.samples[4000:].any()


@pytest.mark.parametrize(
    ("n", "shares", "found"),
    [
        (100, (0.25,), [(0, 25), (37, 62), (75, 100)]),
        (100, (1.0,), [(0, 100)]),
        (10, (0.01,), []),
        (5, (0.8, 1.0), [(0, 4), (1, 5), (0, 5)]),
    ],
    ids=["start, middle, end", "all of it once", "nothing", "no place twice"],
)
def test_runs(n: int, shares: tuple[float, ...], found: list[tuple[int, int]]) -> None:
    assert runs(n, shares) == found


def test_the_same_speaker_is_heard_from_far_enough_away() -> None:
    strangers = Strangers()
    assert strangers.same(part(), "anna", 30) == []
    strangers.add(part(first_image=0), "anna")
    assert strangers.same(part(first_image=31), "anna", 30) == [], "the search would find what belongs to the part"
    (laid,) = strangers.same(part(first_image=80), "anna", 30)
    assert at(laid, 80 * IMAGE + 5) == 5
    assert strangers.same(part(first_image=80), "bert", 30) == []
    (of_another_clip,) = strangers.same(part("b", first_image=3), "anna", 30)
    assert at(of_another_clip, 3 * IMAGE + 5) == 5


def test_a_cut_beyond_the_sound_is_not_present() -> None:
    sound = cut(Sound(np.ones(10, np.float32), 5, np.ones(10, np.bool_)), 0, 20)
    assert sound.is_present.tolist() == [False] * 5 + [True] * 10 + [False] * 5
