from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

import made_starts

from syncqc.train.leak_settings import LeakSettings
from syncqc.train.leak_trims import Trims, divide, heard, seen, trim_steps


@pytest.mark.parametrize(
    ("lengths", "reached_by", "expected"),
    [
        ([100] * 10, 0.8, 50),
        # VoxCeleb2's mean: 7.8 s, trims of 3.9 s.
        ([78] * 8 + [30] * 2, 0.8, 39),
        ([78] * 7 + [30] * 3, 0.8, 15),
        # 7.7 s: 7.6 s is the longest even number of steps.
        ([77] * 5, 0.8, 38),
        ([100, 90, 80, 70, 60], 0.8, 35),
        ([100, 90, 80, 70, 60], 1.0, 30),
        ([19] * 10, 0.8, 0),
        ([20] * 10, 0.8, 10),
        ([], 0.8, 0),
    ],
)
def test_a_trim_is_half_of_what_most_clips_reach(lengths: list[int], reached_by: float, expected: int) -> None:
    assert trim_steps(lengths, reached_by) == expected


def test_no_speaker_is_in_two_parts() -> None:
    starts = [made_starts.pictures(i, leaks=False, group=f"speaker-{i % 17}") for i in range(100)]
    parts = divide(starts, LeakSettings())
    speakers = [{start.group for start in part} for part in (parts.train, parts.validation, parts.test)]
    assert not (speakers[0] & speakers[1] or speakers[0] & speakers[2] or speakers[1] & speakers[2])
    # A speaker is five or six clips: shares of 20 and 10 are filled until no other one has room.
    assert 15 < len(parts.test) <= 20
    assert 5 <= len(parts.validation) <= 10
    assert len(parts.train) + len(parts.validation) + len(parts.test) == 100
    assert [start.clip_id for start in divide(starts, LeakSettings()).test] == [start.clip_id for start in parts.test]
    assert {start.clip_id for start in divide(starts, LeakSettings(seed=1)).test} != {start.clip_id for start in parts.test}


def test_one_speaker_alone_leaves_nothing_to_judge_on() -> None:
    parts = divide([made_starts.pictures(i, leaks=False, group="one") for i in range(5)], LeakSettings())
    assert (len(parts.train), len(parts.test)) == (5, 0)


def test_a_speaker_with_most_of_the_clips_is_learnt_from() -> None:
    starts = [made_starts.pictures(i, leaks=False, group="one" if i < 40 else None) for i in range(60)]
    for seed in range(5):
        parts = divide(starts, LeakSettings(seed=seed))
        assert "one" not in {start.group for start in parts.test + parts.validation}
        assert (len(parts.train), len(parts.validation), len(parts.test)) == (42, 6, 12)


def test_what_is_seen_are_the_images_and_their_changes() -> None:
    images = np.zeros((1, 8, 12, 4, 3), np.uint8)
    images[0, 4:, 8:, 1] = (64, 64, 64)  # the square in row 1, column 2 of image 1
    images[0, 0, 0, 1] = (64, 64, 64)  # one pixel in sixteen
    channels = seen(torch.from_numpy(images))
    assert channels.shape == (1, 5 * 4 + 1, 2, 3)
    # The mean of 16 as 16 / 64 - 2; then how far images 0 to 3 are from it, in 16ths.
    assert channels[0, :15, 1, 2].tolist() == pytest.approx([-1.75] * 3 + [-1] * 3 + [3] * 3 + [-1] * 6, abs=1e-5)

    def standard(change: float) -> list[float]:
        """Changes up, down and none: c, c, 0, of which the mean is 2 c / 3 and the standard deviation c times the root of 2 / 9."""
        return [share * change / (math.sqrt(2) / 3 * change + 0.1) for share in (1 / 3, 1 / 3, -2 / 3)]

    whole, one_pixel = standard(math.log(65)), standard(math.log(65) / 16)
    assert channels[0, 15:18, 1, 2].tolist() == pytest.approx(whole, abs=1e-4)
    # Sizes are taken first and averaged then: a sixteenth of the change, not the change of a sixteenth.
    assert channels[0, 15:18, 0, 0].tolist() == pytest.approx(one_pixel, abs=1e-4)
    assert channels[0, 3:18, 0, 1].tolist() == [0] * 15
    # The mean over all six squares, everywhere.
    overall = [(a + b) / 6 for a, b in zip(whole, one_pixel, strict=True)]
    for row, column in ((0, 0), (1, 1), (1, 2)):
        assert channels[0, 18:, row, column].tolist() == pytest.approx(overall, abs=1e-4)


def test_what_is_heard_is_where_in_time_and_pitch() -> None:
    rate_hz, seconds = 16_000, 1
    time_s = np.arange(rate_hz * seconds) / rate_hz
    samples = 8000 * np.sin(2 * np.pi * 3000 * time_s) * (time_s > 0.5)
    bands = heard(torch.from_numpy(samples.astype(np.int16))[None])
    # A column every 256 samples, the last one whole: (16000 - 2048) // 256 + 1.
    assert bands.shape == (1, 1, 55, 16)
    # 16 bands up to 8 kHz: 3 kHz lies at 6 of them, between bands 5 and 6.
    assert int(bands[0, 0, 50].argmax()) in (5, 6)
    assert bands[0, 0, 50].max() > bands[0, 0, 10].max() + 0.2
    # Silence is the quietest there is: log(1e-4) / 2 + 2.
    assert bands[0, 0, 10].tolist() == pytest.approx([math.log(1e-4) / 2 + 2] * 16)


@pytest.mark.parametrize("modality", ["rgb", "audio"])
def test_a_trim_begins_where_it_says(modality: str) -> None:
    start = made_starts.pictures(0, leaks=True) if modality == "rgb" else made_starts.sound(0, leaks=True)
    trims = Trims(modality, 10, 32)
    given = trims.given([start, start], np.array([0, 7])).numpy()
    if modality == "rgb":
        assert given.shape == (2, 32, 32, 10, 3)
        assert (given[1, 3, 4, 2] == start.pictures[9, 3, 4]).all()
    else:
        assert given.shape == (2, 16_000)
        assert (given[1] == start.sound[11_200:27_200]).all()


def test_pictures_are_cut_from_everywhere_when_learning_and_from_the_middle_when_judged() -> None:
    start = made_starts.pictures(0, leaks=False, side_px=40)
    trims = Trims("rgb", 10, 32)
    middle = trims.given([start], np.array([0])).numpy()
    assert (middle[0].transpose(2, 0, 1, 3) == start.pictures[:10, 4:36, 4:36]).all()
    random = np.random.default_rng(0)
    drawn, steps = trims.drawn([start], 8, random)
    assert drawn.shape == (8, 32, 32, 10, 3)
    assert len({cut.numpy().tobytes() for cut in drawn}) == 8
    assert all(0 <= int(step) < 10 for step in steps)
