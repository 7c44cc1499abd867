"""The network: its size, what it takes, what it gives, and where the paper's layers sit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from syncqc.nets.ic_syncnet import CONFIGS, IcSyncNet, IcSyncNetConfig
from syncqc.nets.layers import BlurPool, ConvBlock, DropBlock


def without_weights(name: str) -> IcSyncNet:
    with torch.device("meta"):
        return IcSyncNet(CONFIGS[name])


def n_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_base_has_the_papers_size() -> None:
    assert n_parameters(without_weights("base")) == pytest.approx(40.6e6, rel=0.01)


def test_small_has_a_laptops_size() -> None:
    assert 2e6 < n_parameters(without_weights("small")) < 6e6


def test_tiny_is_a_quarter_of_small() -> None:
    assert n_parameters(without_weights("tiny")) < n_parameters(without_weights("small")) / 4


@pytest.mark.parametrize(("name", "height", "width", "embedding"), [("base", 128, 256, 512), ("small", 48, 96, 256), ("tiny", 48, 96, 128)])
def test_shapes(name: str, height: int, width: int, embedding: int) -> None:
    network = without_weights(name)
    assert network.embed_video(torch.zeros(2, 15, height, width, device="meta")).shape == (2, embedding)
    assert network.embed_audio(torch.zeros(2, 1, 32, 80, device="meta")).shape == (2, embedding)


def test_embeddings_have_length_one(mini: IcSyncNetConfig) -> None:
    torch.manual_seed(0)
    network = IcSyncNet(mini).eval()
    with torch.no_grad():
        video, audio = network.embed_video(torch.rand(3, 15, 14, 26)), network.embed_audio(torch.rand(3, 1, 32, 80))
    assert video.shape == audio.shape == (3, 12)
    assert video.norm(dim=1).tolist() == pytest.approx([1.0] * 3, rel=1e-5)
    assert audio.norm(dim=1).tolist() == pytest.approx([1.0] * 3, rel=1e-5)


def test_half_precision_maps_still_give_float_vectors(mini: IcSyncNetConfig) -> None:
    network = IcSyncNet(mini).eval().to(torch.bfloat16)
    with torch.no_grad():
        assert network.embed_audio(torch.rand(1, 1, 32, 80, dtype=torch.bfloat16)).dtype == torch.float32


@pytest.mark.parametrize(
    ("side", "shape", "expected"),
    [
        ("embed_video", (1, 15, 26, 14), "15, 14, 26"),
        ("embed_video", (1, 5, 14, 26), "15, 14, 26"),
        ("embed_video", (15, 14, 26), "15, 14, 26"),
        ("embed_audio", (1, 32, 80), "1, 32, 80"),
        ("embed_audio", (1, 1, 80, 32), "1, 32, 80"),
        ("embed_audio", (1, 1, 16, 80), "1, 32, 80"),
    ],
    ids=["sides swapped", "grey", "one window", "no channel", "mel turned", "no context"],
)
def test_a_wrong_shape_is_refused_with_both_shapes(mini: IcSyncNetConfig, side: str, shape: tuple[int, ...], expected: str) -> None:
    with pytest.raises(ValueError, match=expected) as error:
        getattr(IcSyncNet(mini), side)(torch.zeros(shape))
    assert str(list(shape)) in str(error.value)


@pytest.mark.parametrize("name", ["base", "small", "tiny"])
@pytest.mark.parametrize(("side", "axes"), [("visual", "chw"), ("audio", "hw")])
def test_two_dropblocks_at_a_tenth_in_each_encoder(name: str, side: str, axes: str) -> None:
    layers = [module for module in getattr(without_weights(name), side).modules() if isinstance(module, DropBlock)]
    assert [(layer.rate, layer.axes) for layer in layers] == [(0.1, axes)] * 2


@pytest.mark.parametrize("name", ["base", "small", "tiny"])
def test_only_the_visual_encoder_blurs(name: str) -> None:
    network = without_weights(name)
    counts = [sum(isinstance(module, BlurPool) for module in side.modules()) for side in (network.visual, network.audio)]
    assert counts == [len(CONFIGS[name].visual_widths) - 1, 0]
    strides = {module.stride for module in network.visual.modules() if isinstance(module, nn.Conv2d)}
    assert strides == {(1, 1)}, "pictures are made smaller by BlurPool alone"


def test_the_dropblock_rate_can_be_set_for_all(mini: IcSyncNetConfig) -> None:
    network = IcSyncNet(mini).train()
    network.set_dropblock_rate(0.0)
    assert {module.rate for module in network.modules() if isinstance(module, DropBlock)} == {0.0}
    # Batch norm uses the batch, so without DropBlock two passes agree.
    mel = torch.rand(4, 1, 32, 80)
    assert torch.equal(network.embed_audio(mel), network.embed_audio(mel))
    network.set_dropblock_rate(0.3)
    assert not torch.equal(network.embed_audio(mel), network.embed_audio(mel))


@pytest.mark.parametrize("side", ["video", "audio"])
def test_the_order_in_time_matters(mini: IcSyncNetConfig, side: str) -> None:
    torch.manual_seed(0)
    network = IcSyncNet(mini).eval()
    with torch.no_grad():
        if side == "video":
            images = torch.rand(1, 5, 3, 14, 26)
            one, other = (network.embed_video(x.flatten(1, 2)) for x in (images, images.flip(1)))
        else:
            mel = torch.rand(1, 1, 32, 80)
            one, other = network.embed_audio(mel), network.embed_audio(mel.flip(2))
    assert (one * other).sum().item() < 0.9999


def depths(network: IcSyncNet, side: str) -> list[int]:
    """Residual blocks of each stage; the widths of the stages differ, so only blocks after the first of a stage are residual."""
    blocks = [block for block in getattr(network, side) if isinstance(block, ConvBlock)]
    starts = [i for i, block in enumerate(blocks) if not block.is_residual] + [len(blocks)]
    return [end - start - 1 for start, end in pairwise(starts)][1:]


@pytest.mark.parametrize(("depth", "expected"), [(2, [2, 2]), ((0, 3), [0, 3]), ((1, 1), [1, 1])], ids=str)
def test_depth_for_all_stages_or_each(mini: IcSyncNetConfig, depth: int | tuple[int, ...], expected: list[int]) -> None:
    network = IcSyncNet(replace(mini, visual_depth=depth, audio_depth=depth))
    assert (depths(network, "visual"), depths(network, "audio")) == (expected, expected)


def test_small_is_shallow_where_pictures_are_large() -> None:
    assert depths(without_weights("small"), "visual") == depths(without_weights("small"), "audio") == [1, 2, 2, 2]


def test_another_number_of_depths_than_stages_is_refused(mini: IcSyncNetConfig) -> None:
    with pytest.raises(ValueError, match=r"2 stages need as many depths, got \(1, 2, 3\)"):
        IcSyncNet(replace(mini, visual_depth=(1, 2, 3)))


@pytest.mark.parametrize(("columns", "read"), [(32, range(32)), (16, range(8, 24))], ids=["with context", "aligned alone"])
def test_which_mel_columns_are_read(mini: IcSyncNetConfig, columns: int, read: range) -> None:
    torch.manual_seed(0)
    network = IcSyncNet(replace(mini, mel_columns=columns)).eval()
    mel = torch.rand(1, 1, 32, 80)
    with torch.no_grad():
        before = network.embed_audio(mel)
        changes = set()
        for column in range(32):
            other = mel.clone()
            other[0, 0, column] += 1
            if not torch.equal(network.embed_audio(other), before):
                changes.add(column)
    assert changes == set(read)


def test_other_mel_columns_are_refused(mini: IcSyncNetConfig) -> None:
    with pytest.raises(ValueError, match="reads 16 or 32 mel columns, not 20"):
        IcSyncNet(replace(mini, mel_columns=20))


def test_compiled_encoders_give_the_same_and_the_weights_keep_their_names(mini: IcSyncNetConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    # Traced, but not made into machine code, which takes half a minute.
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    torch.manual_seed(0)
    network = IcSyncNet(mini).eval()
    names = list(network.state_dict())
    mel = torch.rand(2, 1, 32, 80)
    with torch.no_grad():
        before = network.embed_audio(mel)
        network.compile_encoders()
        assert torch.allclose(network.embed_audio(mel), before, atol=1e-5)
    assert list(network.state_dict()) == names


def test_dropped_compiled_encoders_are_not_used_again(mini: IcSyncNetConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[nn.Module] = []

    def traced(module: nn.Module) -> Callable[[Tensor], Tensor]:
        compiled = torch_compile(module, backend="eager")
        return lambda given: (ran.append(module), compiled(given))[1]

    torch_compile = torch.compile
    monkeypatch.setattr(torch, "compile", traced)
    torch.manual_seed(0)
    network = IcSyncNet(mini).eval()
    network.drop_compiled()  # there is none yet
    mel = torch.rand(2, 1, 32, 80)
    with torch.no_grad():
        network.compile_encoders()
        compiled = network.embed_audio(mel)
        assert ran == [network.audio]
        network.drop_compiled()
        assert torch.allclose(network.embed_audio(mel), compiled, atol=1e-5)
    assert ran == [network.audio]


def test_the_temperature_starts_where_it_is_told(mini: IcSyncNetConfig) -> None:
    network = IcSyncNet(mini)
    assert network.tau == pytest.approx(mini.start_tau)
    network.log_tau.data.fill_(-3.0)
    assert network.tau == pytest.approx(0.0497871)


def test_a_window_does_not_depend_on_the_others_of_its_batch(mini: IcSyncNetConfig) -> None:
    torch.manual_seed(0)
    network = IcSyncNet(mini).eval()
    images = torch.rand(5, 15, 14, 26)
    with torch.no_grad():
        assert torch.allclose(network.embed_video(images)[3:4], network.embed_video(images[3:4]), atol=1e-6)
