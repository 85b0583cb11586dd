"""Random compositions of operations against torch: loops that share, reuse and overlap.

Rules are tested one by one elsewhere; this finds what goes wrong when loops are fused, buffers
stored or not, reductions blocked, and views of views read.
"""

from __future__ import annotations

import random

import pytest
import torch

from tests.compile.compiled import Case, assert_same, compile_cases

f64 = torch.float64
SIZES = (1, 2, 3, 4, 5, 8, 9, 17)
GROUPS = torch.tensor([0, 2, 1, 1, 0, 2, 2, 2, 1, 0, 0, 1, 2, 0, 1, 1, 2])


class Grower:
    """Grows a list of tensors by operations drawn at random; the same again for one seed."""

    def __init__(self, seed: int, tensors: list[torch.Tensor]) -> None:
        self.random = random.Random(seed)
        self.tensors = tensors

    def draw(self, count: int) -> int:
        return self.random.randrange(count)

    def pick(self) -> torch.Tensor:
        """One of the tensors so far, recent ones more often."""
        recent = self.tensors[-4:] if self.draw(2) else self.tensors
        return recent[self.draw(len(recent))]

    def partner(self, x: torch.Tensor) -> torch.Tensor:
        """A tensor that broadcasts with `x`."""
        for _ in range(20):
            y = self.pick()
            try:
                if torch.broadcast_tensors(x, y)[0].numel() <= 4000:
                    return y
            except RuntimeError:
                pass
        return x.mean()

    def grow(self, steps: int) -> list[torch.Tensor]:
        moves = [
            self.unary, self.unary, self.binary, self.binary, self.binary, self.reduce,
            self.view, self.view, self.index, self.product, self.scan, self.join, self.write,
            self.group, self.normalise,
        ]  # fmt: skip
        for _ in range(steps):
            result = moves[self.draw(len(moves))](self.pick())
            if 0 < result.numel() <= 4000:
                self.tensors.append(result)
        return self.tensors

    def unary(self, x):
        functions = [
            torch.tanh, torch.sigmoid, torch.sin, lambda x: -x, torch.nn.functional.softplus,
            lambda x: torch.exp(-x.abs()), lambda x: 0.1 * x * x, torch.abs,
            lambda x: 1 / (2 + x * x), lambda x: torch.log1p(x * x),
            lambda x: x.clamp(-0.7, 0.7), lambda x: x.detach() * 0.5,
            lambda x: torch.lgamma(1.5 + x.abs()),
        ]  # fmt: skip
        return functions[self.draw(len(functions))](x)

    def binary(self, x):
        y = self.partner(x)
        functions = [
            lambda: x + y, lambda: x * y, lambda: x - 2 * y,
            lambda: torch.where(x > y, x, y * 0.3), lambda: torch.maximum(x, y),
            lambda: x / (1.5 + y * y),
            lambda: torch.logaddexp(x, y),
        ]  # fmt: skip
        return functions[self.draw(len(functions))]()

    def reduce(self, x):
        if not x.dim():
            return x * 2
        dim, keep = self.draw(x.dim()), bool(self.draw(2))
        functions = [
            lambda: x.sum(dim, keep), lambda: x.mean(dim, keep), lambda: x.sum(),
            lambda: x.amax(dim, keep), lambda: x.logsumexp(dim, keep), lambda: x.var(dim, False),
            lambda: (0.5 + 0.1 * torch.tanh(x)).prod(dim, keep),
        ]  # fmt: skip
        return functions[self.draw(len(functions))]()

    def view(self, x):
        if not x.dim():
            return x.expand(SIZES[self.draw(len(SIZES))])
        dim = self.draw(x.dim())
        half = max(x.shape[dim] // 2, 1)
        functions = [
            lambda: x.transpose(0, -1), lambda: x.flip(dim), lambda: x.reshape(-1),
            lambda: x.narrow(dim, 0, half), lambda: x.select(dim, -1), lambda: x.unsqueeze(dim),
            lambda: x.expand(2, *x.shape), lambda: x.transpose(0, -1).reshape(-1),
            lambda: x[(slice(None),) * dim + (slice(None, None, 2),)], lambda: x.squeeze(),
            lambda: x.unsqueeze(-1).expand(*x.shape, 3), lambda: x.roll(1, dim),
        ]  # fmt: skip
        return functions[self.draw(len(functions))]()

    def index(self, x):
        if not x.dim():
            return x
        dim = self.draw(x.dim())
        chosen = torch.tensor([self.draw(x.shape[dim]) for _ in range(1 + self.draw(9))])
        mask = torch.tensor([self.draw(5) < 3 for _ in range(x.shape[0])])
        functions = [
            lambda: x.index_select(dim, chosen), lambda: x[chosen % x.shape[0]],
            lambda: x.movedim(dim, -1)[..., chosen],
            lambda: x[mask],
        ]  # fmt: skip
        return functions[self.draw(len(functions))]()

    def group(self, x):
        """Sums by group, gathered again: the heart of every hierarchical model."""
        if not x.dim() or x.shape[0] > len(GROUPS):
            return x
        groups = GROUPS[: x.shape[0]]
        sums = torch.zeros(3, *x.shape[1:], dtype=f64).index_add(0, groups, x)
        return sums if self.draw(2) else sums[groups] * x

    def product(self, x):
        matrix = x if x.dim() == 2 else x.reshape(x.shape[0] if x.dim() else 1, -1)
        functions = [
            lambda: matrix @ matrix.T * 0.2, lambda: matrix @ torch.tanh(matrix[0]),
            lambda: torch.tanh(matrix[:, 0]) @ matrix,
            lambda: torch.outer(x.reshape(-1), matrix[0]),
        ]  # fmt: skip
        return functions[self.draw(len(functions))]()

    def scan(self, x):
        if not x.dim():
            return x
        dim = self.draw(x.dim())
        y = 0.5 * torch.tanh(x)
        return [y.cumsum(dim), (1 + 0.2 * y).cumprod(dim), y.logcumsumexp(dim)][self.draw(3)]

    def join(self, x):
        functions = [
            lambda: torch.stack([x, torch.sin(x)], self.draw(x.dim() + 1)),
            lambda: torch.cat([x.reshape(-1), self.pick().reshape(-1)]),
            lambda: torch.nn.functional.pad(x.reshape(-1), (1, 2), value=0.5),
        ]  # fmt: skip
        return functions[self.draw(len(functions))]()

    def write(self, x):
        y = x.clone()
        if not y.dim():
            return y
        dim = self.draw(y.dim())
        functions = [
            lambda: y.select(dim, 0).mul_(2), lambda: y.select(dim, -1).copy_(x.select(dim, 0)),
            lambda: y.narrow(dim, 0, max(y.shape[dim] // 2, 1)).zero_(),
            lambda: y.masked_fill_(x > 0.3, 0.1),
        ]  # fmt: skip
        functions[self.draw(len(functions))]()
        return y

    def normalise(self, x):
        if not x.dim():
            return x
        dim = self.draw(x.dim())
        return [x.softmax(dim), x.log_softmax(dim), x - x.mean(dim, True)][self.draw(3)]


def random_case(seed: int, steps: int = 14) -> Case:
    rows, columns = random.Random(-seed).choices(SIZES, k=2)

    def function(a, b, c):
        tensors = Grower(seed, [a, b, c]).grow(steps)
        return [tensors[i] for i in range(3, len(tensors)) if (i + seed) % 3 == 0] + [tensors[-1]]

    return Case(f"seed {seed}", function, ((rows, columns), (columns,), ()), rtol=1e-8)


def check(seeds: range) -> None:
    for start in range(seeds.start, seeds.stop, 20):
        cases = [random_case(seed) for seed in range(start, min(start + 20, seeds.stop))]
        for name, compiled in compile_cases(cases).items():
            if isinstance(compiled, Exception):
                raise AssertionError(name) from compiled
            for point in range(2):
                assert_same(compiled, compiled.case.inputs(point))


# 164 is among them because GCC 12 once made wrong code of it (see `probgen.compile.text.loop`).
@pytest.mark.parametrize("start", [0, 20, 160])
def test_random_programs(start):
    check(range(start, start + 20))


@pytest.mark.slow
@pytest.mark.parametrize("start", range(200, 1200, 100))
def test_many_random_programs(start):
    check(range(start, start + 100))
