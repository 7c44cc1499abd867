"""Which device the settings mean where there is a CUDA device, and where there is none."""

from __future__ import annotations

import pytest
import torch

from syncqc.errors import UsageError
from syncqc.train.config import TrainConfig
from syncqc.train.device import chosen_device, memory_format


@pytest.mark.parametrize(
    ("wanted", "has_cuda", "chosen"),
    [("auto", False, "cpu"), ("auto", True, "cuda"), ("cpu", True, "cpu"), ("cpu", False, "cpu"), ("cuda", True, "cuda")],
)
def test_the_device(wanted: str, has_cuda: bool, chosen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_cuda)
    assert chosen_device(TrainConfig(device=wanted)) == torch.device(chosen)


def test_cuda_that_is_not_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="device = 'cuda', but PyTorch sees no CUDA device here"):
        chosen_device(TrainConfig(device="cuda"))


@pytest.mark.parametrize(
    ("compiled", "device", "expected"),
    [(False, "cpu", torch.contiguous_format), (True, "cpu", torch.channels_last), (False, "cuda", torch.channels_last)],
    ids=["plain", "compiled", "CUDA"],
)
def test_channels_come_last_where_that_is_faster(compiled: bool, device: str, expected: torch.memory_format) -> None:
    assert memory_format(TrainConfig(compile=compiled), torch.device(device)) == expected
