"""A network made deeper computes what the shallower one did, and can learn from there."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from syncqc.nets.deepen import deepened
from syncqc.nets.ic_syncnet import IcSyncNet, IcSyncNetConfig


def trained_looking(config: IcSyncNetConfig) -> IcSyncNet:
    """A network none of whose numbers is where it starts."""
    torch.manual_seed(5)
    network = IcSyncNet(config)
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if value.is_floating_point() and value.ndim == 1:
                value.add_(torch.rand(value.shape) * 0.5)
            if name == "log_tau":
                value.fill_(-2.5)
    return network.eval()


def vectors(network: IcSyncNet) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(6)
    config = network.config
    with torch.no_grad():
        return network.embed_video(torch.rand(3, 15, config.height_px, config.width_px)), network.embed_audio(torch.rand(3, 1, 32, 80))


# The last stages have the width of the ones before, so that there the first block of a stage is residual too.
EQUAL_WIDTHS = {"visual_widths": (4, 6, 6), "audio_widths": (4, 6, 6)}


@pytest.mark.parametrize("widths", [{}, EQUAL_WIDTHS], ids=["growing widths", "equal widths"])
@pytest.mark.parametrize(
    ("given", "wanted"), [(1, 2), (1, (1, 3)), ((0, 1), 2), (0, (0, 1))], ids=["all deeper", "the last deeper", "from none", "by one"]
)
def test_a_deeper_network_gives_the_same_vectors(mini: IcSyncNetConfig, widths: dict[str, object], given: object, wanted: object) -> None:
    shallow = trained_looking(replace(mini, visual_depth=given, audio_depth=given, **widths))  # type: ignore[arg-type]
    config = replace(mini, visual_depth=wanted, audio_depth=wanted, **widths)  # type: ignore[arg-type]
    deep = deepened(shallow, config)
    assert deep.config == config
    assert not deep.training
    assert sum(p.numel() for p in deep.parameters()) > sum(p.numel() for p in shallow.parameters())
    assert deep.tau == shallow.tau
    for one, other in zip(vectors(shallow), vectors(deep), strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_the_given_network_is_left_alone(mini: IcSyncNetConfig) -> None:
    shallow = trained_looking(mini)
    before = {name: value.clone() for name, value in shallow.state_dict().items()}
    deep = deepened(shallow, replace(mini, visual_depth=2))
    with torch.no_grad():
        for parameter in deep.parameters():
            parameter.zero_()
    assert [name for name, value in shallow.state_dict().items() if not torch.equal(value, before[name])] == []


def test_the_new_blocks_learn(mini: IcSyncNetConfig) -> None:
    deep = deepened(trained_looking(mini), replace(mini, audio_depth=2)).train()
    deep.embed_audio(torch.rand(4, 1, 32, 80)).square()[:, 0].sum().backward()  # type: ignore[no-untyped-call]
    (new,) = [block for block in deep.audio if hasattr(block, "norm") and not block.norm.weight.any()][:1]
    assert new.norm.weight.grad.abs().max().item() > 0


@pytest.mark.parametrize(
    "changes", [{}, {"dropblock_rate": 0.3, "start_tau": 0.5}, {"visual_depth": (1, 1)}], ids=["as it is", "no shape", "spelt out"]
)
def test_the_same_shape_is_the_same_network(mini: IcSyncNetConfig, changes: dict[str, object]) -> None:
    network = trained_looking(mini)
    assert deepened(network, replace(mini, **changes)) is network  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"embedding": 16}, "differ in more than depth"),
        ({"mel_columns": 16}, "differ in more than depth"),
        ({"visual_widths": (4, 6, 8, 8)}, "differ in more than depth"),
        ({"height_px": 16, "visual_depth": 2}, "differ in more than depth"),
        ({"visual_depth": (2, 0)}, "a stage has 1 residual blocks and would keep 0"),
        ({"audio_depth": 0}, "a stage has 1 residual blocks and would keep 0"),
    ],
    ids=["other vectors", "other mel", "more stages", "other pictures", "deeper and shallower", "shallower"],
)
def test_another_shape_is_refused(mini: IcSyncNetConfig, changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        deepened(trained_looking(mini), replace(mini, **changes))  # type: ignore[arg-type]
