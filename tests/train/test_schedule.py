"""How fast a run learns at which batch, and how its losses are weighed, against numbers worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from syncqc.train.config import TrainConfig
from syncqc.train.schedule import decayed, learning_rate, loss_weights, mean_decay

RATES = TrainConfig(lr=1.0, tune_lr=0.5, n_batches=1000, tune_batches=100, warmup_batches=10, decay_batches=400)


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (0, 0.1),
        (4, 0.5),
        (10, 1.0),
        (599, 1.0),
        (800, 0.01 + 0.99 * 0.5),
        (999, 0.01),
        (1000, 0.5),
        (1050, 0.25),
        (1099, 0.0),
    ],
    ids=["first", "half warm", "warm", "still held", "half decayed", "last", "tuning begins", "tuning half way", "tuning ends"],
)
def test_the_learning_rate(step: int, expected: float) -> None:
    assert learning_rate(step, RATES) == pytest.approx(expected, abs=3e-4)


def test_the_learning_rate_rises_holds_and_falls() -> None:
    rates = [learning_rate(step, RATES) for step in range(1000)]
    assert rates[:10] == sorted(rates[:10])
    assert set(rates[9:601]) == {1.0}
    assert rates[600:] == sorted(rates[600:], reverse=True)


@pytest.mark.parametrize(
    ("decay_batches", "at", "expected"),
    [(0, 999, 1.0), (1000, 500, 0.505), (5000, 500, 0.505)],
    ids=["never falls", "falls all the time", "a decay longer than the run is as long as it"],
)
def test_other_decays(decay_batches: int, at: int, expected: float) -> None:
    assert learning_rate(at, replace(RATES, decay_batches=decay_batches)) == pytest.approx(expected, abs=3e-4)


def test_without_warm_up_or_training_it_is_still_defined() -> None:
    assert learning_rate(0, replace(RATES, warmup_batches=0)) == pytest.approx(1.0)
    assert learning_rate(0, replace(RATES, n_batches=0)) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("step", "expected"), [(0, 0.0), (600, 0.0), (700, 0.25), (1000, 1.0), (1099, 1.0)], ids=["first", "held", "decaying", "tuning", "end"]
)
def test_how_much_is_decayed(step: int, expected: float) -> None:
    assert decayed(step, RATES) == pytest.approx(expected)


def test_tuning_has_the_last_weights_also_without_a_decay() -> None:
    config = replace(RATES, decay_batches=0, bbce_weight=(0.5, 1.0), nce_weight=(1.0, 0.3))
    assert loss_weights(999, config) == (0.5, 1.0)
    assert loss_weights(1000, config) == pytest.approx((1.0, 0.3))


def test_the_losses_change_their_weights_while_the_rate_falls() -> None:
    config = replace(RATES, bbce_weight=(0.5, 1.0), nce_weight=(1.0, 0.2))
    assert loss_weights(300, config) == (0.5, 1.0)
    assert loss_weights(800, config) == pytest.approx((0.75, 0.6))


@pytest.mark.parametrize(
    ("step", "ema_decay", "expected"), [(0, 0.99, 0.1), (8, 0.99, 0.5), (10**6, 0.99, 0.99), (5, 0.0, 0.0)],
    ids=["first", "ninth", "in the long run", "none"],
)  # fmt: skip
def test_the_running_mean_forgets_its_beginning(step: int, ema_decay: float, expected: float) -> None:
    assert mean_decay(step, replace(RATES, ema_decay=ema_decay)) == pytest.approx(expected)
