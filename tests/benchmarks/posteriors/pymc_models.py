"""The posteriors with reference draws as PyMC models, on the data that our programs take.

Same densities and the same latent parameters as in `tests/conformance/posteriors`; recursions
over time are scans of PyTensor, as PyMC's users write them.
"""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt


def regression(x, y, scale):
    """Flat coefficients; `scale` declares sigma."""
    beta = pm.Flat("beta", shape=x.shape[1])
    pm.Normal("y", pt.dot(x, beta), scale("sigma"), observed=y)


def flat_regression(x, y):
    regression(x, y, pm.HalfFlat)


def cauchy_regression(x, y):
    regression(x, y, lambda name: pm.HalfCauchy(name, 2.5))


def normal_regression(x, y):
    beta = pm.Normal("beta", 0.0, 10.0, shape=x.shape[1])
    pm.Normal("y", pt.dot(x, beta), pm.HalfNormal("sigma", 10.0), observed=y)


def diamonds(x, y):
    b = pm.Normal("b", 0.0, 1.0, shape=x.shape[1])
    intercept = pm.StudentT("Intercept", nu=3.0, mu=8.0, sigma=10.0)
    sigma = pm.HalfStudentT("sigma", nu=3.0, sigma=10.0)
    pm.Normal("y", intercept + pt.dot(x, b), sigma, observed=y)


def autoregression(past, y):
    alpha = pm.Normal("alpha", 0.0, 10.0)
    beta = pm.Normal("beta", 0.0, 10.0, shape=past.shape[1])
    pm.Normal("y", alpha + pt.dot(past, beta), pm.HalfCauchy("sigma", 2.5), observed=y)


def eight_schools(sigma, y):
    mu = pm.Normal("mu", 0.0, 5.0)
    tau = pm.HalfCauchy("tau", 5.0)
    z = pm.Normal("z", 0.0, 1.0, shape=len(y))
    pm.Normal("y", mu + tau * z, sigma, observed=y)


def garch(y, sigma1):
    mu, alpha0 = pm.Flat("mu"), pm.HalfFlat("alpha0")
    alpha1 = pm.Uniform("alpha1", 0.0, 1.0)
    share = pm.Uniform("share", 0.0, 1.0)  # beta1 is uniform below 1 - alpha1
    beta1 = pm.Deterministic("beta1", share * (1.0 - alpha1))
    pm.Potential("jacobian", pt.log(1.0 - alpha1))
    first = pt.constant(np.asarray(float(sigma1) ** 2))
    shocks = alpha0 + alpha1 * pt.square(y[:-1] - mu)
    rest, _ = pytensor.scan(
        lambda shock, before, beta: shock + beta * before,
        sequences=shocks,
        outputs_info=first,
        non_sequences=beta1,
    )
    variance = pt.concatenate([first[None], rest])
    pm.Normal("y", mu, pt.sqrt(variance), observed=y)


def gaussian_process(x, k):
    rho = pm.Gamma("rho", 25.0, 4.0)
    alpha = pm.HalfNormal("alpha", 2.0)
    squares = (x[:, None] - x[None, :]) ** 2
    covariance = alpha**2 * pt.exp(-0.5 * squares / rho**2) + 1e-10 * np.eye(len(x))
    z = pm.Normal("f_tilde", 0.0, 1.0, shape=len(x))
    f = pt.dot(pt.linalg.cholesky(covariance), z)
    pm.Poisson("k", pt.exp(f), observed=k)


def gaussian_mixture(y):
    ordered = pm.distributions.transforms.ordered
    mu = pm.Normal("mu", 0.0, 2.0, shape=2, transform=ordered, initval=[-1.0, 1.0])
    sigma = pm.HalfNormal("sigma", 2.0, shape=2)
    theta = pm.Beta("theta", 5.0, 5.0)
    parts = pm.Normal.dist(mu, sigma, shape=2)
    pm.Mixture("y", pt.stack([theta, 1.0 - theta]), parts, observed=y)


def drive(alpha, emission, length):
    """The forward algorithm, by halves: the product of all transitions as log matrices."""
    rows = [pm.Dirichlet(f"theta{k + 1}", row) for k, row in enumerate(alpha)]
    steps = pt.log(pt.stack(rows))[None] + emission[1:, None, :]
    count = length - 1
    while count > 1:
        even = count // 2 * 2
        pairs = pt.logsumexp(
            steps[0:even:2][:, :, :, None] + steps[1:even:2][:, None, :, :], axis=2
        )
        steps = pt.concatenate([pairs, steps[even:count]]) if even < count else pairs
        count = count - even // 2
    pm.Potential("observations", pt.logsumexp(emission[0][:, None] + steps[0]))


def ordered_pair(name, prior_mean, positive):
    """Two ordered numbers with normal priors that do not know of it; positive or not."""
    if positive:
        log_value = pm.Flat(f"{name}_log", shape=2, transform=pm.distributions.transforms.ordered,
                            initval=[-1.0, 1.0])  # fmt: skip
        value = pm.Deterministic(name, pt.exp(log_value))
        pm.Potential(f"{name}_jacobian", log_value.sum())
    else:
        value = pm.Flat(name, shape=2, transform=pm.distributions.transforms.ordered,
                        initval=[-1.0, 1.0])  # fmt: skip
    pm.Potential(f"{name}_prior", pm.logp(pm.Normal.dist(prior_mean, 1.0), value).sum())
    return value


def drive_exponential(u, v, alpha):
    phi = ordered_pair("phi", np.array([0.0, 3.0]), True)
    rate = ordered_pair("lambda", np.array([0.0, 3.0]), True)
    drive(alpha, pt.log(phi) - phi * u[:, None] + pt.log(rate) - rate * v[:, None], len(u))


def drive_normal(u, v, alpha, tau, rho):
    phi = ordered_pair("phi", np.array([0.0, 3.0]), False)
    centre = ordered_pair("lambda", np.array([0.0, 3.0]), False)
    emission = -0.5 * ((u[:, None] - phi) / tau) ** 2 - 0.5 * ((v[:, None] - centre) / rho) ** 2
    drive(alpha, emission, len(u))


def lotka_volterra(ts, y_init, y, steps=4):
    centre, spread = np.array([1.0, 0.05, 1.0, 0.05]), np.array([0.5, 0.05, 0.5, 0.05])
    theta = pm.HalfFlat("theta", shape=4, initval=[0.5, 0.02, 0.9, 0.02])
    pm.Potential("theta_prior", pm.logp(pm.Normal.dist(centre, spread), theta).sum())
    z_init = pm.LogNormal("z_init", np.log(10.0), 1.0, shape=2, initval=[30.0, 5.0])
    sigma = pm.LogNormal("sigma", -1.0, 1.0, shape=2, initval=[0.4, 0.4])
    growth = theta[::2] * np.array([1.0, -1.0])
    meeting = theta[1::2] * np.array([-1.0, 1.0])

    def slope(z, growth, meeting):
        return z * (growth + meeting * z[::-1])

    def step(h, z, growth, meeting):
        k1 = slope(z, growth, meeting)
        k2 = slope(z + h / 2.0 * k1, growth, meeting)
        k3 = slope(z + h / 2.0 * k2, growth, meeting)
        return z + h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + slope(z + h * k3, growth, meeting))

    sizes = np.repeat(np.diff(np.concatenate([[0.0], ts])) / steps, steps)
    states, _ = pytensor.scan(
        step, sequences=sizes, outputs_info=z_init, non_sequences=[growth, meeting]
    )
    pm.LogNormal("y_init", pt.log(z_init), sigma, observed=y_init)
    pm.LogNormal("y", pt.log(states[steps - 1 :: steps]), sigma, observed=y)


# Far starts have no finite density: nutpie's jitter is left out.
WITHOUT_JITTER = {"bball_drive_event_0-hmm_drive_0", "bball_drive_event_1-hmm_drive_1"}
FAMILIES = {
    "cauchy_regression": cauchy_regression,
    "flat_regression": flat_regression,
    "normal_regression": normal_regression,
}
MODELS = {
    "arK-arK": autoregression,
    "bball_drive_event_0-hmm_drive_0": drive_exponential,
    "bball_drive_event_1-hmm_drive_1": drive_normal,
    "diamonds-diamonds": diamonds,
    "eight_schools-eight_schools_centered": eight_schools,
    "eight_schools-eight_schools_noncentered": eight_schools,
    "garch-garch11": garch,
    "gp_pois_regr-gp_pois_regr": gaussian_process,
    "hudson_lynx_hare-lotka_volterra": lotka_volterra,
    "low_dim_gauss_mix-low_dim_gauss_mix": gaussian_mixture,
}
