"""Which estimator of the ELBO a program and its guide get, and whether it can be trusted.

The direct one is held against Pyro's own before the first step, value and gradient, and Pyro's
is taken where they differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from probgen.declare.environment import isolated
from probgen.errors import ModelError, OptionError
from probgen.learn.variational.checks import check_reparameterised, enumerated, latents
from probgen.learn.variational.direct import DirectELBO, closed_form, is_point
from probgen.learn.variational.estimator import Estimator
from probgen.learn.variational.layout import Layout
from probgen.learn.variational.pair import Pair
from probgen.learn.variational.pyro_elbo import PyroELBO

if TYPE_CHECKING:
    from probgen.learn.variational.objectives.elbo import ELBO

__all__ = ["choose_elbo", "kind_of"]

_TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4}


def choose_elbo(objective: ELBO, pair: Pair, layout: Layout, particles: int) -> Estimator:
    """The estimator of an `ELBO`. Raises `ModelError`, `OptionError` for a kind that cannot be."""
    kind = kind_of(layout) if objective.kind == "auto" else objective.kind
    run = layout.run
    summed = [n for n, s in {**run.model, **run.guide}.items() if enumerated(s)]
    if kind == "enum" and objective.kl_weight != 1.0 and set(summed) - set(run.guide):
        raise OptionError(
            f"ELBO(kl_weight={objective.kl_weight!r}): the sites {summed} are summed out of the "
            "program, and have no divergence to weigh: leave kl_weight out."
        )
    if kind in ("trace", "mean_field"):
        missing = set(summed) - set(run.guide)
        if missing:
            raise ModelError(
                f"ELBO(kind={kind!r}): the sites {sorted(missing)} are to be summed out: take "
                "kind='enum'."
            )
    if kind == "mean_field":
        check_reparameterised(
            run.guide, "ELBO(kind='mean_field')", "take kind='graph', or relax the site."
        )
        if not _same_order(layout):
            raise ModelError(
                "ELBO(kind='mean_field'): the guide draws its sites in another order than the "
                "program, so that a divergence in closed form may depend on a later draw: take "
                "kind='trace', or draw them in one order."
            )
    if kind not in ("trace", "mean_field") or not _is_reparameterised(layout):
        return PyroELBO(pair, layout, particles, kind)
    analytic = kind == "mean_field"
    # Pyro's closed form of a point mass leaves out the density that autoguides give it.
    compared = analytic and not _has_points(layout)
    theirs = "mean_field" if compared else "trace"
    why = _disagreement(DirectELBO(pair, layout, 1, compared), PyroELBO(pair, layout, 1, theirs))
    if why:
        taken = PyroELBO(pair, layout, particles, theirs)
        taken.notes.append(f"The ELBO is computed by Pyro's traces: {why}.")
        return taken
    return DirectELBO(pair, layout, particles, analytic)


def kind_of(layout: Layout) -> str:
    """What `kind="auto"` stands for."""
    run = layout.run
    if any(enumerated(site) for site in (*run.model.values(), *run.guide.values())):
        return "enum"
    if not _is_reparameterised(layout):
        return "graph"
    known = any(
        closed_form(site["fn"], run.model[name]["fn"]) is not None
        for name, site in run.guide.items()
        if name in run.model
    )
    return "mean_field" if known and _same_order(layout) else "trace"


def _is_reparameterised(layout: Layout) -> bool:
    sites = latents(layout.run.guide).values()
    return all(getattr(site["fn"], "has_rsample", False) for site in sites)


def _same_order(layout: Layout) -> bool:
    """Whether no site's prior can depend on a site that the guide draws after it."""
    run = layout.run
    common = [name for name in run.guide if name in run.model]
    return common == [name for name in run.model if name in run.guide]


def _has_points(layout: Layout) -> bool:
    return any(is_point(site["fn"]) for site in layout.run.guide.values())


def _disagreement(direct: Estimator, pyro: Estimator) -> str:
    """Why the two differ on two rows, in words; nothing where they agree."""
    pair = direct.pair
    parameters = [p for p in pair.module.parameters() if p.requires_grad]
    try:
        with pair.evaluating():
            found = [_evaluated(each, parameters) for each in (direct, pyro)]
    except (RuntimeError, ValueError, AssertionError, NotImplementedError) as error:
        return f"{type(error).__name__}: {error}".splitlines()[0]
    finally:
        for parameter in parameters:
            parameter.grad = None
    losses, gradients = zip(*found, strict=True)
    tolerance = _TOLERANCE.get(losses[0].dtype, 1e-2)
    scale = max(abs(float(losses[1])), 1.0)
    if not abs(float(losses[0]) - float(losses[1])) <= tolerance * scale * 10:
        return f"a direct sum gives {float(losses[0]):.6g} and Pyro {float(losses[1]):.6g}"
    for one, other in zip(*gradients, strict=True):
        size = max(float(other.abs().max()), 1e-3) if other.numel() else 1.0
        if other.numel() and not float((one - other).abs().max()) <= 100 * tolerance * size:
            return "the gradients of a direct sum are not Pyro's"
    return ""


def _evaluated(estimator: Estimator, parameters: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
    for parameter in parameters:
        parameter.grad = None
    with isolated(0):
        loss = estimator.backward(estimator.layout.batch)["loss"]
    return loss, [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
