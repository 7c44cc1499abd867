from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from syncqc.errors import UsageError
from syncqc.media.disturb import ClipFile, PictureChange, delay_samples
from syncqc.media.probe import Facts
from syncqc.train.disturbances import DISTURBANCES, FPS, NotApplicable, Pictured, SoundChange, Subject, chosen

SOUNDS = {name: one for name, one in DISTURBANCES.items() if isinstance(one, SoundChange)}
ZERO, ONE = Fraction(0), Fraction(1)
FACTS = Facts("matroska", "h264", 640, 358, 0, ONE, 24.0, False, 24.0, ZERO, ZERO, Fraction(3))


def noise(seed: int) -> np.ndarray:
    return (0.2 * np.random.default_rng(seed).standard_normal(24_000)).astype(np.float32)


SUBJECT = Subject(ClipFile("clip.mkv", FACTS), noise(0), -8000, face_width_px=150.0, seed=3, voices=(noise(1), noise(2)))


def changed(name: str, subject: Subject = SUBJECT) -> np.ndarray:
    return SOUNDS[name].change(subject, np.random.default_rng(subject.seed))


def asked(name: str, subject: Subject = SUBJECT) -> PictureChange:
    one = DISTURBANCES[name]
    assert isinstance(one, Pictured)
    return one.change(subject)


@pytest.mark.parametrize("name", SOUNDS)
def test_a_changed_sound_is_another_one_at_the_same_time(name: str) -> None:
    found = changed(name)
    assert (len(found), found.dtype, delay_samples(found, SUBJECT.samples)) == (24_000, np.float32, 0)
    assert not np.array_equal(found, SUBJECT.samples)
    assert np.array_equal(found, changed(name)), "the same clip is disturbed alike every time"


@pytest.mark.parametrize("kind", ["white-noise", "pink-noise", "music", "babble"])
@pytest.mark.parametrize("snr_db", [0, 10])
def test_the_name_says_how_loud_it_is(kind: str, snr_db: int) -> None:
    added = changed(f"{kind}-{snr_db}db").astype(np.float64) - SUBJECT.samples
    assert 10 * np.log10(np.mean(SUBJECT.samples.astype(np.float64) ** 2) / np.mean(added**2)) == pytest.approx(snr_db, abs=0.01)


def test_another_clip_has_other_noise() -> None:
    assert not np.array_equal(changed("white-noise-0db"), changed("white-noise-0db", replace(SUBJECT, seed=4)))


def test_babble_without_voices_has_no_meaning() -> None:
    with pytest.raises(NotApplicable, match="no other voices"):
        changed("babble-0db", replace(SUBJECT, voices=()))


def test_new_sound_goes_back_to_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    monkeypatch.setattr("syncqc.train.disturbances.with_samples", lambda *what: made.append(what))
    SOUNDS["telephone"].make(SUBJECT, Path("out.mkv"))
    ((file, out, samples, first_sample),) = made
    assert (file, out, first_sample) == (SUBJECT.file, Path("out.mkv"), -8000)
    assert np.array_equal(samples, changed("telephone"))


@pytest.mark.parametrize(("name", "filters"), [("face-60px", "scale=256:144:flags=area"), ("face-40px", "scale=170:96:flags=area")])
def test_pictures_become_as_small_as_the_face_is_to_be_and_stay_even(name: str, filters: str) -> None:
    assert asked(name).filters == filters


@pytest.mark.parametrize("subject", [replace(SUBJECT, face_width_px=60.0), replace(SUBJECT, face_width_px=800.0)], ids=["small", "tiny"])
def test_a_face_that_is_small_already_or_a_picture_that_would_be_tiny_is_left_out(subject: Subject) -> None:
    with pytest.raises(NotApplicable, match="the face is"):
        asked("face-60px", subject)


def test_the_blur_goes_with_the_face() -> None:
    assert asked("blur").filters == "gblur=sigma=4.50"


def test_a_fifth_of_each_second_stands_still() -> None:
    assert asked("freeze") == PictureChange("select='not(between(mod(n,24),1,5))'", drops_pictures=True)


@pytest.mark.parametrize("fps", FPS)
def test_a_rate_is_checked_afterwards(fps: int) -> None:
    assert asked(f"fps-{fps}") == PictureChange(f"fps={fps}", fps=fps)


def test_the_list_is_chosen_from_in_its_own_order() -> None:
    assert list(chosen(["blur", "telephone"])) == ["telephone", "blur"]
    assert chosen(None) == DISTURBANCES
    assert chosen([]) == {}


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(UsageError, match=r"unknown effect 'telephon'; did you mean 'telephone'"):
        chosen(["telephon"])
