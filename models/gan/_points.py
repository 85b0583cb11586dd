"""Points in the plane whose law is known: mixtures of normals on a ring and on a grid.

Source: Metz, Poole, Pfau and Sohl-Dickstein (2017), "Unrolled generative adversarial networks",
ICLR (the ring); Srivastava, Valkov, Russell, Gutmann and Sutton (2017), "VEEGAN: reducing mode
collapse in GANs using implicit variational learning", NeurIPS (the grid).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["GRID_SCALE", "RING_SCALE", "drawn", "grid", "part", "ring"]

RING_SCALE, GRID_SCALE = 0.02, 0.05  # standard deviations
_PARTS = {"train": (6400, 1), "validation": (2560, 2), "test": (2560, 3)}  # draws, seed


def ring(modes: int = 8, radius: float = 2.0) -> Tensor:
    """Centres on a circle, (mode, 2)."""
    angle = 2 * math.pi * torch.arange(modes) / modes
    return radius * torch.stack([angle.cos(), angle.sin()], 1)


def grid(side: int = 5, step: float = 2.0) -> Tensor:
    """Centres on a square grid around the origin, (side * side, 2)."""
    along = step * (torch.arange(side) - (side - 1) / 2)
    return torch.cartesian_prod(along, along)


def drawn(centres: Tensor, scale: float, count: int, seed: int = 0) -> dict[str, Tensor]:
    """Draws "x" of the mixture, (count, 2), and "mode", which centre each belongs to."""
    stream = torch.Generator().manual_seed(seed)
    mode = torch.randint(len(centres), (count,), generator=stream)
    noise = torch.randn(count, centres.shape[1], generator=stream)
    return {"x": centres[mode] + scale * noise, "mode": mode}


def part(centres: Tensor, scale: float, name: str) -> dict[str, Tensor]:
    """Draws of the "train" (6400), "validation" (2560) or "test" (2560) part."""
    return drawn(centres, scale, *_PARTS[name])
