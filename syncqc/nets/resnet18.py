"""ResNet-18 for inputs with any number of channels, in any width: the classifier that looks for leaks.

The paper says no more than "a ResNet18 followed by a spatial average pooling and a dense layer". As published by He et al.: a 7 x 7
convolution and a pooling, each halving, and four stages of two basic blocks, of which the last three halve. Knows nothing of what the
channels are.
Source: He et al., "Deep Residual Learning for Image Recognition" (CVPR 2016), Table 1; Iashin et al., "Sparse in Space and Time"
(BMVC 2022), 7.1.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

_CHANNELS = (64, 64, 128, 256, 512)
"""Of the stem and of the four stages at width 1."""


class ResNet18(nn.Module):
    """Logits `(batch, n_classes)` of inputs `(batch, n_in, height, width)`; a quarter of the width is 0.7 M parameters in place of 11 M."""

    def __init__(self, n_in: int, n_classes: int, width: float = 1.0) -> None:
        super().__init__()
        stem, *stages = (max(4, round(n * width)) for n in _CHANNELS)
        self.stem = nn.Sequential(
            nn.Conv2d(n_in, stem, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(stem),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        blocks: list[nn.Module] = []
        for index, (before, after) in enumerate(pairwise((stem, *stages))):
            blocks += [_Block(before, after, 1 if index == 0 else 2), _Block(after, after, 1)]
        self.stages = nn.Sequential(*blocks)
        self.head = nn.Linear(stages[-1], n_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, given: Tensor) -> Tensor:
        """The logits; see the class."""
        logits: Tensor = self.head(self.stages(self.stem(given)).mean((2, 3)))
        return logits


class _Block(nn.Module):
    """Two 3 x 3 convolutions and what went in, added."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.straight = nn.Sequential(
            nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(n_out),
            nn.ReLU(inplace=True),
            nn.Conv2d(n_out, n_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(n_out),
        )
        self.around = (
            nn.Identity()
            if stride == 1 and n_in == n_out
            else nn.Sequential(nn.Conv2d(n_in, n_out, 1, stride=stride, bias=False), nn.BatchNorm2d(n_out))
        )
        self.last = nn.ReLU(inplace=True)

    def forward(self, given: Tensor) -> Tensor:
        """`(batch, n_out, height / stride, width / stride)`."""
        out: Tensor = self.last(self.straight(given) + self.around(given))
        return out
