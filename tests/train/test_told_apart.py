from __future__ import annotations

import json

import pytest
from made_matrices import MEASURING, SETTINGS, pair

from syncqc.measure.calibration import Calibration
from syncqc.train.stretches import TrackMatrices
from syncqc.train.told_apart import section, table


def tracks() -> list[TrackMatrices]:
    """Own sound at 0.3 and 0.5; others below, the same speaker between, turned above for one."""
    first = TrackMatrices("a", "anna", "made", pair(0.3), foreign=[pair(0.1), pair(0.2)], same_speaker=[pair(0.4)], turned=pair(0.0))
    second = TrackMatrices("b", "bert", "made", pair(0.5), foreign=[pair(0.0)], turned=pair(0.6))
    return [first, second]


def test_the_aucs_by_hand() -> None:
    found = section(tracks(), MEASURING, SETTINGS, None)
    assert list(found) == ["probability_at_offset"]
    kinds = found["probability_at_offset"]
    whole = {kind: lines[-1] for kind, lines in kinds.items()}
    assert whole["other_speakers"]["auc"] == 1.0
    assert whole["same_speaker"]["auc"] == 0.0, "only anna has one, and it is above hers"
    assert whole["turned"]["auc"] == pytest.approx(2 / 4)
    assert whole["wrong_shifts"]["auc"] == 1.0
    assert [(whole[kind]["n_own"], whole[kind]["n_other"], whole[kind]["n_speakers"]) for kind in whole] == [
        (2, 3, 2), (1, 1, 1), (2, 2, 2), (2, 8, 2),
    ]  # fmt: skip
    assert whole["same_speaker"]["interval95"] is None
    assert whole["other_speakers"]["interval95"] == [1.0, 1.0]
    assert [line["duration_s"] for line in kinds["turned"]] == [1.0, 3.0, None]
    assert [line["n_own"] for line in kinds["turned"]] == [4, 0, 2], "2 s hold two stretches of 1 s and none of 3"
    assert kinds["turned"][1]["auc"] is None
    json.dumps(found)


def test_a_calibration_is_judged_too_where_there_is_one() -> None:
    upside_down = Calibration(("log_windows", "margin"), (0.0, 1.0), 0.0)
    found = section(tracks(), MEASURING, SETTINGS, upside_down)
    assert list(found) == ["probability_at_offset", "probability_in_sync"]
    assert found["probability_in_sync"]["other_speakers"][-1]["auc"] == 1.0
    assert "wrong_shifts" not in found["probability_in_sync"], "its margin speaks of the best shift"


def test_the_table_has_a_line_per_length_that_is_there() -> None:
    ((title, header, rows),) = table(section(tracks(), MEASURING, SETTINGS, None))
    assert title == "AUC of probability_at_offset: true sound against"
    assert header == ["length", "stretches", "other speakers", "same speaker", "turned", "wrong shifts"]
    assert [row[:2] for row in rows] == [["1 s", "4"], ["whole rows", "2"]]
    assert rows[-1][2:] == ["1.000 (1.000-1.000)", "0.000", "0.500 (0.000-1.000)", "1.000 (1.000-1.000)"]
