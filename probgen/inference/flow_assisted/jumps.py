"""Metropolis steps with a frozen flow as proposal, for all walkers together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from probgen.inference.batched.ensemble import Ensemble
from probgen.inference.variational.guides.whitened import Whitened
from probgen.targets.batch import BatchedDensity

__all__ = ["Jumps", "log_ratio"]

TOGETHER = 16
"""Transitions whose proposals are drawn at once: they do not depend on where walkers are."""


def log_ratio(new: Tensor, new_log_q: Tensor, old: Tensor, old_log_q: Tensor) -> Tensor:
    """Log of the acceptance ratio p(z') q(z) / (p(z) q(z')) of an independent proposal z'."""
    return (new - new_log_q) - (old - old_log_q)


@dataclass(frozen=True)
class _Proposals:
    """Draws of the flow (transition, walker, ...), and what the target says of them."""

    position: Tensor
    gradient: Tensor
    log_density: Tensor
    log_q: Tensor


class Jumps:
    """The flow's proposals; those of a transition depend on its number and the seed alone."""

    def __init__(self, guide: Whitened, batch: BatchedDensity, walkers: int, seed: int) -> None:
        """The guide's weights must not change from here on."""
        self.guide, self.batch, self.walkers, self.seed = guide, batch, walkers, seed
        self._block = -1
        self._proposals: _Proposals | None = None

    def step(
        self, ensemble: Ensemble, iteration: int, generator: torch.Generator
    ) -> tuple[Ensemble, Tensor, Tensor]:
        """The walkers after one proposal each, its acceptance probability, and if it was taken."""
        made, k = self._made(iteration // TOGETHER), iteration % TOGETHER
        new = Ensemble(made.position[k], made.gradient[k], made.log_density[k])
        gain = log_ratio(
            new.log_density, made.log_q[k], ensemble.log_density, self._log_q(ensemble.position)
        )
        # Comparisons with NaN are false: whatever is not finite is rejected.
        sound = new.sound() & (gain > -torch.inf)
        acceptance = torch.where(sound, gain.clamp(max=0).exp(), 0.0)
        accepted = torch.empty_like(gain).uniform_(generator=generator) < acceptance
        return new.where(accepted, ensemble), acceptance, accepted

    def judged(self, ensemble: Ensemble) -> tuple[float, np.ndarray]:
        """Mean acceptance of a block of proposals by the walkers, and its log ratios p / q."""
        made = self._made(-2)
        new = (made.log_density - made.log_q).flatten()
        old = ensemble.log_density - self._log_q(ensemble.position)
        gain = new[None] - old[:, None]
        acceptance = torch.where(torch.isnan(gain), 0.0, gain.clamp(max=0).exp())
        return float(acceptance.mean()), new.numpy(force=True)

    def _log_q(self, position: Tensor) -> Tensor:
        with torch.no_grad():
            return self.guide.log_prob(position)

    def _made(self, block: int) -> _Proposals:
        if self._proposals is None or block != self._block:
            words = np.random.SeedSequence([self.seed % 2**64, block % 2**64, 0x1A7])
            generator = torch.Generator().manual_seed(int(words.generate_state(1)[0]))
            with torch.no_grad():
                z, log_q = self.guide.rsample(TOGETHER * self.walkers, generator)
            # Numbers beyond all bounds would be an error in some programs.
            values, gradients = self.batch.value_and_grad(torch.nan_to_num(z))
            shape = (TOGETHER, self.walkers)
            self._proposals = _Proposals(
                z.reshape(*shape, -1), gradients.to(z).reshape(*shape, -1),
                values.to(z).reshape(shape), log_q.reshape(shape),
            )  # fmt: skip
            self._block = block
        return self._proposals
