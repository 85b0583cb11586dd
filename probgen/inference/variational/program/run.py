"""A guide that is a program: checked against the model, trained, drawn from and judged.

Pyro runs model and guide in training; the posterior that the draws are held against is the same
density that samplers see, of all the data.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyro
import torch
from pyro import poutine

from probgen.declare.data import as_tensors, check_names
from probgen.declare.environment import double_precision, isolated
from probgen.declare.placing import FloatObservations, PlacePrior
from probgen.declare.sites import sample_sites, site_kind
from probgen.declare.supports import is_discrete, support_of
from probgen.errors import OptionError
from probgen.inference.derived import log_densities, unconstrained_rows
from probgen.inference.method import Draws, Plan
from probgen.inference.pyro_results.guide import read_guide
from probgen.inference.pyro_results.source import Source
from probgen.inference.variational.judge import judge
from probgen.inference.variational.program.agree import (
    check_agreement,
    guide_sites,
    run_guide,
)
from probgen.inference.variational.program.judged import Judged, whole_plates
from probgen.inference.variational.program.own import own_guide
from probgen.inference.variational.program.pair import Posterior, Whole, whole_layout
from probgen.inference.variational.program.parameters import (
    guide_parameters,
    own_store,
    put_back_values,
)
from probgen.inference.variational.program.train import Trained, train
from probgen.inference.variational.svi import name_of_guide
from probgen.learn.variational.direct import DirectELBO
from probgen.learn.variational.estimator import Estimator
from probgen.learn.variational.objectives import ELBO, MMD, EnergyDistance
from probgen.nets.threads import threads_for, torch_threads
from probgen.targets.density import Density

if TYPE_CHECKING:
    from probgen.inference.variational.svi import SVI

__all__ = ["judged_model", "run_program"]

_PARTICLES = 8
"""Draws per step where the program can be run on all of them at once."""


def judged_model(
    guide: Any, model: Callable[..., Any], data: Mapping[str, Any] | None
) -> Callable[..., Any]:
    """The program whose density the guide's draws are held against; see `Judged`.

    Raises `DataError` and `ModelError` for data, a model or a guide that cannot be run.
    """
    data = as_tensors(data)
    check_names(model, data)
    with _surroundings(0):
        trace = run_guide(own_guide(guide, model), data)
        with PlacePrior():
            prior = poutine.trace(model).get_trace(**data)
    sites = guide_sites(trace)
    numbers = [name for name, m in sites.items() if is_discrete(support_of(m["fn"]))]
    parts = [m.get("fn") for m in prior.nodes.values()]
    if numbers or any(map(_is_part, parts)):
        return Judged(model, numbers)
    return model


def run_program(method: SVI, density: Density, plan: Plan) -> Draws:
    """Train the guide of `method` on the program behind `density`, and draw from it.

    A model's own guide (`SVI()`) is drawn from as it is, and so is any with `steps=0`. Raises
    `ModelError` and `DataError` for a guide that does not fit the model, `TrainingError` when its
    losses are not finite.
    """
    program, began = density.program, time.perf_counter()
    judged = program.model
    model = judged.program if isinstance(judged, Judged) else judged
    sizes = [v.numel() for v in program.data.values() if isinstance(v, torch.Tensor)]
    threads = threads_for(max(sizes, default=0))
    with _surroundings(plan.seed, program.needs_widening), torch_threads(threads):
        guide = own_guide(method.guide, model)
        found, label = _examine(model, guide, program.data), ""
        guide = _shown(guide, model)
        with put_back_values(found.leaves):
            trained = Trained(np.empty(0), True, False)
            if method.guide is not None and method.steps and density.dim:
                pair = Posterior(model, guide, found.leaves, found.summed)
                data = Whole(program.data)
                estimator = _estimator(method, pair, data)
                trained = train(method, found.leaves, estimator, data, plan)
                label = estimator.label
            between = time.perf_counter()
            source = Source({})
            if density.dim:
                with whole_plates():
                    source = read_guide(
                        guide, model, program.data, plan.draws, plan.chains, plan.seed
                    )
    draws = _judged(density, source, plan, method.resample)
    notes = found.notes
    if not trained.converged and not trained.interrupted and method.tolerance is not None:
        notes.append(
            f"The ELBO had not come to a standstill after {method.steps} steps: make more of "
            "them (steps=...)."
        )
    draws.summary = {
        "engine": "pyro",
        "approximation": True,
        "guide": method.guide if isinstance(method.guide, str) else name_of_guide(guide),
        "estimator": label,
        "steps": len(trained.losses),
        "converged": trained.converged,
        "gradient_evaluations_warmup": len(trained.losses),
        "seconds_warmup": between - began,
        "seconds_sampling": time.perf_counter() - between,
        "interrupted": trained.interrupted,
        **draws.summary,
        "notes": [*notes, *draws.summary["notes"]],
    }
    if len(trained.losses):
        draws.history = {"loss": trained.losses}
    return draws


@dataclass(frozen=True)
class _Examined:
    """What a run of guide and model told: leaves to train, and sites that are summed out."""

    leaves: list[torch.Tensor]
    summed: list[str]
    notes: list[str]


def _examine(
    model: Callable[..., Any], guide: Callable[..., Any], data: Mapping[str, Any]
) -> _Examined:
    trace = run_guide(guide, data)
    with torch.no_grad(), PlacePrior():
        prior = poutine.trace(model).get_trace(**data)
    sites, known = guide_sites(trace), dict(sample_sites(prior))
    notes = check_agreement(known, sites)
    summed = [
        name
        for name, message in known.items()
        if site_kind(message) == "latent"
        and is_discrete(support_of(message["fn"]))
        and name not in sites
    ]
    return _Examined(guide_parameters(guide, trace), summed, notes)


def _estimator(method: SVI, pair: Posterior, data: Whole) -> Estimator:
    """The objective for this model and guide; of the ELBO several draws where they cost little."""
    if next(pair.module.parameters(), None) is None:
        raise OptionError(
            "The guide has no parameters to train: declare some with pyro.param, or take it as it "
            "is, SVI(..., steps=0)."
        )
    layout = whole_layout(pair, data)
    objective = ELBO() if method.objective is None else method.objective
    if isinstance(objective, (EnergyDistance, MMD)):
        raise OptionError(
            f"SVI(objective={objective!r}) compares data with simulations of a program, which "
            "`fit` learns; a posterior takes ELBO(), RenyiELBO() or WakeSleep()."
        )
    found = objective.estimator(pair, layout, method.particles)
    asked = method.particles or getattr(objective, "particles", None)
    if asked is None and isinstance(found, DirectELBO):
        several = objective.estimator(pair, layout, _PARTICLES)
        if isinstance(several, DirectELBO) and several.runs.together:
            return several
    return found


def _judged(density: Density, source: Source, plan: Plan, resample: bool) -> Draws:
    """Draws of a guide in unconstrained space, with the density there and what it says."""
    names = [site.name for site in density.latents]
    lead = (plan.chains, plan.draws)
    if names:
        lead = source.draws[names[0]].shape[:2]  # one draw of a guide that is a point
    count = lead[0] * lead[1]
    rows = {
        n: np.asarray(source.draws[n], np.float64).reshape(count, *source.draws[n].shape[2:])
        for n in names
    }
    found, jacobian = unconstrained_rows(density.program, rows, count)
    parts = [found[name].reshape(count, -1) for name in names]
    x = np.concatenate(parts, axis=1) if parts else np.zeros((count, 0))
    lp = log_densities(density, x)
    if names and source.log_q is None:  # a guide that is a point has no density
        stats = {"lp": lp.reshape(lead)}
        return Draws(x.reshape(*lead, x.shape[1]), stats, summary={"notes": []})
    log_q = jacobian if source.log_q is None else source.log_q.reshape(count) + jacobian
    result = judge(x, lp, log_q, plan.seed, resample)
    stats = {"lp": result.lp.reshape(lead), "log_q": result.log_q.reshape(lead)}
    summary = {**result.summary, "notes": result.notes}
    return Draws(result.x.reshape(*lead, x.shape[1]), stats, summary=summary)


def _shown(guide: Callable[..., Any], model: Any) -> Callable[..., Any]:
    """The guide with what the model has observed in place of its data, as calibration has it."""
    shown = getattr(model, "shown_data", None)
    if not shown:
        return guide

    def of_shown(**data: Any) -> Any:
        return guide(**{**data, **shown})

    of_shown.__name__ = name_of_guide(guide)
    return of_shown


@contextmanager
def _surroundings(seed: int, widen: bool = True) -> Iterator[None]:
    """Where guides run: in doubles, with parameters and random numbers of their own."""
    with (
        isolated(seed % 2**32),
        own_store(),
        double_precision(widen),
        FloatObservations(),
        pyro.validation_enabled(False),
    ):
        yield


def _is_part(distribution: Any) -> bool:
    """Whether a message is that of a plate which looks at some of its elements."""
    if type(distribution).__name__ != "_Subsample":
        return False
    return distribution.subsample_size not in (None, distribution.size)
