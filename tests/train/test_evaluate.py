from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from syncqc.measure.settings import MeasureSettings
from syncqc.measure.sync import Sync
from syncqc.train.evaluate import (
    agrees_with_clip,
    clip_follows,
    figures,
    follows,
    foreign_follows,
    foreign_lower,
    own_and_foreign,
    window_accuracy,
)
from syncqc.train.stretches import EvalSettings, Measuring, Stretch, TrackMatrices

SETTINGS = EvalSettings(moves=(-3, 3))
MEASURING = Measuring(0.1, 15, MeasureSettings(min_windows=10))


def sync(offset: int = 0, p: float = 0.9, *, w: int = 15, n: int = 20, peaks: dict[int, float] | None = None) -> Sync:
    """A stretch of that offset; its curve is highest there, or has the `peaks` that are given by offset."""
    curve = np.zeros(2 * w + 1)
    for at, height in (peaks or {offset: 0.5}).items():
        curve[w - at] = height
    return Sync(offset, w - offset, False, 0.5, p, 0.0, n, [], np.full(n, p), curve)


def stretch(clip_id: str = "a", own: Sync | None = None, speaker: str | None = None, **more: Any) -> Stretch:
    return Stretch(
        clip_id,
        speaker or f"of {clip_id}",
        "made",
        1.0,
        own or sync(),
        more.get("moved", {}),
        more.get("foreign", []),
        more.get("control", {}),
    )


@pytest.mark.parametrize(
    ("own", "moved", "hits"),
    [
        pytest.param(0, {3: 3, -3: -3}, [1, 1], id="exactly"),
        pytest.param(5, {3: 9, -3: 1}, [1, 1], id="around an offset of its own, one image off"),
        pytest.param(0, {3: 5, -3: -5}, [0, 0], id="two images off"),
        pytest.param(0, {3: -3, -3: 3}, [0, 0], id="the wrong way"),
        pytest.param(0, {3: 0}, [0], id="not at all; one move could not be measured"),
        pytest.param(0, {}, [], id="no move was measured"),
    ],
)
def test_the_offset_follows_the_sound(own: int, moved: dict[int, int], hits: list[int]) -> None:
    one = stretch(own=sync(own), moved={move: sync(offset) for move, offset in moved.items()})
    assert follows([one], SETTINGS) == (hits, ["of a"] * len(hits))
    control = stretch(control={0: sync(own), **{move: sync(offset) for move, offset in moved.items()}})
    assert foreign_follows([control], SETTINGS) == (hits, ["of a"] * len(hits))


def test_without_foreign_sound_nothing_follows_it() -> None:
    assert foreign_follows([stretch()], SETTINGS) == ([], [])


def test_a_clip_is_judged_by_the_curves_of_its_stretches_together() -> None:
    # Each stretch by itself is off in one of the two; together 2 and 5 are highest.
    own = [sync(peaks={2: 0.4, 9: 0.5}), sync(peaks={2: 0.4, -8: 0.5})]
    moved = [sync(peaks={5: 0.4, -1: 0.5}), sync(peaks={5: 0.4, 0: 0.5})]
    parts = [stretch("a", one, moved={3: other}) for one, other in zip(own, moved, strict=True)]
    assert clip_follows([*parts, stretch("b", sync(0), moved={3: sync(7)})], SETTINGS) == ([1.0, 0.0], ["of a", "of b"])


def test_long_stretches_weigh_more() -> None:
    long, short = sync(1, peaks={1: 0.4}, n=100), sync(7, peaks={7: 0.6}, n=20)
    parts = [stretch(own=long, moved={3: sync(4, n=100)}), stretch(own=short, moved={3: sync(4)})]
    assert clip_follows(parts, SETTINGS)[0] == [1.0]
    assert agrees_with_clip(parts, SETTINGS)[0] == [0.0, 0.0]


def test_only_shifts_that_every_stretch_knows_are_compared() -> None:
    # One stretch was searched up to 30 images and is high where the other has no value.
    far = sync(peaks={25: 0.9, 3: 0.3}, w=30)
    assert clip_follows([stretch(own=far, moved={3: sync(6)}), stretch(own=sync(3), moved={3: sync(6)})], SETTINGS)[0] == [1.0]
    blind = sync(3)
    blind.curve[:10] = np.nan
    assert clip_follows([stretch(own=blind, moved={3: sync(6)})], SETTINGS)[0] == [1.0]


@pytest.mark.parametrize(
    ("offsets", "hits"),
    [([2, 2, 2], [1, 1, 1]), ([2, 3, 2], [1, 1, 1]), ([2, 2, 9], [1, 1, 0]), ([2, 9], [0, 0]), ([2], [])],
    ids=str,
)
def test_a_stretch_agrees_with_the_rest_of_its_clip(offsets: list[int], hits: list[int]) -> None:
    found = [stretch("a", sync(offset, peaks={offset: 0.5 + 0.01 * (offset == 2)})) for offset in offsets]
    assert agrees_with_clip(found, SETTINGS)[0] == hits


def test_foreign_sound_is_lower_or_not() -> None:
    found = [
        stretch("a", sync(p=0.9), foreign=[sync(p=0.5), sync(p=0.9)]),
        stretch("b", sync(p=0.4), foreign=[sync(p=0.6)]),
        stretch("c", sync(p=0.1)),
    ]
    assert foreign_lower(found) == ([1, 0, 0], ["of a", "of a", "of b"])
    own, foreign = own_and_foreign(found)
    assert own == ([0.9, 0.4], ["of a", "of b"]), "a speaker without foreign sound counts on neither side"
    assert foreign == ([0.5, 0.9, 0.6], ["of a", "of a", "of b"])


def track(offset: int = 0, n: int = 40, clip_id: str = "a", source: str = "made", seed: int = 0, height: float = 0.8) -> TrackMatrices:
    """Noise, and a ridge at the offset: at offset + s for sound moved by s."""

    def pair(at: int | None) -> tuple[np.ndarray, np.ndarray]:
        matrix = 0.1 * np.random.default_rng([seed, 50 if at is None else at + 50]).normal(size=(61, n)).astype(np.float32)
        if at is not None:
            matrix[30 - at] += height
        return matrix, np.ones((61, n), np.bool_)

    moved = {move: pair(offset + move) for move in SETTINGS.moves}
    return TrackMatrices(clip_id, f"of {clip_id}", source, pair(offset), moved, [pair(None)], {6: pair(None)})


def test_windows_are_right_around_the_tracks_own_offset() -> None:
    assert window_accuracy([track(4)], 5, MEASURING, SETTINGS) == ([1.0], ["of a"])
    wrong = track(4)
    wrong.own[0][30, :10] = 5.0  # a quarter of the windows is best at 0
    wrong.own[0][26, 10:] = 9.0
    assert window_accuracy([wrong], 5, MEASURING, SETTINGS)[0] == [0.75]


def test_more_images_at_once_judge_the_mean_of_more_windows() -> None:
    one = track(0)
    one.own[0][25, ::4] = 2.0  # every fourth window is best at 5; three together are best at 0
    assert window_accuracy([one], 5, MEASURING, SETTINGS)[0] == [0.75]
    assert window_accuracy([one], 7, MEASURING, SETTINGS)[0][0] > 0.9
    assert window_accuracy([track(n=10)], 15, MEASURING, SETTINGS) == ([], []), "shorter than K images"


def test_cells_that_do_not_count_are_never_the_best() -> None:
    one = track(0)
    one.own[0][20] = 9.0
    one.own[1][20] = False
    assert window_accuracy([one], 5, MEASURING, SETTINGS)[0] == [1.0]
    one.own[1][:] = False
    assert window_accuracy([one], 5, MEASURING, SETTINGS) == ([], [])


def test_shifts_beyond_w_are_no_candidates() -> None:
    one = track(0)
    one.own[0][2, :10] = 9.0  # offset 28
    assert window_accuracy([one], 5, MEASURING, SETTINGS)[0] == [1.0]


def test_figures_can_be_written_as_json_and_name_their_intervals() -> None:
    tracks = [track(i, 60, f"c{i}", "one" if i else "all", seed=i) for i in range(3)]
    told = json.loads(json.dumps(figures(tracks, MEASURING, SETTINGS)))
    assert list(told) == ["all", "all (source)", "one"]
    whole = told["all"]
    assert (whole["n_tracks"], whole["n_clips"], whole["n_speakers"]) == (3, 3, 3)
    assert (told["one"]["n_tracks"], told["all (source)"]["n_tracks"]) == (2, 1)
    assert whole["window_accuracy"]["K=5"] == 1.0
    assert whole["window_accuracy_interval95"]["K=5"] == [1.0, 1.0]
    line = next(line for line in whole["by_duration"] if line["duration_s"] == 1.0)
    assert (line["n_stretches"], line["n_clips"], line["offset_follows_rows"], line["offset_follows_clips"]) == (6, 3, 1.0, 1.0)
    assert (line["foreign_auc"], line["foreign_lower_share"], line["offset_agrees_with_clip"]) == (1.0, 1.0, 1.0)
    assert line["offset_follows_rows_interval95"] == line["offset_follows_clips_interval95"] == line["foreign_auc_interval95"] == [1.0, 1.0]
    assert 0 <= line["foreign_follows_rows"] <= 1
    empty = next(line for line in whole["by_duration"] if line["duration_s"] == 5.0)
    assert (empty["n_stretches"], empty["offset_follows_rows"], empty["foreign_auc_interval95"]) == (0, None, None)
    assert (whole["rows"]["n_stretches"], whole["rows"]["median_duration_s"]) == (3, 64 / 25)
    assert told["all (source)"]["rows"]["offset_follows_rows_interval95"] is None, "one speaker"


def test_sources_without_a_name_are_not_told_apart() -> None:
    assert list(figures([track(source="")], MEASURING, SETTINGS)) == ["all"]
