"""Log densities of posteriordb models, written anew from `model.stan` with NumPy and SciPy.

They take the raw `data.json` and one draw by site, share no code with the Pyro programs or
their adapters, and are right up to a constant: tests compare differences between draws.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import integrate, special, stats

Draw = dict[str, np.ndarray]
Data = dict[str, Any]


def normal(x, mean, sd) -> float:
    return float(np.sum(stats.norm.logpdf(x, mean, sd)))


def ark(data: Data, draw: Draw) -> float:
    target = normal(draw["alpha"], 0, 10) + normal(draw["beta"], 0, 10)
    target += float(stats.cauchy.logpdf(draw["sigma"], 0, 2.5))
    y, order = data["y"], data["K"]
    for t in range(order, data["T"]):
        mu = draw["alpha"] + sum(draw["beta"][k] * y[t - 1 - k] for k in range(order))
        target += normal(y[t], mu, draw["sigma"])
    return target


def garch(data: Data, draw: Draw) -> float:
    y, sigma = data["y"], [data["sigma1"]]
    for t in range(1, data["T"]):
        shock = draw["alpha1"] * (y[t - 1] - draw["mu"]) ** 2
        sigma.append(np.sqrt(draw["alpha0"] + shock + draw["beta1"] * sigma[t - 1] ** 2))
    return normal(y, draw["mu"], np.array(sigma))


def gaussian_process(data: Data, draw: Draw) -> float:
    target = float(stats.gamma.logpdf(draw["rho"], 25, scale=1 / 4))
    target += normal(draw["alpha"], 0, 2) + normal(draw["f_tilde"], 0, 1)
    x = np.array(data["x"])
    kernel = draw["alpha"] ** 2 * np.exp(-((x[:, None] - x) ** 2) / (2 * draw["rho"] ** 2))
    f = np.linalg.cholesky(kernel + 1e-10 * np.eye(len(x))) @ draw["f_tilde"]
    return target + float(stats.poisson.logpmf(data["k"], np.exp(f)).sum())


def gaussian_mixture(data: Data, draw: Draw) -> float:
    target = normal(draw["sigma"], 0, 2) + normal(draw["mu"], 0, 2)
    target += float(stats.beta.logpdf(draw["theta"], 5, 5))
    y, theta = np.array(data["y"]), draw["theta"]
    first = theta * stats.norm.pdf(y, draw["mu"][0], draw["sigma"][0])
    second = (1 - theta) * stats.norm.pdf(y, draw["mu"][1], draw["sigma"][1])
    return target + float(np.log(first + second).sum())


def _drive(data: Data, draw: Draw, density: Callable[[float, float, int], float]) -> float:
    theta = np.stack([draw["theta1"], draw["theta2"]])
    target = sum(
        float(stats.dirichlet.logpdf(row / row.sum(), alpha))
        for row, alpha in zip(theta, data["alpha"], strict=True)
    )
    for site in ("phi", "lambda"):
        target += normal(draw[site], np.array([0.0, 3.0]), 1)
    gamma = np.array([density(data["u"][0], data["v"][0], k) for k in range(2)])
    for u, v in zip(data["u"][1:], data["v"][1:], strict=True):
        step = special.logsumexp(gamma[:, None] + np.log(theta), axis=0)
        gamma = step + np.array([density(u, v, k) for k in range(2)])
    return target + float(special.logsumexp(gamma))


def drive_exponential(data: Data, draw: Draw) -> float:
    def density(u: float, v: float, k: int) -> float:
        phi, rate = draw["phi"][k], draw["lambda"][k]
        return float(np.log(phi) - phi * u + np.log(rate) - rate * v)

    return _drive(data, draw, density)


def drive_normal(data: Data, draw: Draw) -> float:
    def density(u: float, v: float, k: int) -> float:
        of_u = -0.5 * ((u - draw["phi"][k]) / data["tau"]) ** 2
        return float(of_u - 0.5 * ((v - draw["lambda"][k]) / data["rho"]) ** 2)

    return _drive(data, draw, density)


def diamonds(data: Data, draw: Draw) -> float:
    x = np.array(data["X"])
    centred = x[:, 1:] - x[:, 1:].mean(0)
    target = normal(draw["b"], 0, 1)
    target += float(stats.t.logpdf(draw["Intercept"], 3, 8, 10))
    target += float(stats.t.logpdf(draw["sigma"], 3, 0, 10))
    return target + normal(data["Y"], draw["Intercept"] + centred @ draw["b"], draw["sigma"])


def eight_schools_centered(data: Data, draw: Draw) -> float:
    target = float(stats.cauchy.logpdf(draw["tau"], 0, 5)) + normal(draw["mu"], 0, 5)
    target += normal(draw["theta"], draw["mu"], draw["tau"])
    target += len(draw["theta"]) * float(np.log(draw["tau"]))  # our coordinates are decentred
    return target + normal(data["y"], draw["theta"], np.array(data["sigma"]))


def eight_schools_noncentered(data: Data, draw: Draw) -> float:
    target = float(stats.cauchy.logpdf(draw["tau"], 0, 5)) + normal(draw["mu"], 0, 5)
    target += normal((draw["theta"] - draw["mu"]) / draw["tau"], 0, 1)
    return target + normal(data["y"], draw["theta"], np.array(data["sigma"]))


def kidscore_momhsiq(data: Data, draw: Draw) -> float:
    beta, hs, iq = draw["beta"], np.array(data["mom_hs"]), np.array(data["mom_iq"])
    target = float(stats.cauchy.logpdf(draw["sigma"], 0, 2.5))
    mean = beta[0] + beta[1] * hs + beta[2] * iq
    return target + normal(data["kid_score"], mean, draw["sigma"])


def kidscore_interaction_c2(data: Data, draw: Draw) -> float:
    beta, hs, iq = draw["beta"], np.array(data["mom_hs"]) - 0.5, np.array(data["mom_iq"]) - 100
    mean = beta[0] + beta[1] * hs + beta[2] * iq + beta[3] * hs * iq
    return normal(data["kid_score"], mean, draw["sigma"])


def logmesquite_logvas(data: Data, draw: Draw) -> float:
    of = {key: np.array(value) for key, value in data.items()}
    columns = [
        np.ones(data["N"]),
        np.log(of["diam1"] * of["diam2"] * of["canopy_height"]),
        np.log(of["diam1"] * of["diam2"]),
        np.log(of["diam1"] / of["diam2"]),
        np.log(of["total_height"]),
        np.log(of["density"]),
        of["group"],
    ]
    mean = sum(b * column for b, column in zip(draw["beta"], columns, strict=True))
    return normal(np.log(of["weight"]), mean, draw["sigma"])


def nes(data: Data, draw: Draw) -> float:
    age = np.array(data["age_discrete"])
    columns = [np.ones(data["N"]), data["real_ideo"], data["race_adj"]]
    columns += [age == 2, age == 3, age == 4, data["educ1"], data["gender"], data["income"]]
    mean = sum(b * np.array(column) for b, column in zip(draw["beta"], columns, strict=True))
    return normal(data["partyid7"], mean, draw["sigma"])


def blr(data: Data, draw: Draw) -> float:
    target = normal(draw["beta"], 0, 10) + normal(draw["sigma"], 0, 10)
    return target + normal(data["y"], np.array(data["X"]) @ draw["beta"], draw["sigma"])


def lotka_volterra(data: Data, draw: Draw) -> float:
    a, b, c, d = draw["theta"]

    def slope(_t, z):
        return [(a - b * z[1]) * z[0], (-c + d * z[0]) * z[1]]

    times = np.array(data["ts"], dtype=float)
    solved = integrate.solve_ivp(
        slope, (0.0, times[-1]), draw["z_init"], t_eval=times, rtol=1e-9, atol=1e-9
    )
    target = normal([a, c], 1, 0.5) + normal([b, d], 0.05, 0.05)
    target += normal(np.log(draw["sigma"]), -1, 1) - float(np.log(draw["sigma"]).sum())
    log_init = np.log(draw["z_init"])
    target += normal(log_init, np.log(10), 1) - float(log_init.sum())
    target += normal(np.log(data["y_init"]), log_init, draw["sigma"])
    return target + normal(np.log(data["y"]), np.log(solved.y.T), draw["sigma"])


TARGETS: dict[str, Callable[[Data, Draw], float]] = {
    "arK-arK": ark,
    "bball_drive_event_0-hmm_drive_0": drive_exponential,
    "bball_drive_event_1-hmm_drive_1": drive_normal,
    "diamonds-diamonds": diamonds,
    "eight_schools-eight_schools_centered": eight_schools_centered,
    "eight_schools-eight_schools_noncentered": eight_schools_noncentered,
    "garch-garch11": garch,
    "gp_pois_regr-gp_pois_regr": gaussian_process,
    "hudson_lynx_hare-lotka_volterra": lotka_volterra,
    "kidiq-kidscore_momhsiq": kidscore_momhsiq,
    "kidiq_with_mom_work-kidscore_interaction_c2": kidscore_interaction_c2,
    "low_dim_gauss_mix-low_dim_gauss_mix": gaussian_mixture,
    "mesquite-logmesquite_logvas": logmesquite_logvas,
    "nes1992-nes": nes,
    "sblrc-blr": blr,
}
