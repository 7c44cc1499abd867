"""The numbers of a track, with a network that reads the time off crops and mel, so that a planted offset must come out exactly.

The crops of image k hold the grey level k; mel column c holds c / 4000, or what is sounded there. So the cosine of a picture and a
sound window falls with their distance in time.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from syncqc.clock import first_mel_column
from syncqc.errors import Failure
from syncqc.manifest.row import Clip
from syncqc.measure.calibration import Calibration, TrackNumbers
from syncqc.measure.decision import Decision
from syncqc.measure.settings import MeasureSettings
from syncqc.nets.checkpoint import Header, LoadedNet
from syncqc.stages import score
from syncqc.stages.part import Mel, Part, Track
from syncqc.stages.read import mel_span
from syncqc.stages.score import Score

TAU = 0.1
SCALE = 4000


class TimeReader(nn.Module):
    """Cosine of two times: near 1 where they are equal, falling to about 0 thirty images away."""

    def __init__(self) -> None:
        super().__init__()
        self.rates: Tensor
        self.register_buffer("rates", torch.linspace(0.005, 0.1, 24))
        self.chunks: list[tuple[str, int]] = []
        self.starts: list[int] = []

    def embed_video(self, windows: Tensor) -> Tensor:
        assert windows.shape[1:] == (15, 4, 6)
        assert windows.min() >= 0
        assert windows.max() <= 1
        self.chunks.append(("video", len(windows)))
        levels = windows[:, :, 0, 0] * 255
        # Five images in order, each with its three colours.
        steps = (levels - levels[:, :1]).round()
        assert steps.eq(torch.arange(5.0, device=steps.device).repeat_interleave(3)).all()
        return self._at(levels[:, 0])

    def embed_audio(self, mel: Tensor) -> Tensor:
        assert mel.shape[1:] == (1, 32, 80)
        self.chunks.append(("audio", len(mel)))
        first_columns = mel[:, 0, 0, 0] * SCALE
        self.starts += first_columns.round().int().tolist()
        own = self._at((first_columns.abs() + 8) / 3.2)
        # A foreign voice (below 0) goes mostly its own way, and a little against the lips.
        foreign = F.normalize(-0.3 * own + F.pad(torch.ones_like(own[:, :1]), (own.shape[1] - 1, 0)), dim=1)
        return torch.where(first_columns[:, None] < 0, foreign, own)

    def _at(self, time: Tensor) -> Tensor:
        angles = time[:, None] * self.rates
        return F.normalize(torch.cat([angles.cos(), angles.sin(), torch.zeros_like(angles[:, :1])], dim=1), dim=1)


class Bench:
    """A stage whose network reads the time, and parts with planted offsets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.network = TimeReader()
        self.header = Header("time-reader", {}, TAU)
        self.asked: list[str] = []
        monkeypatch.setattr(score, "load", self._load)

    def _load(self, name: str) -> LoadedNet:
        self.asked.append(name)
        return LoadedNet(self.network, self.header, "0" * 64)  # type: ignore[arg-type]

    def opened(self, **settings: Any) -> Score:
        stage = Score(**settings)
        stage.open()
        return stage

    def scored(self, part: Part, **settings: Any) -> dict[str, Any]:
        """The row of the part's only track."""
        assert self.opened(**settings)([part]) == [part]
        (row,) = part.rows()
        return row


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


def crops(first_image: int, n: int) -> np.ndarray:
    return np.broadcast_to((first_image + np.arange(n))[:, None, None, None], (n, 4, 6, 3)).astype(np.uint8)


def track(first_image: int, n: int) -> Track:
    none = np.zeros(0, np.float32)
    return Track(first_image, crops(first_image, n), none.astype(np.int32), none, none, none, {"start_s": first_image / 25})


def part_of(
    *tracks: Track,
    first_image: int = 60,
    n: int = 100,
    offset: float = 0,
    w: int = 15,
    sound_images: tuple[int, int] = (-1000, 1000),
) -> Part:
    """A part whose sound comes `offset` images early; the file has sound for the images [begin, end)."""
    part = Part(Clip("a", "a.mp4"), 0, 1, first_image, n)
    first_column, n_columns = mel_span(first_image, n, 2 * w)
    at = first_column + np.arange(n_columns)
    # Early sound: what is heard at an image belongs to a later one.
    columns = np.repeat((at + 3.2 * offset)[:, None], 80, axis=1).astype(np.float32) / SCALE
    is_present = (at * 200 >= sound_images[0] * 640) & (at * 200 < sound_images[1] * 640)
    part.mel = Mel(columns, first_column, is_present)
    part.tracks = list(tracks) or [track(first_image, n)]
    return part


@pytest.mark.parametrize("offset", [0, 3, -4, 14, -14])
def test_a_planted_offset_comes_out_exactly(bench: Bench, offset: int) -> None:
    row = bench.scored(part_of(offset=offset))
    assert (row["offset_frames"], row["offset_ms"], row["is_offset_at_edge"]) == (offset, 40.0 * offset, False)
    assert "failure" not in row
    assert row["n_windows"] == 96
    assert len(row["similarity"]) == 31
    # The curve's top is at shift w - offset, where pictures and sound are at the same time: cosine 1.
    assert int(np.argmax(row["similarity"])) == 15 - offset
    assert max(row["similarity"]) == pytest.approx(1.0, abs=1e-3)
    assert row["margin"] == pytest.approx(max(row["similarity"]) - np.median(row["similarity"]), abs=1e-6)


def test_lips_and_voice_that_agree_are_probable_and_onscreen(bench: Bench) -> None:
    row = bench.scored(part_of())
    # sigmoid(1 / 0.1), everywhere.
    assert row["probability_at_offset"] == pytest.approx(0.99995, abs=1e-5)
    assert row["offscreen_ratio"] == 0.0
    # Windows speak for their middle images: 62 ... 157 of the part's 60 ... 159.
    assert row["onscreen"] == [{"start_s": 62 / 25, "end_s": 158 / 25}]


def test_windows_without_their_sound_are_offscreen(bench: Bench) -> None:
    part = part_of()
    assert part.mel is not None
    bench.network.rates = torch.linspace(0.05, 1.0, 24)  # one image apart is far
    # From image 112 on somebody else speaks; a window's sound is told by its first column, 8 before it.
    is_foreign = part.mel.first_column + np.arange(len(part.mel.columns)) >= first_mel_column(112)
    part.mel.columns[is_foreign] *= -1
    row = bench.scored(part)
    assert row["offset_frames"] == 0
    # Windows 60 ... 155, of which 112 ... 155 hear somebody else, or one less next to the border: a neighbouring shift is close.
    assert 42 / 96 <= row["offscreen_ratio"] <= 44 / 96
    (stretch,) = row["onscreen"]
    assert (stretch["start_s"], stretch["end_s"]) == (62 / 25, pytest.approx(114 / 25, abs=0.081))


@pytest.mark.parametrize("offset", [15, -15, 20, -28])
def test_the_best_shift_at_the_edge_is_searched_again_twice_as_far(bench: Bench, offset: int) -> None:
    row = bench.scored(part_of(offset=offset))
    assert (row["offset_frames"], row["is_offset_at_edge"]) == (offset, False)
    assert len(row["similarity"]) == 61
    assert int(np.argmax(row["similarity"])) == 30 - offset


@pytest.mark.parametrize(("offset", "edge"), [(34, 30), (-40, -30)])
def test_beyond_that_the_edge_is_told(bench: Bench, offset: int, edge: int) -> None:
    row = bench.scored(part_of(offset=offset))
    assert (row["offset_frames"], row["is_offset_at_edge"]) == (edge, True)


@pytest.mark.parametrize("w", [5, 20])
def test_w_is_how_far_is_searched(bench: Bench, w: int) -> None:
    assert len(bench.scored(part_of(offset=2, w=w), w=w)["similarity"]) == 2 * w + 1


@pytest.mark.parametrize("side", ["before", "behind"])
def test_too_little_mel_for_w_is_a_mistake_of_the_plan_and_gives_no_number(bench: Bench, side: str) -> None:
    part = part_of()
    assert part.mel is not None
    whole = part.mel
    # Mel for shifts of up to 30 images (96 columns) is there; without 40 columns on one side, 15 images are left.
    bench.scored(part)
    if side == "before":
        part.mel = Mel(whole.columns[40:], whole.first_column + 40, whole.is_present[40:])
    else:
        part.mel = Mel(whole.columns[:-40], whole.first_column, whole.is_present[:-40])
    bench.scored(part)
    with pytest.raises(ValueError, match="the mel reaches too little beyond its part for w = 30"):
        bench.scored(part, w=30)


@pytest.mark.parametrize("zero", [-1, 0, 2])
def test_the_checkpoints_own_zero_is_taken_off(bench: Bench, zero: int) -> None:
    bench.header = replace(bench.header, zero_offset_frames=zero)
    row = bench.scored(part_of(offset=3))
    assert (row["offset_frames"], row["offset_ms"]) == (3 - zero, 40.0 * (3 - zero))
    assert int(np.argmax(row["similarity"])) == 12, "the curve stays as it was measured"


@pytest.mark.parametrize("rounding", ["round", "floor"])
def test_windows_of_mel_begin_where_the_checkpoint_learnt_them(bench: Bench, rounding: Any) -> None:
    bench.header = replace(bench.header, mel_rounding=rounding)
    bench.scored(part_of(track(63, 40)), w=5)
    # Windows 63 - 5 ... 98 + 5.
    expected = [first_mel_column(j, rounding) for j in range(63 - 5, 99 + 5)]
    assert bench.network.starts[: len(expected)] == expected
    assert set(bench.network.starts[len(expected) :]) <= {expected[-1]}, "the last batch is filled up with its last window"


def test_a_track_inside_a_part_has_its_own_sound(bench: Bench) -> None:
    row = bench.scored(part_of(track(95, 40), offset=3))
    assert (row["offset_frames"], row["n_windows"]) == (3, 36)
    assert row["onscreen"] == [{"start_s": 97 / 25, "end_s": 133 / 25}]


def test_every_track_of_a_part_is_scored(bench: Bench) -> None:
    part = part_of(track(60, 100), track(70, 30), track(60, 10), offset=-2)
    bench.opened()([part])
    assert [(r.get("offset_frames"), r.get("n_windows"), r.get("failure")) for r in part.rows()] == [
        (-2, 96, None),
        (-2, 26, None),
        (None, None, "too_short"),
    ]


@pytest.mark.parametrize(("n", "is_measured"), [(1, False), (4, False), (13, False), (14, True)])
def test_how_short_is_too_short(bench: Bench, n: int, is_measured: bool) -> None:
    row = bench.scored(part_of(track(60, n)))
    if is_measured:
        assert (row["offset_frames"], row["n_windows"]) == (0, 10)
    else:
        assert (row["failure"], row["detail"]) == ("too_short", f"the face is there for {n} images, 14 are needed")
        assert "offset_frames" not in row


def test_sound_beyond_the_file_does_not_count(bench: Bench) -> None:
    # Twenty images, and the file's sound is exactly as long: 16 windows, of which ten must have their sound.
    row = bench.scored(part_of(track(60, 20), n=20, sound_images=(60, 80)))
    # Shift r compares window j with the sound of j + r - 15, which is there for 0 ... 15: 16 - |r - 15| windows, ten from r = 9 to 21.
    assert [value is not None for value in row["similarity"]] == [9 <= r <= 21 for r in range(31)]
    assert (row["offset_frames"], row["n_windows"]) == (0, 16)


def test_a_shift_needs_half_of_the_windows(bench: Bench) -> None:
    # 96 windows; the file's sound begins 40 images late: windows 40 ... 95 have theirs at shift 15, 48 are needed.
    row = bench.scored(part_of(sound_images=(100, 1000)))
    assert [value is not None for value in row["similarity"]] == [56 + (r - 15) >= 48 for r in range(31)]
    assert row["n_windows"] == 57  # of those within one image of the offset


def test_without_enough_sound_there_is_a_reason_and_no_number(bench: Bench) -> None:
    row = bench.scored(part_of(sound_images=(60, 75)))
    assert (row["failure"], row["detail"]) == ("no_audio", "there is too little sound beside this face to compare shifts")
    assert row.keys() & {"offset_frames", "margin", "probability_at_offset", "offscreen_ratio", "similarity", "n_windows"} == set()


def test_the_matrix_is_kept_on_request(bench: Bench) -> None:
    part = part_of(track(60, 20), n=20, sound_images=(60, 80))
    bench.scored(part)
    assert part.tracks[0].similarity is None
    row = bench.scored(part, keep_similarity=True)
    matrix = part.tracks[0].similarity
    assert matrix is not None
    assert (matrix.dtype, matrix.shape) == (np.float16, (31, 16))
    assert np.array_equal(np.isnan(matrix[:, 0]), [r < 15 for r in range(31)]), "before the file there is no sound"
    assert matrix[15] == pytest.approx(np.ones(16), abs=2e-3)
    assert np.nanmean(matrix[20].astype(float)) == pytest.approx(row["similarity"][20], abs=1e-3)


def test_the_wider_matrix_is_kept_where_the_search_went_wider(bench: Bench) -> None:
    part = part_of(offset=20)
    bench.scored(part, keep_similarity=True)
    assert part.tracks[0].similarity is not None
    assert part.tracks[0].similarity.shape == (61, 96)


@pytest.mark.parametrize("batch", [1, 7, 96, 500])
def test_how_many_windows_go_at_once_changes_nothing(bench: Bench, batch: int) -> None:
    row = bench.scored(part_of(offset=3), batch=batch)
    assert {n for _, n in bench.network.chunks} == {batch}, "one size only, so that no memory is kept for others"
    n_batches = [sum(what == side for what, _ in bench.network.chunks) for side in ("video", "audio")]
    assert n_batches == [math.ceil(96 / batch), math.ceil((96 + 30) / batch)]
    usual = bench.scored(part_of(offset=3))
    assert row["similarity"] == pytest.approx(usual["similarity"], abs=1e-6)


def test_pictures_are_embedded_once_for_both_searches(bench: Bench) -> None:
    bench.scored(part_of(offset=20))
    assert sum(n for what, n in bench.network.chunks if what == "video") == 96


def test_the_calibration_of_the_checkpoint_gives_the_probability(bench: Bench) -> None:
    assert bench.scored(part_of())["probability_in_sync"] is None
    calibration = Calibration(("margin", "log_windows"), (3.0, 0.2), -1.5)
    bench.header = replace(bench.header, calibration=calibration.to_json())
    row = bench.scored(part_of())
    expected = calibration.probability_in_sync(TrackNumbers(row["margin"], row["probability_at_offset"], row["n_windows"]))
    assert row["probability_in_sync"] == pytest.approx(expected)
    assert 0.01 < expected < 0.99


def test_thresholds_are_settings(bench: Bench) -> None:
    for strict in (MeasureSettings(onscreen_by="window", onscreen_threshold=1.0), MeasureSettings(decision=Decision(threshold_logit=99.0))):
        row = bench.scored(part_of(), measures=strict)
        assert (row["offscreen_ratio"], row["onscreen"]) == (1.0, [])


def test_the_checkpoint_says_when_a_face_is_the_speaker_unless_the_settings_do() -> None:
    own, given = Decision(threshold_logit=1.0), Decision(threshold_logit=2.0)
    score = Score()
    assert score.thresholds.decision is None
    score._calibration = Calibration(("margin",), (1.0,), 0.0, own)
    assert score.thresholds.decision == own
    score.measures = MeasureSettings(decision=given)
    assert score.thresholds.decision == given


def test_failed_parts_and_parts_without_mel_pass_untouched(bench: Bench) -> None:
    failed, unheard, good = part_of(), part_of(), part_of(offset=3)
    failed.fail(Failure.NO_FACE, "nobody there")
    unheard.mel = None
    assert bench.opened()([failed, unheard, good]) == [failed, unheard, good]
    assert [part.tracks[0].row for part in (failed, unheard)] == [{"start_s": 2.4}] * 2
    assert good.tracks[0].row["offset_frames"] == 3


def test_the_model_is_loaded_by_its_name(bench: Bench) -> None:
    bench.opened(model="ic-syncnet.base")
    bench.opened()
    assert bench.asked == ["ic-syncnet.base", Score().model]
