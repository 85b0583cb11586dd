"""Targets that are known exactly: Pyro programs without data, and maps to uniform numbers.

The conditional distribution functions turn a draw of the target into independent uniform numbers
(Rosenblatt 1952), and back. Whatever is tested about a target is so tested about uniform numbers,
all of whose moments exist.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from scipy.special import (
    betainc,
    betaincinv,
    gammainc,
    gammaincinv,
    ndtr,
    ndtri,
    stdtr,
    stdtrit,
)

__all__ = ["TARGETS", "ExactTarget"]

Values = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class ExactTarget:
    """A distribution with its program, and with its own draws in terms of uniform numbers."""

    name: str
    program: Callable[[], Any]
    uniforms: Callable[[Values], np.ndarray]
    """Values of the sites (..., *shape) to independent uniform numbers (..., k)."""
    from_uniforms: Callable[[np.ndarray], Values]
    """The inverse: (n, k) to values of the sites (n, *shape)."""
    dim: int
    """How many uniform numbers there are."""
    normal: bool = False
    """Whether it is normal on the unconstrained scale: approximations are exact there."""
    hard: bool = False
    """Whether a right method may mix too slowly here to be judged."""


_CORRELATION, _DIM = 0.9, 5
_ROOT = np.linalg.cholesky(np.full((_DIM, _DIM), _CORRELATION) + (1 - _CORRELATION) * np.eye(_DIM))


def _correlated() -> None:
    root = torch.from_numpy(_ROOT)
    pyro.sample("x", dist.MultivariateNormal(torch.zeros(_DIM), scale_tril=root))


_SCALES = 10.0 ** np.arange(-2, 3)


def _ill_conditioned() -> None:
    scales = torch.from_numpy(_SCALES)
    with pyro.plate("coordinate", _DIM):
        pyro.sample("x", dist.Normal(2 * scales, scales))


_FREEDOM = 5.0


def _heavy_tailed() -> None:
    with pyro.plate("coordinate", 3):
        pyro.sample("x", dist.StudentT(_FREEDOM, 0.0, 1.0))


def _skewed() -> None:
    pyro.sample("log_normal", dist.LogNormal(0.0, 1.0))
    pyro.sample("gamma", dist.Gamma(3.0, 1.0))


def _funnel() -> None:
    v = pyro.sample("v", dist.Normal(0.0, 1.0))
    with pyro.plate("coordinate", 2):
        pyro.sample("x", dist.Normal(0.0, (v / 2).exp()))


def _bounded() -> None:
    pyro.sample("uniform", dist.Uniform(-1.0, 3.0))
    pyro.sample("beta", dist.Beta(5.0, 3.0))
    pyro.sample("simplex", dist.Dirichlet(torch.tensor([1.0, 2.0, 3.0])))


_WEIGHTS, _CENTRES, _WIDTHS = (0.3, 0.7), (-1.5, 1.5), (1.0, 0.7)


def _mixture() -> None:
    weights, centres, widths = map(torch.tensor, (_WEIGHTS, _CENTRES, _WIDTHS))
    parts = dist.Normal(centres, widths)
    pyro.sample("x", dist.MixtureSameFamily(dist.Categorical(weights), parts))


def _mixture_below(x: np.ndarray) -> np.ndarray:
    parts = zip(_WEIGHTS, _CENTRES, _WIDTHS, strict=True)
    return sum((w * ndtr((x - c) / s) for w, c, s in parts), start=np.zeros(np.shape(x)))


def _mixture_inverse(u: np.ndarray) -> np.ndarray:
    low, high = np.full(u.shape, -12.0), np.full(u.shape, 12.0)
    for _ in range(60):
        middle = (low + high) / 2
        above = _mixture_below(middle) > u
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return (low + high) / 2


def _funnel_uniforms(values: Values) -> np.ndarray:
    v, x = values["v"], values["x"]
    return np.concatenate([ndtr(v)[..., None], ndtr(x / np.exp(v / 2)[..., None])], axis=-1)


def _funnel_values(u: np.ndarray) -> Values:
    v = ndtri(u[:, 0])
    return {"v": v, "x": ndtri(u[:, 1:]) * np.exp(v / 2)[:, None]}


def _bounded_uniforms(values: Values) -> np.ndarray:
    a, b = values["simplex"][..., 0], values["simplex"][..., 1]
    columns = [
        (values["uniform"] + 1) / 4,
        betainc(5, 3, values["beta"]),
        betainc(1, 5, a),
        betainc(2, 3, np.clip(b / (1 - a), 0, 1)),
    ]
    return np.stack(columns, axis=-1)


def _bounded_values(u: np.ndarray) -> Values:
    a = betaincinv(1, 5, u[:, 2])
    b = (1 - a) * betaincinv(2, 3, u[:, 3])
    simplex = np.stack([a, b, 1 - a - b], axis=1)
    return {"uniform": 4 * u[:, 0] - 1, "beta": betaincinv(5, 3, u[:, 1]), "simplex": simplex}


TARGETS: tuple[ExactTarget, ...] = (
    ExactTarget(
        "correlated normal",
        _correlated,
        lambda values: ndtr(values["x"] @ np.linalg.inv(_ROOT).T),
        lambda u: {"x": ndtri(u) @ _ROOT.T},
        _DIM,
        normal=True,
    ),
    ExactTarget(
        "ill-conditioned normal",
        _ill_conditioned,
        lambda values: ndtr(values["x"] / _SCALES - 2),
        lambda u: {"x": _SCALES * (ndtri(u) + 2)},
        _DIM,
        normal=True,
        hard=True,
    ),
    ExactTarget(
        "Student t",
        _heavy_tailed,
        lambda values: stdtr(_FREEDOM, values["x"]),
        lambda u: {"x": stdtrit(_FREEDOM, u)},
        3,
    ),
    ExactTarget(
        "skewed",
        _skewed,
        lambda values: np.stack(
            [ndtr(np.log(values["log_normal"])), gammainc(3, values["gamma"])], axis=-1
        ),
        lambda u: {"log_normal": np.exp(ndtri(u[:, 0])), "gamma": gammaincinv(3, u[:, 1])},
        2,
    ),
    ExactTarget("funnel", _funnel, _funnel_uniforms, _funnel_values, 3, hard=True),
    ExactTarget("bounded", _bounded, _bounded_uniforms, _bounded_values, 4),
    ExactTarget(
        "mixture",
        _mixture,
        lambda values: _mixture_below(values["x"])[..., None],
        lambda u: {"x": _mixture_inverse(u[:, 0])},
        1,
        hard=True,
    ),
)
"""Easy ones and hard ones, smooth and bounded, symmetric and skewed."""
