"""The evidence lower bound, by the estimator that suits the program.

Jordan, Ghahramani, Jaakkola & Saul (1999); Kingma & Welling (2014) for gradients through draws;
Schulman, Heess, Weber & Abbeel (2015) for stochastic graphs; Obermeyer et al. (2019) for sums over
discrete sites; Bowman et al. (2016) and Higgins et al. (2017) for a weighted divergence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from probgen.errors import OptionError
from probgen.learn.variational.objectives.checks import check_count

if TYPE_CHECKING:
    from probgen.learn.variational.estimator import Estimator
    from probgen.learn.variational.layout import Layout
    from probgen.learn.variational.pair import Pair

__all__ = ["ELBO", "KINDS"]

KINDS = ("auto", "trace", "mean_field", "graph", "enum")


@dataclass(frozen=True)
class ELBO:
    """E_q[log p(x, z) - log q(z)], which is at most log p(x).

    Args:
        particles: draws of the guide per step; None for 1, or for what a named guide takes.
        kind: "trace" draws every term; "mean_field" takes Kullback-Leibler divergences in closed
            form where there is one; "graph" is for draws without a gradient; "enum" sums out the
            sites that ask for it, infer={"enumerate": "parallel"}. "auto" is the last of these
            that the program needs or allows; the summary says which.
        kl_weight: of the densities of latent sites, a number or a schedule: above 1 a
            beta-VAE, and `Linear(0, 1, steps=...)` an annealed start. Validation has weight 1.

    Raises `OptionError` for values out of range.
    """

    particles: int | None = None
    kind: str = "auto"
    kl_weight: Any = 1.0

    def __post_init__(self) -> None:
        """Validate."""
        check_count(self, "particles")
        if self.kind not in KINDS:
            known = ", ".join(map(repr, KINDS))
            raise OptionError(f"ELBO(kind={self.kind!r}): it must be one of {known}.")
        number = isinstance(self.kl_weight, (int, float)) and not isinstance(self.kl_weight, bool)
        if not hasattr(self.kl_weight, "at") and not (number and 0 <= self.kl_weight < 1e6):
            raise OptionError(
                f"ELBO(kl_weight={self.kl_weight!r}): a number of at least 0, or a schedule, as "
                "pg.schedules.Linear(0, 1, steps=1000)."
            )

    def estimator(self, pair: Pair, layout: Layout, particles: int | None) -> Estimator:
        """The estimator for one program and guide. Raises `ModelError`, `OptionError`."""
        from probgen.learn.variational.choose import choose_elbo

        return choose_elbo(self, pair, layout, particles or self.particles or 1)
