from __future__ import annotations

import pytest
import torch

from syncqc.nets.resnet18 import ResNet18


def n_weights(network: torch.nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def test_at_full_width_it_has_the_published_number_of_weights() -> None:
    # 11.69 million for three channels and the 1000 classes of ImageNet.
    assert n_weights(ResNet18(3, 1000)) == 11_689_512


@pytest.mark.parametrize(("n_in", "shape"), [(199, (48, 48)), (1, (430, 32)), (39, (32, 32))])
def test_logits_of_any_size(n_in: int, shape: tuple[int, int]) -> None:
    network = ResNet18(n_in, 50, 0.25).eval()
    assert network(torch.zeros(2, n_in, *shape)).shape == (2, 50)
    # A quarter of the width: about a sixteenth of the weights behind the stem.
    assert n_weights(network.stages) == pytest.approx(n_weights(ResNet18(3, 50).stages) / 16, rel=0.02)


def test_what_is_the_same_everywhere_is_the_same_to_it_wherever_it_begins() -> None:
    # Averaged over space: inside, a shift by the whole stride of 32 changes nothing.
    torch.manual_seed(0)
    network = ResNet18(1, 4, 0.1).double().eval()
    tile = torch.rand(1, 1, 32, 32, dtype=torch.float64)
    wide = network.stages(network.stem(tile.repeat(1, 1, 20, 20)))[..., 9:11, 9:11]
    assert torch.allclose(wide[..., :1, :1].expand_as(wide), wide)
