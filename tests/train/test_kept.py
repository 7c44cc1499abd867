from __future__ import annotations

import json

from made_matrices import MEASURING, SETTINGS, pair

from syncqc.manifest.select import Thresholds
from syncqc.train.kept import section, table
from syncqc.train.stretches import TrackMatrices


def tracks() -> list[TrackMatrices]:
    """True sound at p = 0.95 and 0.99; one foreign sound at 0.99, two at 0.5 and below."""
    first = TrackMatrices("a", "anna", "made", pair(0.3), foreign=[pair(0.0), pair(-0.1)])
    second = TrackMatrices("b", "bert", "made", pair(0.5), foreign=[pair(0.5)])
    return [first, second]


def test_the_shares_kept_by_hand() -> None:
    found = section(tracks(), MEASURING, SETTINGS)
    assert (found["p"], found["offscreen"]) == (0.9, 0.2)
    whole = {kind: (lines[-1]["kept"], lines[-1]["n"]) for kind, lines in found["shares"].items()}
    assert whole == {"true_sound": (1.0, 2), "other_speakers": (1 / 3, 3), "same_speaker": (None, 0), "turned": (None, 0)}
    assert [line["n"] for line in found["shares"]["true_sound"]] == [4, 0, 2]
    json.dumps(found)


def test_stricter_thresholds_keep_less() -> None:
    found = section(tracks(), MEASURING, SETTINGS, Thresholds(p=0.98))
    assert found["shares"]["true_sound"][-1]["kept"] == 0.5


def test_the_table_has_a_line_per_length_that_is_there() -> None:
    ((title, header, rows),) = table(section(tracks(), MEASURING, SETTINGS))
    assert title == "share with p >= 0.9 and offscreen <= 0.2"
    assert header == ["length", "true sound", "other speakers", "same speaker", "turned"]
    assert [row[0] for row in rows] == ["1 s", "whole rows"]
    assert rows[-1][3:] == ["", ""]
