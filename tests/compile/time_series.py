"""Classic programs with a loop over time, of any length."""

from __future__ import annotations

from collections.abc import Callable

import torch

from tests.compile.compiled import Case

__all__ = ["TIME_SERIES", "forward_algorithm", "garch", "volatility"]

f64 = torch.float64


def _data(length: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(length)
    return torch.randn(length, generator=generator, dtype=f64)


def garch(length: int) -> Case:
    y = _data(length)

    def function(mu, a, b):
        variance = [torch.tensor(0.5, dtype=f64)]
        for t in range(1, length):
            variance.append(0.1 + a.exp() * (y[t - 1] - mu) ** 2 + b.sigmoid() * variance[-1])
        s = torch.stack(variance)
        return -0.5 * (s.log() + (y - mu) ** 2 / s).sum()

    return Case("garch", function, ((), (), ()))


def moving_average(length: int) -> Case:
    y = _data(length)

    def function(q):
        mean, phi, theta, scale = q
        error = y[0] - mean
        total = -0.5 * (error * scale.exp()) ** 2
        for t in range(1, length):
            error = y[t] - mean - phi * y[t - 1] - 0.3 * theta * error
            total = total - 0.5 * (error * scale.exp()) ** 2 + scale
        return total

    return Case("moving average", function, ((4,),), low=-0.9, high=0.9)


def volatility(length: int) -> Case:
    y = _data(length)

    def function(mu, phi, z):
        h = [mu + z[0]]
        for t in range(1, length):
            h.append(mu + phi.tanh() * (h[-1] - mu) + 0.3 * z[t])
        path = torch.stack(h)
        return -0.5 * (path + y**2 * torch.exp(-path)).sum() - 0.5 * z.square().sum()

    return Case("volatility", function, ((), (), (length,)))


def forward_algorithm(length: int) -> Case:
    y = _data(length)

    def function(transitions, means):
        steps = transitions.log_softmax(-1)
        alpha = -0.5 * (y[0] - means) ** 2
        for t in range(1, length):
            alpha = torch.logsumexp(alpha[:, None] + steps, 0) - 0.5 * (y[t] - means) ** 2
        return alpha.logsumexp(0)

    return Case("forward algorithm", function, ((3, 3), (3,)))


def runge_kutta(length: int) -> Case:
    y = _data(length // 4 * 2).exp().reshape(-1, 2)
    signs = torch.tensor([1.0, -1.0], dtype=f64)

    def function(theta, start):
        growth, meeting = theta[::2].exp() * signs, -theta[1::2].exp() * signs

        def slope(z):
            return z * (growth + meeting * z.flip(0))

        z, seen, h = start.exp(), [], 0.02
        for _ in range(len(y)):
            for _ in range(4):
                k1 = slope(z)
                k2 = slope(z + h / 2 * k1)
                k3 = slope(z + h / 2 * k2)
                z = z + h / 6 * (k1 + 2 * k2 + 2 * k3 + slope(z + h * k3))
            seen.append(z)
        return -(torch.stack(seen).log() - y.log()).square().sum()

    return Case("Runge-Kutta", function, ((4,), (2,)), low=-0.5, high=0.5)


def kalman_filter(length: int) -> Case:
    y = _data(length)
    seen = torch.tensor([1.0, 0.5], dtype=f64)

    def function(q, noise):
        rows = [torch.stack([q[0].tanh(), 0.1 * q[1]]), torch.stack([0.1 * q[1], q[2].tanh()])]
        move, total = torch.stack(rows), 0.0
        mean, spread = torch.zeros(2, dtype=f64), torch.zeros(2, 2, dtype=f64)
        for t in range(length):
            mean = move @ mean
            spread = move @ spread @ move.T + torch.eye(2, dtype=f64) * noise.exp()
            scale = seen @ spread @ seen + 0.5
            error, gain = y[t] - seen @ mean, spread @ seen / scale
            mean, spread = mean + gain * error, spread - torch.outer(gain, seen @ spread)
            total = total - 0.5 * (scale.log() + error**2 / scale)
        return total

    return Case("Kalman filter", function, ((3,), ()))


TIME_SERIES: list[Callable[[int], Case]] = [
    garch, moving_average, volatility, forward_algorithm, runge_kutta, kalman_filter,
]  # fmt: skip
