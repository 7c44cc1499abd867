"""The layers, by hand where numbers can be worked out and by counting where chance is at work."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import binary_opening
from torch import Tensor
from torch.nn import functional as F

from syncqc.nets.layers import BlurPool, ConvBlock, DropBlock


def pooled(rows: list[list[float]]) -> list[list[float]]:
    out: Tensor = BlurPool()(torch.tensor(rows)[None, None])
    return out[0, 0].tolist()


def test_blurpool_by_hand() -> None:
    # Top left, with the border repeated: rows 1 1 2 / 1 1 2 / 4 4 5 under 1 2 1 / 2 4 2 / 1 2 1:
    # (1 + 2 + 2) + (2 + 4 + 4) + (4 + 8 + 5) = 32, over 16. Each step to the right adds 1, each step down 3, halved at the borders.
    assert pooled([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]) == [[2.0, 3.5], [6.5, 8.0]]


def test_blurpool_spreads_a_point_over_the_four_outputs_around_it() -> None:
    assert pooled([[0.0, 0.0, 0.0], [0.0, 16.0, 0.0], [0.0, 0.0, 0.0]]) == [[1.0, 1.0], [1.0, 1.0]]


def test_blurpool_mixes_no_channels() -> None:
    x = torch.stack([torch.full((4, 4), value) for value in (0.0, 3.0, -2.0)])[None]
    assert BlurPool()(x).amax((2, 3)).tolist() == BlurPool()(x).amin((2, 3)).tolist() == [[0.0, 3.0, -2.0]]


def test_blurpool_keeps_a_constant_up_to_the_border() -> None:
    assert torch.equal(BlurPool()(torch.full((1, 2, 7, 6), 0.75)), torch.full((1, 2, 4, 3), 0.75))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 5), (7, 7), (8, 3)])
def test_blurpool_halves_and_rounds_up(height: int, width: int) -> None:
    assert BlurPool()(torch.zeros(3, 2, height, width)).shape == (3, 2, (height + 1) // 2, (width + 1) // 2)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 5), (7, 7), (8, 3), (12, 24)])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last], ids=["channels first", "channels last"])
def test_blurpool_is_the_convolution_with_the_binomial_kernel(height: int, width: int, memory_format: torch.memory_format) -> None:
    x = torch.rand(3, 4, height, width, generator=torch.Generator().manual_seed(0)).contiguous(memory_format=memory_format)
    row = torch.tensor([1.0, 2.0, 1.0]) / 4
    kernel = (row[:, None] * row).expand(4, 1, 3, 3)
    expected = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), kernel, stride=2, groups=4)
    assert torch.allclose(BlurPool()(x), expected, atol=1e-6)


def test_a_shift_by_two_becomes_a_shift_by_one() -> None:
    x = torch.rand(1, 2, 16, 20, generator=torch.Generator().manual_seed(0))
    moved = torch.roll(x, (2, -4), (2, 3))
    inner = (..., slice(2, -2), slice(3, -3))
    assert torch.allclose(BlurPool()(moved)[inner], torch.roll(BlurPool()(x), (1, -2), (2, 3))[inner])


def test_a_shift_by_one_hardly_matters_for_the_finest_stripes() -> None:
    stripes = torch.arange(12.0).remainder(2).expand(1, 1, 8, 12)
    either = BlurPool()(stripes)[..., 1:-1], BlurPool()(torch.roll(stripes, 1, 3))[..., 1:-1]
    assert torch.equal(either[0], either[1])
    assert either[0].unique().tolist() == [0.5]


def test_blurpool_learns_nothing_and_leaves_nothing_in_a_checkpoint() -> None:
    layer = BlurPool()
    assert (list(layer.parameters()), dict(layer.state_dict())) == ([], {})


def dropped(layer: DropBlock, *shape: int) -> np.ndarray:
    """Where a layer in training drops ones."""
    torch.manual_seed(5)
    return (layer.train()(torch.ones(shape)) == 0).numpy()


@pytest.mark.parametrize("layer", [DropBlock(0.5).eval(), DropBlock(0.0).train()], ids=["in evaluation", "at rate 0"])
def test_dropblock_passes_everything_on(layer: DropBlock) -> None:
    x = torch.rand(2, 3, 8, 8)
    assert torch.equal(layer(x), x)


@pytest.mark.parametrize("axes", ["hw", "chw"])
@pytest.mark.parametrize(("rate", "block"), [(0.05, 3), (0.1, 3), (0.1, 5), (0.2, 1)])
def test_the_dropped_share_is_close_to_the_rate(axes: str, rate: float, block: int) -> None:
    share = dropped(DropBlock(rate, block, axes), 64, 12, 16, 20).mean()
    # Blocks overlap now and then, which takes about rate / 2 of the share away.
    assert rate * (0.95 - 0.75 * rate) < share < rate * 1.05


def test_2d_drops_whole_squares_in_each_channel_by_itself() -> None:
    mask = dropped(DropBlock(0.1, 3, "hw"), 8, 40, 16, 16)
    squares = np.stack([[binary_opening(channel, np.ones((3, 3))) for channel in sample] for sample in mask])
    assert np.array_equal(squares, mask)
    both = (mask[:, 0::2] & mask[:, 1::2]).mean()
    assert 0.5 * mask.mean() ** 2 < both < 1.6 * mask.mean() ** 2, "channels are not independent"


def test_3d_drops_whole_cubes_across_channels() -> None:
    mask = dropped(DropBlock(0.1, 3, "chw"), 8, 40, 16, 16)
    cubes = np.stack([binary_opening(sample, np.ones((3, 3, 3))) for sample in mask])
    assert np.array_equal(cubes, mask)
    assert (mask[:, :-1] & mask[:, 1:]).mean() > 0.5 * mask.mean(), "neighbouring channels are dropped together"
    assert not np.array_equal(mask[0], mask[1]), "each sample has its own blocks"


@pytest.mark.parametrize("axes", ["hw", "chw"])
def test_what_is_kept_is_scaled_up_so_that_the_mean_stays(axes: str) -> None:
    torch.manual_seed(1)
    y = DropBlock(0.2, 3, axes).train()(torch.full((4, 8, 12, 12), 2.0))
    assert y.mean().item() == pytest.approx(2.0, rel=1e-5)
    assert len(y.unique()) == 2
    assert y.unique()[0] == 0.0


@pytest.mark.parametrize(("axes", "whole"), [("hw", (2, 3)), ("chw", (1, 2, 3))])
def test_a_block_larger_than_the_map_drops_all_or_nothing(axes: str, whole: tuple[int, ...]) -> None:
    mask = dropped(DropBlock(0.3, 7, axes), 400, 4, 2, 3)
    assert np.array_equal(mask.all(axis=whole), mask.any(axis=whole))
    assert mask.mean() == pytest.approx(0.3, abs=0.07)


def test_dropping_everything_gives_zeros_and_not_nan() -> None:
    assert DropBlock(1.0, 3).train()(torch.ones(1, 2, 3, 3)).tolist() == torch.zeros(1, 2, 3, 3).tolist()


@pytest.mark.parametrize(
    ("n_out", "stride", "shape", "expected"),
    [(4, 1, (5, 7), [2.0, -0.25]), (6, 1, (5, 7), [0.0, 0.0]), (4, 2, (3, 4), [0.0, 0.0])],
    ids=["same width and size: residual", "other width: none", "halved: none"],
)
def test_the_input_is_added_where_the_shapes_agree(n_out: int, stride: int, shape: tuple[int, int], expected: list[float]) -> None:
    block = ConvBlock(4, n_out, stride).eval()
    torch.nn.init.zeros_(block.conv.weight)  # the convolution gives 0, so only the input is left
    x = torch.full((1, 4, 5, 7), 2.0)
    x[:, 1] = -1.0
    with torch.no_grad():
        y = block(x)
    assert y.shape == (1, n_out, *shape)
    assert y[0, :2].amax((1, 2)).tolist() == y[0, :2].amin((1, 2)).tolist() == expected


def test_a_block_normalises_before_it_adds() -> None:
    block = ConvBlock(1, 1).eval()
    torch.nn.init.zeros_(block.conv.weight)
    block.conv.weight.data[0, 0, 1, 1] = 1.0  # passes the input on
    block.norm.running_mean.fill_(2.0)
    block.norm.running_var.fill_(4.0 - block.norm.eps)
    with torch.no_grad():
        # (6 - 2) / 2 + 6 = 8; (-2 - 2) / 2 - 2 = -4, of which PReLU leaves a quarter.
        assert block(torch.tensor([[[[6.0]], [[-2.0]]]]).view(2, 1, 1, 1)).flatten().tolist() == pytest.approx([8.0, -1.0])
