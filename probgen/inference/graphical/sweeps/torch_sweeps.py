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
from probgen.targets.factors import Factors

__all__ = ["TorchSweeper"]

FLOAT_RANGE = 80.0
"""Nats between weights up to which float32 holds a conditional distribution."""


@dataclass(frozen=True)
class _Round:
    """One factor of each of some variables: where its slice of log weights begins."""

    members: torch.Tensor
    """Positions within the batch."""
    base: torch.Tensor
    rows: torch.Tensor
    """(parents, members); padded with variable 0 at stride 0."""
    strides: torch.Tensor


@dataclass(frozen=True)
class _Batch:
    """Variables of one colour and one number of states."""

    variables: torch.Tensor
    card: int
    rounds: tuple[_Round, ...]


class TorchSweeper:
    """Like `Sweeper`, in torch. `first_chain` and `threads` change nothing here.

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
        self._touching: list[list[tuple[int, int]]] = [[] for _ in factors.cards]
        for f, scope in enumerate(factors.scopes):
            for axis, v in enumerate(scope):
                self._touching[v].append((f, axis))
        self._planned: tuple[bytes, list[_Batch]] | None = None
        self._place_tables()

    def _place_tables(self) -> None:
        """Slices of log weights, own axis last, each with its largest at 0."""
        pieces: list[np.ndarray] = [np.zeros(1)]
        self._starts: dict[tuple[int, int], int] = {}
        ranges = np.zeros(len(self.factors.cards))
        size = 1
        for f, (scope, table) in enumerate(
            zip(self.factors.scopes, self.factors.log_tables, strict=True)
        ):
            for axis, v in enumerate(scope):
                own_last = np.moveaxis(table, axis, -1)
                top = own_last.max(axis=-1, keepdims=True)
                slices = own_last - np.where(top == -np.inf, 0.0, top)
                finite = slices[slices > -np.inf]
                ranges[v] -= finite.min(initial=0.0)
                self._starts[f, axis] = size
                pieces.append(slices.ravel())
                size += slices.size
        wide = bool((ranges > FLOAT_RANGE).any())
        real = torch.float64 if wide else torch.float32
        self._tables = torch.as_tensor(np.concatenate(pieces), dtype=real, device=self.device)

    def _batches(self, variables: np.ndarray) -> list[_Batch]:
        wanted = variables.tobytes()
        if self._planned is None or self._planned[0] != wanted:
            self._planned = (wanted, self._plan(variables))
        return self._planned[1]

    def _plan(self, variables: np.ndarray) -> list[_Batch]:
        cards = self.factors.cards
        chosen: dict[tuple[int, int], list[int]] = {}
        for v in variables:
            if cards[v] > 1:
                key = (int(self.colouring.colours[v]), int(cards[v]))
                chosen.setdefault(key, []).append(int(v))
        return [
            _Batch(self._integers(members), card, self._rounds(members))
            for (_, card), members in sorted(chosen.items())
        ]

    def _rounds(self, members: list[int]) -> tuple[_Round, ...]:
        most = max(len(self._touching[v]) for v in members)
        return tuple(self._round(members, turn) for turn in range(most))

    def _round(self, members: list[int], turn: int) -> _Round:
        places, base, rows, strides = [], [], [], []
        for place, v in enumerate(members):
            if turn >= len(self._touching[v]):
                continue
            f, axis = self._touching[v][turn]
            scope = self.factors.scopes[f]
            others = [w for k, w in enumerate(scope) if k != axis]
            steps, step = [], int(self.factors.cards[v])
            for w in reversed(others):
                steps.append(step)
                step *= int(self.factors.cards[w])
            places.append(place)
            base.append(self._starts[f, axis])
            rows.append(others)
            strides.append(steps[::-1])
        width = max(map(len, rows))
        pad = [[0] * (width - len(r)) for r in rows]
        columns = [[*r, *p] for r, p in zip(rows, pad, strict=True)]
        steps_of = [[*s, *p] for s, p in zip(strides, pad, strict=True)]
        return _Round(
            self._integers(places), self._integers(base),
            self._integers(columns).reshape(len(rows), width).T.contiguous(),
            self._integers(steps_of).reshape(len(rows), width).T.contiguous(),
        )  # fmt: skip

    def _integers(self, values: Any) -> torch.Tensor:
        return torch.as_tensor(np.asarray(values, dtype=np.int64), device=self.device)

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

        Raises `SamplingError` when some variable has no possible state given the others.
        """
        if not len(self.offsets) - 1 or not states.shape[1] or not sweeps:
            if draws is not None:
                draws[...] = states
            return
        variables = np.arange(len(self.factors.cards)) if subset is None else np.asarray(subset)
        batches = self._batches(variables)
        generator = torch.Generator(self.device)
        x = torch.as_tensor(states.astype(np.int64), device=self.device)
        tally = None if counts is None else torch.zeros(
            counts.shape, dtype=torch.int32, device=self.device
        )  # fmt: skip
        for s in range(sweeps):
            generator.manual_seed(_seed(key, first_sweep + s, first_chain))
            for batch in batches:
                self._update(x, batch, generator)
            if tally is not None:
                self._count(x, variables, tally)
            if draws is not None and (s + 1) % thin == 0:
                draws[(s + 1) // thin - 1] = x.cpu().numpy().astype(states.dtype)
        states[...] = x.cpu().numpy().astype(states.dtype)
        if counts is not None and tally is not None:
            counts += tally.cpu().numpy().astype(np.uint32)
        self.update_count += len(variables) * states.shape[1] * sweeps

    def _update(self, x: torch.Tensor, batch: _Batch, generator: torch.Generator) -> None:
        """Inverse of the cumulative conditional weights of a batch."""
        shape = (len(batch.variables), x.shape[1], batch.card)
        logs = torch.zeros(shape, dtype=self._tables.dtype, device=self.device)
        own = torch.arange(batch.card, device=self.device)
        for part in batch.rounds:
            index = part.base[:, None].expand(-1, x.shape[1])
            for row, stride in zip(part.rows, part.strides, strict=True):
                index = index + stride[:, None] * x[row]
            logs[part.members] += self._tables[index[:, :, None] + own]
        top = logs.amax(dim=2, keepdim=True)
        if bool((top == -torch.inf).any()):
            self._raise_impossible(batch, top[:, :, 0])
        cumulative = (logs - top).exp().cumsum(dim=2)
        uniform = torch.rand(
            (*shape[:2], 1), generator=generator, dtype=logs.dtype, device=self.device
        )
        # An interval of width zero is never hit: states of weight zero stay impossible.
        level = uniform * cumulative[:, :, -1:]
        x[batch.variables] = (level >= cumulative[:, :, :-1]).sum(dim=2)

    def _raise_impossible(self, batch: _Batch, top: torch.Tensor) -> None:
        place, chain = (int(i) for i in (top == -torch.inf).nonzero()[0])
        name = self.factors.name(int(batch.variables[place]))
        raise SamplingError(
            f"No state of {name!r} is possible given the others, in chain {chain}: the chain "
            "stands on a joint state of probability zero. Start from states of positive "
            "probability."
        )

    def _count(self, x: torch.Tensor, variables: np.ndarray, tally: torch.Tensor) -> None:
        chosen = self._integers(variables)
        rows = self._integers(self.offsets[variables])[:, None] + x[chosen]
        tally.scatter_add_(0, rows, torch.ones_like(rows, dtype=torch.int32))


def _seed(key: int, sweep: int, first_chain: int) -> int:
    text = f"{key % 2**64},{sweep},{first_chain}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest(), "big")
