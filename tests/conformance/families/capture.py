"""Capture and recapture: a superpopulation, some of which may not be there at all."""

from __future__ import annotations

import pyro
import torch


def observe_captures(omega: torch.Tensor, history: torch.Tensor, seen: torch.Tensor) -> None:
    """The log likelihood of all capture histories as a factor.

    Args:
        omega: probability that an individual is there.
        history: log probability of its capture history if it is, (individual,).
        seen: whether it was captured at all, which proves that it is there, (individual,).
    """
    there = omega.log() + history
    unseen = torch.logaddexp(there, torch.log1p(-omega))
    pyro.factor("captures", torch.where(seen, there, unseen).sum())
