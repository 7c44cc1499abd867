from __future__ import annotations

import json

import numpy as np
import pytest

from syncqc.measure.decision import Decision
from syncqc.measure.settings import MeasureSettings
from syncqc.train.replaced import section, table
from syncqc.train.stretches import Measuring, Mixture, TrackMatrices

# A window adds nothing but its own cosine, so that what is read can be counted.
ALONE = MeasureSettings(min_windows=1, decision=Decision(weight=1.0, threshold_logit=0.0, change_probability=0.5))
MEASURING = Measuring(0.1, 15, ALONE)
N = 40


def track(speaker: str, n_missed: int = 0) -> TrackMatrices:
    """A ridge of 0.4 at offset 0, below -0.2 where the sound is replaced; the last `n_missed` replaced windows look like the own sound."""

    def pair(is_off: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        matrix = np.full((61, N), -0.5, np.float32)
        matrix[30] = np.where(is_off, -0.4, 0.4)
        return matrix, np.ones((61, N), np.bool_)

    made = TrackMatrices("a", speaker, "made", pair(np.zeros(N, np.bool_)))
    for first, end in ((0, 20), (20, 40)):
        is_replaced = (np.arange(N) >= first) & (np.arange(N) < end)
        looks_off = is_replaced & (np.arange(N) < end - n_missed)
        made.mixtures.append(Mixture(pair(looks_off), is_replaced))
    return made


def test_the_error_by_hand() -> None:
    # A track without an error, and one that misses 8 of 40 windows in both halves: 0.2 each.
    found = section([track("anna"), track("bert", n_missed=8)], MEASURING)
    scored = found["as_scored"]
    none, half = scored["by_share"]
    assert (none["share"], none["n"], none["mean_absolute_error"], none["bias"]) == (0.0, 2, 0.0, 0.0)
    assert (half["share"], half["n"]) == (0.5, 4)
    # Half a window's worth of smoothing: beside a step of 0.8 the mean of [1 2 1] is 0.2 on its own side, nothing changes sides.
    assert half["mean_absolute_error"] == pytest.approx(0.1)
    assert half["bias"] == pytest.approx(-0.1)
    assert half["interval95"] == pytest.approx([0.0, 0.2])
    assert scored["mean_absolute_error"] == pytest.approx(0.05), "both shares weigh the same"
    assert scored["windows"]["precision"] == 1.0
    assert scored["windows"]["recall"] == pytest.approx(1 - 16 / 80)
    # Every fifth window: of 16 that are replaced 2 are as high as the own ones.
    assert scored["windows"]["auc"] == pytest.approx(1 - 0.5 * 2 / 16, abs=0.01)
    assert (found["n_tracks"], found["n_speakers"], found["cross_validated"]) == (2, 2, None)
    json.dumps(found)


def test_the_papers_rules_are_judged_beside() -> None:
    found = section([track(f"speaker {i}") for i in range(5)], MEASURING)
    assert found["paper"]["mean_absolute_error"] < 0.02
    assert found["cross_validated"]["mean_absolute_error"] < 0.05
    strict = Measuring(0.1, 15, MeasureSettings(min_windows=1, onscreen_by="window", onscreen_threshold=1.0))
    assert section([track("anna")], strict)["as_scored"]["by_share"][0]["bias"] == 1.0, "as the settings say"


def test_the_table_has_a_line_per_share_and_one_for_all() -> None:
    errors, windows = table(section([track(f"speaker {i}") for i in range(5)], MEASURING))
    assert errors[1] == ["replaced", "rows", "as scored", "fitted on other speakers", "the paper's rules"]
    assert [row[:2] for row in errors[2]] == [["0", "5"], ["0.5", "10"], ["mean", "15"]]
    assert errors[2][0][2] == "0.000 (0.000-0.000), +0.000"
    assert [row[0] for row in windows[2]] == ["as scored", "fitted on other speakers", "the paper's rules"]


def test_nothing_to_judge_is_no_table() -> None:
    found = section([], MEASURING)
    assert (found["as_scored"], found["n_tracks"]) == (None, 0)
    assert table(found) == []
