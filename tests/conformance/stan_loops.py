"""More models of posteriordb, from `model.stan` loop by loop, for posteriors without reference.

Like `stan_targets`: the raw `data.json` and one draw by site in, the log density up to a
constant out, no code shared with the Pyro programs or their adapters.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import integrate, special, stats

from tests.conformance.stan_targets import Data, Draw, normal


def _bernoulli(y: float, p: float) -> float:
    return float(np.log(p) if y else np.log1p(-p))


def mtbh(data: Data, draw: Draw) -> float:
    target = normal(draw["gamma"], 0, 10) + normal(draw["eps_raw"], 0, 1)
    alpha = special.logit(draw["mean_p"])
    for i, y in enumerate(data["y"]):
        lp = float(np.log(draw["omega"]))
        for j in range(data["T"]):
            logit = alpha[j] + draw["sigma"] * draw["eps_raw"][i]
            logit += draw["gamma"] * y[j - 1] if j else 0.0
            lp += _bernoulli(y[j], special.expit(logit))
        target += lp if sum(y) else float(np.logaddexp(lp, np.log1p(-draw["omega"])))
    return target


def bones(data: Data, draw: Draw) -> float:
    target = normal(draw["theta"], 0, 36)
    for i in range(data["nChild"]):
        for j in range(data["nInd"]):
            grade, categories = data["grade"][i][j], data["ncat"][j]
            if grade == -1:
                continue
            cut = [
                special.expit(data["delta"][j] * (draw["theta"][i] - data["gamma"][j][k]))
                for k in range(categories - 1)
            ]
            p = [1.0 - cut[0]]
            p += [cut[k - 1] - cut[k] for k in range(1, categories - 1)]
            p.append(cut[categories - 2])
            target += float(np.log(p[grade - 1]))
    return target


def multi_occupancy(data: Data, draw: Draw) -> float:
    sigma, rho, z = draw["sigma_uv"], draw["rho_uv"], draw["z"]
    u, v = sigma[0] * z[:, 0], sigma[1] * (rho * z[:, 0] + np.sqrt(1 - rho**2) * z[:, 1])
    covariance = np.array(
        [[sigma[0] ** 2, rho * sigma.prod()], [rho * sigma.prod(), sigma[1] ** 2]]
    )
    target = float(stats.multivariate_normal([0, 0], covariance).logpdf(np.stack([u, v], 1)).sum())
    target += data["S"] * float(np.log(sigma).sum() + 0.5 * np.log1p(-(rho**2)))  # of z to u, v
    target += float(stats.cauchy.logpdf([draw["alpha"], draw["beta"], *sigma], 0, 2.5).sum())
    target += float(stats.beta.logpdf((rho + 1) / 2, 2, 2))
    target += float(stats.beta.logpdf(draw["Omega"], 2, 2))
    visits, log_available = data["K"], float(np.log(draw["Omega"]))
    for i in range(data["S"]):
        psi, theta = special.expit(draw["alpha"] + u[i]), special.expit(draw["beta"] + v[i])
        unobserved = np.log(psi * (1 - theta) ** visits + 1 - psi)
        if i >= data["n"]:
            never = log_available + data["J"] * unobserved
            target += float(np.logaddexp(np.log1p(-draw["Omega"]), never))
            continue
        target += log_available
        for x in data["X"][i]:
            seen = np.log(psi) + stats.binom.logpmf(x, visits, theta)
            target += float(seen if x else unobserved)
    return target


def covid19imperial(data: Data, draw: Draw) -> float:
    mu, y, noise = draw["mu"], draw["y"], draw["ifr_noise"]
    target = float(stats.expon.logpdf(draw["tau"], scale=1 / 0.03))
    target += float(stats.expon.logpdf(y, scale=draw["tau"]).sum())
    target += normal(draw["phi"], 0, 5) + normal(draw["kappa"], 0, 0.5)
    target += normal(mu, 3.28, draw["kappa"]) + normal(noise, 1, 0.1)
    target += float(stats.gamma.logpdf(draw["alpha_hier"], 0.1667).sum())
    alpha = draw["alpha_hier"] - np.log(1.05) / 6.0
    f, si, days = np.array(data["f"]), data["SI"], max(data["N"])
    for m in range(data["M"]):
        r = mu[m] * np.exp(-np.array(data["X"][m]) @ alpha)
        prediction, cumulated = np.zeros(days), np.zeros(days)
        prediction[: data["N0"]] = y[m]
        for i in range(1, data["N0"]):
            cumulated[i] = cumulated[i - 1] + y[m]
        for i in range(data["N0"], days):
            convolution = sum(prediction[j] * si[i - j - 1] for j in range(i))
            cumulated[i] = cumulated[i - 1] + prediction[i - 1]
            left = (data["pop"][m] - cumulated[i]) / data["pop"][m]
            prediction[i] = left * r[i] * convolution
        for i in range(data["EpidemicStart"][m] - 1, data["N"][m]):
            expected = noise[m] * sum(prediction[j] * f[i - j - 1, m] for j in range(i))
            p = draw["phi"] / (draw["phi"] + expected)
            target += float(stats.nbinom.logpmf(data["deaths"][i][m], draw["phi"], p))
    return target


def latent_regression(data: Data, draw: Draw) -> float:
    w = np.array(data["W"], dtype=float)
    adjusted = w.copy()
    for k in range(1, data["K"]):
        adjusted[:, k] = (w[:, k] - w[:, k].mean()) / (2 * w[:, k].std(ddof=1))
    beta = np.append(draw["beta_free"], -draw["beta_free"].sum())
    log_alpha = np.log(draw["alpha"])
    target = normal(log_alpha, 1, 1) - float(log_alpha.sum()) + normal(beta, 0, 3)
    target += float(stats.t.logpdf(draw["lambda_adj"], 3).sum())
    target += normal(draw["theta"], adjusted @ draw["lambda_adj"], 1)
    for i, j, y in zip(data["ii"], data["jj"], data["y"], strict=True):
        logit = draw["alpha"][i - 1] * draw["theta"][j - 1] - beta[i - 1]
        target += _bernoulli(y, float(special.expit(logit)))
    return target


def state_space(data: Data, draw: Draw) -> float:
    mu, sigma = draw["mu"], draw["sigma"]
    # Ours has the innovations of the season: the season itself, and the Jacobian.
    effects = list(draw["first_year"])
    for innovation in draw["innovation"]:
        effects.append(sigma[0] * innovation - sum(effects[-11:]))
    seasonal = np.array(effects)
    target = len(draw["innovation"]) * float(np.log(sigma[0]))
    target += float(stats.t.logpdf(sigma, 4).sum())
    for t in range(11, data["n"]):
        target += normal(seasonal[t], -seasonal[t - 11 : t].sum(), sigma[0])
    for t in range(1, data["n"]):
        target += normal(mu[t], mu[t - 1], sigma[1])
    mean = mu + draw["beta"] * np.array(data["x"]) + draw["lambda"] * np.array(data["w"])
    return target + normal(data["y"], mean + seasonal, sigma[2])


def hierarchical_gp(data: Data, draw: Draw) -> float:
    names = ("GP_region_std", "GP_state_std", "year_std", "state_std", "region_std")
    target = sum(normal(draw[name], 0, 1) for name in names) + normal(draw["mu"], 0.5, 0.5)
    target += float(stats.gamma.logpdf(draw["tot_var"], 3, scale=1 / 3))
    share = draw["prop_var"] / draw["prop_var"].sum()
    target += float(stats.dirichlet.logpdf(share, np.full(17, 2.0)))
    deviation = np.sqrt(17 * draw["prop_var"] * draw["tot_var"])
    years = np.arange(1, data["N_years"] + 1)
    paths = {}
    for name, long, short in (("region", 12, 14), ("state", 13, 15)):
        covariance = 1e-6 * np.eye(data["N_years"])
        for pace, which, scale in (("long", long, 8), ("short", short, 3)):
            length = draw[f"length_GP_{name}_{pace}"]
            target += float(stats.weibull_min.logpdf(length, 30, scale=scale))
            apart = years[:, None] - years
            covariance += deviation[which] ** 2 * np.exp(-(apart**2) / (2 * length**2))
        paths[name] = np.linalg.cholesky(covariance) @ draw[f"GP_{name}_std"]
    for n in range(data["N"]):
        year, state, region = (data[f"{k}_ind"][n] - 1 for k in ("year", "state", "region"))
        own = deviation[2 + data["state_region_ind"][state] - 1]
        mean = draw["mu"] + deviation[0] * draw["year_std"][year] + own * draw["state_std"][state]
        mean += deviation[1] * draw["region_std"][region]
        mean += paths["region"][year, region] + paths["state"][year, state]
        target += normal(data["y"][n], mean, deviation[16])
    return float(target)


def dogs_nonhierarchical(data: Data, draw: Draw) -> float:
    target = float(stats.logistic.logpdf(draw["mu_logit_ab"]).sum())
    target += normal(draw["sigma_logit_ab"], 0, 1) + normal(draw["z"], 0, 1)
    factor = draw["L_logit_ab"]
    target += 2.0 * float(np.log(factor[1, 1]))  # lkj_corr_cholesky(2) of two dimensions
    logits = draw["mu_logit_ab"] + draw["z"] @ (draw["sigma_logit_ab"][:, None] * factor)
    for (a, b), ys in zip(special.expit(logits), data["y"], strict=True):
        shocks = avoided = 0
        for y in ys:
            p = a**shocks * b**avoided
            target += _bernoulli(y, float(p)) if p < 1 else 0.0
            shocks, avoided = shocks + y, avoided + 1 - y
    return target


def iohmm(data: Data, draw: Draw) -> float:
    target = normal(draw["w"], 0, 5) + normal(draw["b"], 0, 5) + normal(draw["sigma"], 0, 3)
    u, y, states = np.array(data["u"]), data["y"], range(data["K"])

    def emission(t: int) -> np.ndarray:
        return np.array([normal(y[t], u[t] @ draw["b"][j], draw["sigma"][j]) for j in states])

    log_alpha = np.log(draw["pi1"]) + emission(0)
    for t in range(1, data["T"]):
        weight = special.log_softmax([u[t] @ draw["w"][j] for j in states])
        log_alpha = special.logsumexp(log_alpha + weight) + emission(t)
    return target + float(special.logsumexp(log_alpha))


def hmm_gaussian(data: Data, draw: Draw) -> float:
    y, states = data["y"], range(data["K"])

    def emission(t: int) -> np.ndarray:
        return np.array([normal(y[t], draw["mu"][j], draw["sigma"][j]) for j in states])

    log_alpha = np.log(draw["pi1"]) + emission(0)
    for t in range(1, data["T"]):
        arriving = [special.logsumexp(log_alpha + np.log(draw["A"][:, j])) for j in states]
        log_alpha = np.array(arriving) + emission(t)
    return float(special.logsumexp(log_alpha))


def sir(data: Data, draw: Draw) -> float:
    beta, gamma, xi, delta = (float(draw[k]) for k in ("beta", "gamma", "xi", "delta"))

    def slope(_t, y):
        new = beta * y[3] / (y[3] + 1e6) * y[0]
        return [-new, new - gamma * y[1], gamma * y[1], xi * y[1] - delta * y[3]]

    t = np.array(data["t"], dtype=float)
    y = integrate.solve_ivp(slope, (0, t[-1]), data["y0"], t_eval=t, rtol=1e-9, atol=1e-9).y
    scales = (2.5, 1, 25, 1)
    parameters = (beta, gamma, xi, delta)
    target = sum(stats.cauchy.logpdf(v, 0, s) for v, s in zip(parameters, scales, strict=True))
    before = np.append(data["y0"][0], y[0, :-1])
    target += stats.poisson.logpmf(data["stoi_hat"], before - y[0]).sum()
    return float(target) + normal(np.log(data["B_hat"]), np.log(y[3]), 0.15)


def soil(data: Data, draw: Draw) -> float:
    k1, k2, a21, a12 = (float(draw[k]) for k in ("k1", "k2", "alpha21", "alpha12"))
    gamma, sigma, total = float(draw["gamma"]), float(draw["sigma"]), data["totalC_t0"]

    def slope(_t, c):
        return [-k1 * c[0] + a12 * k2 * c[1], -k2 * c[1] + a21 * k1 * c[0]]

    t, start = np.array(data["ts"]), [gamma * total, (1 - gamma) * total]
    pools = integrate.solve_ivp(slope, (0, t[-1]), start, t_eval=t, rtol=1e-10, atol=1e-10).y
    target = float(stats.beta.logpdf(gamma, 10, 1)) + normal([k1, k2, a21, a12], 0, 1)
    target += float(stats.cauchy.logpdf(sigma, 0, 1))
    return target + normal(data["eCO2mean"], total - pools.sum(0), sigma)


def bym2(data: Data, draw: Draw) -> float:
    n, phi, theta, rho = data["N"], draw["phi"], draw["theta"], draw["rho"]
    effect = np.sqrt(1 - rho) * theta + np.sqrt(rho / data["scaling_factor"]) * phi
    rate = np.exp(np.log(data["E"]) + draw["beta0"] + effect * draw["sigma"])
    target = float(stats.poisson.logpmf(data["y"], rate).sum())
    for i, j in zip(data["node1"], data["node2"], strict=True):
        target -= 0.5 * float((phi[i - 1] - phi[j - 1]) ** 2)
    target += normal(draw["beta0"], 0, 1) + normal(theta, 0, 1) + normal(draw["sigma"], 0, 1)
    target += float(stats.beta.logpdf(rho, 0.5, 0.5))
    return target + normal(phi.sum(), 0, 0.001 * n)


def hier_2pl(data: Data, draw: Draw) -> float:
    mu, tau, factor, xi = draw["mu"], draw["tau"], draw["L_Omega"], draw["xi"]
    root = tau[:, None] * factor
    target = float(stats.multivariate_normal(mu, root @ root.T).logpdf(xi).sum())
    target += normal(draw["theta"], 0, 1) + 6.0 * float(np.log(factor[1, 1]))  # lkj 4
    target += normal(mu[0], 0, 1) + normal(mu[1], 0, 5) - 0.1 * float(tau.sum())
    for i, j, y in zip(data["ii"], data["jj"], data["y"], strict=True):
        logit = np.exp(xi[i - 1, 0]) * (draw["theta"][j - 1] - xi[i - 1, 1])
        target += _bernoulli(y, float(special.expit(logit)))
    return target


def prophet(data: Data, draw: Draw) -> float:
    target = normal(draw["k"], 0, 5) + normal(draw["m"], 0, 5) + normal(draw["sigma_obs"], 0, 0.5)
    target += float(stats.laplace.logpdf(draw["delta"], 0, data["tau"]).sum())
    target += normal(draw["beta"], 0, np.array(data["sigmas"]))
    x = np.array(data["X"])
    for i, t in enumerate(data["t"]):
        on = np.array([t >= change for change in data["t_change"]], dtype=float)
        slope = draw["k"] + on @ draw["delta"]
        offset = draw["m"] + on @ (-np.array(data["t_change"]) * draw["delta"])
        trend = slope * t + offset
        mean = trend * (1 + x[i] @ (draw["beta"] * np.array(data["s_m"])))
        mean += x[i] @ (draw["beta"] * np.array(data["s_a"]))
        target += normal(data["y"][i], mean, draw["sigma_obs"])
    return target


LOOPS: dict[str, Callable[[Data, Draw], float]] = {
    "Mtbh_data-Mtbh_model": mtbh,
    "bones_data-bones_model": bones,
    "butterfly-multi_occupancy": multi_occupancy,
    "dogs-dogs_nonhierarchical": dogs_nonhierarchical,
    "ecdc0401-covid19imperial_v3": covid19imperial,
    "fims_Aus_Jpn_irt-2pl_latent_reg_irt": latent_regression,
    "hmm_gaussian_simulated-hmm_gaussian": hmm_gaussian,
    "iohmm_reg_simulated-iohmm_reg": iohmm,
    "rstan_downloads-prophet": prophet,
    "sat-hier_2pl": hier_2pl,
    "sir-sir": sir,
    "soil_carbon-soil_incubation": soil,
    "state_wide_presidential_votes-hierarchical_gp": hierarchical_gp,
    "traffic_accident_nyc-bym2_offset_only": bym2,
    "uk_drivers-state_space_stochastic_level_stochastic_seasonal": state_space,
}
