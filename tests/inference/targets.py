"""Targets whose moments are known: each as C++ text, as a numpy twin, and as numbers.

What is checked may be a function of the coordinates (`observe`), for instance the constrained
values of a bounded target; `mean` and `sd` are the truth for what is observed. All targets are
compiled together, once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import digamma, polygamma

from probgen.compile.build import build
from tests.inference.densities import TestDensity, ValueAndGrad, compiled, functions_source


def unchanged(draws: np.ndarray) -> np.ndarray:
    return draws


def sigmoid(draws: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-draws))


@dataclass(frozen=True)
class Target:
    """A log density with what is known of it."""

    name: str
    body: str
    python: ValueAndGrad
    mean: np.ndarray
    sd: np.ndarray
    observe: Callable[[np.ndarray], np.ndarray] = unchanged
    kurtosis: np.ndarray | None = None

    @property
    def dim(self) -> int:
        return len(self.mean)

    def native(self) -> TestDensity:
        """The compiled density."""
        native, value_and_grad = compiled(_library(), self.name, self.dim)
        return TestDensity(self.dim, value_and_grad, native)

    def eager(self) -> TestDensity:
        """The numpy density, which the samplers' Python engine draws from."""
        return TestDensity(self.dim, self.python)


def _gaussian() -> Target:
    scale = 10.0 ** np.arange(-2, 3)
    mean = 2 * scale

    def python(q: np.ndarray) -> tuple[float, np.ndarray]:
        z = (q - mean) / scale
        return -0.5 * float(z @ z), -z / scale

    body = """
    const double scale[5] = {1e-2, 1e-1, 1, 10, 100};
    double sum = 0;
    for (size_t i = 0; i < dim; ++i) {
        const double z = q[i] / scale[i] - 2;
        grad[i] = -z / scale[i];
        sum += z * z;
    }
    return -0.5 * sum;"""
    return Target("gaussian", body, python, mean, scale)


def _correlated(dim: int = 10, rho: float = 0.95) -> Target:
    """Unit variances and equal correlations: the precision is (I - shrink 1 1^T) / (1 - rho)."""
    shrink = rho / (1 + (dim - 1) * rho)

    def python(q: np.ndarray) -> tuple[float, np.ndarray]:
        gradient = -(q - shrink * q.sum()) / (1 - rho)
        return 0.5 * float(q @ gradient), gradient

    body = f"""
    double sum = 0, value = 0;
    for (size_t i = 0; i < dim; ++i) sum += q[i];
    for (size_t i = 0; i < dim; ++i) {{
        grad[i] = -(q[i] - {shrink!r} * sum) / {1 - rho!r};
        value += 0.5 * q[i] * grad[i];
    }}
    return value;"""
    return Target("correlated", body, python, np.zeros(dim), np.ones(dim))


def _skewed() -> Target:
    """A Gumbel coordinate, and the logarithm of a Gamma(3) one: a wrong sign shows in both."""

    def python(q: np.ndarray) -> tuple[float, np.ndarray]:
        with np.errstate(over="ignore"):
            tail, gamma = np.exp(-q[0]), np.exp(q[1])
        return float(-q[0] - tail + 3 * q[1] - gamma), np.array([tail - 1, 3 - gamma])

    body = """
    const double tail = std::exp(-q[0]), gamma = std::exp(q[1]);
    grad[0] = tail - 1;
    grad[1] = 3 - gamma;
    return -q[0] - tail + 3 * q[1] - gamma;"""
    mean = np.array([np.euler_gamma, digamma(3)])
    sd = np.array([np.pi / np.sqrt(6), np.sqrt(polygamma(1, 3))])
    kurtosis = np.array([5.4, 3 + polygamma(3, 3) / polygamma(1, 3) ** 2])
    return Target("skewed", body, python, mean, sd, kurtosis=kurtosis)


def _heavy_tailed(name: str, dim: int) -> Target:
    """Student-t with 5 degrees of freedom: the fewest under which a variance can be checked."""

    def python(q: np.ndarray) -> tuple[float, np.ndarray]:
        return -3 * float(np.log1p(q**2 / 5).sum()), -6 * q / (5 + q**2)

    body = """
    double value = 0;
    for (size_t i = 0; i < dim; ++i) {
        grad[i] = -6 * q[i] / (5 + q[i] * q[i]);
        value -= 3 * std::log1p(q[i] * q[i] / 5);
    }
    return value;"""
    return Target(name, body, python, np.zeros(dim), np.full(dim, np.sqrt(5 / 3)))


def _noncentred_funnel() -> Target:
    """Neal's funnel from standard normals; observed: v = 3 z and log |x| = v / 2 + log |r|."""

    def python(q: np.ndarray) -> tuple[float, np.ndarray]:
        return -0.5 * float(q @ q), -q

    def observe(draws: np.ndarray) -> np.ndarray:
        v = 3 * draws[..., :1]
        return np.concatenate([v, v / 2 + np.log(np.abs(draws[..., 1:]))], axis=-1)

    body = """
    double sum = 0;
    for (size_t i = 0; i < dim; ++i) {
        grad[i] = -q[i];
        sum += q[i] * q[i];
    }
    return -0.5 * sum;"""
    log_normal_mean = -0.5 * (np.euler_gamma + np.log(2))
    mean = np.array([0, *[log_normal_mean] * 3])
    sd = np.sqrt([9, *[9 / 4 + np.pi**2 / 8] * 3])
    return Target("noncentred_funnel", body, python, mean, sd, observe)


BETA_BODY = """
    // SIGN is +1 for the logarithm of the Jacobian p (1 - p), -1 for the classic mistake.
    const double a[2] = {1, 5}, b[2] = {1, 3};
    double value = 0;
    for (size_t i = 0; i < dim; ++i) {
        const double p = 1 / (1 + std::exp(-q[i]));
        const double up = a[i] - 1 + SIGN, down = b[i] - 1 + SIGN;
        value += up * std::log(p) + down * std::log1p(-p);
        grad[i] = up * (1 - p) - down * p;
    }
    return value;"""


def _bounded() -> Target:
    """Uniform(0, 1) and Beta(5, 3) through logits, with the Jacobian."""
    a, b = np.array([1.0, 5.0]), np.array([1.0, 3.0])

    def python(q: np.ndarray) -> tuple[float, np.ndarray]:
        p = sigmoid(q)
        value = -a * np.logaddexp(0, -q) - b * np.logaddexp(0, q)
        return float(value.sum()), a * (1 - p) - b * p

    mean, sd = a / (a + b), np.sqrt(a * b / (a + b + 1)) / (a + b)
    body = BETA_BODY.replace("SIGN", "1")
    return Target("bounded", body, python, mean, sd, sigmoid)


def _truncated() -> Target:
    """A standard normal that is NaN beyond 1: trajectories diverge there, draws stay right."""

    def python(q: np.ndarray) -> tuple[float, np.ndarray]:
        if q[0] > 1:
            return np.nan, np.array([np.nan])
        return -0.5 * float(q @ q), -q

    body = """
    grad[0] = -q[0];
    if (q[0] > 1) return grad[0] = NAN;
    return -0.5 * q[0] * q[0];"""
    density = np.exp(-0.5) / np.sqrt(2 * np.pi) / 0.8413447460685429  # at 1, given q < 1
    mean, sd = np.array([-density]), np.array([np.sqrt(1 - density - density**2)])
    return Target("truncated", body, python, mean, sd)


GAUSSIAN, CORRELATED, SKEWED = _gaussian(), _correlated(), _skewed()
HEAVY_TAILED, FUNNEL, BOUNDED = _heavy_tailed("heavy_tailed", 3), _noncentred_funnel(), _bounded()
TRUNCATED, WIDE = _truncated(), _heavy_tailed("wide", 20)
EASY = (SKEWED, HEAVY_TAILED, FUNNEL, BOUNDED)
TARGETS = (GAUSSIAN, CORRELATED, *EASY)


@lru_cache(maxsize=1)
def _library():
    bodies = {target.name: (target.dim, target.body) for target in (*TARGETS, TRUNCATED, WIDE)}
    return build(functions_source(bodies), "test-targets")
