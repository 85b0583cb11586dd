"""The Inception-v3 network behind the FIDs of papers.

Source: Szegedy et al. (2016), as ported from TensorFlow's graph of 2015-12-05 that Heusel et al.
(2017) compute FID with: average pools leave padding out, the last block pools by maximum, 1008
classes. Features are the 2048 of the last pool; logits are without the last layer's bias, as in
the Inception scores of Salimans et al. (2016). Names are those of the published weights.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["InceptionNetwork"]

_CLASSES = 1008

Kernel = int | tuple[int, int]
Conv = tuple[str, int, Kernel]  # name, channels, kernel
Step = Conv | list[Conv]  # a list: side by side, put together


class InceptionNetwork(nn.Module):
    """Images (row, 3, 299, 299) from -1 to 1 -> features (row, 2048), logits (row, 1008)."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = _Convolution(3, 32, 3, 2)
        self.Conv2d_2a_3x3 = _Convolution(32, 32, 3, padding=0)
        self.Conv2d_2b_3x3 = _Convolution(32, 64, 3)
        self.Conv2d_3b_1x1 = _Convolution(64, 80, 1)
        self.Conv2d_4a_3x3 = _Convolution(80, 192, 3, padding=0)
        self.Mixed_5b, self.Mixed_5c, self.Mixed_5d = (
            _Block(inputs, _block_a(), pooled)
            for inputs, pooled in ((192, 32), (256, 64), (288, 64))
        )
        self.Mixed_6a = _Block(288, _BLOCK_B, stride=2)
        self.Mixed_6b, self.Mixed_6c, self.Mixed_6d, self.Mixed_6e = (
            _Block(768, _block_c(inner), 192) for inner in (128, 160, 160, 192)
        )
        self.Mixed_7a = _Block(768, _BLOCK_D, stride=2)
        self.Mixed_7b = _Block(1280, _BLOCK_E, 192)
        self.Mixed_7c = _Block(2048, _BLOCK_E, 192, maximum=True)
        self.fc = nn.Linear(2048, _CLASSES)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features and logits."""
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = functional.max_pool2d(x, 3, 2)
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x))
        x = functional.max_pool2d(x, 3, 2)
        for name, block in self.named_children():
            if name.startswith("Mixed"):
                x = block(x)
        features = x.mean(dim=(2, 3))
        return features, functional.linear(features, self.fc.weight)


class _Convolution(nn.Module):
    """Convolution without bias, batch normalisation, rectifier."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: Kernel,
        stride: int = 1,
        padding: int | None = None,
    ) -> None:
        super().__init__()
        high, wide = (kernel, kernel) if isinstance(kernel, int) else kernel
        if padding is not None:
            around = (padding, padding)
        else:  # the map keeps its size at stride 1 and is not padded at stride 2
            around = (high // 2, wide // 2) if stride == 1 else (0, 0)
        self.conv = nn.Conv2d(inputs, outputs, (high, wide), stride, around, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x)).relu()


class _Block(nn.Module):
    """Branches of convolutions side by side, and a pool, with a convolution at stride 1.

    The last convolution of every branch and the pool have the stride.
    """

    def __init__(
        self,
        inputs: int,
        branches: list[list[Step]],
        pooled: int = 0,
        stride: int = 1,
        maximum: bool = False,
    ) -> None:
        super().__init__()
        self.stride, self.maximum = stride, maximum
        self.branches: list[list[list[str]]] = []
        for branch in branches:
            width, names = inputs, []
            for step in branch:
                together = step if isinstance(step, list) else [step]
                pace = stride if step is branch[-1] else 1
                for name, outputs, kernel in together:
                    self.add_module(name, _Convolution(width, outputs, kernel, pace))
                width = sum(outputs for _, outputs, _ in together)
                names.append([name for name, _, _ in together])
            self.branches.append(names)
        self.branch_pool = _Convolution(inputs, pooled, 1) if pooled else None

    def forward(self, x: Tensor) -> Tensor:
        found = []
        for branch in self.branches:
            here = x
            for names in branch:
                here = torch.cat([self.get_submodule(name)(here) for name in names], dim=1)
            found.append(here)
        if self.branch_pool is None:
            found.append(functional.max_pool2d(x, 3, self.stride))
        elif self.maximum:
            found.append(self.branch_pool(functional.max_pool2d(x, 3, 1, 1)))
        else:
            pool = functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
            found.append(self.branch_pool(pool))
        return torch.cat(found, dim=1)


def _row(name: str, *steps: tuple[int, Kernel]) -> list[Step]:
    return [(f"{name}_{i}", *step) for i, step in enumerate(steps, 1)]


def _block_a() -> list[list[Step]]:
    return [
        [("branch1x1", 64, 1)],
        _row("branch5x5", (48, 1), (64, 5)),
        _row("branch3x3dbl", (64, 1), (96, 3), (96, 3)),
    ]


_BLOCK_B: list[list[Step]] = [
    [("branch3x3", 384, 3)],
    _row("branch3x3dbl", (64, 1), (96, 3), (96, 3)),
]


def _block_c(c: int) -> list[list[Step]]:
    across, along = (1, 7), (7, 1)
    return [
        [("branch1x1", 192, 1)],
        _row("branch7x7", (c, 1), (c, across), (192, along)),
        _row("branch7x7dbl", (c, 1), (c, along), (c, across), (c, along), (192, across)),
    ]


_BLOCK_D: list[list[Step]] = [
    _row("branch3x3", (192, 1), (320, 3)),
    _row("branch7x7x3", (192, 1), (192, (1, 7)), (192, (7, 1)), (192, 3)),
]
_BLOCK_E: list[list[Step]] = [
    [("branch1x1", 320, 1)],
    [
        ("branch3x3_1", 384, 1),
        [("branch3x3_2a", 384, (1, 3)), ("branch3x3_2b", 384, (3, 1))],
    ],
    [
        ("branch3x3dbl_1", 448, 1),
        ("branch3x3dbl_2", 384, 3),
        [("branch3x3dbl_3a", 384, (1, 3)), ("branch3x3dbl_3b", 384, (3, 1))],
    ],
]
