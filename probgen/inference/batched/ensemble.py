"""Where all chains are."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from probgen.inference.batched.ledger import Ledger

__all__ = ["Ensemble"]


@dataclass(frozen=True)
class Ensemble:
    """Positions of all chains and what is known there.

    `position` and `gradient` are (chain, dim), `log_density` (chain,) in nats.
    """

    position: torch.Tensor
    gradient: torch.Tensor
    log_density: torch.Tensor

    def visit(self, ledger: Ledger) -> Ensemble:
        """Note it, or the one that was noted."""
        return Ensemble(
            ledger.rows("position", self.position),
            ledger.rows("gradient", self.gradient),
            ledger.rows("log_density", self.log_density),
        )

    def where(self, chosen: torch.Tensor, other: Ensemble) -> Ensemble:
        """This ensemble for the chains in `chosen` (chain,), `other` for the rest."""
        rows = chosen[:, None]
        return Ensemble(
            torch.where(rows, self.position, other.position),
            torch.where(rows, self.gradient, other.gradient),
            torch.where(chosen, self.log_density, other.log_density),
        )

    def sound(self) -> torch.Tensor:
        """Whether everything about a chain is finite (chain,)."""
        finite = torch.isfinite(self.log_density) & torch.isfinite(self.gradient).all(1)
        return finite & torch.isfinite(self.position).all(1)
