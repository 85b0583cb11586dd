"""What a method may know of the data before learning begins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from probgen.learn.training.protocol import Batch
from probgen.learn.training.rows import Rows

__all__ = ["DataInfo"]

_LAZY_ROWS = 10_000  # of data that are read when needed, what statistics are taken from


@dataclass(frozen=True, eq=False)
class DataInfo:
    """The training data, as far as learners start from them.

    Attributes
    ----------
    rows: number of training cases.
    shapes: of one case, by the name of the program's argument.
    batch_size: rows of a step of this process, and `whole_batch` of all `world` processes.
    steps: of the whole training.
    device: where batches are.

    """

    rows: int
    shapes: dict[str, tuple[int, ...]]
    batch_size: int
    steps: int
    device: torch.device
    data: Rows
    whole_batch: int = 0
    world: int = 1

    def batches(self, rows: int = 1000) -> Iterator[Batch]:
        """All training data in their order, so many rows at a time, for statistics.

        Of data that are read when needed, such as a Dataset: 10 000 cases, evenly spread.
        """
        count = min(self.rows, _LAZY_ROWS) if self.data.lazy else self.rows
        for start in range(0, count, rows):
            numbers = torch.arange(start, min(start + rows, count))
            yield self._taken(numbers * self.rows // count)

    def sample(self, count: int, seed: int = 0) -> Batch:
        """`count` cases at random, each at most once while they last."""
        random = torch.Generator().manual_seed(seed)
        numbers = [torch.randperm(self.rows, generator=random)[:count] for _ in range(1)]
        while sum(map(len, numbers)) < count:
            numbers.append(torch.randint(self.rows, (count,), generator=random))
        return self._taken(torch.cat(numbers)[:count])

    def _taken(self, numbers: torch.Tensor) -> Batch:
        return {n: v.to(self.device) for n, v in self.data.take(numbers).items()}
