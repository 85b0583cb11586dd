"""What a step of training maximises: lower bounds of the log evidence from weighted draws.

The ELBO, and Rényi's bound (Li & Turner 2016), which at alpha 0 is that of importance weighting
(Burda, Grosse & Salakhutdinov 2016). Gradients that leave out the score of the guide: Roeder, Wu &
Duvenaud (2017) for the ELBO, Tucker, Lawson, Gu & Maddison (2019) for alpha 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from probgen.errors import OptionError
from probgen.learn.variational.objectives.elbo import ELBO
from probgen.learn.variational.objectives.renyi import RenyiELBO

__all__ = ["Bound", "Evaluated", "bound_of"]

PARTICLES = 16
"""Draws per step where neither the objective nor the method says how many."""


@dataclass(frozen=True)
class Bound:
    """A bound, how many draws estimate it, and which of its gradients is taken."""

    alpha: float | None
    """Of Rényi's bound; None for the ELBO."""
    particles: int
    path: bool
    """Whether the score of the guide is left out of the gradient."""

    def losses(self, ratios: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """What is differentiated, and the negative bound in nats, of log ratios (count,).

        With `path` they must not depend on parameters but through the draws.
        """
        if self.alpha is None:
            loss = -(weights * ratios).sum()
            return loss, loss.detach()
        power = 1 - self.alpha
        terms = weights.log() + power * ratios
        bound = -terms.logsumexp(0) / power
        if not self.path:
            return bound, bound.detach()
        shares = terms.detach().softmax(0)
        return -(shares * shares * ratios).sum(), bound.detach()


class Evaluated(torch.autograd.Function):
    """Values at draws whose gradients are known, such as those of the compiled density."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, values: Tensor, gradients: Tensor) -> Tensor:
        """`values` (count,), known to depend on `z` (count, dim) by `gradients` (count, dim)."""
        ctx.save_for_backward(gradients)
        return values.clone()

    @staticmethod
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor, None, None]:
        """The gradient of z."""
        (gradients,) = ctx.saved_tensors
        return outer[:, None] * gradients, None, None


def bound_of(
    objective: Any, particles: int | None, gradient: str, quick: bool, uneven: bool
) -> Bound:
    """The bound of an objective. `quick`: the guide's density costs no more than a draw;
    `uneven`: its particles have weights with a gradient.

    Raises `OptionError` for an objective that only programs can have, or a gradient that the
    guide cannot give.
    """
    chosen = ELBO() if objective is None else objective
    alpha = chosen.alpha if isinstance(chosen, RenyiELBO) else None
    if not isinstance(chosen, (ELBO, RenyiELBO)) or getattr(chosen, "kl_weight", 1.0) != 1.0:
        raise OptionError(
            f"SVI(objective={objective!r}): a guide by name takes ELBO() and RenyiELBO(), with "
            "priors as they are. Other objectives need a guide that is a program: "
            "SVI(guide=your_guide, objective=...)."
        )
    count = particles or chosen.particles or PARTICLES
    possible = alpha is None or (alpha == 0 and not uneven)
    if gradient == "path" and not possible:
        raise OptionError(
            f"SVI(objective={objective!r}, gradient='path'): there is no such gradient of this "
            "bound with this guide; take gradient='total'."
        )
    return Bound(alpha, count, gradient == "path" or (gradient == "auto" and quick and possible))
