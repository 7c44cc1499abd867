"""Which pairs are what, how many are drawn, and the losses over them, against numbers worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from syncqc.train.config import TrainConfig
from syncqc.train.pairs import batch_losses, draw_negatives

# Two tracks of two windows. Row: picture, column: sound.
#              track 0     track 1
LOGITS = torch.tensor([
    [2.0, 0.5, -1.0, 0.0],
    [-0.5, 1.0, 0.3, -2.0],
    [0.1, -0.7, 3.0, 1.5],
    [-1.2, 0.4, 0.6, -0.2],
])  # fmt: skip
POSITIVE = [2.0, 1.0, 3.0, -0.2]
HARD = [0.5, -0.5, 1.5, 0.6]
"""The same picture with the track's other sound."""
HARD_BACK = [-0.5, 0.5, 0.6, 1.5]
"""The same sound with the track's other picture."""
EASY = [(-1.0, 0.0), (0.3, -2.0), (0.1, -0.7), (-1.2, 0.4)]
EASY_BACK = [(0.1, -1.2), (-0.7, 0.4), (-1.0, 0.3), (0.0, -2.0)]


def settings(**values: Any) -> TrainConfig:
    return TrainConfig(n_segments=2, n_windows=2, **values)


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


def ranked(positive: float, *negatives: float) -> float:
    """Minus the log of the share that the positive has."""
    return math.log(sum(math.exp(x) for x in (positive, *negatives))) - positive


def balanced(easy_weight: float) -> float:
    lines = [
        softplus(-p) + (1 - easy_weight) * softplus(h) + easy_weight * (softplus(e[0]) + softplus(e[1])) / 2
        for p, h, e in zip(POSITIVE, HARD, EASY, strict=True)
    ]
    return sum(lines) / 4 / 2


NCE = {
    "hard, both ways": (
        {},
        [ranked(p, h) for hard in (HARD, HARD_BACK) for p, h in zip(POSITIVE, hard, strict=True)],
    ),
    "hard, sounds for a picture (Eq. 9)": ({"nce_both_ways": False}, [ranked(p, h) for p, h in zip(POSITIVE, HARD, strict=True)]),
    "hard and easy (Table 4)": (
        {"nce_easy": True, "nce_both_ways": False},
        [ranked(p, h, *e) for p, h, e in zip(POSITIVE, HARD, EASY, strict=True)],
    ),
    "hard and easy, both ways": (
        {"nce_easy": True},
        [ranked(p, h, *e) for hard, easy in ((HARD, EASY), (HARD_BACK, EASY_BACK)) for p, h, e in zip(POSITIVE, hard, easy, strict=True)],
    ),
    "easy alone": (
        {"n_hard": 0, "nce_easy": True, "nce_both_ways": False},
        [ranked(p, *e) for p, e in zip(POSITIVE, EASY, strict=True)],
    ),
}


@pytest.mark.parametrize(("values", "lines"), NCE.values(), ids=NCE)
def test_what_info_nce_ranks(values: dict[str, Any], lines: list[float]) -> None:
    _, nce = batch_losses(LOGITS, settings(**values))
    assert nce.item() == pytest.approx(sum(lines) / len(lines), rel=1e-5)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"easy_weight": 0.25}, balanced(0.25)),
        ({"easy_weight": 0.1}, balanced(0.1)),
        ({"n_easy": 0}, balanced(0.0)),
        ({"n_hard": 0, "nce_easy": True}, balanced(1.0)),
    ],
    ids=["a quarter easy", "the paper's tenth", "hard alone", "easy alone"],
)
def test_the_balanced_loss(values: dict[str, Any], expected: float) -> None:
    binary, _ = batch_losses(LOGITS, settings(**values))
    assert binary.item() == pytest.approx(expected, rel=1e-5)


def test_plain_bce_compares_each_window_with_its_own_sound_or_another_of_its_track() -> None:
    torch.manual_seed(0)
    own, other = [softplus(-p) for p in POSITIVE], [softplus(h) for h in HARD]
    possible = {round(sum(other[i] if k >> i & 1 else own[i] for i in range(4)) / 4, 5): k for k in range(16)}
    drawn = [possible[round(batch_losses(LOGITS, settings(binary_loss="bce"))[0].item(), 5)] for _ in range(400)]
    assert set(drawn) == set(range(16)), "every choice comes up, and no other value"
    # N_p = N_h = 0.5: over 1600 coins, the share of other sounds is a half.
    assert sum(k.bit_count() for k in drawn) / 1600 == pytest.approx(0.5, abs=0.05)


def test_plain_bce_draws_among_all_other_windows_of_the_track() -> None:
    # One track of four windows; every off-diagonal value tells where it comes from.
    logits = torch.full((4, 4), 50.0) + torch.arange(16.0).reshape(4, 4)
    logits.fill_diagonal_(50.0)
    config = TrainConfig(n_segments=1, n_windows=4, binary_loss="bce")
    torch.manual_seed(0)
    totals = {round(4 * batch_losses(logits, config)[0].item()) for _ in range(300)}
    assert len(totals) > 20


def wide(n_segments: int = 3, n_windows: int = 5) -> torch.Tensor:
    """Each entry is 100 times its row and its column."""
    size = n_segments * n_windows
    return 100.0 * torch.arange(size)[:, None] + torch.arange(size)


@pytest.mark.parametrize(("n_hard", "n_easy"), [(2, 3), (1, 10), (4, 0), (0, 1), (-1, -1)])
def test_as_many_are_drawn_as_asked_for_all_different_and_of_the_right_kind(n_hard: int, n_easy: int) -> None:
    torch.manual_seed(1)
    config = TrainConfig(n_segments=3, n_windows=5, n_hard=n_hard, n_easy=n_easy, nce_weight=(0.0, 0.0))
    drawn = draw_negatives(wide(), config)
    assert drawn.hard.shape == (15, 4 if n_hard < 0 else n_hard)
    assert drawn.easy.shape == (15, 10 if n_easy < 0 else n_easy)
    assert drawn.all.shape[1] == drawn.hard.shape[1] + drawn.easy.shape[1]
    for row in range(15):
        hard, easy = ([int(value) - 100 * row for value in side[row]] for side in (drawn.hard, drawn.easy))
        assert len(set(hard)) == len(hard) and len(set(easy)) == len(easy)
        assert all(column // 5 == row // 5 and column != row for column in hard)
        assert all(column // 5 != row // 5 for column in easy)


def test_every_negative_has_the_same_chance() -> None:
    torch.manual_seed(2)
    config = TrainConfig(n_segments=3, n_windows=5, n_hard=1, n_easy=2)
    counts = torch.zeros(15)
    for _ in range(600):
        drawn = draw_negatives(wide(), config)
        for value in (*drawn.hard[7], *drawn.easy[7]):
            counts[int(value) - 700] += 1
    # Row 7: four hard ones share 600 draws, ten easy ones 1200.
    assert counts[7] == 0
    hard = torch.tensor([counts[i] for i in (5, 6, 8, 9)])
    easy = torch.tensor([counts[i] for i in (0, 1, 2, 3, 4, 10, 11, 12, 13, 14)])
    assert (hard - 150).abs().max() < 50
    assert (easy - 120).abs().max() < 50


def test_the_losses_can_be_learnt_from() -> None:
    for values in ({}, {"binary_loss": "bce"}, {"n_hard": 1, "n_easy": 1, "nce_easy": True}):
        logits = LOGITS.clone().requires_grad_()
        sum(batch_losses(logits, settings(**values))).backward()  # type: ignore[union-attr]
        assert logits.grad is not None
        assert logits.grad.diagonal().max().item() < 0, "own sounds are pulled up"
