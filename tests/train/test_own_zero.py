from __future__ import annotations

import numpy as np
import pytest

from syncqc.errors import UsageError
from syncqc.measure.settings import MeasureSettings
from syncqc.train.own_zero import own_zero
from syncqc.train.stretches import Measuring, TrackMatrices

MEASURING = Measuring(0.1, 15, MeasureSettings(min_windows=1))


def track(offset: int, clip_id: str, speaker: str | None = None) -> TrackMatrices:
    matrix = np.zeros((61, 20), np.float32)
    matrix[30 - offset] = 0.5
    return TrackMatrices(clip_id, speaker or clip_id, "made", (matrix, np.ones((61, 20), np.bool_)))


def test_the_zero_is_the_median_over_clips_not_over_rows() -> None:
    long = [track(5, "long") for _ in range(9)]
    others = [track(1, f"clip {i}") for i in range(8)]
    found = own_zero([*long, *others], MEASURING)
    assert (found.zero_offset_frames, found.median_offset_frames, found.n_clips, found.n_speakers) == (1, 1.0, 9, 9)
    assert found.interval95 == [1.0, 1.0]


def test_a_clip_counts_once_by_the_median_of_its_rows() -> None:
    clips = [track(offset, f"clip {i}") for i in range(6) for offset in (-2, -2, 9)]
    assert own_zero(clips, MEASURING).zero_offset_frames == -2


def test_a_zero_that_is_not_settled_is_refused() -> None:
    clips = [track(0 if i % 2 else 4, f"clip {i}") for i in range(12)]
    with pytest.raises(UsageError, match=r"over 12 clips the median offset is \+2 images, but between \+0 and \+4 .* within one image"):
        own_zero(clips, MEASURING)


@pytest.mark.parametrize("speakers", [[], ["anna", "anna"]], ids=["nobody", "one speaker"])
def test_one_speaker_settles_no_zero(speakers: list[str]) -> None:
    with pytest.raises(UsageError, match="at least two speakers"):
        own_zero([track(1, f"clip {i}", who) for i, who in enumerate(speakers)], MEASURING)
