"""The losses against numbers worked out by hand, and the direction in which they push."""

from __future__ import annotations

import math

import pytest
import torch

from syncqc.nets.losses import bbce, bce, info_nce

LN2, LN3 = math.log(2), math.log(3)


def row(*logits: float) -> torch.Tensor:
    return torch.tensor([logits]) if logits else torch.zeros(1, 0)


# A logit of ln 3 is a probability of 3/4, one of 0 is 1/2, one of -ln 3 is 1/4.
# positive ln 3:        -ln(3/4)                      = 0.287682
# hard 0, ln 3:         (-ln(1/2) - ln(1/4)) / 2      = (0.693147 + 1.386294) / 2 = 1.039721
# easy -ln 3:           -ln(1 - 1/4)                  = 0.287682
HARD, EASY = (0.0, LN3), (-LN3,)


@pytest.mark.parametrize(
    ("hard", "easy", "easy_weight", "expected"),
    [
        (HARD, EASY, 0.25, 0.569697),  # (0.287682 + 0.75 * 1.039721 + 0.25 * 0.287682) / 2
        (HARD, EASY, 0.0, 0.663701),  # (0.287682 + 1.039721) / 2
        (HARD, EASY, 1.0, 0.287682),  # (0.287682 + 0.287682) / 2
        (HARD, (), 0.25, 0.663701),  # the hard ones take all the weight
        ((), EASY, 0.25, 0.287682),  # the easy ones do
        ((0.0,), (-LN3, -LN3, -LN3), 0.5, 0.389049),  # (0.287682 + 0.5 * 0.693147 + 0.5 * 0.287682) / 2: means, not sums
    ],
    ids=["both", "w_e 0", "w_e 1", "no easy", "no hard", "counts do not weigh"],
)
def test_bbce_by_hand(hard: tuple[float, ...], easy: tuple[float, ...], easy_weight: float, expected: float) -> None:
    assert bbce(torch.tensor([LN3]), row(*hard), row(*easy), easy_weight).item() == pytest.approx(expected, abs=1e-5)


def test_bbce_is_the_mean_over_the_batch() -> None:
    # First line as above with w_e = 1/4: 0.569697; second line all zero: ln 2.
    positive = torch.tensor([LN3, 0.0])
    loss = bbce(positive, torch.cat([row(*HARD), row(0.0, 0.0)]), torch.cat([row(*EASY), row(0.0)]), 0.25)
    assert loss.item() == pytest.approx((0.569697 + LN2) / 2, abs=1e-5)


@pytest.mark.parametrize("easy_weight", [0.0, 0.1, 1.0])
@pytest.mark.parametrize(("n_hard", "n_easy"), [(1, 1), (7, 88), (3, 0), (0, 3)])
def test_bbce_is_ln_2_where_nothing_is_known(n_hard: int, n_easy: int, easy_weight: float) -> None:
    assert bbce(torch.zeros(5), torch.zeros(5, n_hard), torch.zeros(5, n_easy), easy_weight).item() == pytest.approx(LN2)


def test_bbce_pushes_the_positive_up_and_the_negatives_down() -> None:
    positive, hard, easy = (x.clone().requires_grad_() for x in (torch.tensor([LN3]), row(*HARD), row(*EASY)))
    bbce(positive, hard, easy, 0.25).backward()
    # d/dx softplus(x) = p: -(1 - 3/4)/2; 0.75 / 2 negatives * (1/2, 3/4) / 2; 0.25 * 1/4 / 2.
    assert positive.grad.tolist() == pytest.approx([-0.125])
    assert hard.grad[0].tolist() == pytest.approx([0.09375, 0.140625])
    assert easy.grad[0].tolist() == pytest.approx([0.03125])


def test_info_nce_by_hand() -> None:
    # e^(ln 3) = 3 against 1 and 2: -ln(3 / 6) = ln 2; all equal, three of them: ln 3.
    assert info_nce(torch.tensor([LN3]), row(0.0, LN2)).item() == pytest.approx(LN2)
    two = info_nce(torch.tensor([LN3, 1.0]), torch.tensor([[0.0, LN2], [1.0, 1.0]]))
    assert two.item() == pytest.approx((LN2 + LN3) / 2)


@pytest.mark.parametrize("n_negative", [1, 7, 95])
@pytest.mark.parametrize("level", [0.0, -4.0, 9.0])
def test_info_nce_is_ln_of_the_number_of_choices_where_nothing_is_known(n_negative: int, level: float) -> None:
    loss = info_nce(torch.full((4,), level), torch.full((4, n_negative), level))
    assert loss.item() == pytest.approx(math.log(1 + n_negative), abs=1e-5)


def test_info_nce_pushes_the_positive_up_and_the_negatives_down() -> None:
    positive, negative = torch.tensor([LN3], requires_grad=True), row(0.0, LN2).requires_grad_()
    info_nce(positive, negative).backward()
    # Shares 3/6, 1/6, 2/6: the positive lacks 1/2, the negatives have 1/6 and 1/3 too much.
    assert positive.grad.tolist() == pytest.approx([-1 / 2])
    assert negative.grad[0].tolist() == pytest.approx([1 / 6, 1 / 3])


@pytest.mark.parametrize("size", [1e3, -1e3])
def test_extreme_logits_give_finite_losses(size: float) -> None:
    # Every pair wrong by 1000, or right: softplus is 1000 or 0.
    expected = 1000.0 if size < 0 else 0.0
    assert bbce(torch.tensor([size]), row(-size), row(-size), 0.5).item() == pytest.approx(expected)
    assert info_nce(torch.tensor([size]), row(-size)).item() == pytest.approx(2 * expected)


def test_plain_bce_takes_one_pair_of_each_window() -> None:
    # Windows 1 and 3 are compared with their own sound: -ln(3/4), -ln(1/2); 2 and 4 with another: -ln(1/4), -ln(3/4).
    positive, negative = torch.tensor([LN3, 9.0, 0.0, -9.0]), torch.tensor([9.0, LN3, -9.0, -LN3])
    loss = bce(positive, negative, torch.tensor([True, False, True, False]))
    assert loss.item() == pytest.approx((math.log(4 / 3) + math.log(4) + LN2 + math.log(4 / 3)) / 4, rel=1e-6)


def test_plain_bce_of_one_that_knows_nothing() -> None:
    assert bce(torch.zeros(4), torch.zeros(4), torch.tensor([True, True, False, False])).item() == pytest.approx(LN2)
