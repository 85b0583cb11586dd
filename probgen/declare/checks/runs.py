"""Sites, kinds and shapes that change from run to run: control flow on random values."""

from __future__ import annotations

from typing import Any

from probgen.declare.checks.problem import Problem, error
from probgen.declare.environment import double_precision, isolated, tracing
from probgen.declare.evaluation import Program
from probgen.declare.placing import PlacePrior
from probgen.declare.sites import describe_site, sample_sites

__all__ = ["change_problems", "prior_traces"]

_CURE = (
    "HMC needs the same unknowns in every run: make the control flow independent of random "
    "values, for instance with torch.where, or by summing over the alternatives."
)
_SHAPE_CURE = "Make the shape depend on the data alone, not on random values."
_RUNS = 8


def prior_traces(program: Program, seed: int) -> list[Any]:
    """Traces of several runs with latent sites from the prior; runs that fail are left out."""
    traces = []
    for i in range(_RUNS):
        with tracing(), double_precision(program.needs_widening), isolated(seed + i):
            try:
                traces.append(program.trace_with(PlacePrior()))
            except Exception:
                continue  # the checks of the density say what fails, and where
    return traces


def change_problems(program: Program, traces: list[Any]) -> list[Problem]:
    """What differs between the sites of the program and those of its runs."""
    runs = [{n: describe_site(n, message) for n, message in sample_sites(t)} for t in traces]
    everywhere = dict(program.sites)
    for run in runs:
        everywhere = {**run, **everywhere}
    problems = []
    for name, site in everywhere.items():
        there = [run[name] for run in runs if name in run]
        kinds = {site.kind, *(other.kind for other in there)}
        shapes = sorted({site.shape, *(other.shape for other in there)})
        if name not in program.sites or len(there) < len(runs):
            problems.append(
                error(
                    name,
                    f"Site {name!r} is in {len(there)} of {len(runs)} runs of the program: its "
                    "control flow looks at random values.",
                    _CURE,
                )
            )
        elif len(kinds) > 1:
            which = " in one run, ".join(sorted(kinds))
            problems.append(error(name, f"Site {name!r} is {which} in another.", _CURE))
        elif len(shapes) > 1:
            found = " and ".join(map(str, shapes[:2]))
            problems.append(
                error(name, f"Site {name!r} changes its shape between runs: {found}.", _SHAPE_CURE)
            )
    return problems
