from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from syncqc.errors import UsageError
from syncqc.manifest.columns import BY_NAME
from syncqc.manifest.rules import ARTEFACTS, WHERE_COLUMN, Rule, Rules
from syncqc.manifest.select import Thresholds


def rule(name: str, **given: Any) -> Rule:
    return next(found for found in Rules(**given).in_order() if found.name == name)


def met(found: Rule, *values: object) -> list[bool]:
    of = pa.bool_() if found.column == WHERE_COLUMN else BY_NAME[found.column].type
    flags: list[bool] = found.met(pa.array(values, of)).tolist()
    return flags


def test_without_options_the_papers_thresholds_are_asked_of_chosen_tracks_that_were_measured() -> None:
    assert [found.name for found in Rules().in_order()] == ["measured", "chosen", "p", "offscreen"]
    assert (Rules.p, Rules.offscreen) == (Thresholds.p, Thresholds.offscreen) == (0.9, 0.2)


def test_rules_are_asked_in_one_order_whatever_the_order_of_the_options() -> None:
    rules = Rules(
        where="margin > 0", artefacts=("vfr", "mpeg4", "vfr"), min_face_px=1, max_frozen=1, min_speech=0, no_edge=True, max_offset=0
    )
    assert [found.name for found in rules.in_order()] == [
        "measured", "chosen", "p", "offscreen", "max_offset", "no_edge", "min_speech", "max_frozen", "min_face_px",
        "artefacts: vfr", "artefacts: mpeg4", "where",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("found", "values", "expected"),
    [
        (rule("measured"), [None, "no_face"], [True, False]),
        (rule("chosen"), [True, False, None], [True, False, False]),
        (rule("p"), [0.9, 0.8999, 1.0, None], [True, False, True, False]),
        (rule("offscreen"), [0.2, 0.2001, 0.0, None], [True, False, True, False]),
        (rule("max_offset", max_offset=2), [-3, -2, 0, 2, 3, None], [False, True, True, True, False, False]),
        (rule("no_edge", no_edge=True), [False, True, None], [True, False, False]),
        (rule("min_speech", min_speech=0.1), [0.1, 0.0999, None], [True, False, False]),
        (rule("max_frozen", max_frozen=0.3), [0.3, 0.3001, None], [True, False, False]),
        (rule("min_face_px", min_face_px=64), [64, 63.9, None], [True, False, False]),
        (rule("artefacts: mpeg4", artefacts=("mpeg4",)), ["mpeg4", "h264", "msmpeg4v3", None], [False, True, False, False]),
        (rule("artefacts: vfr", artefacts=("vfr",)), [True, False, None], [False, True, False]),
        (rule("artefacts: rotated", artefacts=("rotated",)), [0, 90, -90, None], [True, False, False, False]),
        (rule("artefacts: late_start", artefacts=("late_start",)), [40, 40.1, -500, None], [True, False, True, False]),
        (rule("artefacts: low_fps", artefacts=("low_fps",)), [24, 23.976, 15, None], [True, False, False, False]),
        (rule("where", where="x"), [True, False], [True, False]),
    ],
    ids=lambda value: value.name if isinstance(value, Rule) else "",
)
def test_a_rule_is_met_from_its_limit_on_and_never_by_a_null(found: Rule, values: list[object], expected: list[bool]) -> None:
    assert met(found, *values) == expected


def test_a_limit_is_rounded_as_the_stored_number_is() -> None:
    shares = [n / 120 for n in range(121)]
    for limit in (0.2, 0.3, 0.7, 0.9):
        stored = [float(np.float32(share)) for share in shares]
        assert met(rule("offscreen", offscreen=limit), *stored) == [round(share * 120) <= round(limit * 120) for share in shares]


def test_every_artefact_is_asked_of_a_column_there_is() -> None:
    assert {artefact.column for artefact in ARTEFACTS.values()} <= set(BY_NAME)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"p": 1.5}, "p is a share from 0 to 1, not 1.5"),
        ({"offscreen": -0.1}, "offscreen is a share from 0 to 1"),
        ({"min_share": 50}, "min_share is a share from 0 to 1, not 50"),
        ({"min_speech": float("nan")}, "min_speech is a share from 0 to 1"),
        ({"max_offset": -1}, "max_offset must not be below 0, not -1"),
        ({"artefacts": ("mpg4",)}, "unknown artefact 'mpg4'; did you mean 'mpeg4'?"),
        ({"per": "clips"}, "unknown per 'clips'; did you mean 'clip'?"),
    ],
    ids=["p", "offscreen", "min_share", "nan", "max_offset", "artefact", "per"],
)
def test_what_no_row_could_mean_is_refused_in_a_sentence(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError) as raised:
        Rules(**given)
    assert sentence in str(raised.value)
