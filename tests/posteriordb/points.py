"""A program's density at the reference's draws, without any sampler.

Reference draws are constrained values by site; here they become the unconstrained values that
`Program.evaluate` takes, each through the inverse of its site's transform. Latent sites that
the reference keeps only a function of are recovered from that function.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from pyro import poutine
from pyro.poutine.messenger import Messenger
from torch.distributions import biject_to

from probgen.declare.program import Program, read_program
from tests.posteriordb.posteriors import POSTERIORS, locate, posterior_data
from tests.posteriordb.reference import reference_draws

Draw = dict[str, torch.Tensor]


def _standardised_effects(draw: Draw) -> Draw:
    return {"theta_raw": (draw["theta"] - draw["mu"]) / draw["tau"]}


def _whitened_function(draw: Draw) -> Draw:
    x = torch.as_tensor(posterior_data("gp_pois_regr-gp_pois_regr")["x"])
    squares = ((x[:, None] - x) / draw["rho"]).square()
    covariance = draw["alpha"].square() * torch.exp(-0.5 * squares)
    factor = torch.linalg.cholesky(covariance + 1e-10 * torch.eye(len(x), dtype=x.dtype))
    solved = torch.linalg.solve_triangular(factor, draw["f"][:, None], upper=False)
    return {"f_tilde": solved[:, 0]}


RECOVER: dict[str, Callable[[Draw], Draw]] = {
    "eight_schools-eight_schools_noncentered": _standardised_effects,
    "gp_pois_regr-gp_pois_regr": _whitened_function,
}


def program_of(name: str) -> Program:
    """The posterior's program, read with its data."""
    return read_program(POSTERIORS[name].program, posterior_data(name))


def draws_of(name: str, count: int) -> list[Draw]:
    """`count` reference draws, evenly spaced, as values by latent site."""
    scalars = {key: value.reshape(-1) for key, value in reference_draws(name).items()}
    total = len(next(iter(scalars.values())))
    return [
        _by_site(name, {key: value[i] for key, value in scalars.items()})
        for i in np.linspace(0, total - 1, count).astype(int)
    ]


def _by_site(name: str, scalars: dict[str, float]) -> Draw:
    sites: dict[str, list[float] | float] = {}
    for parameter, value in scalars.items():  # in order of their indices
        site, index = locate(parameter)
        if index:
            sites.setdefault(site, []).append(value)
        else:
            sites[site] = value
    draw = {site: torch.tensor(value, dtype=torch.float64) for site, value in sites.items()}
    return draw | RECOVER[name](draw) if name in RECOVER else draw


class _Unconstrain(Messenger):
    """Places a draw at the latent sites and notes what it is on the real line."""

    def __init__(self, draw: Draw) -> None:
        super().__init__()
        self.draw = draw
        self.unconstrained: Draw = {}

    def _pyro_sample(self, msg) -> None:
        if msg["name"] in self.draw and not msg["is_observed"]:
            msg["value"] = self.draw[msg["name"]]
            transform = biject_to(msg["fn"].support)
            self.unconstrained[msg["name"]] = transform.inv(msg["value"]).detach()
            msg["done"] = True


def unconstrained(program: Program, draw: Draw) -> Draw:
    """The unconstrained values of a draw; the support of a site may depend on other sites."""
    with program.environment(), _Unconstrain(draw) as handler:
        poutine.trace(program.model).get_trace(**program.data)
    return handler.unconstrained


def value_and_gradient(program: Program, point: Draw) -> tuple[float, np.ndarray]:
    """Log density at unconstrained values, and its gradient as one vector."""
    leaves = {name: value.clone().requires_grad_() for name, value in point.items()}
    log_density = program.evaluate(leaves).log_density
    gradients = torch.autograd.grad(log_density, list(leaves.values()))
    return float(log_density.detach()), torch.cat([g.reshape(-1) for g in gradients]).numpy()


def log_joint(program: Program, draw: Draw) -> float:
    """Log density on the constrained scale, without Jacobians, by Pyro's own trace."""
    with program.environment():
        conditioned = poutine.condition(program.model, data=draw)
        return float(poutine.trace(conditioned).get_trace(**program.data).log_prob_sum())
