"""NumPyro's NUTS: chains one after another, in double precision or in JAX's default single.

Left to itself ``MCMC.run`` either compiles anew at every call or, with a progress bar, returns
to Python at every iteration. The whole run is jitted here, the way NumPyro's documentation does
it for parallel chains: the second call only samples. The compiled code depends on the number of
iterations, so the first call has full size and the compile time is the difference of the two.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.infer import MCMC, NUTS

from .models import Model
from .outcome import Outcome, Run

PACKAGES = ("numpyro", "jax", "jaxlib")


def eight_schools(sigma, y):
    mu = numpyro.sample("mu", dist.Normal(0, 5))
    tau = numpyro.sample("tau", dist.HalfCauchy(5))
    with numpyro.plate("school", len(y)):
        z = numpyro.sample("z", dist.Normal(0, 1))
        numpyro.sample("y", dist.Normal(mu + tau * z, sigma), obs=y)


def logistic(x, y):
    beta = numpyro.sample("beta", dist.Normal(0, 1).expand([x.shape[1]]).to_event(1))
    with numpyro.plate("observation", len(y)):
        numpyro.sample("y", dist.Bernoulli(logits=x @ beta), obs=y)


def varying(group, x, y, groups):
    mu_a = numpyro.sample("mu_a", dist.Normal(0, 5))
    mu_b = numpyro.sample("mu_b", dist.Normal(0, 2))
    s_a = numpyro.sample("s_a", dist.HalfNormal(1))
    s_b = numpyro.sample("s_b", dist.HalfNormal(1))
    s_y = numpyro.sample("s_y", dist.HalfNormal(1))
    with numpyro.plate("group", groups):
        intercept = mu_a + s_a * numpyro.sample("z_a", dist.Normal(0, 1))
        slope = mu_b + s_b * numpyro.sample("z_b", dist.Normal(0, 1))
    with numpyro.plate("observation", len(y)):
        numpyro.sample("y", dist.Normal(intercept[group] + slope[group] * x, s_y), obs=y)


def item_response(y):
    persons, items = y.shape
    s_b = numpyro.sample("s_b", dist.HalfNormal(2))
    with numpyro.plate("item", items):
        a = numpyro.sample("a", dist.LogNormal(0, 0.5))
        b = numpyro.sample("b", dist.Normal(0, s_b))
    with numpyro.plate("person", persons):
        theta = numpyro.sample("theta", dist.Normal(0, 1))
    numpyro.sample("y", dist.Bernoulli(logits=a * (theta[:, None] - b)).to_event(2), obs=y)


def volatility(y):
    sigma = numpyro.sample("sigma", dist.Exponential(10.0))
    nu = numpyro.sample("nu", dist.Gamma(2.0, 0.1))
    m = numpyro.sample("m", dist.Normal(0, 2))
    with numpyro.plate("innovation", len(y)):
        z = numpyro.sample("z", dist.Normal(0, 1))
    log_volatility = m + sigma * jnp.cumsum(z)
    with numpyro.plate("time", len(y)):
        numpyro.sample("y", dist.StudentT(nu, 0.0, jnp.exp(log_volatility / 2)), obs=y)


PROGRAMS = {
    "a": eight_schools,
    "b": logistic,
    "c": varying,
    "d": item_response,
    "e": volatility,
}


def prepare(model: Model, double: bool = True) -> Callable[[Run, int], dict[str, Any]]:
    numpyro.set_platform("cpu")
    numpyro.enable_x64(double)
    data = {
        name: jnp.asarray(value) if isinstance(value, np.ndarray) else value
        for name, value in model.make_data().items()
    }
    program = partial(PROGRAMS[model.name], **data)

    def whole_run(key: jax.Array, run: Run) -> dict[str, Any]:
        mcmc = MCMC(
            NUTS(program),
            num_warmup=run.warmup,
            num_samples=run.draws,
            num_chains=run.chains,
            chain_method="sequential",
            progress_bar=False,
        )
        mcmc.warmup(key, extra_fields=("num_steps",), collect_warmup=True)
        steps_warmup = mcmc.get_extra_fields()["num_steps"]
        mcmc.run(mcmc.post_warmup_state.rng_key, extra_fields=("num_steps", "diverging"))
        extra = mcmc.get_extra_fields()
        return extra | {"warmup": steps_warmup, "draws": mcmc.get_samples(group_by_chain=True)}

    compiled = jax.jit(whole_run, static_argnums=1)

    def sample(run: Run, seed: int) -> dict[str, Any]:
        return jax.block_until_ready(compiled(jax.random.PRNGKey(seed), run))

    return sample


def first_run(run: Run) -> Run:
    return run


def read(result: dict[str, Any], model: Model, run: Run) -> Outcome:
    draws = result["draws"]
    return Outcome(
        draws={site: np.asarray(draws[site], dtype=np.float64) for site in model.latents},
        gradients_warmup=int(result["warmup"].sum()),
        gradients=int(result["num_steps"].sum()),
        divergences=int(result["diverging"].sum()),
    )
