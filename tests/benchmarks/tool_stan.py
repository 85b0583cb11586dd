"""Stan through PyStan: the usual, vectorised programs; chains run in child processes.

PyStan keeps finished fits on disk by data, seed and size; every benchmark run starts with an
empty cache directory, so only the compiled program is ever found there.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import stan

from .models import Model
from .outcome import Outcome, Run

PACKAGES = ("pystan", "httpstan")

EIGHT_SCHOOLS = """
data { int n; vector[n] sigma; vector[n] y; }
parameters { real mu; real<lower=0> tau; vector[n] z; }
model {
  mu ~ normal(0, 5);
  tau ~ cauchy(0, 5);
  z ~ std_normal();
  y ~ normal(mu + tau * z, sigma);
}
"""

LOGISTIC = """
data { int n; int p; matrix[n, p] x; array[n] int y; }
parameters { vector[p] beta; }
model {
  beta ~ std_normal();
  y ~ bernoulli_logit_glm(x, 0, beta);
}
"""

VARYING = """
data { int n; int groups; array[n] int group; vector[n] x; vector[n] y; }
parameters {
  real mu_a; real mu_b;
  real<lower=0> s_a; real<lower=0> s_b; real<lower=0> s_y;
  vector[groups] z_a; vector[groups] z_b;
}
model {
  vector[groups] intercept = mu_a + s_a * z_a;
  vector[groups] slope = mu_b + s_b * z_b;
  mu_a ~ normal(0, 5);
  mu_b ~ normal(0, 2);
  s_a ~ normal(0, 1);
  s_b ~ normal(0, 1);
  s_y ~ normal(0, 1);
  z_a ~ std_normal();
  z_b ~ std_normal();
  y ~ normal(intercept[group] + slope[group] .* x, s_y);
}
"""

ITEM_RESPONSE = """
data { int persons; int items; int n; array[n] int person; array[n] int item; array[n] int y; }
parameters {
  real<lower=0> s_b; vector<lower=0>[items] a; vector[items] b; vector[persons] theta;
}
model {
  s_b ~ normal(0, 2);
  a ~ lognormal(0, 0.5);
  b ~ normal(0, s_b);
  theta ~ std_normal();
  y ~ bernoulli_logit(a[item] .* (theta[person] - b[item]));
}
"""

VOLATILITY = """
data { int n; vector[n] y; }
parameters { real<lower=0> sigma; real<lower=0> nu; real m; vector[n] z; }
model {
  vector[n] log_volatility = m + sigma * cumulative_sum(z);
  sigma ~ exponential(10);
  nu ~ gamma(2, 0.1);
  m ~ normal(0, 2);
  z ~ std_normal();
  y ~ student_t(nu, 0, exp(log_volatility / 2));
}
"""

PROGRAMS = {
    "a": EIGHT_SCHOOLS,
    "b": LOGISTIC,
    "c": VARYING,
    "d": ITEM_RESPONSE,
    "e": VOLATILITY,
}


def stan_data(model: Model) -> dict[str, Any]:
    """The model's data with the sizes, one-based indices and integers that Stan asks for."""
    data = model.make_data()
    if model.name in "bd":
        data["y"] = data["y"].astype(int)
    if model.name == "b":
        data["p"] = data["x"].shape[1]
    elif model.name == "c":
        data["group"] = data["group"] + 1
    elif model.name == "d":
        data["persons"], data["items"] = data["y"].shape
        person, item = np.indices(data["y"].shape) + 1
        data.update(person=person.ravel(), item=item.ravel(), y=data["y"].ravel())
    return data | {"n": len(data["y"])}


def prepare(model: Model) -> Callable[[Run, int], Any]:
    """Compile the program, the first time in a cache directory; sampling finds it there."""
    program = stan.build(PROGRAMS[model.name], data=stan_data(model))

    def sample(run: Run, seed: int) -> Any:
        seeded = dataclasses.replace(program, random_seed=seed)
        return seeded.sample(num_chains=run.chains, num_samples=run.draws, num_warmup=run.warmup)

    return sample


def read(fit: Any, model: Model, run: Run) -> Outcome:
    def by_chain(name: str) -> np.ndarray:
        values = np.asarray(fit[name])  # (..., draw * chain), the chain index running fastest
        values = values.reshape(*values.shape[:-1], run.draws, run.chains)
        return np.moveaxis(values, (-1, -2), (0, 1))

    return Outcome(
        draws={site: by_chain(site) for site in model.latents},
        gradients_warmup=None,
        gradients=int(by_chain("n_leapfrog__").sum()),
        divergences=int(by_chain("divergent__").sum()),
    )
