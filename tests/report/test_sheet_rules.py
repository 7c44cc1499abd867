from __future__ import annotations

import numpy as np
import pytest

from syncqc.report.sheet_rules import NUMBERS, RULES

GOOD = {
    "probability_at_offset": 0.99, "offscreen_ratio": 0.0, "offset_frames": 0, "is_offset_at_edge": 0, "margin": 0.4, "speech_ratio": 0.9,
    "frozen_ratio": 0.0, "face_width_px": 100, "leak_video": 0,
}  # fmt: skip

CASES = {
    "nothing wrong": ({}, {"best"}),
    "p as stored at the threshold": ({"probability_at_offset": 0.9}, {"best", "borderline"}),
    "p below the threshold": ({"probability_at_offset": 0.88}, {"worst", "borderline"}),
    "p at the end of the border": ({"probability_at_offset": 0.866}, {"worst"}),
    "too little speech to be among the worst": ({"probability_at_offset": 0.3, "speech_ratio": 0.49}, set()),
    "too small a face to be among the worst": ({"probability_at_offset": 0.3, "face_width_px": 63}, set()),
    "speech not measured": ({"probability_at_offset": 0.3, "speech_ratio": np.nan}, set()),
    "offscreen at the threshold": ({"offscreen_ratio": 0.2}, {"best"}),
    "somebody else speaks": ({"probability_at_offset": 0.95, "offscreen_ratio": 0.21}, {"offscreen"}),
    "nobody of this face speaks": ({"probability_at_offset": 0.6, "offscreen_ratio": 0.9}, {"worst"}),
    "one image late": ({"offset_frames": -1}, {"best"}),
    "two images late": ({"offset_frames": -2}, {"best", "off"}),
    "two images early": ({"offset_frames": 2}, {"best", "off"}),
    "at the edge of the search": ({"offset_frames": 15, "is_offset_at_edge": 1}, {"best"}),
    "frozen as stored at the limit": ({"frozen_ratio": 0.2}, {"best", "frozen"}),
    "frozen below the limit": ({"frozen_ratio": 0.19}, {"best"}),
    "no shift stands out": ({"probability_at_offset": 0.49, "margin": 0.09}, {"worst", "dubbed"}),
    "a shift stands out at a low p": ({"probability_at_offset": 0.49, "margin": 0.11}, {"worst"}),
    "traces of coding": ({"leak_video": 1}, {"best", "artefacts"}),
    "traces not looked for": ({"leak_video": np.nan}, {"best"}),
}


@pytest.mark.parametrize(("changed", "expected"), CASES.values(), ids=CASES.keys())
def test_a_row_stands_on_the_sheets_whose_rules_it_meets(changed: dict[str, float], expected: set[str]) -> None:
    numbers = {name: np.array([(GOOD | changed)[name]], np.float32) for name in NUMBERS}
    assert {rule.name for rule in RULES if rule.holds(numbers)[0]} == expected


def test_the_sentences_say_the_numbers() -> None:
    said = {rule.name: rule.says.replace("\N{NO-BREAK SPACE}", " ") for rule in RULES}
    for name, numbers in {
        "best": ["0.9", "20 %"],
        "worst": ["0.9", "50 %", "64 pixels"],
        "borderline": ["0.03", "0.9"],
        "offscreen": ["0.66", "20 %", "50 %"],
        "off": ["0.9", "20 %", "2 images (80 ms)"],
        "frozen": ["20 %"],
        "dubbed": ["2 or more", "0.5", "0.1", "30 degrees"],
        "artefacts": ["leak_video"],
    }.items():
        assert [number for number in numbers if number not in said[name]] == [], name
