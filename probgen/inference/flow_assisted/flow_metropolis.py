"""Local moves mixed with independent proposals of a flow that has learnt where the mass is.

Gabrié, Rotskoff & Vanden-Eijnden (2022), "Adaptive Monte Carlo augmented with normalizing flows",
PNAS 119(10).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from probgen.errors import OptionError
from probgen.inference.hamiltonian import inside
from probgen.inference.method import DensityLike, Draws, Plan
from probgen.inference.variational.svi import SVI

__all__ = ["FlowMetropolis"]

_GUIDES = ("maf", "coupling", "spline")


@dataclass(frozen=True)
class FlowMetropolis:
    """Many walkers that move locally and jump by proposals of a flow; for several modes.

    Every transition makes `local_moves` of Hamiltonian Monte Carlo and one Metropolis step whose
    proposal is a draw of the flow, whatever the walker's position, accepted by p(z') q(z) over
    p(z) q(z'). Walkers start from tempered sequential Monte Carlo, which finds modes; the flow is
    trained on their positions during warm-up and frozen after it. Where hardly any proposal
    would be accepted, walkers move locally only, and a note says so.

    Args:
        guide: "maf", "coupling" (for dozens of coordinates and more) or "spline" (better for many
            modes, several times slower).
        local_moves: Hamiltonian moves in a transition.
        leapfrog_steps: most leapfrog steps of a local move; 1 is the Langevin algorithm (MALA).
        target_accept: mean acceptance that the step size of local moves is adapted to.
        start: "tempered" starts walkers from tempered sequential Monte Carlo, "given" where they
            are put (`init`), from where the flow learns only what local moves reach.
        particles: of the tempered start.
        width: least standard deviation, on the unconstrained scale, of the normal from which the
            tempered start comes; it should reach all modes, and is widened where they lie wide.
        training_steps: most steps of the flow's training, in all.
        least_acceptance: mean acceptance of the flow's proposals below which it is given up.
        transforms: of the flow.
        hidden: widths of the hidden layers of the flow's networks.

    Raises `OptionError` for values out of range.

    Example:
        >>> FlowMetropolis(guide="spline").leapfrog_steps
        4
    """

    guide: str = "maf"
    local_moves: int = 2
    leapfrog_steps: int = 4
    target_accept: float = 0.7
    start: str = "tempered"
    particles: int = 1000
    width: float = 5.0
    training_steps: int = 800
    least_acceptance: float = 0.02
    transforms: int = 3
    hidden: tuple[int, ...] = (32, 32)
    name: ClassVar[str] = "FlowMetropolis"
    serves: ClassVar[tuple[str, ...]] = ("density",)
    defaults: ClassVar[dict[str, int]] = {"chains": 64, "draws": 500, "warmup": 300}

    def __post_init__(self) -> None:
        """Validate the settings."""
        for option, known in (("guide", _GUIDES), ("start", ("tempered", "given"))):
            if getattr(self, option) not in known:
                self._refuse(option, f"it must be one of {', '.join(known)}")
        leasts = {"local_moves": 1, "leapfrog_steps": 1, "particles": 50, "training_steps": 1}
        for option, least in leasts.items():
            value = getattr(self, option)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                self._refuse(option, f"it must be an integer of at least {least}")
        for option in ("target_accept", "least_acceptance"):
            if not inside(getattr(self, option), 0, 1):
                self._refuse(option, "it must lie between 0 and 1")
        if not inside(self.width, 0):
            self._refuse("width", "it must be positive")
        SVI(self.guide, transforms=self.transforms, hidden=self.hidden)  # looks at the others

    @property
    def fit(self) -> SVI:
        """What the flow is made of."""
        return SVI(self.guide, transforms=self.transforms, hidden=self.hidden)

    def run(self, density: DensityLike, plan: Plan) -> Draws:
        """Draw from `density` as `plan` says.

        Raises `OptionError` or `ModelError` for plans that cannot be carried out,
        `InitialisationError` for starts without a finite density, `SamplingError` when no walker
        ever moves, and KeyboardInterrupt when interrupted before the first draw.
        """
        from probgen.inference.flow_assisted.walkers import run

        return run(self, density, plan)

    def _refuse(self, option: str, why: str) -> None:
        raise OptionError(f"{self.name}({option}={getattr(self, option)!r}): {why}.")
