"""The exact log partition function of the Ising model on a torus, and that model as a network.

B. Kaufman, Crystal statistics II, Physical Review 76 (1949), 1232: for a torus of m x n spins
    Z = 1/2 (2 sinh 2K)^(mn/2) [prod 2 cosh(m g_odd / 2) + prod 2 sinh(m g_odd / 2)
                                + prod 2 cosh(m g_even / 2) + prod 2 sinh(m g_even / 2)],
    cosh g_l = cosh 2K' cosh 2K* - sinh 2K' sinh 2K* cos(pi l / n),   tanh K* = exp(-2 K),
with the signed g_0 = 2 K' - 2 K*; K couples along the m spins and K' along the n.
"""

from __future__ import annotations

import math

import numpy as np

from probgen.declare.network import Factor, Network

CRITICAL = 0.5 * math.log(1 + math.sqrt(2))


def kaufman_log_z(m: int, n: int, along: float, across: float | None = None) -> float:
    """Log Z (nats) of an m x n torus with couplings `along` > 0 and `across` > 0 (the same)."""
    across = along if across is None else across
    dual = -0.5 * math.log(math.tanh(along))
    odd, even = (
        _angles(n, across, dual, start) for start in (1, 0)
    )  # the signed g_0 makes the last product negative above the critical temperature
    logs, signs = [], []
    for g in (odd, even):
        half = 0.5 * m * g
        size = np.abs(half)
        logs.append(np.sum(size + np.log1p(np.exp(-2 * size))))
        signs.append(1.0)
        with np.errstate(divide="ignore"):
            logs.append(np.sum(size + np.log(-np.expm1(-2 * size))))
        signs.append(float(np.prod(np.sign(half))))
    top = max(logs)
    total = sum(sign * math.exp(log - top) for sign, log in zip(signs, logs, strict=True))
    prefactor = 0.5 * m * n * math.log(2 * math.sinh(2 * along))
    return prefactor + top + math.log(total) - math.log(2)


def _angles(n: int, across: float, dual: float, start: int) -> np.ndarray:
    """g_l of l = start, start + 2, ..., by sinh^2(g/2), which keeps small ones exact."""
    index = np.arange(start, 2 * n, 2)
    plain = math.sinh(across - dual) ** 2
    bent = math.sinh(2 * across) * math.sinh(2 * dual) * np.sin(0.5 * np.pi * index / n) ** 2
    g = 2 * np.arcsinh(np.sqrt(plain + bent))
    if start == 0:
        g[0] = 2 * (across - dual)
    return g


def ising_torus(m: int, n: int, along: float, across: float | None = None) -> Network:
    """The Ising model on an m x n torus; sides of two carry double couplings, as above."""
    across = along if across is None else across
    at = np.arange(m * n).reshape(m, n)
    factors = []
    for axis, coupling in ((0, along), (1, across)):
        table = coupling * np.array([[1.0, -1.0], [-1.0, 1.0]])
        beside = np.roll(at, -1, axis)
        factors += [
            Factor((int(a), int(b)), table)
            for a, b in zip(at.ravel(), beside.ravel(), strict=True)
        ]
    names = tuple((int(r), int(c)) for r in range(m) for c in range(n))
    return Network(names, ((-1, 1),) * (m * n), tuple(factors), f"torus{m}x{n}")
