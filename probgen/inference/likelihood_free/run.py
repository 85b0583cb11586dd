"""A program that is ready to be simulated: one run of a method, draws to DataTree."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from probgen.inference.engine_run import StepProgress
from probgen.inference.groups import data_groups, whole
from probgen.inference.likelihood_free.distance import Comparison
from probgen.inference.likelihood_free.loop import Steps
from probgen.inference.likelihood_free.population import Outcome
from probgen.inference.likelihood_free.settings import SimulationPlan
from probgen.inference.likelihood_free.simulator import Simulator
from probgen.inference.model_source import program_text
from probgen.inference.prepared import drawn_arrays
from probgen.inference.recorder import Groups, Recorder
from probgen.progress import ProgressDisplay
from probgen.results.attributes import run_attributes
from probgen.results.store.state import KernelState, Piece
from probgen.results.tree import Labels, Variable, build_groups, build_tree

__all__ = ["PACKAGES", "SimulationOptions", "SimulationRun"]

PACKAGES = ("torch", "pyro-ppl", "numpy", "xarray")
"""Whose versions are noted."""
_STATISTICS = ("distance", "weight")
_SITE = "site:"


@dataclass(frozen=True)
class SimulationOptions:
    """What `infer` was asked for, beside model, data and method."""

    chains: int
    draws: int
    seed: int
    progress: bool = True


@dataclass
class SimulationRun:
    """A program with the method that simulates it.

    `sample_stats` of the tree hold `distance` of the simulated data behind every draw, and
    `weight`, what it had before resampling; `history` is of the populations.
    """

    simulator: Simulator
    comparison: Comparison
    method: Any
    options: SimulationOptions
    labels: Labels
    spent: int
    """Simulations that gave the scales of summaries."""
    seconds_start: float = 0.0
    kind: ClassVar[str] = "simulation"

    @property
    def title(self) -> str:
        """What is sampled, and how."""
        return f"{self.method.name} {self.simulator.program.name}"

    @property
    def planned(self) -> dict[bool, int]:
        """Draws of each chain, by whether they are of the warm-up."""
        return {False: self.options.draws, True: 0}

    @property
    def draw_bytes(self) -> int:
        """Size of all groups at one draw of every chain, about."""
        sizes = [math.prod(site.shape) for site in self.simulator.program.sites.values()]
        return 8 * self.options.chains * (sum(sizes) + len(_STATISTICS))

    @cached_property
    def attributes(self) -> dict[str, Any]:
        """The attributes of the result that are known before the run."""
        program, seed = self.simulator.program, self.options.seed
        text = program_text(program.model)
        return {
            **run_attributes(program.name, self.method, seed, PACKAGES, text),
            "likelihood_free": True,
            "moved_sites": list(self.simulator.moved),
            "summaries": len(self.comparison.observed),
            "seconds_start": self.seconds_start,
        }

    def plan(self, **more: Any) -> SimulationPlan:
        """What the method is asked for."""
        size = (self.options.chains, self.options.draws, self.options.seed)
        return SimulationPlan(self.simulator, self.comparison, *size, **more)

    def sample(
        self,
        recorder: Recorder | None = None,
        watch: Callable[[StepProgress | None], None] | None = None,
    ) -> xr.DataTree:
        """Simulate; what is found so far goes to `recorder`, if there is one, and where it stands.

        `watch` is called with the progress after every batch; a `KeyboardInterrupt` that it
        raises stops the run as Ctrl-C does. Raises as the method.
        """
        before = recorder.state if recorder else None
        began = time.perf_counter() - (float(before.counters["seconds"][0]) if before else 0.0)
        stands: list[KernelState] = []

        def keep(steps: Steps, state: Any) -> None:
            if recorder is not None:
                stands[:] = [self._state(steps, state, time.perf_counter() - began)]
                recorder.replace(partial(self._standing, steps, state, stands[0]))

        with ProgressDisplay(self.title, self.options.progress) as display:

            def show(done: int, total: int, doing: str) -> None:
                display.step(done, total, doing)
                if watch is not None:
                    watch(StepProgress(done, total, doing))

            state = None if before is None else before.adaptation
            plan = self.plan(show=show, keep=keep, state=state)
            outcome, interrupted = self.method.run(plan)
        attrs = self._told(outcome, time.perf_counter() - began, interrupted)
        if recorder is None:
            return self._tree(outcome, attrs)
        recorder.replace(lambda: (_piece(outcome, stands[0]), _history(outcome), attrs))
        recorder.finish(None, {}, attrs)
        return recorder.tree()

    def groups_of(self, piece: Piece) -> dict[str, xr.Dataset]:
        """The groups of the tree at some draws."""
        return build_groups(self._variables(piece.stats), self.labels)

    def values_of(self, piece: Piece) -> dict[str, dict[str, np.ndarray]]:
        """The arrays of these groups."""
        return drawn_arrays(self.groups_of(piece))

    def constants(self) -> dict[str, xr.Dataset]:
        """The groups that are the same at all draws: the data."""
        return build_groups(data_groups(self.simulator.program), self.labels)

    def _standing(
        self, steps: Steps, state: Any, stand: KernelState
    ) -> tuple[Piece, Groups, Mapping[str, Any]]:
        """What a store holds on the way: the draws found so far, and where the run stands."""
        outcome = steps.outcome(state, whole=False)
        if outcome is None:
            return Piece(0, False, np.zeros((self.options.chains, 0, 0)), {}, stand), {}, {}
        attrs = self._told(outcome, float(stand.counters["seconds"][0]), True)
        return _piece(outcome, stand), _history(outcome), attrs

    def _state(self, steps: Steps, state: Any, seconds: float) -> KernelState:
        """Random numbers depend on the place in the run, so that there is no generator in it."""
        arrays, chains = steps.arrays(state), self.options.chains
        return KernelState(
            int(arrays["made"]),
            np.zeros((chains, 0)),
            np.zeros((chains, 0), np.uint64),
            arrays,
            {"seconds": np.full(chains, seconds)},
        )

    def _told(self, outcome: Outcome, seconds: float, interrupted: bool) -> dict[str, Any]:
        """The attributes of a result."""
        history = outcome.history
        return {
            **self.attributes,
            "epsilon": outcome.epsilon,
            "epsilon_under_prior": self.comparison.share_under_prior(outcome.epsilon),
            "epsilons": [e for e in history["epsilon"].tolist() if np.isfinite(e)],
            "acceptance_rates": history["acceptance_rate"].tolist(),
            "simulations": outcome.simulations + self.spent,
            "effective_sizes": list(map(float, outcome.effective)),
            "interrupted": interrupted,
            "seconds_sampling": seconds,
            "notes": outcome.notes,
        }

    def _variables(self, values: Mapping[str, np.ndarray]) -> dict[str, dict[str, Variable]]:
        """Of draws, by group."""
        posterior = {}
        for name, site in self.simulator.program.sites.items():
            if site.kind in ("latent", "deterministic"):
                posterior[name] = Variable(whole(site, values[_SITE + name]), site.plates)
        stats = {name: Variable(values[name]) for name in _STATISTICS}
        return {"posterior": posterior, "sample_stats": stats}

    def _tree(self, outcome: Outcome, attrs: Mapping[str, Any]) -> xr.DataTree:
        """The tree of a run whose draws are in memory."""
        data = data_groups(self.simulator.program)
        drawn = self._variables(_by_name(outcome))
        return build_tree({**drawn, "history": _steps(outcome), **data}, self.labels, attrs)


def _by_name(outcome: Outcome) -> dict[str, np.ndarray]:
    sites = {_SITE + name: values for name, values in outcome.values.items()}
    return {**sites, "distance": outcome.distance, "weight": outcome.weight}


def _piece(outcome: Outcome, stand: KernelState) -> Piece:
    """All draws; sites are of several shapes and types, and so are among the statistics."""
    nothing = np.zeros((*outcome.distance.shape, 0))
    return Piece(0, False, nothing, _by_name(outcome), stand)


def _history(outcome: Outcome) -> Groups:
    return build_groups({"history": _steps(outcome)})


def _steps(outcome: Outcome) -> dict[str, Variable]:
    return {n: Variable(v, ("step",), sampled=False) for n, v in outcome.history.items()}
