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
from tests.conformance.database import Database, open_database
from tests.conformance.reference import locate
from tests.conformance.registry import Data, declared
from tests.reference_data import reference_data

Draw = dict[str, torch.Tensor]


def database() -> Database:
    """The reference data; the calling test is skipped where they are absent."""
    return open_database(reference_data("posteriordb"))


def data_of(name: str) -> Data:
    """The program's keyword arguments."""
    found = declared(name)
    if found is None:
        raise KeyError(f"No file in posteriors/ declares {name!r}.")
    return found.data(database().data(name))


def program_of(name: str) -> Program:
    """The posterior's program, read with its data."""
    found = declared(name)
    if found is None:
        raise KeyError(f"No file in posteriors/ declares {name!r}.")
    return read_program(found.program, data_of(name))


def _standardised_effects(draw: Draw) -> torch.Tensor:
    return (draw["theta"] - draw["mu"]) / draw["tau"]


def _whitened_function(draw: Draw) -> torch.Tensor:
    x = torch.as_tensor(data_of("gp_pois_regr-gp_pois_regr")["x"])
    squares = ((x[:, None] - x) / draw["rho"]).square()
    covariance = draw["alpha"].square() * torch.exp(-0.5 * squares)
    factor = torch.linalg.cholesky(covariance + 1e-10 * torch.eye(len(x), dtype=x.dtype))
    return torch.linalg.solve_triangular(factor, draw["f"][:, None], upper=False)[:, 0]


RECOVER: dict[str, tuple[str, Callable[[Draw], torch.Tensor]]] = {
    "eight_schools-eight_schools_centered": ("theta_decentered", _standardised_effects),
    "eight_schools-eight_schools_noncentered": ("theta_raw", _standardised_effects),
    "gp_pois_regr-gp_pois_regr": ("f_tilde", _whitened_function),
}


def draws_of(name: str, count: int) -> list[Draw]:
    """`count` reference draws, evenly spaced, as values by latent site."""
    known = database().reference_draws(name)
    scalars = {key: value.reshape(-1) for key, value in known.items()}
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
            sites.setdefault(site, []).append(value)  # type: ignore[union-attr]
        else:
            sites[site] = value
    draw = {site: torch.tensor(value, dtype=torch.float64) for site, value in sites.items()}
    if name in RECOVER:
        site, recovered = RECOVER[name]
        draw[site] = recovered(draw)
    return draw


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


class _NearOrigin(Messenger):
    """Places unconstrained values near zero at the latent sites; constrained ones are noted."""

    def __init__(self, program: Program, generator: np.random.Generator) -> None:
        super().__init__()
        self.shapes = {site.name: site.unconstrained_shape for site in program.latents}
        self.generator = generator
        self.draw: Draw = {}

    def _pyro_sample(self, msg) -> None:
        if msg["name"] in self.shapes:
            value = torch.tensor(0.3 * self.generator.normal(size=self.shapes[msg["name"]]))
            msg["value"] = biject_to(msg["fn"].support)(value)
            self.draw[msg["name"]] = msg["value"].detach()
            msg["done"] = True


def points_near_origin(program: Program, count: int) -> list[Draw]:
    """`count` random draws by latent site, of no particular distribution."""
    generator, draws = np.random.default_rng(0), []
    for _ in range(count):
        with program.environment(), _NearOrigin(program, generator) as handler:
            poutine.trace(program.model).get_trace(**program.data)
        draws.append(handler.draw)
    return draws


def unconstrained(program: Program, draw: Draw) -> Draw:
    """The unconstrained values of a draw; the support of a site may depend on other sites."""
    latent = {site.name: draw[site.name] for site in program.latents}
    with program.environment(), _Unconstrain(latent) as handler:
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
    latent = {site.name: draw[site.name] for site in program.latents}
    with program.environment():
        conditioned = poutine.condition(program.model, data=latent)
        return float(poutine.trace(conditioned).get_trace(**program.data).log_prob_sum())
