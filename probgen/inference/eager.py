"""The numpy engine: NUTS and HMC over any density that can give its value and gradient.

For densities without native code and machines without a compiler. Chains run one after another
in the calling thread; Ctrl-C keeps the finished draws. The twin of `native/run.cpp`.
"""

from __future__ import annotations

import numpy as np

from probgen.inference.adapt.settings import HMC_ALGORITHM, Settings
from probgen.inference.adapt.step_size import DualAveraging, first_step_size
from probgen.inference.chains import Chains
from probgen.inference.in_turn import run_in_turn
from probgen.inference.memory import set_numbers
from probgen.inference.method import DensityLike, Draws, Plan
from probgen.inference.open_numpy import NumpyChain
from probgen.inference.snapshot import Fields
from probgen.inference.transitions import Transition, hmc_transition, nuts_transition

__all__ = ["run_eager"]


def run_eager(density: DensityLike, plan: Plan, settings: Settings) -> Draws:
    """Draw with the numpy engine, one chain after another; same contract as `run_native`."""
    chains = Chains(settings, plan)
    return run_in_turn(density, chains, lambda index: _Chain(density, chains, index))


class _Chain(NumpyChain):
    """One chain of NUTS or HMC."""

    def __init__(self, density: DensityLike, chains: Chains, index: int):
        super().__init__(density, chains, index, density.dim)
        if self.settings.resume:
            self.metric.restore(chains.learnt, index)
        self.averaging = DualAveraging(self.settings)
        self.adapts, self.step = self.settings.step_size <= 0, float(self.settings.step_size)
        self.moves = (
            hmc_transition if self.settings.algorithm == HMC_ALGORITHM else nuts_transition
        )

    @property
    def step_size(self) -> float:
        return self.step

    def begin(self) -> None:
        if not self.adapts:
            return
        if self.settings.resume:
            self.step = float(self.chains.learnt["step_size"][self.index])
        else:
            target = self.settings.target_accept
            self.step = first_step_size(self.system, self.point, self.rng, target)
        self.averaging.start(self.step, bool(self.settings.resume))

    def transition(self) -> Transition:
        settings = self.settings
        limit = self.warmup.depth_limit(self.done) if self.warm else settings.max_tree_depth
        return self.moves(self.system, self.point, self.step, limit, self.rng, settings)

    def after(self, result: Transition, warm: bool) -> tuple[float, ...]:
        row = (
            result.point.log_density, result.energy, self.step, result.steps, result.depth,
            result.acceptance, result.energy_error, result.diverging, result.reached_max_depth,
        )  # fmt: skip
        if warm:
            self.warmup.update(self.done, result.depth, self.point)
            self.see_anew()
        if warm and self.adapts:
            self.averaging.update(result.acceptance, self.settings.target_accept)
            last = self.done == self.settings.warmup
            self.step = self.averaging.averaged_step if last else self.averaging.step
        return row

    def own_fields(self) -> Fields:
        adapting = self.averaging.fields() if self.warm and self.adapts else {}
        return {"step_size": np.array(self.step), **adapting}

    def take(self, fields: Fields) -> None:
        set_numbers(self, ("step",), {"step": fields["step_size"]})
        if self.warm and self.adapts:
            self.averaging.restore(fields)
