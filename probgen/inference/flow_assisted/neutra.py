"""NeuTra: Hamiltonian Monte Carlo in the coordinates of a fitted flow.

Hoffman, Sountsov, Dillon, Langmore, Tran & Vasudevan (2019), "NeuTra-lizing bad geometry in
Hamiltonian Monte Carlo using neural transport", arXiv:1903.03704.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from probgen.errors import OptionError
from probgen.inference.method import DensityLike, Draws, Plan
from probgen.inference.nuts import NUTS
from probgen.inference.variational.svi import SVI

__all__ = ["NeuTra"]

_TRANSPORTS = ("mean_field", "multivariate", "low_rank", "iaf", "nsf", "maf", "coupling", "spline")
_PARTICLES = 64


@dataclass(frozen=True)
class NeuTra:
    """Sampling in the space in which a flow makes the posterior nearly normal.

    A guide is fitted to the density, `inner` draws from the density as the guide's map sees it,
    log p(z(u)) + log |det dz/du|, and its draws u are mapped to z, which is exact however good
    the guide. It pays where one step size does not serve the whole posterior (funnels) and
    draws are dear; the training is charged to the warm-up. Where the guide is bad (its training
    fails, or Pareto k is above 0.7 and a short trial of `inner` does worse with it than without)
    `inner` samples the density itself, and a note says so.

    Args:
        inner: the method that draws, such as `NUTS()`, `HMC()` or `ChEES()`.
        guide: "iaf", "coupling", "spline", "multivariate" or another guide of `SVI` that is a map
            of normal noise, or an `SVI` with its settings.
        steps: most steps of the training, where `guide` is a name.
        fall_back: whether a bad guide is given up; False samples through it all the same.

    Raises `OptionError` for values out of range.

    Example:
        >>> NeuTra(guide="coupling").steps
        3000
    """

    inner: Any = field(default_factory=NUTS)
    guide: Any = "iaf"
    steps: int = 3000
    fall_back: bool = True
    name: ClassVar[str] = "NeuTra"
    serves: ClassVar[tuple[str, ...]] = ("density",)

    def __post_init__(self) -> None:
        """Validate the settings."""
        serves = getattr(self.inner, "serves", ("density",))
        if not callable(getattr(self.inner, "run", None)) or "density" not in serves:
            raise OptionError(
                f"NeuTra(inner={self.inner!r}): it must be a method for densities, such as NUTS()."
            )
        steps = self.steps
        if not isinstance(steps, int) or isinstance(steps, bool) or steps < 1:
            raise OptionError(f"NeuTra(steps={steps!r}): it must be an integer >= 1.")
        name = self.guide.guide if isinstance(self.guide, SVI) else self.guide
        if name not in _TRANSPORTS:
            raise OptionError(
                f"NeuTra(guide={self.guide!r}): it must be a map of normal noise: one of "
                f"{', '.join(_TRANSPORTS)}, or SVI with one of them."
            )
        if not isinstance(self.fall_back, bool):
            raise OptionError(f"NeuTra(fall_back={self.fall_back!r}): it must be True or False.")

    @property
    def defaults(self) -> dict[str, int]:
        """Counts of `inner`."""
        return getattr(self.inner, "defaults", {})

    @property
    def fit(self) -> SVI:
        """How the guide is fitted."""
        if isinstance(self.guide, SVI):
            return self.guide
        return SVI(self.guide, steps=self.steps, particles=_PARTICLES)

    def run(self, density: DensityLike, plan: Plan) -> Draws:
        """Draw from `density` as `plan` says.

        Raises `OptionError` or `ModelError` for plans that cannot be carried out,
        `InitialisationError` for starts without a finite density, `SamplingError` when no chain
        ever moves, and KeyboardInterrupt when interrupted before the first draw.
        """
        from probgen.inference.flow_assisted.neutra_run import run

        return run(self, density, plan)
