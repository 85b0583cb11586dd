"""Random programs with loops over time, written as users write them: lists, sums, histories.

Scalars and vectors are carried along with lags of one to three steps; steps read data and
latent values forwards and backwards, constants of their own, and branch on the Python index.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import torch

from tests.compile.compiled import Case

__all__ = ["random_recursion"]

f64 = torch.float64
State = torch.Tensor


class _Recursion:
    """One step of a random recursion, the same at every time but for what it reads."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.length = self.random.choice([24, 37, 60])
        self.width = self.random.choice([2, 3, 5])
        generator = torch.Generator().manual_seed(seed)
        self.data = torch.randn(self.length, generator=generator, dtype=f64)
        self.table = torch.randn(self.length, self.width, generator=generator, dtype=f64)
        self.codes = self.random.choices(range(self.width), k=self.length)
        self.scalars = self._moves(self._scalar_moves(), 3)
        self.vectors = self._moves(self._vector_moves(), 3)
        self.branch = self.random.choice([0, 0, 2, 3])
        self.inner = self.random.choice([1, 1, 1, 2, 3])
        self.lags = [self.random.choice([1, 1, 2, 3]) for _ in range(2)]
        self.backwards = self.random.random() < 0.3
        self.chosen = self.random.sample(range(9), 3)

    def _moves(self, choices: list[Callable], count: int) -> list[Callable]:
        return [self.random.choice(choices) for _ in range(count)]

    def _scalar_moves(self) -> list[Callable]:
        c = self.random.uniform(0.2, 0.9)
        return [
            lambda x, v, t, p: x + c * self.data[t],
            lambda x, v, t, p: c * x + p["z"][t],
            lambda x, v, t, p: x * p["a"] + self.data[self.length - 1 - t],
            lambda x, v, t, p: torch.tanh(x) + p["z"][self.length - 1 - t] * p["b"],
            lambda x, v, t, p: x + 0.1 * t,
            lambda x, v, t, p: torch.where(x > self.data[t], x * 0.5, p["a"] - x),
            lambda x, v, t, p: torch.logsumexp(v + x, 0),
            lambda x, v, t, p: x + v[t % self.width],
            lambda x, v, t, p: x * torch.exp(-v.square().sum()) + p["theta"][self.codes[t]],
            lambda x, v, t, p: x / (1.0 + self.data[t] ** 2) if t % 3 else x - p["b"],
            lambda x, v, t, p: x.detach() * p["a"] + c,
        ]

    def _vector_moves(self) -> list[Callable]:
        c = self.random.uniform(0.2, 0.9)
        return [
            lambda v, x, t, p: p["m"] @ v + c,
            lambda v, x, t, p: v * x + p["theta"],
            lambda v, x, t, p: torch.logsumexp(v[:, None] + p["m"], 0) - c * self.data[t],
            lambda v, x, t, p: v.flip(0) * c + self.table[t],
            lambda v, x, t, p: torch.cumsum(v, 0) * c + x,
            lambda v, x, t, p: torch.stack([x, *v.unbind()[1:]]),
            lambda v, x, t, p: torch.softmax(v, 0) + p["z"][t] * self.table[t].flip(0),
            lambda v, x, t, p: v - v.mean() if t % 2 else v * 1.1,
            lambda v, x, t, p: torch.cat([v[1:], x[None]]) * p["b"],
        ]

    def step(self, scalars: list, vectors: list, t: int, p: dict) -> tuple[State, State]:
        x, v = scalars[-min(self.lags[0], len(scalars))], vectors[-min(self.lags[1], len(vectors))]
        for _ in range(self.inner):
            for move in self.scalars:
                x = move(x, v, t, p)
            x = 0.7 * torch.tanh(0.5 * x)
            for move in self.vectors:
                v = move(v, x, t, p)
            v = 0.8 * torch.tanh(0.4 * v)
        if self.branch and t % self.branch == 0:
            x = x + 0.1 * scalars[-1]
        return x, v

    def __call__(self, a, b, z, theta, m):
        p = {"a": a, "b": b, "z": z, "theta": theta, "m": m}
        scalars, vectors, total = [a * b], [theta], torch.zeros((), dtype=f64)
        times = range(self.length)
        for t in reversed(times) if self.backwards else times:
            x, v = self.step(scalars, vectors, t, p)
            scalars.append(x)
            vectors.append(v)
            total = total - 0.5 * (x - self.data[t]) ** 2 + (v * self.table[t]).sum()
        return self._outputs(scalars, vectors, total)

    def _outputs(self, scalars: list, vectors: list, total: State) -> list[State]:
        choices = [
            lambda: torch.stack(scalars), lambda: torch.stack(vectors[::-1]),
            lambda: torch.cat(vectors), lambda: total, lambda: scalars[-1] + vectors[-1],
            lambda: torch.stack(scalars[1:]) * self.data, lambda: torch.stack(vectors, 1)[:, ::2],
            lambda: scalars[self.length // 2] * total, lambda: sum(scalars),
        ]  # fmt: skip
        return [choices[i]() for i in self.chosen]


def random_recursion(seed: int) -> Case:
    """A random recursion as a case for the compiler."""
    recursion = _Recursion(seed)
    n, k = recursion.length, recursion.width
    return Case(
        f"recursion {seed}",
        recursion,
        ((), (), (n,), (k,), (k, k)),
        low=-1.0,
        high=1.0,
    )
