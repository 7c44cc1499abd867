"""From clips to stretches, with a network that reads the time off the picture and off the sound, so that every offset is known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from time_reader import TimeReader

from syncqc.errors import Failure, UsageError
from syncqc.manifest.row import Clip
from syncqc.measure.settings import MeasureSettings
from syncqc.media.mel import MelFrontEnd, mel_columns, reach, slaney_bands
from syncqc.nets.checkpoint import Header, LoadedNet
from syncqc.stages.listen import Listen
from syncqc.stages.part import Part, Sound, Track
from syncqc.stages.read import mel_span
from syncqc.stages.score import Score
from syncqc.train import stretches as module
from syncqc.train.hearer import heard
from syncqc.train.other_sound import cut, earlier
from syncqc.train.stretches import EvalSettings, Measuring, TrackMatrices, matrices, stretches

torch.set_num_threads(1)

N = 76
"""Images of a part: one mel band each, the first four left out."""
FEW = EvalSettings(moves=(3,), control_moves=(-6,))
AROUND = 50
"""Images of sound kept on each side."""


def chirp(n_images: int, offset_frames: int = 0) -> np.ndarray:
    """Sound around a part whose band tells the image: it comes `offset_frames` early."""
    front_end = MelFrontEnd()
    middle_hz = np.linspace(0, 8000, 401)[slaney_bands(front_end.min_hz, front_end.max_hz).argmax(axis=1)]
    images = np.arange((n_images + 2 * AROUND) * 640) / 640 - AROUND
    hz = np.interp(np.clip(4 + images + offset_frames, 0, 79), np.arange(80), middle_hz)
    return (0.5 * np.sin(2 * np.pi * np.cumsum(hz) / 16_000)).astype(np.float32)


def part(
    clip_id: str = "a",
    *,
    index: int = 0,
    n: int = N,
    offset: int = 0,
    present: tuple[int, int] | None = None,
    failure: Failure | None = None,
) -> Part:
    """A part whose image k has the grey level 3 k; `present` are the images for which the file has sound, counted from the part's first."""
    first = 1000 * index
    made = Part(Clip(clip_id, f"{clip_id}.mp4"), index, index + 1, first, n)
    samples = chirp(n, offset)
    images = np.arange(len(samples)) // 640 - AROUND
    is_present = np.ones(len(samples), np.bool_) if present is None else (images >= present[0]) & (images < present[1])
    made.sound = Sound(samples * is_present, (first - AROUND) * 640, is_present)
    if failure is not None:
        made.fail(failure, "no reason")
        return made
    crops = np.broadcast_to((3 * np.arange(n))[:, None, None, None], (n, 4, 4, 3)).astype(np.uint8)
    nothing = np.zeros((0, 4), np.float32)
    made.tracks = [Track(first, crops, np.zeros(0, np.int32), nothing, nothing.reshape(0, 2, 2), np.zeros(0, np.float32))]
    return made


@pytest.fixture
def voice(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Everything is speech, as long as its probability is left at 1."""
    voice = {"probability": 1.0}
    finder = SimpleNamespace(speech_probability=lambda samples: np.full(-(-len(samples) // 512), voice["probability"], np.float32))
    monkeypatch.setattr("syncqc.stages.listen.SpeechFinder", lambda: finder)
    return voice


@pytest.fixture
def score() -> Score:
    return opened()


def opened(**header: Any) -> Score:
    score = Score(w=15)
    network: Any = TimeReader()
    network.config = SimpleNamespace(height_px=4, width_px=4)
    score._net = LoadedNet(network, Header("time-reader", {}, 0.1, **header), "")
    return score


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch, voice: dict[str, float]) -> Any:
    """`matrices` of parts that are given, without a file; clips are read in the order of (speaker, parts)."""

    def look(
        score: Score, *clips: tuple[str, list[Part]], settings: EvalSettings | None = None
    ) -> tuple[list[TrackMatrices], Counter[str]]:
        by_id = {parts[0].clip.clip_id: parts for _, parts in clips}

        class Read:
            def __init__(self, w: int) -> None:
                self.w = w

            def __call__(self, clip: Clip) -> Iterator[Part]:
                for one in by_id[clip.clip_id]:
                    first, end = reach(*mel_span(one.first_image, one.n_images, 2 * self.w))
                    assert one.sound is not None
                    assert one.sound.first_sample <= first and end <= one.sound.first_sample + len(one.sound.samples)
                    one.sound = cut(one.sound, first, end)
                    yield one

        class Find:
            def __init__(self, **_: object) -> None: ...
            def open(self) -> None: ...
            def __call__(self, parts: list[Part]) -> list[Part]:
                return parts

        monkeypatch.setattr(module, "ReadClip", Read)
        monkeypatch.setattr(module, "FindFaces", Find)
        listed = [(parts[0].clip, "made", speaker) for speaker, parts in clips]
        left_out: Counter[str] = Counter()
        return list(matrices(listed, score, "centerface", settings or EvalSettings(), left_out)), left_out

    return look


def offsets(track: TrackMatrices, score: Score) -> dict[int, int]:
    measuring = Measuring.of(score)
    measured = {0: measuring(track.own), **{move: measuring(pair) for move, pair in track.moved.items()}}
    return {move: sync.offset_frames for move, sync in measured.items() if sync is not None}


@pytest.mark.parametrize("own", [0, -4, 6, 8], ids="own offset {}".format)
def test_sound_moved_earlier_by_s_raises_the_offset_by_s(own: int, look: Any, score: Score) -> None:
    (track,), _ = look(score, ("anna", [part(offset=own)]))
    moves = (-9, -6, -3, 3, 6, 9)
    # 8 + 9 lies beyond w: it is found by the search with 2 w.
    assert offsets(track, score) == {0: own, **{move: own + move for move in moves}}


def test_earlier_means_a_smaller_sample_number() -> None:
    click = Sound(np.eye(1, 6400, 3200, dtype=np.float32)[0], 0, np.ones(6400, np.bool_))
    moved = earlier(click, 2)
    assert moved.first_sample + int(moved.samples.argmax()) == 3200 - 2 * 640


@pytest.mark.parametrize("mel", [None, asdict(MelFrontEnd(max_hz=6500.0))], ids=["default mel", "the network's own mel"])
def test_the_numbers_of_a_whole_track_are_those_of_its_row(mel: dict[str, float] | None, look: Any) -> None:
    score = opened(mel=mel)
    one = part(index=1, offset=14, present=(-20, 90))
    listen = Listen(w=15, front_end=MelFrontEnd(**(mel or {})))
    (track,), _ = look(score, ("anna", [one]))
    listen.open()
    (row,) = [track.row for track in score(listen([part(index=1, offset=14, present=(-20, 90))]))[0].tracks]
    (whole,) = stretches([track], None, Measuring.of(score))
    assert (whole.own.offset_frames, whole.own.n_windows, whole.own.is_offset_at_edge) == (
        row["offset_frames"], row["n_windows"], row["is_offset_at_edge"],
    )  # fmt: skip
    assert (row["offset_frames"] == 14) == (mel is None), "another front end has other bands, and so other times"
    assert whole.own.margin == pytest.approx(row["margin"], abs=1e-6)
    assert whole.own.probability_at_offset == pytest.approx(row["probability_at_offset"], abs=1e-6)
    assert whole.duration_s == N / 25


def test_too_few_windows_for_a_row_are_too_few_for_a_stretch(score: Score) -> None:
    measuring = Measuring.of(score)
    assert measuring.measures == MeasureSettings(min_windows=score.min_windows)
    pair = (np.random.default_rng(0).normal(size=(61, 20)).astype(np.float32), np.ones((61, 20), np.bool_))
    assert measuring(pair, slice(0, 9)) is None
    assert measuring(pair, slice(0, 10)) is not None


def test_the_edge_is_searched_again_with_twice_the_reach(score: Score) -> None:
    measuring = Measuring.of(score)
    matrix = np.zeros((61, 20), np.float32)
    matrix[5] = 0.9  # offset 30 - 5 = 25
    matrix[15] = 0.5  # the edge of the inner 31 rows
    found = measuring((matrix, np.ones((61, 20), np.bool_)))
    assert found is not None
    assert (found.offset_frames, len(found.curve)) == (25, 61)
    matrix[20] = 0.7
    found = measuring((matrix, np.ones((61, 20), np.bool_)))
    assert found is not None
    assert (found.offset_frames, len(found.curve)) == (10, 31)


@pytest.mark.parametrize(
    ("n_images", "duration_s", "places"),
    [
        (75, 3.0, [(0, 71)]),
        (74, 3.0, []),
        (125, 5.0, [(0, 121)]),
        (125, 1.0, [(0, 21), (25, 46), (50, 71), (75, 96), (100, 121)]),
        (125, 2.0, [(0, 46), (50, 96)]),
        (124, None, [(0, 120)]),
        (29, None, [(0, 25)]),
    ],
)
def test_stretches_share_no_image(n_images: int, duration_s: float | None, places: list[tuple[int, int]]) -> None:
    n = n_images - 4
    track = TrackMatrices("a", "anna", "made", (np.zeros((61, n), np.float32), np.ones((61, n), np.bool_)))
    seen: list[tuple[int, int]] = []

    class Seeing(Measuring):
        def __call__(self, _: object, at: slice = slice(None)) -> Any:
            seen.append((at.start, at.stop))
            return SimpleNamespace()

        def at_wrong_shifts(self, *_: object) -> list[float]:
            return []

    found = stretches([track], duration_s, Seeing(0.1, 15, MeasureSettings()))
    assert seen == places
    assert [stretch.duration_s for stretch in found] == [duration_s or n_images / 25] * len(places)


def test_a_stretch_that_cannot_be_measured_is_left_out_and_so_is_a_foreign_sound(score: Score) -> None:
    values, everywhere = np.random.default_rng(0).normal(size=(61, 50)).astype(np.float32), np.ones((61, 50), np.bool_)
    never = np.zeros((61, 50), np.bool_)
    measuring = Measuring.of(score)
    silent = TrackMatrices("a", "anna", "made", (values, never), {3: (values, everywhere)})
    assert stretches([silent], None, measuring) == []
    partly = TrackMatrices(
        "a", "anna", "made", (values, everywhere), {3: (values, never), 6: (values, everywhere)},
        [(values, never), (values, everywhere)], {6: (values, everywhere)},
    )  # fmt: skip
    (stretch,) = stretches([partly], None, measuring)
    assert (list(stretch.moved), len(stretch.foreign), stretch.control) == ([6], 1, {})


def test_foreign_sound_is_that_of_other_speakers(look: Any, score: Score) -> None:
    clips = [("anna", "a1"), ("anna", "a2"), ("bert", "b1"), ("anna", "a3"), ("cleo", "c1")]
    tracks, _ = look(score, *((who, [part(clip_id, n=20)]) for who, clip_id in clips), settings=FEW)
    # anna begins and has nobody before her; bert hears two parts of hers; in a3 she hears bert alone.
    assert {track.clip_id: len(track.foreign) for track in tracks} == {"a1": 0, "a2": 0, "b1": 2, "a3": 1, "c1": 2}
    assert {track.clip_id: sorted(track.foreign_moved) for track in tracks} == {
        "a1": [], "a2": [], "b1": [-6], "a3": [-6], "c1": [-6],
    }  # fmt: skip


def test_a_long_clip_does_not_crowd_out_the_others(look: Any, score: Score) -> None:
    tracks, _ = look(score, ("anna", [part("a", n=14)]), ("bert", [part("b", index=i, n=14) for i in range(9)]), settings=FEW)
    assert [len(track.foreign) for track in tracks] == [0, *[1] * 9]


def test_foreign_sound_lies_beside_the_part_as_it_lay_beside_its_own(look: Any, score: Score) -> None:
    tracks, _ = look(score, ("anna", [part("a", index=2, offset=5)]), ("bert", [part("b", index=0)]), settings=FEW)
    measuring = Measuring.of(score)
    (foreign,) = [measuring(pair) for pair in tracks[1].foreign]
    moved = {move: measuring(pair) for move, pair in tracks[1].foreign_moved.items()}
    assert foreign is not None
    assert foreign.offset_frames == 5
    assert {move: sync.offset_frames for move, sync in moved.items() if sync} == {-6: -1}


def test_foreign_sound_is_not_told_by_its_length(look: Any, score: Score) -> None:
    own = part("b", present=(0, N))
    tracks, _ = look(score, ("anna", [part("a")]), ("bert", [own]), settings=FEW)
    assert np.array_equal(tracks[1].foreign[0][1], tracks[1].own[1])
    assert not tracks[1].own[1].all()


def test_foreign_sound_that_is_too_short_is_not_taken(look: Any, score: Score) -> None:
    tracks, _ = look(
        score,
        ("anna", [part("a", n=20, present=(0, 20))]),
        ("cleo", [part("c", n=40)]),
        ("bert", [part("b", n=40, present=(0, 40))]),
        settings=FEW,
    )
    assert [len(track.foreign) for track in tracks] == [0, 0, 1]


def test_what_is_not_judged_is_counted_with_its_reason(look: Any, score: Score, voice: dict[str, float]) -> None:
    clips = [
        ("anna", [part("a"), part("a", index=1, failure=Failure.NO_FACE)]),
        ("bert", [part("b", n=13)]),
        ("cleo", [part("c", failure=Failure.SILENT)]),
    ]
    tracks, left_out = look(score, *clips)
    assert [track.clip_id for track in tracks] == ["a"]
    assert left_out == {"no_face": 1, "too_short": 1, "silent": 1}
    voice["probability"] = 0.1
    tracks, left_out = look(score, ("anna", [part("a")]))
    assert (tracks, left_out) == ([], {"little_speech": 1})


@pytest.mark.parametrize("share", [0.0, 1.5])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(UsageError, match="replaced_shares must lie above 0 and not above 1"):
        EvalSettings(replaced_shares=(0.5, share))


def test_mixtures_have_the_others_time_in_their_run_and_the_own_elsewhere(look: Any, score: Score) -> None:
    # The other says at each image what belongs 20 images later: the network reads time, so windows tell whom they hear.
    settings = EvalSettings(moves=(), control_moves=(), replaced_shares=(0.5, 1.0))
    tracks, _ = look(score, ("anna", [part("a", offset=20)]), ("bert", [part("b", offset=3)]), settings=settings)
    assert tracks[0].mixtures == [], "the first has nobody to lend a sound"
    n = N - 4
    runs = [np.flatnonzero(mixture.is_replaced)[[0, -1]].tolist() for mixture in tracks[1].mixtures]
    assert runs == [[0, n // 2 - 1], [n // 4, n // 4 + n // 2 - 1], [n // 2, n - 1], [0, n - 1]]
    for mixture in tracks[1].mixtures:
        # In row 30 - 3, that of the own offset, the own sound fits and the other's is 17 images away.
        is_other = mixture.pair[0][27] < 0.7
        # The network listens to the first image of a window, two before the one for which the window speaks.
        assert (is_other != mixture.is_replaced).sum() <= 2 * 3, "but for windows on a border"


def test_the_same_speaker_and_the_own_sound_turned_round_are_heard_too(look: Any, score: Score) -> None:
    parts = [part("a", index=0), part("a", index=1)]
    tracks, _ = look(score, ("anna", parts), ("bert", [part("b", n=40)]), settings=FEW)
    assert [len(track.same_speaker) for track in tracks] == [0, 1, 0]
    # 76 images turn by 38, which lies out of reach; 40 would turn by 20, which the search would find.
    assert [track.turned is not None for track in tracks] == [True, True, False]
    (whole, *_) = stretches(tracks, None, Measuring.of(score))
    assert whole.turned is not None
    assert whole.turned.margin < whole.own.margin
    assert len(whole.at_wrong_shifts) == 4
    assert max(whole.at_wrong_shifts) < whole.own.probability_at_offset


@pytest.mark.parametrize("wrong", [{"moves": (13,)}, {"moves": (0, 3)}, {"control_moves": (-13,)}], ids=str)
def test_a_move_beyond_what_is_read_is_refused(wrong: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(UsageError, match="moves must lie within ±12 and not be 0"):
        EvalSettings(**wrong)  # type: ignore[arg-type]


def test_the_mel_of_a_moved_sound_is_that_of_the_moved_samples() -> None:
    one = part()
    assert one.sound is not None
    front_end = MelFrontEnd()
    mel = heard(one, earlier(one.sound, 5), 15, front_end)
    first, n_columns = mel_span(0, N, 30)
    begin, end = reach(first, n_columns)
    at = slice(begin - one.sound.first_sample + 5 * 640, end - one.sound.first_sample + 5 * 640)
    samples = np.concatenate([one.sound.samples, np.zeros(40 * 640, np.float32)])[at]
    columns, _ = mel_columns(samples, np.ones(len(samples), np.bool_), front_end)
    assert mel.first_column == first
    assert np.allclose(mel.columns[:-60], columns[:-60], atol=1e-6)
