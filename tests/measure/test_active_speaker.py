from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncqc.measure.active_speaker import Run, onscreen, onscreen_intervals_s, onscreen_windows, runs
from syncqc.measure.settings import MeasureSettings

NAN = np.nan
PROBABILITY_OF = {"H": 0.9, "m": 0.5, "l": 0.1, "?": NAN}


def spoken(letters: str, settings: MeasureSettings | None = None) -> str:
    """One letter per window: H 0.9 (speaks), m 0.5 (candidate below 0.66), l 0.1 (no candidate), ? not measured; T or . come back."""
    flags = onscreen(np.array([PROBABILITY_OF[letter] for letter in letters]), settings or MeasureSettings())
    return "".join("T" if flag else "." for flag in flags)


@pytest.mark.parametrize(
    ("letters", "expected"),
    [
        # steps 4 to 6
        pytest.param("HHHHHHllllll", "TTTTTT......", id="two runs"),
        pytest.param("mmmmmmllllll", "............", id="step 6: mean 0.5 is below 0.66"),
        pytest.param("HHmmHHllllll", "TTTTTT......", id="step 6: mean (4 x 0.9 + 2 x 0.5)/6 = 0.77 carries its candidates"),
        pytest.param("HmmmHmllllll", "............", id="step 6: mean (2 x 0.9 + 4 x 0.5)/6 = 0.63 does not"),
        pytest.param("HHHHHlmmlHHHHH", "TTTTT....TTTTT", id="step 6: a weak run merges with its neighbours into a hole of four, no island"),
        # step 7: islands
        pytest.param("HHHHlllHHHH", "TTTTTTTTTTT", id="short hole becomes True"),
        pytest.param("HHHHllllHHHH", "TTTT....TTTT", id="a hole of four stays"),
        pytest.param("llllHHHllll", "...........", id="short island becomes False"),
        pytest.param("llllHHHHllll", "....TTTT....", id="an island of four stays"),
        pytest.param("HHHHlHHHHlHHHH", "TTTTTTTTTTTTTT", id="two holes, each between longer runs"),
        # step 7: archipelagos
        pytest.param("HHHHllHHlllll", "TTTT.........", id="hole and island in a row"),
        pytest.param("HHHHlHlHHHH", "TTTT...TTTT", id="archipelago between two long runs becomes a hole, and the hole stays"),
        pytest.param("llllHlHlHllll", ".............", id="archipelago in silence"),
        pytest.param("HlHlHlHl", "........", id="nothing but small runs"),
        # ends: a small run there is not surrounded
        pytest.param("HHllllll", "TT......", id="small run at the start stays"),
        pytest.param("HHHHHHll", "TTTTTT..", id="small hole at the end stays"),
        pytest.param("HHlHHHHH", "...TTTTT", id="two small runs at the start are an archipelago"),
        pytest.param("HH", "TT", id="a short track is one run"),
        # windows that were not measured
        pytest.param("HHHH??HHHH", "TTTT..TTTT", id="not measured: not on screen even in a hole that is filled"),
        pytest.param("??HHHHHH??", "..TTTTTT..", id="not measured at the ends"),
        pytest.param("HHHHl?HHHH", "TTTTT.TTTT", id="the measured side of such a hole is filled"),
        pytest.param("????", "....", id="nothing measured"),
        pytest.param("", "", id="no windows"),
    ],
)
def test_onscreen(letters: str, expected: str) -> None:
    assert spoken(letters) == expected


@pytest.mark.parametrize(
    ("probability", "expected"),
    [pytest.param(0.4, "", id="0.4 is no candidate"), pytest.param(0.66, "TTTTT", id="mean 0.66 is on screen")],
)
def test_thresholds_at_their_own_value(probability: float, expected: str) -> None:
    # with an onscreen threshold of 0.4 the first case could only fail as a candidate
    settings = MeasureSettings(onscreen_threshold=min(probability, 0.66))
    assert "".join("T" for flag in onscreen(np.full(5, probability), settings) if flag) == expected


def test_settings_move_every_threshold() -> None:
    assert spoken("mmmmmmllllll", MeasureSettings(onscreen_threshold=0.5)) == "TTTTTT......"
    assert spoken("llllllmmmmmm", MeasureSettings(onscreen_threshold=0.3, candidate_threshold=0.6)) == "............"
    assert spoken("HHHHlllHHHH", MeasureSettings(island_windows=3)) == "TTTT...TTTT"


def test_runs_cover_every_place_once() -> None:
    flags = np.array([True, True, False, True])
    assert runs(flags) == [Run(0, 2, True), Run(2, 3, False), Run(3, 4, True)]
    assert [run.length for run in runs(flags)] == [2, 1, 1]


def test_a_window_speaks_for_its_middle_image() -> None:
    # windows 0 ... 9 of a track that begins at image 100 speak for images 102 ... 111: 4.08 s to 4.48 s; window 20 for image 122
    assert onscreen_intervals_s([(0, 10), (20, 21)], first_image=100) == [
        {"start_s": 4.08, "end_s": 4.48},
        {"start_s": 4.88, "end_s": 4.92},
    ]


@given(st.text(alphabet="Hml?", max_size=60), st.integers(0, 10_000))
def test_intervals_are_ordered_disjoint_and_inside_the_track(letters: str, first_image: int) -> None:
    flags = onscreen(np.array([PROBABILITY_OF[letter] for letter in letters]))
    intervals = onscreen_intervals_s(onscreen_windows(flags), first_image)
    n_images = len(letters) + 4
    assert all(interval["start_s"] < interval["end_s"] for interval in intervals)
    assert all(before["end_s"] < after["start_s"] for before, after in pairwise(intervals))
    assert all(first_image / 25 <= i["start_s"] and i["end_s"] <= (first_image + n_images) / 25 for i in intervals)
    assert sum(i["end_s"] - i["start_s"] for i in intervals) == pytest.approx(flags.sum() / 25)


@given(st.text(alphabet="Hml", max_size=60))
def test_no_small_island_is_left_inside_a_track(letters: str) -> None:
    flags = onscreen(np.array([PROBABILITY_OF[letter] for letter in letters]))
    assert all(run.length >= 4 for run in runs(flags)[1:-1] if run.value)
