"""The five benchmark models: their data, simulated from fixed seeds, and their latent sites.

Every tool declares the same five models in its own language over these arrays. Only NumPy is
imported here, so that a peer's process loads nothing but the peer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Data = dict[str, Any]


@dataclass(frozen=True)
class Model:
    """One benchmark model: its letter, a title, its data and the sites that ESS is taken over.

    ``goal`` is the least acceptable ratio of probgen to its best peer.
    """

    name: str
    title: str
    make_data: Callable[[], Data]
    latents: tuple[str, ...]
    goal: float


def eight_schools_data() -> Data:
    """Coaching effects and their standard errors (Rubin 1981)."""
    effects = np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
    standard_errors = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])
    return {"sigma": standard_errors, "y": effects}


def logistic_data(observations: int = 1000, predictors: int = 25) -> Data:
    """Binary responses to an intercept and correlated, standardised predictors."""
    rng = np.random.default_rng(1)
    slopes = predictors - 1
    mixing = rng.normal(size=(slopes, slopes))
    covariance = 0.5 * np.eye(slopes) + 0.5 * mixing @ mixing.T / slopes
    x = rng.normal(size=(observations, slopes)) @ np.linalg.cholesky(covariance).T
    x = np.column_stack([np.ones(observations), (x - x.mean(0)) / x.std(0)])
    logits = x @ (0.4 * rng.normal(size=predictors))
    return {"x": x, "y": _bernoulli(rng, logits)}


def varying_data(observations: int = 900, groups: int = 85) -> Data:
    """Unequal groups, each with its own intercept and slope on one binary predictor."""
    rng = np.random.default_rng(2)
    shares = rng.dirichlet(np.full(groups, 0.8))
    extra = rng.choice(groups, size=observations - groups, p=shares)
    group = np.concatenate([np.arange(groups), extra])  # no group is empty
    x = (rng.random(observations) < 0.3).astype(float)
    intercept = 1.3 + 0.35 * rng.normal(size=groups)
    slope = -0.65 + 0.25 * rng.normal(size=groups)
    y = intercept[group] + slope[group] * x + 0.75 * rng.normal(size=observations)
    return {"group": group, "x": x, "y": y, "groups": groups}


def item_response_data(persons: int = 400, items: int = 20) -> Data:
    """Answers of a two-parameter logistic (2PL) test."""
    rng = np.random.default_rng(3)
    ability = rng.normal(size=(persons, 1))
    discrimination = np.exp(0.4 * rng.normal(size=items))
    difficulty = rng.normal(size=items)
    return {"y": _bernoulli(rng, discrimination * (ability - difficulty))}


def volatility_data(steps: int = 500, innovation: float = 0.2) -> Data:
    """Student-t returns whose log-volatility is a random walk with the given innovation sd."""
    rng = np.random.default_rng(4)
    log_volatility = -1.0 + innovation * np.cumsum(rng.normal(size=steps))
    return {"y": np.exp(log_volatility / 2) * rng.standard_t(8, size=steps)}


def _bernoulli(rng: np.random.Generator, logits: np.ndarray) -> np.ndarray:
    return (rng.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(float)


MODELS = {
    model.name: model
    for model in (
        Model("a", "eight schools", eight_schools_data, ("mu", "tau", "z"), 5.0),
        Model("b", "logistic regression 1000 x 25", logistic_data, ("beta",), 6.0),
        Model(
            "c",
            "varying intercepts and slopes, 900 in 85 groups",
            varying_data,
            ("mu_a", "mu_b", "s_a", "s_b", "s_y", "z_a", "z_b"),
            1.8,
        ),
        Model(
            "d",
            "2PL item response 400 x 20",
            item_response_data,
            ("s_b", "a", "b", "theta"),
            8.0,
        ),
        Model(
            "e",
            "stochastic volatility, 500 steps",
            volatility_data,
            ("sigma", "nu", "m", "z"),
            5.0,
        ),
    )
}
