from __future__ import annotations

import pytest

from syncqc.report.words import offset_in_words, signed_offset


@pytest.mark.parametrize(
    ("offset_frames", "label", "sentence"),
    [
        pytest.param(2, "+2 images (+80 ms)", "the sound leads the picture by 2 images (80 ms)", id="early"),
        pytest.param(1, "+1 image (+40 ms)", "the sound leads the picture by 1 image (40 ms)", id="one early"),
        pytest.param(0, "0 images (0 ms)", "sound and picture are in time", id="in time"),
        pytest.param(-1, "-1 image (-40 ms)", "the sound lags behind the picture by 1 image (40 ms)", id="one late"),
        pytest.param(-12, "-12 images (-480 ms)", "the sound lags behind the picture by 12 images (480 ms)", id="late"),
    ],
)
def test_an_offset_is_said_with_its_sign_and_both_units(offset_frames: int, label: str, sentence: str) -> None:
    assert signed_offset(offset_frames) == label
    assert offset_in_words(offset_frames) == sentence
