"""Handwritten digits, 8x8, in the parts that density models of them are compared on.

Data: 1797 digits with 16 levels of ink (Alpaydin and Kaynak 1998, UCI), as bundled with
scikit-learn, in the order of `numpy.random.RandomState(0).permutation`: 1200 to train on, 297 to
choose by, 300 to judge by. Independent pixels come to 25.21 nats on the last.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

__all__ = ["PARTS", "grey", "labels", "pixels"]

PARTS = {"train": slice(0, 1200), "validation": slice(1200, 1497), "test": slice(1497, 1797)}


def pixels(part: str) -> Tensor:
    """Pixels of a part, (row, 64), 1 from half of full ink and else 0."""
    return (grey(part) >= 8).float()


def grey(part: str) -> Tensor:
    """Levels of ink of a part, (row, 64), 0 to 16."""
    return torch.from_numpy(_read("data", part)).float()


def labels(part: str) -> Tensor:
    """Which digits they are, (row,), 0 to 9."""
    return torch.from_numpy(_read("target", part)).long()


def _read(name: str, part: str) -> np.ndarray:
    from sklearn.datasets import load_digits

    values = load_digits()[name]
    return values[np.random.RandomState(0).permutation(len(values))[PARTS[part]]]
