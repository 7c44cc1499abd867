"""The generator: the same for a seed, true to its truth, and lips and voice bound together."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from syncqc.clock import SAMPLES_PER_IMAGE
from syncqc.errors import Failure, UsageError
from syncqc.media.mux import Encoding
from syncqc.media.probe import probe
from syncqc.media.sound import SoundReader
from syncqc.media.synthetic import PartTruth, Talk, draw, images, mouth_at, n_images, picture_times_s, sound, truth
from syncqc.media.synthetic_face import Face, Mouth
from syncqc.media.synthetic_speech import LEAD_S, speak
from syncqc.media.synthetic_voice import speaker, voice
from syncqc.media.video import read_images

SHORT = Talk(seed=4, duration_s=1.0)
RATE_HZ = 16_000


def drawn(talk: Talk) -> np.ndarray:
    return np.stack(list(images(talk, picture_times_s(talk))))


def envelope(samples: np.ndarray, n: int) -> np.ndarray:
    """Loudness around each image's moment."""
    half = SAMPLES_PER_IMAGE // 2
    padded = np.pad(samples, half)
    return np.array([np.sqrt(np.mean(padded[k * SAMPLES_PER_IMAGE :][: 2 * half] ** 2)) for k in range(n)])


def test_the_same_seed_gives_the_same_pictures_and_sound() -> None:
    assert np.array_equal(drawn(SHORT), drawn(SHORT))
    assert np.array_equal(sound(SHORT), sound(SHORT))
    other = replace(SHORT, seed=5)
    assert not np.array_equal(sound(SHORT), sound(other))
    assert not np.array_equal(drawn(SHORT), drawn(other))


@pytest.mark.parametrize("offset", [-15, -4, 1, 9])
def test_an_offset_moves_the_sound_by_whole_images_and_leaves_the_pictures(offset: int) -> None:
    talk = Talk(seed=2, duration_s=3.0)
    moved = sound(replace(talk, offset_frames=offset))
    still = sound(talk)
    k = abs(offset) * SAMPLES_PER_IMAGE
    # Early sound: what is heard at n is spoken at n + k.
    early, late = (moved, still) if offset > 0 else (still, moved)
    assert np.array_equal(early[:-k], late[k:])
    assert np.std(early[-k:]) > 1e-4, "speech goes on beyond the clip"
    assert mouth_at(talk, [1.0]) == mouth_at(replace(talk, offset_frames=offset), [1.0])


@pytest.mark.parametrize("seed", range(3))
def test_lips_are_shut_while_m_b_or_p_is_shut_and_open_in_a(seed: int) -> None:
    speech = speak(seed, 4.0)
    curves = speech.curves
    shut = [s for s in speech.sounds if s.symbol in ("m", "b", "p")][1:-1]
    wide = [s for s in speech.sounds if s.symbol == "a"][1:-1]
    assert shut
    assert wide
    for one in shut:
        inside = (curves.times_s > one.start_s + 0.002) & (curves.times_s < one.release_s - 0.002)
        assert curves.opening[inside].max() <= 1e-6, one
    for one in wide:
        inside = (curves.times_s > one.start_s) & (curves.times_s < one.end_s)
        assert curves.opening[inside].max() > 0.6, one


def test_a_closed_stop_is_quiet_and_a_vowel_loud() -> None:
    speech = speak(1, 4.0)
    samples = voice(speech, speaker(1), 1)

    def loudness(symbols: str) -> float:
        pieces = [
            samples[round((s.start_s + LEAD_S + 0.015) * RATE_HZ) : round((s.release_s + LEAD_S - 0.015) * RATE_HZ)]
            for s in speech.sounds[1:-1]
            if s.symbol in symbols
        ]
        return float(np.sqrt(np.mean(np.concatenate(pieces) ** 2)))

    assert loudness("p") < 0.2 * loudness("a")
    assert loudness("b") < 0.3 * loudness("a")
    assert loudness("m") < 0.7 * loudness("a")


@pytest.mark.parametrize("seed", range(4))
def test_loudness_follows_the_opening_of_the_mouth_a_little_later(seed: int) -> None:
    talk = Talk(seed=seed, duration_s=6.0)
    n = n_images(talk)
    opening = np.array([m.opening for m in mouth_at(talk, [k / 25 for k in range(n)])])
    loud = envelope(sound(talk), n)
    lags = range(-8, 9)
    agreement = [np.corrcoef(opening[10:-10], loud[10 + lag : n - 10 + lag])[0, 1] for lag in lags]
    assert lags[int(np.argmax(agreement))] in (1, 2), "lips lead by 55 ms"
    assert max(agreement) > 0.6


def test_somebody_else_is_heard_while_the_face_listens() -> None:
    talk = Talk(seed=7, duration_s=4.0, offscreen_s=(1.0, 3.0))
    own, mixed = sound(replace(talk, offscreen_s=None)), sound(talk)
    inside = slice(round(1.1 * RATE_HZ), round(2.9 * RATE_HZ))
    assert np.allclose(own[: round(0.95 * RATE_HZ)], mixed[: round(0.95 * RATE_HZ)], atol=1e-6)
    assert abs(np.corrcoef(own[inside], mixed[inside])[0, 1]) < 0.1
    assert np.std(mixed[inside]) > 0.01
    resting = [m.opening for m in mouth_at(talk, list(np.arange(1.2, 2.8, 0.04)))]
    assert max(resting) < 0.1
    assert max(m.opening for m in mouth_at(talk, list(np.arange(3.1, 4.0, 0.04)))) > 0.3


def test_a_frozen_stretch_shows_one_picture_while_the_voice_goes_on() -> None:
    talk = Talk(seed=3, duration_s=2.0, frozen_s=(0.4, 1.2), width_px=128, height_px=128)
    shown = drawn(talk)
    assert all(np.array_equal(shown[10], shown[k]) for k in range(11, 30))
    assert not np.array_equal(shown[29], shown[30])
    assert np.array_equal(sound(talk), sound(replace(talk, frozen_s=None)))


def test_silence_is_digital() -> None:
    assert not sound(replace(SHORT, is_silent=True)).any()


NOT_MEASURED = {"offset_frames": None, "offscreen_ratio": None, "frozen_ratio": 0.0}
TRUTHS = {
    "in sync": (Talk(), [PartTruth(0, 125, 0, 0.0, 0.0, None)]),
    "sound early": (Talk(offset_frames=3), [PartTruth(0, 125, 3, 0.0, 0.0, None)]),
    # Windows 0 ... 120 speak for images 2 ... 122; images 75 ... 124 are off.
    "offscreen": (Talk(offscreen_s=(3.0, 5.0)), [PartTruth(0, 125, 0, 48 / 121, 0.0, None)]),
    "frozen": (Talk(frozen_s=(1.0, 2.0)), [PartTruth(0, 125, 0, 25 / 121, 25 / 125, None)]),
    "two parts": (
        Talk(duration_s=8.0, offscreen_s=(0.0, 4.0)),
        [PartTruth(0, 100, 0, 1.0, 0.0, None), PartTruth(100, 200, 0, 0.0, 0.0, None)],
    ),
    "silent": (Talk(is_silent=True), [PartTruth(0, 125, failure=Failure.SILENT, **NOT_MEASURED)]),
    "no sound": (Talk(has_sound=False), [PartTruth(0, 125, failure=Failure.NO_AUDIO, **NOT_MEASURED)]),
    "no face": (Talk(has_face=False), [PartTruth(0, 125, failure=Failure.NO_FACE, **NOT_MEASURED)]),
    "too short": (Talk(duration_s=0.12), [PartTruth(0, 3, failure=Failure.TOO_SHORT, **NOT_MEASURED)]),
}


@pytest.mark.parametrize(("talk", "parts"), TRUTHS.values(), ids=TRUTHS)
def test_truth(talk: Talk, parts: list[PartTruth]) -> None:
    assert list(truth(talk).parts) == parts


REFUSED = {
    "no length": ({"duration_s": 0.0}, "duration_s"),
    "offset beyond the speech": ({"offset_frames": 46}, "offset_frames must lie within ±45"),
    "odd width": ({"width_px": 321}, "even"),
    "sound rate": ({"audio_rate_hz": 96_000}, "8000-48000 Hz"),
    "interval backwards": ({"frozen_s": (2.0, 1.0)}, "interval"),
}


@pytest.mark.parametrize(("wrong", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_drawn_is_refused(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Talk(**wrong)  # type: ignore[arg-type]


def test_a_misspelt_codec_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="unknown video codec 'h246'; did you mean 'h264'"):
        Encoding("h246")


def gap_px(mouth: Mouth) -> int:
    """Height of the dark, white and red between the lips: what differs from the shut mouth in the middle column."""
    face = Face(320, 320)
    column = 160 + round((224 - 226) * 1.6)
    change = np.abs(face.draw(mouth)[180:240, column].astype(int) - face.draw(Mouth(-0.2))[180:240, column].astype(int)).max(axis=1)
    return int((change > 40).sum())


def test_the_drawn_gap_grows_with_the_opening() -> None:
    gaps = [gap_px(Mouth(opening)) for opening in (0.0, 0.3, 0.6, 0.95)]
    assert gaps == sorted(gaps)
    assert gaps[0] <= 1
    mouth_width_px = 2 * 20.9 * 0.82 * 1.6
    assert 0.15 * mouth_width_px < gaps[-1] < 0.45 * mouth_width_px


def test_the_mouth_changes_only_the_lower_face() -> None:
    face = Face(320, 320)
    change = np.abs(face.draw(Mouth(0.95)).astype(int) - face.draw(Mouth(0.0)).astype(int)).max(axis=2)
    assert change[:170].max() <= 2
    assert change[180:240].max() > 60


FILES = {
    "25 fps": Talk(seed=1, duration_s=2.0, offset_frames=4, width_px=128, height_px=128),
    "29.97 fps, 44.1 kHz stereo": Talk(
        seed=1, duration_s=2.0, fps=Fraction(30000, 1001), audio_rate_hz=44_100, audio_channels=2, width_px=128, height_px=128
    ),
    "60 fps with a listener": Talk(seed=1, duration_s=2.0, fps=Fraction(60), has_listener=True, width_px=256, height_px=128),
    "variable rate": Talk(seed=1, duration_s=2.0, fps=Fraction(30), is_vfr=True, width_px=128, height_px=128),
    "23.976 fps, too short": Talk(seed=1, duration_s=0.13, fps=Fraction(24000, 1001), width_px=128, height_px=128),
}


@pytest.mark.parametrize("talk", FILES.values(), ids=FILES)
def test_a_drawn_file_holds_what_was_drawn(talk: Talk, tmp_path: Path) -> None:
    path = tmp_path / "talk.mp4"
    parts = draw(talk, path).parts
    facts = probe(str(path))
    assert (facts.width_px, facts.height_px, facts.is_vfr) == (talk.width_px, talk.height_px, talk.is_vfr)
    assert (facts.source_audio_rate_hz, facts.source_audio_channels) == (talk.audio_rate_hz, talk.audio_channels)
    if not talk.is_vfr:
        assert facts.source_fps == pytest.approx(float(talk.fps), abs=0.001)
    assert facts.n_images == parts[-1].end_image == n_images(talk)
    read = np.stack(list(read_images(str(path), facts)))
    assert len(read) == facts.n_images
    times_s = picture_times_s(talk)
    shown = drawn(talk)
    for k in (0, len(read) // 2, len(read) - 1):
        on_show = max(i for i, t in enumerate(times_s) if t <= Fraction(k, 25) + Fraction(1, 2000))
        assert np.abs(read[k].astype(int) - shown[on_show].astype(int)).mean() < 4
    heard, is_present = SoundReader(str(path), facts.zero_s).read(0, facts.n_images * SAMPLES_PER_IMAGE)
    assert is_present.mean() > 0.98
    spoken = sound(talk)[: len(heard)]
    shifts = range(-160, 161, 16)
    agreement = [np.corrcoef(np.roll(spoken, shift), heard)[0, 1] for shift in shifts]
    assert shifts[int(np.argmax(agreement))] == 0
    assert max(agreement) > 0.95
