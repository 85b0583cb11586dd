"""nutpie, driving PyMC models compiled with numba: its default settings."""

from collections.abc import Callable
from typing import Any

import numba  # noqa: F401 - nutpie imports it only when it compiles, under the clock
import nutpie
import pymc as pm
import pytensor.tensor as pt

from .models import Model
from .outcome import Outcome, Run

PACKAGES = ("nutpie", "pymc", "pytensor", "numba")


def eight_schools(sigma, y):
    mu = pm.Normal("mu", 0, 5)
    tau = pm.HalfCauchy("tau", 5)
    z = pm.Normal("z", 0, 1, shape=len(y))
    pm.Normal("y", mu + tau * z, sigma, observed=y)


def logistic(x, y):
    beta = pm.Normal("beta", 0, 1, shape=x.shape[1])
    pm.Bernoulli("y", logit_p=pt.dot(x, beta), observed=y)


def varying(group, x, y, groups):
    mu_a = pm.Normal("mu_a", 0, 5)
    mu_b = pm.Normal("mu_b", 0, 2)
    s_a = pm.HalfNormal("s_a", 1)
    s_b = pm.HalfNormal("s_b", 1)
    s_y = pm.HalfNormal("s_y", 1)
    intercept = mu_a + s_a * pm.Normal("z_a", 0, 1, shape=groups)
    slope = mu_b + s_b * pm.Normal("z_b", 0, 1, shape=groups)
    pm.Normal("y", intercept[group] + slope[group] * x, s_y, observed=y)


def item_response(y):
    persons, items = y.shape
    s_b = pm.HalfNormal("s_b", 2)
    a = pm.LogNormal("a", 0, 0.5, shape=items)
    b = pm.Normal("b", 0, s_b, shape=items)
    theta = pm.Normal("theta", 0, 1, shape=persons)
    pm.Bernoulli("y", logit_p=a * (theta[:, None] - b), observed=y)


def volatility(y):
    sigma = pm.Exponential("sigma", 10.0)
    nu = pm.Gamma("nu", 2.0, 0.1)
    m = pm.Normal("m", 0, 2)
    z = pm.Normal("z", 0, 1, shape=len(y))
    log_volatility = m + sigma * pt.cumsum(z)
    pm.StudentT("y", nu=nu, mu=0, sigma=pt.exp(log_volatility / 2), observed=y)


PROGRAMS = {
    "a": eight_schools,
    "b": logistic,
    "c": varying,
    "d": item_response,
    "e": volatility,
}


def prepare(model: Model) -> Callable[[Run, int], Any]:
    """Declare the PyMC model and compile it; sampling reuses the compiled function."""
    with pm.Model() as declared:
        PROGRAMS[model.name](**model.make_data())
    compiled = nutpie.compile_pymc_model(declared)

    def sample(run: Run, seed: int) -> Any:
        return nutpie.sample(
            compiled,
            draws=run.draws,
            tune=run.warmup,
            chains=run.chains,
            cores=1,
            seed=seed,
            progress_bar=False,
        )

    return sample


def read(result: Any, model: Model, run: Run) -> Outcome:
    return Outcome(
        draws={site: result.posterior[site].values for site in model.latents},
        gradients_warmup=int(result.warmup_sample_stats["n_steps"].sum()),
        gradients=int(result.sample_stats["n_steps"].sum()),
        divergences=int(result.sample_stats["diverging"].sum()),
    )
