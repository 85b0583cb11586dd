"""Variational inference in a discrete network: a guide of its variables, the others summed out.

The network is the program that `to_pyro` makes of it, cut at the evidence. Variables that the
guide leaves out are summed exactly, and drawn exactly given the guide's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from probgen.declare.network import Factor, Network
from probgen.declare.networks.to_pyro import to_pyro
from probgen.declare.program import read_program
from probgen.errors import ModelError, OptionError, UnsupportedOperation
from probgen.inference.graphical.method import GraphPlan, GraphResult, Marginals, state_offsets
from probgen.inference.method import Plan, Progress
from probgen.inference.variational.program.run import judged_model, run_program
from probgen.targets.density import Density, compile_density
from probgen.targets.discrete import Rows, recovered_outputs
from probgen.targets.factors import Factors

if TYPE_CHECKING:
    from probgen.inference.variational.svi import SVI

__all__ = ["run_network"]


def run_network(method: SVI, factors: Factors, plan: GraphPlan) -> GraphResult:
    """Train the guide of `method` on a network, draw from it, and count states.

    "mean_field" is `MeanField()`, which finds the best product of independent distributions by
    coordinate ascent. Raises `OptionError` for other names, `ModelError` for a guide that does not
    fit the network.
    """
    if method.guide in (None, "mean_field"):
        from probgen.inference.graphical.mean_field import MeanField

        return MeanField().run(factors, plan)
    if isinstance(method.guide, str):
        raise OptionError(
            f"SVI(guide={method.guide!r}) is a guide of continuous sites, and this is a discrete "
            "network: take 'mean_field', a guide of your own that samples some of the variables "
            "as Categorical, or Exact()."
        )
    labels = factors.network.labels()
    evidence = {labels[v]: int(state) for v, state in factors.evidence.items()}
    density = _density(method, factors, evidence)
    flat = Plan(
        chains=plan.chains,
        draws=plan.draws,
        warmup=0,
        seed=plan.seed,
        initial=np.zeros((plan.chains, density.dim)),
        threads=plan.threads,
        progress=_told(plan),
    )
    drawn = run_program(method, density, flat)
    lead = drawn.unconstrained.shape[:2]
    states = _states(density, drawn.unconstrained, [labels[v] for v in factors.free], plan.seed)
    if factors.cards.max(initial=1) <= 1 << 8:
        states = states.astype(np.uint8)
    summary = {**drawn.summary, "log_evidence_is": "an estimate by importance sampling"}
    summary["log_evidence"] = summary.get("log_evidence_importance")
    effective = float(summary.get("importance_ess", lead[0] * lead[1]))
    if not method.resample:
        effective = lead[0] * lead[1]
    stats = {"log_joint": _log_joint(factors, states), **drawn.stats}
    return GraphResult(_marginals(factors, states, effective), states, stats, summary)


def _states(density: Density, x: np.ndarray, names: list[str], seed: int) -> np.ndarray:
    """States (chain, draw, variable) of variables: the guide's, and others drawn given these."""
    chains, draws, dim = x.shape
    rows = x.reshape(chains * draws, dim)
    values = density.split(x)
    for key, found in recovered_outputs(density, rows, seed, Rows(max(draws, 1))).items():
        values[key.split(":", 1)[1]] = found.reshape(chains, draws)
    states = np.zeros((chains, draws, len(names)), dtype=np.uint16)
    for position, name in enumerate(names):
        if name in values:  # a variable of one state is none
            states[..., position] = np.rint(values[name])
    return states


def _density(method: SVI, factors: Factors, evidence: dict[str, int]) -> Density:
    """What the guide's draws are held against, given the evidence."""
    run = to_pyro(_cut(factors))

    def program(**evidence: Any) -> Any:
        return run()

    program.__name__ = factors.network.title
    read = read_program(judged_model(method.guide, program, evidence), evidence)
    try:
        return compile_density(read, "torch")
    except UnsupportedOperation:
        return compile_density(read, "eager")
    except (RuntimeError, ValueError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(
            f"The variables that the guide leaves out cannot be summed by Pyro ({error}): let the "
            "guide sample more of them, or use Exact()."
        ) from error


def _cut(factors: Factors) -> Network:
    """The free variables of a network, with its tables cut at the evidence, as a network."""
    network, labels = factors.network, factors.network.labels()
    tables = [
        Factor(scope, table)
        for scope, table in zip(factors.scopes, factors.log_tables, strict=True)
    ]
    if factors.log_constant:
        tables.append(Factor((), np.array(factors.log_constant)))
    return Network(
        tuple(labels[v] for v in factors.free),
        tuple(network.states[v] for v in factors.free),
        tuple(tables),
        network.title,
    )


def _log_joint(factors: Factors, states: np.ndarray) -> np.ndarray:
    """Unnormalised log density of states (chain, draw, variable), nats."""
    total = np.full(states.shape[:2], factors.log_constant)
    for scope, table in zip(factors.scopes, factors.log_tables, strict=True):
        total += table[tuple(states[..., v] for v in scope)]
    return total


def _marginals(factors: Factors, states: np.ndarray, effective: float) -> Marginals:
    """Shares of the states in independent draws, with their standard errors."""
    offsets = state_offsets(factors.cards)
    shares = np.concatenate(
        [
            np.bincount(states[..., v].ravel(), minlength=card) / states[..., v].size
            for v, card in enumerate(factors.cards)
        ]
        or [np.zeros(0)]
    )
    errors = np.sqrt(shares * (1 - shares) / effective)
    return Marginals(offsets, shares, errors, ess=np.full(len(shares), effective))


def _told(plan: GraphPlan) -> Any:
    """The progress of training in the words of a network's plan."""
    tell = plan.progress
    if tell is None:
        return None

    def progress(found: Progress) -> None:
        tell(found.iterations[0], found.total, "training the guide")

    return progress
