"""From files to figures, with a network that reads the time off the grey of the picture and off the pitch of the sound."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from time_reader import TimeReader

from syncqc.errors import UsageError
from syncqc.faces.detector import Faces
from syncqc.manifest.row import Clip
from syncqc.media.mel import MelFrontEnd, slaney_bands
from syncqc.media.mux import Encoding, MuxError, Pictures, SoundTrack, write_clip
from syncqc.nets.checkpoint import Header, LoadedNet
from syncqc.stages.score import Score
from syncqc.train import disturbances
from syncqc.train.effects import EFFECTS, NOT_MADE, EffectSettings, effects_of, spread

torch.set_num_threads(1)

N = 60
WIDTH, HEIGHT = 96, 96
FACE_PX = 50.0
OFFSET = 3
"""The sound of every clip comes so many images early."""


class OneFace:
    """Finds the same face on every picture, as large a share of it as it is of an undisturbed one, its nose where it is told."""

    def __init__(self) -> None:
        self.n_seen = 0
        self.nose = 0.5
        self.finds = True

    def detect(self, images: np.ndarray) -> list[Faces]:
        self.n_seen += len(images)
        if not self.finds:
            nothing = np.zeros((0, 4), np.float32)
            return [Faces(nothing, np.zeros((0, 5, 2), np.float32), np.zeros(0, np.float32))] * len(images)
        scale = images.shape[2] / WIDTH
        left = (WIDTH - FACE_PX) / 2
        box = np.array([[left, left, left + FACE_PX, left + FACE_PX]], np.float32) * scale
        eyes = left + FACE_PX * np.array([0.3, 0.7])
        nose = eyes[0] + self.nose * (eyes[1] - eyes[0])
        points = [[eyes[0], 40], [eyes[1], 40], [nose, 50], [eyes[0] + 2, 60], [eyes[1] - 2, 60]]
        return [Faces(box, np.array([points], np.float32) * scale, np.ones(1, np.float32))] * len(images)


def rising(n_images: int) -> np.ndarray:
    """Sound whose loudest mel band tells the image, `OFFSET` images early."""
    front_end = MelFrontEnd()
    middle_hz = np.linspace(0, 8000, 401)[slaney_bands(front_end.min_hz, front_end.max_hz).argmax(axis=1)]
    images = np.arange(n_images * 640) / 640
    hz = np.interp(np.clip(4 + images + OFFSET, 0, 79), np.arange(80), middle_hz)
    return 0.5 * np.sin(2 * np.pi * np.cumsum(hz) / 16_000)


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    """Three clips of three speakers."""
    folder = tmp_path_factory.mktemp("effects")
    clips = []
    for name in "abc":
        greys = (np.full((HEIGHT, WIDTH, 3), 3 * k, np.uint8) for k in range(N))
        path = folder / f"{name}.mp4"
        write_clip(path, Pictures(greys, WIDTH, HEIGHT, Fraction(25)), SoundTrack(rising(N), 16_000), Encoding("h264", "aac"))
        clips.append(Clip(name, str(path), dataset="made", speaker=f"speaker-{name}"))
    return clips


@pytest.fixture
def face(monkeypatch: pytest.MonkeyPatch) -> OneFace:
    """The face that is found; everything is speech."""
    found = OneFace()
    finder = SimpleNamespace(speech_probability=lambda samples: np.ones(-(-len(samples) // 512), np.float32))
    monkeypatch.setattr("syncqc.stages.listen.SpeechFinder", lambda: finder)
    monkeypatch.setattr("syncqc.stages.find_faces.open_detector", lambda *_: found)
    return found


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def ask(files: list[Clip], face: OneFace, temporary: Path) -> Ask:
    """The effects of these names on the three clips."""
    score = Score(w=8)
    network: Any = TimeReader()
    network.config = SimpleNamespace(height_px=4, width_px=4)
    score._net = LoadedNet(network, Header("time-reader", {}, 0.1), "")

    def ask(*names: str, clips: Sequence[Clip] = files, **more: Any) -> dict[str, Any]:
        return effects_of(clips, score, "any", list(names), **more)

    return ask


def test_a_disturbance_of_the_sound_costs_no_look_at_the_pictures(ask: Ask, face: OneFace, temporary: Path) -> None:
    ask()
    undisturbed = face.n_seen
    found = ask("white-noise-20db", "aac-32k")
    assert face.n_seen == 2 * undisturbed, "once for each call"
    assert (found["n_clips"], found["n_speakers"], found["n_rows"]) == (3, 3, 3)
    for one in found["effects"].values():
        assert (one["changes"], one["n_rows"], one["lost"], one["notes"]) == ("sound", 3, {}, [])
        assert one["offset_agrees"] == 1.0
        assert one["foreign_auc_before"] is not None
        assert one["median_probability_in_sync"] is None, "the network is not calibrated"
    assert list(temporary.iterdir()) == []


def test_changed_pictures_are_searched_and_seen_again(ask: Ask, face: OneFace) -> None:
    ask()
    undisturbed = face.n_seen
    found = ask("encoded-again", "dark")["effects"]
    assert face.n_seen == 4 * undisturbed
    assert found["encoded-again"]["offset_agrees"] == 1.0
    assert found["encoded-again"]["mean_offset_change_images"] == 0
    assert found["dark"]["offset_agrees"] == 0.0, "this network takes dark for early"
    assert {one["changes"] for one in found.values()} == {"pictures"}


@pytest.mark.parametrize("fps", [15, 50])
def test_another_rate_does_not_move_the_offset(ask: Ask, fps: int) -> None:
    (one,) = ask(f"fps-{fps}")["effects"].values()
    assert (one["offset_agrees"], one["lost"]) == (1.0, {})


def test_the_face_is_made_as_small_as_asked_and_a_smaller_one_is_left_out(ask: Ask) -> None:
    found = ask("face-40px", "face-60px")["effects"]
    assert (found["face-40px"]["n_clips_left_out"], found["face-40px"]["n_rows"]) == (0, 3)
    assert (found["face-60px"]["n_clips_left_out"], found["face-60px"]["n_rows"]) == (3, 0), "it is 50 wide"
    assert found["face-60px"]["offset_agrees"] is None


def test_babble_needs_others(ask: Ask, files: list[Clip]) -> None:
    alone = ask("babble-0db", clips=files[:1])["effects"]["babble-0db"]
    assert (alone["n_clips_left_out"], alone["n_rows"]) == (1, 0)
    assert ask("babble-10db")["effects"]["babble-10db"]["n_rows"] == 3


def test_a_face_that_is_lost_is_a_row_lost(ask: Ask, face: OneFace, monkeypatch: pytest.MonkeyPatch) -> None:
    make = disturbances.with_pictures

    def and_hide(*arguments: Any) -> Any:
        face.finds = False
        return make(*arguments)

    monkeypatch.setattr(disturbances, "with_pictures", and_hide)
    one = ask("blur")["effects"]["blur"]
    assert (one["lost"], one["n_measured"], one["pass_share"]) == ({"no_face": 3}, 0, 0.0)


@pytest.mark.parametrize(("name", "maker"), [("blur", "with_pictures"), ("telephone", "with_samples"), ("aac-32k", "with_coded_sound")])
def test_a_copy_that_cannot_be_made_is_a_row_lost_with_a_sentence(
    ask: Ask, temporary: Path, monkeypatch: pytest.MonkeyPatch, name: str, maker: str
) -> None:
    def fail(*_: Any) -> Any:
        raise MuxError("ffmpeg stopped with code 1: no room")

    monkeypatch.setattr(disturbances, maker, fail)
    one = ask(name)["effects"][name]
    assert one["lost"] == {NOT_MADE: 3}
    assert one["notes"][0] == "a: ffmpeg stopped with code 1: no room"
    assert list(temporary.iterdir()) == []


def test_nothing_is_left_behind_when_it_is_stopped(ask: Ask, temporary: Path) -> None:
    def stop(name: str, done: int, total: int) -> None:
        assert total == 3
        if name == "blur" and done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ask("blur", progress=stop)
    assert list(temporary.iterdir()) == []


def test_turned_heads_are_found_not_made(ask: Ask, face: OneFace) -> None:
    face.nose = 0.65  # 0.15 eye distances ahead: atan(0.15 / 0.45) = 18 degrees
    found = ask("head-turn")
    frontal, half, strong = found["head_turn"]
    assert found["effects"] == {}
    assert (frontal["n_rows"], half["n_rows"], strong["n_rows"]) == (0, 3, 0)
    assert half["median_yaw_deg"] == pytest.approx(18.43, abs=0.5)
    assert half["halves_agree"] == 1.0


def test_progress_names_what_is_done(ask: Ask) -> None:
    told: list[tuple[str, int, int]] = []
    ask("telephone", progress=lambda *what: told.append(what))
    assert told == [(name, done, 3) for name in ("undisturbed", "telephone") for done in range(3)]


def test_clips_that_give_nothing_are_said(ask: Ask, face: OneFace) -> None:
    face.finds = False
    with pytest.raises(UsageError, match="none of the 3 clips has a row that can be judged"):
        ask("blur")


def test_an_unknown_effect_names_the_nearest(ask: Ask) -> None:
    with pytest.raises(UsageError, match="unknown effect 'blurr'; did you mean 'blur'"):
        ask("blurr")


@pytest.mark.parametrize(("most", "expected"), [(2, [0, 5]), (3, [0, 3, 6]), (10, list(range(10))), (99, list(range(10)))])
def test_fewer_clips_are_taken_at_equal_distances(most: int, expected: list[int]) -> None:
    clips = [Clip(str(i), "") for i in range(10)]
    assert [int(clip.clip_id) for clip in spread(clips, most)] == expected


def test_no_clips_at_all_is_refused() -> None:
    with pytest.raises(UsageError, match="max_clips must be at least 1"):
        EffectSettings(max_clips=0)


def test_every_effect_has_a_name_of_its_own() -> None:
    assert len(EFFECTS) == len(set(EFFECTS)) == len(disturbances.DISTURBANCES) + 1
