"""The running mean of weights, by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from syncqc.train.average import follow


def norm(value: float, n_batches: int) -> nn.BatchNorm2d:
    module = nn.BatchNorm2d(2)
    with torch.no_grad():
        for tensor in (module.weight, module.bias, module.running_mean, module.running_var):
            assert tensor is not None
            tensor.fill_(value)
    assert module.num_batches_tracked is not None
    module.num_batches_tracked.fill_(n_batches)
    return module


@pytest.mark.parametrize(("decay", "expected"), [(0.75, 1.5), (0.0, 3.0), (1.0, 1.0)], ids=["a quarter", "all", "nothing"])
def test_a_step_towards_the_network(decay: float, expected: float) -> None:
    mean, now = norm(1.0, 5), norm(3.0, 6)
    follow(mean, now, decay)
    assert {name: value.tolist() for name, value in mean.state_dict().items()} == {
        "weight": [expected] * 2,
        "bias": [expected] * 2,
        "running_mean": [expected] * 2,
        "running_var": [expected] * 2,
        "num_batches_tracked": 6,
    }
    assert now.weight.tolist() == [3.0, 3.0]
    assert not mean.weight.grad_fn


def test_without_decay_it_is_the_network_to_the_bit() -> None:
    torch.manual_seed(0)
    mean, now = nn.Linear(5, 5), nn.Linear(5, 5)
    follow(mean, now, 0.0)
    assert torch.equal(mean.weight, now.weight)
