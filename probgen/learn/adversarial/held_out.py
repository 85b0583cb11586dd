"""Draws held against rows that were not trained on, without the critic."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["energy_distance"]


def energy_distance(drawn: tuple[Tensor, ...], given: tuple[Tensor, ...]) -> Tensor | None:
    """2 E|x - y| - E|x - x'| - E|y - y'| over sites of real numbers, None where there are none.

    Unbiased over pairs of different rows, so that it may be below 0 where the laws are the same;
    in units of the data (Szekely and Rizzo 2013). Rows that share a latent of the program are
    taken as they come, and so lie further from the data than one by one. 0 for a single row.
    """
    pairs = [(x, y) for x, y in zip(drawn, given, strict=True) if y.is_floating_point()]
    if not pairs:
        return None
    ours = torch.cat([x.reshape(len(x), -1).float() for x, _ in pairs], 1)
    theirs = torch.cat([y.reshape(len(y), -1).float() for _, y in pairs], 1)
    rows = len(ours)
    if rows < 2:
        return torch.zeros((), device=ours.device)
    within = torch.cdist(ours, ours).sum() + torch.cdist(theirs, theirs).sum()
    return 2 * torch.cdist(ours, theirs).mean() - within / (rows * (rows - 1))
