"""Most probable values: states of a network, all or some of them, or the mode of a program."""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from probgen.errors import OptionError
from probgen.inference.graphical.elimination.memory import check_memory_option
from probgen.inference.graphical.elimination.most_probable import MostProbable, most_probable
from probgen.inference.graphical.elimination.restrict import restrict
from probgen.inference.graphical.elimination.tree import calibrate
from probgen.inference.graphical.method import GraphPlan, GraphResult, Marginals, state_offsets
from probgen.inference.method import DensityLike, Draws, Plan
from probgen.inference.mode import find_mode
from probgen.targets.factors import Factors

__all__ = ["MAP"]


@dataclass(frozen=True)
class MAP:
    """The most probable states of a network, exactly; or the posterior mode of a program.

    Of a network: without `variables` these are the states of all free variables together (the
    most probable explanation); with them, the states of these alone, the others summed out
    (marginal MAP, Park & Darwiche 2004), which can need much larger tables.

    The result has one draw. Its marginals are one at the maximising states and zero elsewhere.
    After a marginal MAP the other variables stand at their most probable states given the
    maximised ones, which `maximised` in the summary lists.

    Of a program: the highest mode found by L-BFGS (Liu & Nocedal 1989) from as many starts as
    there are chains (four unless told), as one draw; the notes say when starts disagree. A mode
    depends on the scale it is taken on. By default it is that of the density of the
    unconstrained values, Jacobians of the transforms included: the point around which `NUTS` and
    `Laplace` work. With `jacobian=False` they are left out, which gives the mode on the
    constrained scale, as Stan's optimiser does by default: penalised maximum likelihood. The
    mode of a hierarchical model is often far from its mass, or does not exist.

    Args:
        variables: names of the variables to maximise over; None for all free ones.
        memory: the most memory to use, in GB; None for half of what is available, at most 8.6.
        jacobian: programs: whether the Jacobians belong to the density that is maximised.
        max_iterations: programs: of every climb.

    Raises `OptionError` for a wrong setting, an unknown or an observed variable, `TooLargeError`
    when the tables would not fit, and `EvidenceError` when the evidence has probability zero;
    for programs `InitialisationError` for starts without a finite density, and `SamplingError`
    naming the coordinate along which the log density grows without bound.

    Example:
        >>> MAP(variables=("rain",))
        MAP(variables=('rain',), memory=None, jacobian=True, max_iterations=5000)

    """

    variables: tuple[Hashable, ...] | None = None
    memory: float | None = None
    jacobian: bool = True
    max_iterations: int = 5000
    name: ClassVar[str] = "MAP"
    serves: ClassVar[tuple[str, ...]] = ("factors", "density")
    defaults: ClassVar[dict[str, int]] = {"chains": 4, "draws": 1, "warmup": 0}

    def __post_init__(self) -> None:
        """Validate the settings."""
        check_memory_option("MAP", self.memory)
        if not isinstance(self.jacobian, bool):
            raise OptionError(f"MAP(jacobian={self.jacobian!r}): it must be True or False.")
        most = self.max_iterations
        if not isinstance(most, int) or isinstance(most, bool) or most < 1:
            raise OptionError(f"MAP(max_iterations={most!r}): it must be an integer >= 1.")
        if self.variables is None:
            return
        if isinstance(self.variables, str) or not isinstance(self.variables, Sequence):
            raise OptionError(
                f"MAP(variables={self.variables!r}): it must be a tuple of names, such as ('a',)."
            )
        if not self.variables:
            raise OptionError("MAP(variables=()): name at least one variable, or give None.")

    def run(self, target: Factors | DensityLike, plan: GraphPlan | Plan) -> GraphResult | Draws:
        """Maximise over the states of `Factors`, or over the coordinates of a density."""
        if isinstance(target, Factors):
            if not self.jacobian:
                raise OptionError("MAP(jacobian=False): a network has no Jacobians; leave it out.")
            return self._states(target)
        if self.variables is not None:
            raise OptionError(
                f"MAP(variables={self.variables!r}): only networks can be maximised over some of "
                "their variables; a program takes all of its continuous sites."
            )
        assert isinstance(plan, Plan)
        return find_mode(target, plan, self.jacobian, self.max_iterations)

    def _states(self, factors: Factors) -> GraphResult:
        if self.variables is None:
            best = most_probable(factors, None, self.memory)
            states, positions = best.states, None
        else:
            positions = _positions(factors, self.variables)
            best = most_probable(factors, positions, self.memory)
            states = _complete(factors, best, positions, self.memory)
        log_z = calibrate(factors, self.memory).log_z
        kind = np.uint8 if factors.cards.max(initial=0) <= 256 else np.uint16
        draws = states.astype(kind).reshape(1, 1, -1)
        log_joint = factors.log_joint(draws)
        return GraphResult(
            marginals=_one_hot(factors, states),
            states=draws,
            stats={"log_joint": log_joint},
            summary={
                "engine": best.engine,
                "log_joint": float(log_joint[0, 0]),
                "log_evidence": float(log_z),
                "log_probability": best.log_maximum - float(log_z),
                "maximised": positions if positions is not None else list(range(len(states))),
                "width": best.plan.width,
                "table_entries": int(best.plan.entries),
                "bytes": int(best.plan.bytes),
                "seconds_order": best.seconds_order,
                "seconds_search": best.seconds_search,
                "converged": True,
                "interrupted": False,
                "notes": _notes(best, positions),
            },
        )


def _notes(best: MostProbable, positions: list[int] | None) -> list[str]:
    notes = []
    if positions is not None:
        notes.append(
            "Variables that were not asked for stand at their most probable states given those "
            "that were."
        )
    if best.engine == "numpy":
        notes.append("Native code could not be built, so slower maxima in numpy were used.")
    return notes


def _complete(
    factors: Factors, best: MostProbable, positions: list[int], memory: float | None
) -> np.ndarray:
    """The maximised states, and the most probable ones of the others given them."""
    states = best.states.copy()
    others = [v for v in range(len(states)) if v not in set(positions)]
    given = restrict(factors, {v: int(states[v]) for v in positions})
    states[others] = most_probable(given, None, memory).states
    return states


def _one_hot(factors: Factors, states: np.ndarray) -> Marginals:
    offsets = state_offsets(factors.cards)
    probabilities = np.zeros(int(offsets[-1]))
    probabilities[offsets[:-1] + states] = 1.0
    return Marginals(offsets, probabilities)


def _positions(factors: Factors, names: Sequence[Hashable]) -> list[int]:
    """Positions among the free variables, in the order of the names."""
    network = factors.network
    labels = {label: v for v, label in enumerate(network.labels())}
    place = {int(v): k for k, v in enumerate(factors.free)}
    positions: list[int] = []
    for name in names:
        found = network.position.get(name, labels.get(str(name)))
        if found is None:
            near = difflib.get_close_matches(str(name), list(labels), n=3)
            hint = f"; did you mean {', '.join(near)}?" if near else ""
            raise OptionError(
                f"MAP(variables=...): {network.title!r} has no variable {name!r}{hint}"
            )
        if found not in place:
            state = network.states[found][factors.evidence[found]]
            raise OptionError(
                f"MAP(variables=...): {name!r} is observed to be {state!r}; leave it out."
            )
        if place[found] in positions:
            raise OptionError(f"MAP(variables=...): {name!r} is named twice.")
        positions.append(place[found])
    return positions
