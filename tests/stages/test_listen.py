"""The mel and the speech ratio of a part, which must not depend on how a clip was cut."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from syncqc.errors import Failure
from syncqc.manifest.row import Clip
from syncqc.media.mel import MelFrontEnd, mel_columns, reach
from syncqc.media.synthetic import Talk
from syncqc.media.synthetic import sound as spoken
from syncqc.stages import listen
from syncqc.stages.listen import Listen
from syncqc.stages.part import Part, Sound, Track
from syncqc.stages.read import mel_span

W = 6


def whole(n_images: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    n = n_images * 640
    tone = np.sin(np.cumsum(np.linspace(0.02, 1.2, n)))
    return (0.2 * tone + 0.05 * rng.normal(size=n)).astype(np.float32)


def sound_around(samples: np.ndarray, first_image: int, n_images: int, w: int = W) -> Sound:
    """The sound that the reading stage puts around a part."""
    first, end = reach(*mel_span(first_image, n_images, 2 * w))
    at = np.arange(first, end)
    is_present = (at >= 0) & (at < len(samples))
    return Sound(np.where(is_present, samples[np.clip(at, 0, len(samples) - 1)], 0).astype(np.float32), first, is_present)


def track(first_image: int, n_images: int) -> Track:
    none = np.zeros(0, np.float32)
    return Track(first_image, np.zeros((n_images, 2, 4, 3), np.uint8), none.astype(np.int32), none, none, none)


def part_of(samples: np.ndarray, first_image: int, n_images: int, *tracks: Track, w: int = W) -> Part:
    part = Part(Clip("a", "a.mp4"), 0, 1, first_image, n_images)
    part.sound = sound_around(samples, first_image, n_images, w)
    part.tracks = list(tracks)
    return part


@dataclass
class VoiceFrom:
    """Hears a voice from one sample of a part's sound on, in chunks of 512."""

    voice_from: int = 0
    heard: list[int] = field(default_factory=list)

    def speech_probability(self, samples: np.ndarray) -> np.ndarray:
        self.heard.append(len(samples))
        return (np.arange(-(-len(samples) // 512)) * 512 >= self.voice_from).astype(np.float32)


@pytest.fixture
def finder(monkeypatch: pytest.MonkeyPatch) -> VoiceFrom:
    made = VoiceFrom()
    monkeypatch.setattr(listen, "SpeechFinder", lambda: made)
    return made


def opened(**settings: Any) -> Listen:
    stage = Listen(**{"w": W, **settings})
    stage.open()
    return stage


def test_two_parts_have_the_mel_of_the_whole(finder: VoiceFrom) -> None:
    samples = whole(200)
    parts = opened()([part_of(samples, 0, 100, track(0, 100)), part_of(samples, 100, 100, track(110, 60))])
    first, n = mel_span(0, 200, 2 * W)
    around = sound_around(samples, 0, 200)
    columns, is_present = mel_columns(around.samples, around.is_present, MelFrontEnd())
    for part in parts:
        assert part.mel is not None
        assert (part.mel.first_column, len(part.mel.columns)) == mel_span(part.first_image, 100, 2 * W)
        at = slice(part.mel.first_column - first, part.mel.first_column - first + len(part.mel.columns))
        assert np.array_equal(part.mel.is_present, is_present[at])
        # Where a part's sound ends, the columns' windows end with it: all of them are those of the whole file.
        assert np.abs(part.mel.columns - columns[at]).max() < 1e-5
    assert (first, n) == mel_span(0, 200, 2 * W)


def test_columns_beyond_the_files_sound_are_marked(finder: VoiceFrom) -> None:
    (part,) = opened()([part_of(whole(50), 0, 50, track(0, 50))])
    assert part.mel is not None
    at = part.mel.first_column + np.arange(len(part.mel.columns))
    # Column k is centred on sample 200 k; the file has samples 0 ... 50 * 640.
    assert np.array_equal(part.mel.is_present, (at >= 0) & (200 * at < 50 * 640))


def test_the_front_end_is_a_setting(finder: VoiceFrom) -> None:
    usual, other = (
        opened(front_end=front_end)([part_of(whole(50), 0, 50, track(0, 50))])[0].mel
        for front_end in (MelFrontEnd(), MelFrontEnd(low_db=-80))
    )
    assert usual is not None
    assert other is not None
    # 0 is -100 dB or -80 dB, 1 is 20 dB in both.
    assert np.abs((other.columns * 100 - 80) - (usual.columns * 120 - 100)).max() < 1e-3


@pytest.mark.parametrize("read_w", [W, W + 12], ids=["as much sound as needed", "more"])
def test_more_sound_around_a_part_changes_nothing(finder: VoiceFrom, read_w: int) -> None:
    (part,) = opened()([part_of(whole(200), 60, 80, track(60, 80), w=read_w)])
    (usual,) = opened()([part_of(whole(200), 60, 80, track(60, 80))])
    assert part.mel is not None
    assert usual.mel is not None
    assert part.mel.first_column == usual.mel.first_column
    assert np.abs(part.mel.columns - usual.mel.columns).max() < 1e-6


def test_less_sound_than_w_needs_is_a_mistake_of_the_plan(finder: VoiceFrom) -> None:
    with pytest.raises(ValueError, match="too little sound around it for w = 6"):
        opened()([part_of(whole(200), 60, 80, track(60, 80), w=W - 1)])


def test_the_speech_ratio_is_that_of_each_row(finder: VoiceFrom) -> None:
    part = part_of(whole(100), 40, 50, track(40, 50), track(65, 25), track(40, 25))
    assert part.sound is not None
    # The voice begins with image 65 of the clip: half of the part.
    finder.voice_from = 65 * 640 - part.sound.first_sample
    opened()([part])
    assert part.row["speech_ratio"] == pytest.approx(0.5, abs=0.02)
    assert [t.row["speech_ratio"] for t in part.tracks] == pytest.approx([0.5, 1.0, 0.0], abs=0.04)
    # Sound behind the part is not listened to.
    assert finder.heard == [(40 + 50) * 640 - part.sound.first_sample]


def test_a_part_without_a_face_is_listened_to_but_gets_no_mel(finder: VoiceFrom) -> None:
    part = part_of(whole(60), 0, 60)
    part.fail(Failure.NO_FACE, "nobody there")
    opened()([part])
    assert part.row == {"speech_ratio": 1.0}
    assert part.mel is None
    assert (part.failure, part.detail) == (Failure.NO_FACE, "nobody there")


def test_without_sound_nothing_is_measured(finder: VoiceFrom) -> None:
    nothing = Part(Clip("a", "a.mp4"), 0, 1, 0, 50)
    nothing.fail(Failure.UNREADABLE, "half a file")
    absent = part_of(whole(1), 60, 50, track(60, 50))
    absent.fail(Failure.NO_AUDIO, "there is no sound in this part")
    good = part_of(whole(60), 0, 60, track(0, 60))
    assert opened()([nothing, absent, good]) == [nothing, absent, good]
    assert (nothing.row, nothing.mel, absent.row, absent.mel) == ({}, None, {}, None)
    assert "speech_ratio" not in absent.tracks[0].row, "no sound is not measured, rather than no speech"
    assert good.mel is not None


def test_the_voice_detector_hears_who_speaks_and_who_does_not() -> None:
    talk = spoken(Talk(seed=3, duration_s=2.0)).astype(np.float32)
    sound = np.concatenate([talk, np.zeros(75 * 640, np.float32)])
    part = part_of(sound, 0, 125, track(0, 50), track(65, 60))
    opened()([part])
    assert part.row["speech_ratio"] == pytest.approx(0.4, abs=0.15)
    assert part.tracks[0].row["speech_ratio"] == pytest.approx(1.0, abs=0.25)
    assert part.tracks[1].row["speech_ratio"] == 0.0


def test_digital_silence_holds_no_speech() -> None:
    silence = part_of(np.zeros(50 * 640, np.float32), 0, 50)
    silence.fail(Failure.SILENT, "nothing to hear")
    opened()([silence])
    assert silence.row == {"speech_ratio": 0.0}
