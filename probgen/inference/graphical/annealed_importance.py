"""Annealed importance sampling (Neal 2001): the evidence with an error bar, from both sides.

Particles walk from independent variables to the network; their weights have the evidence as mean.
By Jensen's inequality the log of the mean weight lies below log Z on average. Walking back from
draws of the network gives weights with mean 1/Z and so an estimate that lies above on average
(Burda, Grosse & Salakhutdinov 2015; Grosse, Ghahramani & Adams 2015): the two sandwich log Z.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from probgen.errors import OptionError, SamplingError
from probgen.inference.graphical.method import GraphPlan, GraphResult, Marginals
from probgen.inference.graphical.tempering.base import field_base, uniform_base
from probgen.inference.graphical.tempering.path import Path
from probgen.inference.graphical.tempering.pilot import pilot
from probgen.inference.graphical.tempering.positions import FIXED_SCHEDULES, fixed_positions
from probgen.inference.graphical.tempering.walk import Walk, target_draws
from probgen.inference.graphical.tempering.weights import Weights
from probgen.targets.factors import Factors

__all__ = ["AnnealedImportance"]

LEAST_ESS = 10.0
"""Effective particles below which an estimate is noise with a false error bar."""

_RARE = 30
SCHEDULES = ("adaptive", *FIXED_SCHEDULES)
BASES = ("auto", "data", "fields", "uniform", "prior", "guide")


@dataclass(frozen=True)
class AnnealedImportance:
    """Annealed importance sampling; `chains` are its particles.

    Serves networks in `infer`, Boltzmann machines in `log_partition` and `log_likelihood`, and
    programs with latent sites in `log_likelihood`.

    Args:
        betas: positions between the independent variables and the network; the error shrinks as
            they grow.
        schedule: "adaptive" places them where a pilot run finds the path steep, "linear" evenly,
            "sigmoid" densely at both ends (Grosse, Maddison & Salakhutdinov 2013), "three-part"
            ever more densely towards the end (Salakhutdinov & Murray 2008).
        base: the independent variables to start from: by each one's own factors ("fields"),
            "uniform", or by the base rates of the data ("data", machines only); "auto" is "data"
            where there are some, else "fields". Of programs their "prior", as with "auto", or the
            "guide".
        sweeps: Gibbs sweeps at each position; of programs Hamiltonian trajectories.
        reverse: whether to walk back as well, for the estimate from above.

    The error bar and the effective number of particles know nothing of a mode that no particle
    has entered. With `draws` > 0 the particles are resampled by their weights and followed by
    Gibbs sweeps.

    Raises `OptionError` for wrong settings, `SamplingError` when fewer than ten particles carry
    the weight: no evidence is reported then.

    Example:
        >>> AnnealedImportance(betas=500)
        AnnealedImportance(betas=500, schedule='adaptive', base='auto', sweeps=4, reverse=True)
    """

    betas: int = 1000
    schedule: str = "adaptive"
    base: str = "auto"
    sweeps: int = 4
    reverse: bool = True
    name: ClassVar[str] = "AnnealedImportance"
    serves: ClassVar[tuple[str, ...]] = ("factors",)
    defaults: ClassVar[dict[str, int]] = {"chains": 512, "draws": 0, "warmup": 0}

    def __post_init__(self) -> None:
        """Validate the settings."""
        for option, usual in (("betas", 1000), ("sweeps", 4)):
            value = getattr(self, option)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise OptionError(
                    f"AnnealedImportance({option}={value!r}): it must be an integer from 1; "
                    f"{usual} is usual."
                )
        for option, known in (("schedule", SCHEDULES), ("base", BASES)):
            value = getattr(self, option)
            if value not in known:
                raise OptionError(
                    f"AnnealedImportance({option}={value!r}): it must be one of "
                    f"{', '.join(map(repr, known))}."
                )

    def run(self, factors: Factors, plan: GraphPlan) -> GraphResult:
        """Estimate the evidence and marginals with `plan.chains` particles."""
        if plan.chains < 2:
            raise OptionError("AnnealedImportance needs at least two particles (chains).")
        if self.base in ("data", "prior", "guide"):
            raise OptionError(
                f"AnnealedImportance(base={self.base!r}) is for "
                f"{'Boltzmann machines' if self.base == 'data' else 'programs'}: networks take "
                "'fields' or 'uniform'."
            )
        started = time.perf_counter()
        path, positions = self._prepare(factors, plan)
        ready = time.perf_counter()
        walk = Walk(path, positions, self.sweeps, plan)
        states, weights = walk.forward()
        self._refuse(weights, plan)
        forward = time.perf_counter()
        summary: dict[str, Any] = {
            "engine": path.engine,
            "seconds_pilot": ready - started,
            "seconds_forward": forward - ready,
            "log_evidence": factors.log_constant + weights.log_mean,
            "log_evidence_error": weights.log_mean_error,
            "ess_weights": weights.ess,
            "betas": len(positions) - 1,
            "schedule": self.schedule,
            "base": "uniform" if self.base == "uniform" else "fields",
            "notes": path.notes,
        }
        marginals = _marginals(path, states, weights)
        draws, stats = walk.follow(states, weights)
        if self.reverse:
            notes = summary["notes"]
            summary |= self._from_above(walk, states, weights)
            summary["notes"] = notes + summary["notes"]
            summary["seconds_reverse"] = time.perf_counter() - forward
        summary["variable_updates"] = walk.updates
        return GraphResult(marginals, draws, stats, summary)

    def _prepare(self, factors: Factors, plan: GraphPlan) -> tuple[Path, np.ndarray]:
        """The path, and the positions on it to stop at."""

        def tell(s: float) -> None:
            if plan.progress:
                plan.progress(int(1000 * s), 1000, "pilot")

        uniform = self.base == "uniform"
        path = Path(factors, uniform_base(factors) if uniform else field_base(factors))
        if self.schedule != "adaptive":
            return path, fixed_positions(self.schedule, self.betas)
        return path, pilot(path, plan.seed, plan.threads, tell).positions(self.betas)

    def _refuse(self, weights: Weights, plan: GraphPlan) -> None:
        if weights.ess >= LEAST_ESS:
            return
        raise SamplingError(
            f"AnnealedImportance: only {weights.ess:.1f} of {plan.chains} particles carry the "
            f"weight, at least {LEAST_ESS:.0f} must; the evidence would be a guess. Take more "
            f"betas (now {self.betas}) or more chains (now {plan.chains})."
        )

    def _from_above(self, walk: Walk, states: np.ndarray, weights: Weights) -> dict[str, Any]:
        """Entries of the summary about the walk back."""
        starts, how = target_draws(walk, states, weights)
        back = walk.backward(starts)
        if back.ess < LEAST_ESS:
            return {
                "notes": [
                    f"The walk back from the network gives no estimate: only {back.ess:.1f} "
                    "particles carry its weight. Take more betas or more chains."
                ]
            }
        # The walk back only ever meets walks that end on a possible state: its mean weight is the
        # share of these among the walks forward, divided by Z.
        alive = float(np.isfinite(weights.log).mean())
        below, above = weights.log_mean, -back.log_mean + np.log(alive)
        share_error = np.sqrt((1 - alive) / alive / len(weights.log))
        above_error = float(np.hypot(back.log_mean_error, share_error))
        constant = walk.path.factors.log_constant
        found = {
            "log_evidence_reverse": float(constant + above),
            "log_evidence_reverse_error": above_error,
            "ess_weights_reverse": back.ess,
            "reverse_starts": how,
            "gap": float(above - below),
        }
        error = np.hypot(weights.log_mean_error, above_error)
        notes = []
        if abs(above - below) > 4 * error + 1e-9:
            notes.append(
                f"The estimates of the log evidence from below ({constant + below:.3f}) and from "
                f"above ({constant + above:.3f}) differ by more than their errors explain: "
                "take more betas."
            )
        return found | {"notes": notes}


_ROUNDING = 1e-12
"""A state of less variance was drawn never or always, and has no effective size."""


def _marginals(path: Path, states: np.ndarray, weights: Weights) -> Marginals:
    """Weighted shares of the states, with their errors."""
    probabilities = np.empty(int(path.offsets[-1]))
    errors = np.empty_like(probabilities)
    for v, (row, card) in enumerate(zip(states, path.factors.cards, strict=True)):
        place = slice(path.offsets[v], path.offsets[v + 1])
        probabilities[place], errors[place] = weights.mean(row[:, None] == np.arange(card))
        if card > 1:
            errors[place] = np.maximum(errors[place], _floor(probabilities[place], weights.ess))
    spread = np.maximum(probabilities * (1 - probabilities), 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ess = np.where(spread > _ROUNDING, spread / errors**2, np.nan)
    return Marginals(path.offsets, probabilities, errors, ess=ess)


def _floor(probabilities: np.ndarray, ess: float) -> np.ndarray:
    """Error of states that few particles are in, or all but few: one more might have been."""
    seen = np.minimum(probabilities, 1 - probabilities) * ess
    share = (seen + 1) / (ess + 2)
    return np.where(seen < _RARE, np.sqrt(share * (1 - share) / ess), 0.0)
