"""Tempered sequential Monte Carlo as a method: draws, modes with their weights, the evidence.

Del Moral, Doucet & Jasra (2006), "Sequential Monte Carlo samplers", JRSS B 68:411-436.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from probgen.errors import OptionError, SamplingError
from probgen.inference.chains import check_plan
from probgen.inference.flow_assisted.tempering import (
    Particles,
    Settings,
    reference_of,
    tempered,
)
from probgen.inference.hamiltonian import inside
from probgen.inference.method import DensityLike, Draws, Plan, Progress
from probgen.inference.notes import notes_on
from probgen.nets.threads import torch_threads
from probgen.targets.batch import BatchedDensity, batch_of

__all__ = ["TemperedSMC"]

PROGRESS_SECONDS = 0.2
_FEWEST = 100
"""Particles of a path, where fewer draws are asked for."""


@dataclass(frozen=True)
class TemperedSMC:
    """Particles on their way from a wide normal to the posterior; for several modes.

    Every chain is a path of its own with as many particles as draws, so that R-hat and the spread
    of chains show how well the weights of modes are known. The draws of a chain are in no order.
    The more particles, the better; there is no warm-up. Modes may lie far apart, but inside them
    particles move by plain Hamiltonian Monte Carlo: a funnel's neck is missed here, too.

    Args:
        width: least standard deviation, on the unconstrained scale, of the normal that particles
            come from; it should reach all modes, and is widened where they lie wide.
        ess_share: effective share of the particles that a rise in temperature may leave; nearer
            to 1 is slower and surer.
        moves: Hamiltonian moves at every temperature.

    Raises `OptionError` for values out of range.

    Example:
        >>> TemperedSMC(width=10.0)
        TemperedSMC(width=10.0, ess_share=0.7, moves=4)
    """

    width: float = 5.0
    ess_share: float = 0.7
    moves: int = 4
    name: ClassVar[str] = "TemperedSMC"
    serves: ClassVar[tuple[str, ...]] = ("density",)
    defaults: ClassVar[dict[str, int]] = {"chains": 4, "draws": 1000, "warmup": 0}

    def __post_init__(self) -> None:
        """Validate the settings."""
        if not inside(self.width, 0):
            raise OptionError(f"{self.name}(width={self.width!r}): it must be positive.")
        if not inside(self.ess_share, 0, 1):
            raise OptionError(
                f"{self.name}(ess_share={self.ess_share!r}): it must lie between 0 and 1; 0.7 is "
                "usual."
            )
        moves = self.moves
        if not isinstance(moves, int) or isinstance(moves, bool) or moves < 1:
            raise OptionError(f"{self.name}(moves={moves!r}): it must be an integer >= 1.")

    def run(self, density: DensityLike, plan: Plan) -> Draws:
        """Draw from `density`; `warmup` and `thin` of the plan do not matter.

        Raises `OptionError` or `ModelError` for plans that cannot be carried out,
        `SamplingError` when no particle ever has a finite density, and KeyboardInterrupt.
        """
        check_plan(density, plan)
        began = time.perf_counter()
        batch, found = batch_of(density, threads=plan.threads), []
        with torch_threads(1):
            for chain in range(plan.chains):
                found.append(self._path(batch, plan, chain))
        return self._collected(found, density, plan, batch.engine, time.perf_counter() - began)

    def _path(self, batch: BatchedDensity, plan: Plan, chain: int) -> Particles:
        """One chain: a path of its own random numbers."""
        words = np.random.SeedSequence([plan.seed % 2**64, chain, 0x5C]).generate_state(1)
        generator = torch.Generator().manual_seed(int(words[0]))
        watch = _Watch(plan, chain)
        reference = reference_of(plan.initial[chain : chain + 1], self.width)
        settings = Settings(self.ess_share, self.moves, 2 * self.moves)
        count = max(plan.draws, _FEWEST)
        found = tempered(batch, reference, count, generator, settings, watch)
        if found is None:
            raise SamplingError(
                f"{self.name}: no particle of chain {chain} has a finite log density. Take "
                "another width or init, or run `check` on the model."
            )
        chosen = torch.randperm(count, generator=generator)[: plan.draws]
        found.position, found.log_density = found.position[chosen], found.log_density[chosen]
        found.diverging = found.diverging[chosen]
        return found

    def _collected(
        self, found: list[Particles], density: DensityLike, plan: Plan, engine: str, seconds: float
    ) -> Draws:
        result = Draws(
            torch.stack([particles.position for particles in found]).numpy(),
            {
                "lp": torch.stack([particles.log_density for particles in found]).numpy(),
                "diverging": torch.stack([particles.diverging for particles in found]).numpy(),
            },
        )
        evidence = np.array([particles.log_evidence for particles in found])
        peak = evidence.max()
        ratios = np.exp(evidence - peak)
        result.summary = {
            "engine": engine,
            "gradient_evaluations_warmup": 0,
            "gradient_evaluations": sum(particles.evaluations for particles in found),
            "seconds_warmup": 0.0,
            "seconds_sampling": seconds,
            "log_evidence": float(peak + math.log(ratios.mean())),
            "temperatures": [len(particles.temperatures) for particles in found],
            "acceptance_rate": [particles.acceptance for particles in found],
            "interrupted": False,
            "notes": notes_on(result, density.coordinate_names),
        }
        if len(found) > 1:
            error = ratios.std(ddof=1) / math.sqrt(len(found)) / ratios.mean()
            result.summary["log_evidence_error"] = float(error)
        return result


class _Watch:
    """Shows how far the paths are."""

    def __init__(self, plan: Plan, chain: int) -> None:
        self.plan, self.chain, self._shown = plan, chain, time.perf_counter()

    def __call__(self, beta: float, evaluations: int) -> None:
        now, plan = time.perf_counter(), self.plan
        if plan.progress is None or now - self._shown < PROGRESS_SECONDS:
            return
        self._shown = now
        chains, draws = range(plan.chains), plan.draws
        done = tuple(draws * (c < self.chain) for c in chains)
        made = tuple(evaluations * (c == self.chain) for c in chains)
        plan.progress(Progress(done, draws, 0, (0,) * plan.chains, made))
