"""Named arrays out of a run in lockstep, and back into one.

A class with a memory has a method `visit(ledger)` that passes everything the next transition
depends on through a ledger, which notes it or gives back what was noted. Arrays of a
`KernelState` have a row for each chain; what all chains share is spread over the rows, so that
thousands of chains do not hold it thousands of times.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from probgen.inference.snapshot import arrays_of, refuse
from probgen.results.store.state import KernelState

if TYPE_CHECKING:
    from probgen.inference.batched.record import Record

__all__ = ["Ledger", "noted", "put_back"]


def noted(visit: Callable[[Ledger], None], chains: int, record: Record) -> KernelState:
    """All that `visit` passes through a ledger, after the transitions of a record."""
    ledger = Ledger(chains)
    visit(ledger)
    arrays = ledger.arrays
    position, rng = arrays.pop("position"), arrays.pop("rng")
    return KernelState(record.iterations, position, rng, arrays, record.counters)


def put_back(visit: Callable[[Ledger], None], chains: int, state: KernelState) -> None:
    """Give back through `visit` what was noted; raises `OptionError` for what does not fit."""
    ledger = Ledger(chains, arrays_of(state))
    visit(ledger)
    ledger.finish()


class Ledger:
    """Notes values, or, made from `given` arrays, puts them back."""

    def __init__(self, chains: int, given: Mapping[str, np.ndarray] | None = None):
        """`given` are the arrays of a state; None to note."""
        self.chains, self._given = chains, given
        self.arrays: dict[str, np.ndarray] = {}

    @property
    def loading(self) -> bool:
        """Whether values come from the ledger."""
        return self._given is not None

    def rows(self, name: str, value: torch.Tensor) -> torch.Tensor:
        """A tensor with a row for each chain."""
        self.arrays[name] = value.numpy(force=True).copy()
        if not self.loading:
            return value
        array = self._found(name, self.arrays[name])
        if not np.isfinite(array).all():
            refuse(name, "it is not finite")
        return torch.as_tensor(array.copy()).to(value)

    def shared(self, name: str, value: Any, like: torch.Tensor) -> torch.Tensor:
        """A tensor of the shape and type of `like`, or a number for all its entries."""
        array = torch.as_tensor(value).to(like).expand(like.shape).numpy(force=True)
        return torch.as_tensor(self._spread(name, array)).to(like)

    def words(self, name: str, value: np.ndarray) -> np.ndarray:
        """Bytes, uint8 (n,), noted as 64-bit words."""
        padded = np.concatenate([value, np.zeros(-len(value) % 8, dtype=np.uint8)])
        return self._spread(name, padded.view(np.uint64)).view(np.uint8)[: len(value)]

    def generator(self, name: str, generator: torch.Generator) -> None:
        """Where random numbers stand."""
        words = self.words(name, generator.get_state().numpy())
        if self.loading:
            generator.set_state(torch.from_numpy(words))

    def numbers(self, owner: Any, names: Sequence[str], prefix: str = "") -> None:
        """Attributes that are numbers; each keeps its type. Raises `OptionError` for NaN."""
        for name in names:
            value = getattr(owner, name)
            found = self._spread(prefix + name.lstrip("_"), np.array(value)).item()
            if found != found:
                refuse(prefix + name.lstrip("_"), "it is not a number")
            setattr(owner, name, type(value)(found))

    def finish(self) -> None:
        """Refuse what was given beyond what was asked for."""
        for name in sorted((self._given or {}).keys() - self.arrays.keys()):
            refuse(name, "it does not belong there")

    def _spread(self, name: str, array: np.ndarray) -> np.ndarray:
        size = -(-array.size // self.chains)
        spread = np.zeros(self.chains * size, dtype=array.dtype)
        spread[: array.size] = array.ravel()
        self.arrays[name] = spread.reshape(self.chains, size)
        found = self._found(name, self.arrays[name]) if self.loading else self.arrays[name]
        return found.ravel()[: array.size].reshape(array.shape).copy()

    def _found(self, name: str, wanted: np.ndarray) -> np.ndarray:
        given = self._given or {}
        if name not in given:
            refuse(name, "it is missing")
        found = np.asarray(given[name])
        if found.shape != wanted.shape or found.dtype != wanted.dtype:
            refuse(
                name,
                f"it is {found.dtype} {found.shape}, {wanted.dtype} {wanted.shape} is needed",
            )
        return found
