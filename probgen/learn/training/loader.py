"""Minibatches as a pure function of the seed, the epoch and the position.

Every epoch goes once through the rows in an order of its own; the last batch is as long as what
is left. Of each global batch every process takes its part: rows rank, rank + world, ... A loader
has no state, so that a training goes on in the middle of an epoch without having kept any.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from probgen.learn.training.protocol import Batch
from probgen.learn.training.rows import Rows, Subset
from probgen.nets.stream import Stream

__all__ = ["Loader", "split_rows"]

_CHUNK_BYTES = 1 << 21  # taken at once, so that short batches cost little each
_ORDER, _SPLIT = 0x0D2E, 0x5711


class Loader:
    """Batches of `batch_size` rows in all, of which a process takes its part.

    Args:
        rows: the data.
        batch_size: rows of a global batch.
        seed: of the orders.
        rank, world: the number of this process, and of all.
        shuffle: False goes through the rows in their own order.
        device: where batches are put.

    """

    def __init__(
        self,
        rows: Rows,
        batch_size: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
        shuffle: bool = True,
        device: torch.device | str = "cpu",
    ) -> None:
        self.rows, self.batch_size, self.shuffle = rows, batch_size, shuffle
        self.device = torch.device(device)
        self._seed, self._rank, self._world = seed, rank, world
        first = rows.take(torch.zeros(1, dtype=torch.long))
        row_bytes = sum(v.numel() * v.element_size() for v in first.values())
        per_chunk = _CHUNK_BYTES // max(row_bytes * batch_size, 1)
        self._batches_at_once = 1 if rows.lazy else min(max(per_chunk, 1), 64)

    @property
    def steps(self) -> int:
        """Batches of an epoch."""
        return math.ceil(len(self.rows) / self.batch_size)

    def epoch(
        self,
        epoch: int,
        position: int = 0,
        check: Callable[[Batch, Tensor], None] | None = None,
    ) -> Iterator[tuple[Batch, float, Tensor]]:
        """Batches of an epoch from number `position` on; `check` sees them as they are stored.

        With each: the rows of this process relative to an equal share of the global batch, and
        the numbers of the rows. A process without rows in the last batch gets one of them, with
        the share 0.
        """
        order = self._order(epoch)
        for first in range(position, self.steps, self._batches_at_once):
            parts = [self._part(order, number) for number in self._chunk(first)]
            numbers = torch.cat([part for part, _ in parts])
            raw = self.rows.raw(numbers)
            if check is not None:
                check(raw, numbers)
            # bytes go to the device as bytes
            taken = self.rows.typed({n: v.to(self.device) for n, v in raw.items()})
            start = 0
            for part, share in parts:
                stop = start + len(part)
                yield {n: v[start:stop] for n, v in taken.items()}, share, part
                start = stop

    def _chunk(self, first: int) -> range:
        return range(first, min(first + self._batches_at_once, self.steps))

    def _part(self, order: Tensor, number: int) -> tuple[Tensor, float]:
        whole = order[number * self.batch_size : (number + 1) * self.batch_size]
        if self._world == 1:
            return whole, 1.0
        part = whole[self._rank :: self._world]
        if not len(part):
            return whole[:1], 0.0
        return part, len(part) * self._world / len(whole)

    def _order(self, epoch: int) -> Tensor:
        if not self.shuffle:
            return torch.arange(len(self.rows))
        random = Stream(self._seed ^ _ORDER, epoch).generator()
        return torch.randperm(len(self.rows), generator=random)


def split_rows(rows: Rows, fraction: float, seed: int) -> tuple[Rows, Rows]:
    """Rows to train on and a random `fraction` of them to validate on, the same for one seed."""
    random = Stream(seed ^ _SPLIT).generator()
    order = torch.randperm(len(rows), generator=random)
    count = min(max(round(fraction * len(rows)), 1), len(rows) - 1)
    return Subset(rows, order[count:].sort().values), Subset(rows, order[:count].sort().values)
