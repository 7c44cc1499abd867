from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import made_starts

from syncqc.train.leak import Found, ask, find_leak
from syncqc.train.leak_data import Start
from syncqc.train.leak_settings import LeakSettings

QUICK = LeakSettings(width=0.1, crop_px=32, batch=16, n_batches=60, check_every=20, warmup_batches=10, n_judged_per_clip=10, n_checked=100)


def made(n: int, modality: str, *, leaks: bool) -> list[Start]:
    make = made_starts.pictures if modality == "rgb" else made_starts.sound
    return [make(i, leaks=leaks) for i in range(n)]


@pytest.fixture(scope="module")
def leaking() -> Found:
    return find_leak(made(140, "rgb", leaks=True), "rgb", QUICK)


def test_pictures_that_tell_the_time_leak(leaking: Found) -> None:
    assert leaking.verdict.says == "leaks"
    assert leaking.at_1 is not None
    assert leaking.at_5 is not None
    # Ten starts: chance is 10 and 50 %. Two of them are alike.
    assert (leaking.at_1.chance, leaking.at_5.chance) == (0.1, 0.5)
    assert leaking.at_1.value > 0.15
    assert leaking.at_5.value > 0.75
    # Who is wrong is wrong by five steps, the period.
    assert leaking.comb is not None
    assert leaking.comb.value > 0.4
    assert "it is the coding that tells the time" in leaking.verdict.reason
    assert leaking.at_1.n_speakers == 28


def test_what_was_found_can_be_written(leaking: Found) -> None:
    told = json.loads(json.dumps(leaking.to_json()))
    assert (told["verdict"], told["trim_s"], told["clip_s"], told["n_classes"]) == ("leaks", 1.0, 2.0, 10)
    assert told["n_clips"] == {"train": 98, "validation": 14, "test": 28}
    assert [look["n_batches"] for look in told["learnt"]["curve"]] == [20, 40, 60]
    assert told["learnt"]["ended"] == "all 60 batches were learnt from"
    assert sum(told["errors"]["n"]) == 280
    assert told["errors"]["guessed_minus_true_steps"][0] == -9
    assert told["comb"]["folded"][0] > 0.5 * sum(told["comb"]["folded"])


def test_sound_with_a_mark_leaks_and_its_errors_keep_to_the_mark() -> None:
    found = find_leak(made(140, "audio", leaks=True), "audio", QUICK)
    assert found.verdict.says == "leaks"
    assert found.at_1 is not None
    assert found.at_1.value > 0.2
    assert found.asked.rate_hz == made_starts.RATE_HZ


@pytest.mark.parametrize("modality", ["rgb", "audio"])
def test_noise_does_not(modality: str) -> None:
    found = find_leak(made(140, modality, leaks=False), modality, QUICK)
    assert found.verdict.says != "leaks"
    assert found.at_1 is not None
    assert found.at_1.interval95 is not None
    assert found.at_1.interval95[0] < 0.1 < found.at_1.interval95[1] + 0.03


def test_a_run_gives_the_same_again() -> None:
    starts, few = made(30, "rgb", leaks=True), LeakSettings(**{**vars(QUICK), "n_batches": 3})
    one, other = (find_leak(starts, "rgb", few).to_json() for _ in range(2))
    for found in (one, other):
        for look in found["learnt"]["curve"]:
            del look["wall_s"]
        del found["learnt"]["wall_s"]
    assert one == other


def test_learning_ends_when_it_gets_no_better() -> None:
    settings = LeakSettings(**{**vars(QUICK), "n_batches": 200, "check_every": 4, "patience": 2, "lr": 1e-9})
    found = find_leak(made(30, "rgb", leaks=False), "rgb", settings)
    assert found.learnt is not None
    assert found.learnt.looks[-1].n_batches < 200
    assert found.learnt.ended == "2 looks in a row were no better than the best one"
    assert found.learnt.best in found.learnt.looks[:-2]


@pytest.mark.parametrize(
    ("starts", "reason"),
    [
        ([], "there is no clip to learn from"),
        ([made_starts.pictures(i, leaks=True, n_steps=15) for i in range(9)], "too few clips reach 2 s"),
        (
            [made_starts.pictures(i, leaks=True, group="one") for i in range(9)],
            "there are 0 speakers or clips to judge on and 9 clips to learn from; 5 to judge on are the least",
        ),
        (
            [made_starts.pictures(i, leaks=True) for i in range(20)],
            "there are 4 speakers or clips to judge on and 14 clips to learn from; 5 to judge on are the least",
        ),
    ],
)
def test_too_little_is_not_enough_data(starts: list[Start], reason: str) -> None:
    found = find_leak(starts, "rgb", QUICK)
    assert found.verdict.says == "not enough data"
    assert reason in found.verdict.reason
    assert json.loads(json.dumps(found.to_json()))["learnt"] is None


def test_few_clips_in_which_nothing_is_found_mean_nothing() -> None:
    found = find_leak(made(40, "rgb", leaks=False), "rgb", LeakSettings(**{**vars(QUICK), "n_batches": 2}))
    assert found.verdict.says == "not enough data"
    assert "of 28 clips, fewer than 100, little can be learnt" in found.verdict.reason


def test_clips_that_are_short_or_of_another_rate_are_left_out_and_counted() -> None:
    starts = [made_starts.sound(i, leaks=False, n_steps=20 if i % 10 else 19) for i in range(50)]
    starts += [made_starts.sound(50 + i, leaks=False, rate_hz=8000) for i in range(3)]
    asked = ask(starts, QUICK)
    assert (asked.n_steps, asked.rate_hz) == (10, made_starts.RATE_HZ)
    assert asked.left_out == {"another sound rate": 3, "shorter than 2 s": 5}
