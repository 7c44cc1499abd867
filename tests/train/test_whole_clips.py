"""Whole clips from parts, with a network that knows nothing: what is read in parts must be what is read in one piece."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from syncqc.errors import Failure
from syncqc.manifest.row import Clip
from syncqc.nets.checkpoint import Header, LoadedNet
from syncqc.nets.ic_syncnet import IcSyncNet, IcSyncNetConfig
from syncqc.stages.listen import Listen
from syncqc.stages.part import Part, Sound, Track
from syncqc.stages.score import Score
from syncqc.train import whole_clips as module
from syncqc.train.whole_clips import WholeClip, main_face, whole_clip, whole_clips

torch.set_num_threads(1)

TINY = IcSyncNetConfig(
    height_px=14, width_px=26, visual_widths=(4, 6, 8), visual_depth=1, audio_widths=(4, 6, 8), audio_depth=1, embedding=12
)
W = 4
N = 40
"""Images of the clip."""
AROUND = 2 * W + 10
"""Images of sound that a part brings on each side: shifts of 2 w, and a window."""
CROPS = np.random.default_rng(0).integers(0, 256, (N, 14, 26, 3), np.uint8)
SOUND = 0.1 * np.random.default_rng(1).normal(size=(N + 2 * AROUND + 2) * 640).astype(np.float32)
BOX = (10.0, 10.0, 50.0, 60.0)


@pytest.fixture(scope="module")
def score() -> Score:
    torch.manual_seed(0)
    score = Score(w=W)
    score._net = LoadedNet(IcSyncNet(TINY).eval(), Header("tiny", vars(TINY), 0.1), "")
    return score


def track(first: int, end: int, box: Sequence[float] = BOX, crops: np.ndarray | None = None) -> Track:
    boxes = np.array([box, box], np.float32)
    return Track(
        first, CROPS[first:end] if crops is None else crops, np.array([first, end - 1], np.int32), boxes,
        np.zeros((2, 5, 2), np.float32), np.ones(2, np.float32),
    )  # fmt: skip


def sound_of(first: int, end: int, present_to: int = N) -> Sound:
    """The sound of images first to end and around them; the file has sound from its first image to `present_to`."""
    numbers = np.arange((first - AROUND - 1) * 640, (end + AROUND + 1) * 640)
    is_present = (numbers >= 0) & (numbers < present_to * 640)
    return Sound(SOUND[numbers + (AROUND + 1) * 640] * is_present, int(numbers[0]), is_present)


def parts_of(*edges: int, faces: Sequence[tuple[int, int]] | None = None, present_to: int = N) -> list[Part]:
    """A clip cut at these images; each part has the pieces of `faces` that lie in it, by default the face is always there."""
    made = []
    for index, (first, end) in enumerate(pairwise(edges)):
        part = Part(Clip("a", "a.mp4"), index, len(edges) - 1, first, end - first, sound=sound_of(first, end, present_to))
        within = [(max(first, a), min(end, b)) for a, b in faces or [(0, N)]]
        part.tracks = [track(a, b) for a, b in within if b > a]
        if not part.tracks:
            part.fail(Failure.NO_FACE, "no face")
        made.append(part)
    return made


def made(score: Score, parts: list[Part], n_images: int = N) -> WholeClip:
    found = whole_clip(parts, n_images, score, "lrs2", "anna")
    assert isinstance(found, WholeClip)
    return found


def test_a_clip_in_one_part_is_what_score_reads(score: Score, monkeypatch: pytest.MonkeyPatch) -> None:
    (part,) = parts_of(0, N)
    found = made(score, [part])
    assert (found.clip_id, found.source, found.speaker, found.n_images, found.n_heard_images) == ("a", "lrs2", "anna", N, N)
    monkeypatch.setattr("syncqc.stages.listen.SpeechFinder", lambda: None)
    monkeypatch.setattr("syncqc.stages.listen.is_speech", lambda _: None)
    monkeypatch.setattr("syncqc.stages.listen.speech_ratio", lambda *_: 1.0)
    listen = Listen(w=W)
    listen._finder = type("Finder", (), {"speech_probability": lambda self, samples: samples})()  # type: ignore[assignment]
    listen([part])
    assert part.mel is not None
    _, matrix, is_valid = score._search(part.tracks[0], part.mel, score.embed_video(CROPS), W)
    np.testing.assert_allclose(found.cosines, matrix, atol=1e-6)
    assert found.has_sound.tolist() == is_valid.tolist()
    assert found.is_seen.all()
    assert found.cosines.shape == (2 * W + 1, N - 4)


@pytest.mark.parametrize("edges", [(0, 20, N), (0, 13, 26, N), (0, 3, 6, N), (0, 38, N)], ids=str)
@pytest.mark.parametrize("present_to", [N, 31])
def test_borders_of_parts_are_not_to_be_seen(edges: tuple[int, ...], present_to: int, score: Score) -> None:
    whole, cut = made(score, parts_of(0, N, present_to=present_to)), made(score, parts_of(*edges, present_to=present_to))
    np.testing.assert_allclose(cut.cosines, whole.cosines, atol=1e-6)
    np.testing.assert_allclose(cut.with_silence, whole.with_silence, atol=1e-6)
    assert cut.has_sound.tolist() == whole.has_sound.tolist()
    assert cut.is_seen.all()
    assert cut.n_heard_images == whole.n_heard_images == present_to


def test_long_clips_are_embedded_piece_by_piece_with_the_same_numbers(score: Score, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = made(score, parts_of(0, N))
    monkeypatch.setattr(module, "_WINDOWS_AT_ONCE", 7)
    pieces = made(score, parts_of(0, N))
    np.testing.assert_allclose(pieces.cosines, whole.cosines, atol=1e-6)
    assert pieces.has_sound.tolist() == whole.has_sound.tolist()


def test_windows_without_the_face_are_not_seen(score: Score) -> None:
    whole = made(score, parts_of(0, N))
    # The face is gone for images 18 and 19, before a border, and from 34 on.
    found = made(score, parts_of(0, 20, N, faces=[(0, 18), (20, 34)]))
    assert np.flatnonzero(found.is_seen).tolist() == [*range(14), *range(20, 30)]
    assert np.isnan(found.cosines[:, ~found.is_seen]).all()
    np.testing.assert_allclose(found.cosines[:, found.is_seen], whole.cosines[:, found.is_seen], atol=1e-6)
    assert found.has_sound.tolist() == whole.has_sound.tolist(), "the sound of images without a face is heard"
    assert np.isnan(found.with_silence).tolist() == (~found.is_seen).tolist()


def test_a_part_without_a_face_lends_its_sound(score: Score) -> None:
    whole, found = made(score, parts_of(0, N)), made(score, parts_of(0, 20, 30, N, faces=[(0, 20)]))
    assert np.flatnonzero(found.is_seen).tolist() == list(range(16))
    np.testing.assert_allclose(found.cosines[:, :16], whole.cosines[:, :16], atol=1e-6)


def test_with_silence_is_what_a_file_without_sound_gives(score: Score) -> None:
    found = made(score, parts_of(0, N, present_to=0))
    assert not found.has_sound.any()
    assert found.n_heard_images == 0
    # Far from the ends every window hears zeros, whatever the shift.
    np.testing.assert_allclose(found.cosines[W], found.with_silence, atol=1e-5)


def test_pictures_that_cannot_be_decoded_are_no_windows(score: Score) -> None:
    parts = parts_of(0, 20, N)
    parts[1].tracks, parts[1].sound = [], None
    parts[1].fail(Failure.UNREADABLE, "no picture")
    found = made(score, parts, n_images=20)
    assert (found.n_images, found.cosines.shape) == (20, (2 * W + 1, 16))


@pytest.mark.parametrize(
    ("faces", "failure", "reason"),
    [([(N, N)], None, Failure.NO_FACE), ([(N, N)], Failure.NO_AUDIO, Failure.NO_AUDIO), ([(0, 4), (30, 34)], None, Failure.TOO_SHORT)],
    ids=["no face", "no sound", "never five images"],
)
def test_a_clip_that_cannot_be_judged_says_why(
    faces: list[tuple[int, int]], failure: Failure | None, reason: Failure, score: Score
) -> None:
    parts = parts_of(0, N, faces=faces)
    if failure is not None:
        parts[0].failure = failure
    assert whole_clip(parts, N, score, "", "anna") == reason


def pieces(*parts: list[Track]) -> list[tuple[int, int]]:
    made = [Part(Clip("a", "a.mp4"), i, len(parts), 0, 0, tracks=tracks) for i, tracks in enumerate(parts)]
    return [(first, first + len(crops)) for first, crops in main_face(made)]


LEFT, RIGHT, NEAR = (0.0, 0.0, 40.0, 50.0), (100.0, 0.0, 130.0, 40.0), (5.0, 0.0, 45.0, 50.0)


def test_the_main_face_is_the_chain_that_is_largest_over_the_whole_clip() -> None:
    # On the right a smaller face that is there throughout; on the left a larger one that comes and goes.
    assert pieces([track(0, 8, LEFT), track(0, 20, RIGHT)], [track(20, N, RIGHT)]) == [(0, N)]
    assert pieces([track(0, 20, RIGHT), track(0, 20, LEFT)], [track(20, N, NEAR), track(20, N, RIGHT)]) == [(0, N)]
    assert main_face([]) == []


def test_the_crops_are_those_of_the_chain() -> None:
    black, white = (np.full((20, 14, 26, 3), grey, np.uint8) for grey in (0, 255))
    parts = [
        Part(Clip("a", "a.mp4"), 0, 2, 0, 20, tracks=[track(0, 20, RIGHT, white), track(0, 20, LEFT, black)]),
        Part(Clip("a", "a.mp4"), 1, 2, 20, 20, tracks=[track(20, 40, NEAR, black), track(20, 40, RIGHT, white)]),
    ]
    ((first, crops),) = main_face(parts)
    assert (first, crops.shape, crops.max()) == (0, (40, 14, 26, 3), 0)


def test_a_cut_inside_a_part_and_a_hole_end_a_piece_but_not_the_face() -> None:
    assert pieces([track(0, 12, LEFT), track(12, 20, NEAR)], [track(20, 40, LEFT)]) == [(0, 12), (12, 40)]
    assert pieces([track(0, 8, LEFT), track(12, 20, LEFT)]) == [(0, 8), (12, 20)]


def test_a_face_elsewhere_or_long_after_is_another_one() -> None:
    assert pieces([track(0, 12, LEFT), track(12, 20, RIGHT)]) == [(0, 12)]
    far = Track(
        60,
        CROPS[:12],
        np.array([60, 71], np.int32),
        np.array([LEFT, LEFT], np.float32),
        np.zeros((2, 5, 2), np.float32),
        np.ones(2, np.float32),
    )
    assert pieces([track(0, 20, LEFT)], [], [far]) == [(0, 20)]


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Part]]:
    """Parts by clip_id, read in place of files; the detector finds what they hold."""
    held: dict[str, list[Part]] = {}

    class Read:
        def __init__(self, **_: Any) -> None: ...

        def __call__(self, clip: Clip) -> Iterator[Part]:
            for part in held[clip.clip_id]:
                part.images = None if part.failure is Failure.UNREADABLE else np.zeros((part.n_images, 2, 2, 3), np.uint8)
                yield part

    class Find:
        def __init__(self, **settings: Any) -> None:
            assert settings == {"detector": "centerface", "crop_height_px": 14, "crop_width_px": 26}

        def open(self) -> None: ...

        def __call__(self, parts: list[Part]) -> list[Part]:
            return parts

    monkeypatch.setattr(module, "ReadClip", Read)
    monkeypatch.setattr(module, "FindFaces", Find)
    return held


def test_clips_that_cannot_be_judged_are_counted_and_the_others_come_with_their_names(files: dict[str, list[Part]], score: Score) -> None:
    files["a"] = parts_of(0, 20, N)
    files["b"] = parts_of(0, N, faces=[(N, N)])
    files["c"] = parts_of(0, 20, N)
    files["c"][1].tracks = []
    files["c"][1].fail(Failure.UNREADABLE, "no picture")
    left_out: Counter[str] = Counter()
    clips = [(Clip(name, f"{name}.mp4"), "lrs3", f"speaker {name}") for name in "abc"]
    found = list(whole_clips(clips, score, "centerface", left_out))
    assert [(one.speaker, one.source, one.n_images) for one in found] == [("speaker a", "lrs3", N), ("speaker c", "lrs3", 20)]
    assert left_out == {"no_face": 1}
    assert all(part.images is None for parts in files.values() for part in parts), "pictures are let go"
