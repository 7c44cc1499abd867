from __future__ import annotations

import copy
from typing import Any

from syncqc.train.leak_words import page

ABOUT: dict[str, Any] = {
    "modality": "rgb",
    "command": "syncqc leak clips",
    "failed": {"unreadable": 2},
    "n_not_drawn": 7,
    "found": {
        "verdict": "leaks",
        "reason": "accuracy at 1 is above chance (p = 0.001)",
        "clip_s": 10.0,
        "trim_s": 5.0,
        "n_classes": 50,
        "rate_hz": None,
        "n_clips": {"train": 70, "validation": 10, "test": 20},
        "n_speakers": {"train": 7, "validation": 1, "test": 2},
        "left_out": {"shorter than 10 s": 3},
        "accuracy": {
            "at_1": {"value": 0.272, "chance": 0.02, "interval95": [0.25, 0.29], "p_value": 1e-9},
            "at_5": {"value": 0.771, "chance": 0.1, "interval95": None, "p_value": 1e-12},
        },
        "comb": {"value": 0.5, "chance": 0.0, "interval95": [0.4, 0.6], "p_value": 1e-5, "folded": [9, *[1] * 11]},
        "median_period_s": 1.2,
        "learnt": {
            "n_parameters": 700_000,
            "device": "cpu",
            "n_batches": 400,
            "best_at_batch": 200,
            "ended": "all 400 batches were learnt from",
            "wall_s": 61.0,
            "curve": [
                {"n_batches": n, "train_loss": 3.9, "validation_loss": 3.8, "accuracy_at_1": 0.03, "accuracy_at_5": 0.12, "wall_s": 1.0}
                for n in range(10, 410, 10)
            ],
        },
    },
}


def test_the_page_says_what_was_asked_what_was_found_and_how() -> None:
    text = page(ABOUT)
    for said in (
        "# Can the start of a trim be told? Pictures: leaks\n",
        "```\nsyncqc leak clips\n```",
        "When in the first 10 s of its clip does a trim of 5 s begin? 50 starts, 0.1 s apart.",
        "70 clips to learn from, 10 to stop by, 20 to judge on (speakers: 7, 1, 2).",
        "Left out: unreadable 2, shorter than 10 s 3, not drawn 7.",
        "| at 1 | 27.2% | 25.0-29.0 | 2.0% | 1e-09 |",
        "| at 5 | 77.1% |  | 10.0% | 1e-12 |",
        "| comb of errors | +0.50 | +0.40 to +0.60 | 0 | 1e-05 |",
        "(median 1.2 s)",
        "| 9 | 1 | 1 |",
        "700000 weights, cpu, 61 s; all 400 batches were learnt from; judged are the weights of batch 200.",
        "| 40 | 3.900 | 3.800 | 3.0% | 12.0% |",
        "| 400 | 3.900 |",
    ):
        assert said in text, said
    # Forty looks are shown by every fourth.
    assert text.count("| 3.900 | 3.800 |") == 10


def test_without_a_comb_or_anything_learnt_it_says_why() -> None:
    about = copy.deepcopy(ABOUT)
    about["found"]["comb"] = None
    assert "No comb: no clip has evenly spaced key frames" in page(about)
    about["found"] |= {"learnt": None, "verdict": "not enough data", "reason": "too few clips reach 2 s", "n_classes": None}
    text = page(about)
    assert "Pictures: not enough data" in text
    assert "too few clips reach 2 s." in text
    assert "|" not in text
