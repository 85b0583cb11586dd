"""Gibbs sweeps in torch: all variables of a colour and all chains at once, on any device.

For GPUs, for variables of more than 255 states, and for machines without a compiler. The random
numbers of a sweep come from a generator seeded by (key, number of the sweep, first chain), so
equal runs give equal draws on one device; they are not those of the native sweeps.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from probgen.errors import OptionError, SamplingError
from probgen.inference.graphical.method import state_offsets
from probgen.inference.graphical.sweeps.colouring import colour
from probgen.inference.graphical.sweeps.tables import MergedTable, merged_tables
from probgen.targets.factors import Factors

__all__ = ["TorchSweeper"]

FLOAT_RANGE = 80.0
"""Nats between weights up to which float32 holds a conditional distribution."""


@dataclass(frozen=True)
class _Round:
    """One table of each of some variables: the row of its first configuration, and its parents."""

    members: torch.Tensor
    base: torch.Tensor
    rows: torch.Tensor
    """(parents, members); padded with variable 0 at stride 0."""
    strides: torch.Tensor


@dataclass(frozen=True)
class _Batch:
    """Variables of one colour and one number of states.

    `tables` (configuration, state) holds cumulative probabilities where there is one round, log
    weights where there are several.
    """

    variables: torch.Tensor
    tables: torch.Tensor
    rounds: tuple[_Round, ...]


class TorchSweeper:
    """Like `Sweeper`, in torch; `first_chain` is part of the seed and `threads` changes nothing.

    Raises `OptionError` when the device cannot be used.
    """

    name = "torch"

    def __init__(self, factors: Factors, device: str = "cpu"):
        try:
            self.device = torch.device(device)
            torch.zeros(1, device=self.device)
        except (RuntimeError, AssertionError) as error:
            raise OptionError(f"device={device!r} cannot be used: {error}") from error
        self.factors = factors
        self.offsets = state_offsets(factors.cards)
        widest = int(factors.cards.max()) if len(factors.cards) else 1
        self.state_type: type = np.uint8 if widest <= 256 else np.uint16
        self.update_count = 0
        self.colouring = colour(factors)
        self._merged = merged_tables(factors)
        self._planned: tuple[bytes, list[_Batch]] | None = None

    def sweep(
        self,
        states: np.ndarray,
        key: int,
        first_sweep: int,
        sweeps: int,
        *,
        first_chain: int = 0,
        subset: np.ndarray | None = None,
        threads: int = 1,
        counts: np.ndarray | None = None,
        draws: np.ndarray | None = None,
        thin: int = 1,
    ) -> None:
        """Make sweeps in place; see `Sweeper.sweep`.

        Raises `SamplingError` when some variable has no possible state given the others; the
        states are then as they were.
        """
        variables = np.arange(len(self.factors.cards)) if subset is None else np.asarray(subset)
        batches = self._batches(variables)
        generator = torch.Generator(self.device)
        x = torch.as_tensor(states.astype(np.int32), device=self.device)
        stuck = torch.zeros(states.shape, dtype=torch.bool, device=self.device)
        tally = torch.zeros(
            counts.shape if counts is not None else (0, 0), dtype=torch.int32, device=self.device
        )
        for s in range(sweeps):
            generator.manual_seed(_seed(key, first_sweep + s, first_chain))
            for batch in batches:
                self._update(x, batch, generator, stuck)
            if counts is not None:
                self._count(x, variables, tally)
            if draws is not None and (s + 1) % thin == 0:
                draws[(s + 1) // thin - 1] = x.cpu().numpy().astype(states.dtype)
        self._check(stuck, first_chain)
        states[...] = x.cpu().numpy().astype(states.dtype)
        if counts is not None:
            counts += tally.cpu().numpy().astype(np.uint32)
        self.update_count += len(variables) * states.shape[1] * sweeps

    def _update(
        self, x: torch.Tensor, batch: _Batch, generator: torch.Generator, stuck: torch.Tensor
    ) -> None:
        """Inverse of the cumulative conditional weights of a batch."""
        shape = (len(batch.variables), x.shape[1], batch.tables.shape[1])
        if len(batch.rounds) == 1:
            cumulative = self._look_up(x, batch, batch.rounds[0])
        else:
            logs = torch.zeros(shape, dtype=batch.tables.dtype, device=self.device)
            for part in batch.rounds:
                logs[part.members] += self._look_up(x, batch, part)
            cumulative = (logs - logs.amax(dim=2, keepdim=True)).exp().cumsum(dim=2)
        total = cumulative[:, :, -1]
        # Where no state is possible the total is not a number.
        stuck[batch.variables] |= total.isnan()
        uniform = torch.rand(
            shape[:2], generator=generator, dtype=cumulative.dtype, device=self.device
        )
        # An interval of width zero is never hit: states of weight zero stay impossible.
        level = (uniform * total)[:, :, None]
        x[batch.variables] = (level >= cumulative[:, :, :-1]).sum(dim=2, dtype=torch.int32)

    def _look_up(self, x: torch.Tensor, batch: _Batch, part: _Round) -> torch.Tensor:
        index = part.base[:, None].expand(-1, x.shape[1])
        for row, stride in zip(part.rows, part.strides, strict=True):
            index = index + stride[:, None] * x.index_select(0, row)
        found = batch.tables.index_select(0, index.reshape(-1))
        return found.reshape(*index.shape, -1)

    def _count(self, x: torch.Tensor, variables: np.ndarray, tally: torch.Tensor) -> None:
        rows = self._integers(self.offsets[variables])[:, None] + x[self._integers(variables)]
        tally.scatter_add_(0, rows, torch.ones_like(rows, dtype=torch.int32))

    def _check(self, stuck: torch.Tensor, first_chain: int) -> None:
        if bool(stuck.any()):
            v, chain = (int(i) for i in stuck.nonzero()[0])
            raise SamplingError(
                f"No state of {self.factors.name(v)!r} is possible given the others, in chain "
                f"{first_chain + chain}: the chain stands on a joint state of probability zero. "
                "Start from states of positive probability."
            )

    def _batches(self, variables: np.ndarray) -> list[_Batch]:
        wanted = variables.tobytes()
        if self._planned is None or self._planned[0] != wanted:
            self._planned = (wanted, self._plan(variables))
        return self._planned[1]

    def _plan(self, variables: np.ndarray) -> list[_Batch]:
        chosen: dict[tuple[int, int, bool], list[int]] = {}
        for v in map(int, variables):
            card, alone = int(self.factors.cards[v]), len(self._merged[v]) == 1
            if card > 1:
                key = (int(self.colouring.colours[v]), card, alone)
                chosen.setdefault(key, []).append(v)
        return [self._batch(members) for _, members in sorted(chosen.items())]

    def _batch(self, members: list[int]) -> _Batch:
        tables: list[np.ndarray] = []
        rounds = []
        rows = 0
        for turn in range(max(len(self._merged[v]) for v in members)):
            places = [p for p, v in enumerate(members) if turn < len(self._merged[v])]
            merged = [self._merged[members[p]][turn] for p in places]
            sizes = [len(table.logs) for table in merged]
            base = rows + np.concatenate([[0], np.cumsum(sizes)[:-1]])
            rounds.append(self._round(places, base, merged))
            tables += [table.logs for table in merged]
            rows += sum(sizes)
        logs = np.concatenate(tables)
        if len(rounds) == 1:
            weights = np.exp(logs).cumsum(axis=1)
            with np.errstate(invalid="ignore"):
                values = (weights / weights[:, -1:]).astype(np.float32)
        else:
            steepest = -logs[logs > -np.inf].min(initial=0.0) * len(rounds)
            values = logs.astype(np.float32 if steepest < FLOAT_RANGE else np.float64)
        return _Batch(
            self._integers(members), torch.as_tensor(values, device=self.device), tuple(rounds)
        )

    def _round(self, places: list[int], base: np.ndarray, merged: list[MergedTable]) -> _Round:
        width = max(len(table.parents) for table in merged)
        rows = np.zeros((width, len(merged)), dtype=np.int64)
        strides = np.zeros((width, len(merged)), dtype=np.int64)
        for column, table in enumerate(merged):
            rows[: len(table.parents), column] = table.parents
            strides[: len(table.parents), column] = table.strides
        return _Round(*map(self._integers, (places, base, rows, strides)))

    def _integers(self, values: Any) -> torch.Tensor:
        return torch.as_tensor(np.asarray(values, dtype=np.int64), device=self.device)


def _seed(key: int, sweep: int, first_chain: int) -> int:
    text = f"{key % 2**64},{sweep},{first_chain}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest(), "big")
