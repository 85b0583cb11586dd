"""The whole gradient of a binary restricted machine in few, large and fused operations.

Both phases share one array: rows of data, then rows of chains. One product takes both to the
hidden layer, one more makes the weights' gradient of both; bias, logistic function, random
numbers and comparison are one pass (`binary_units`); nothing is allocated after the first step.
Persistent chains keep their hidden states between steps, which saves a product of each step.
"""

from __future__ import annotations

import torch
from torch import Tensor

from probgen.learn.boltzmann.descent import RawGradient, RoundedCopy
from probgen.learn.boltzmann.gradient import Gradient
from probgen.learn.boltzmann.negative import repeated
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.boltzmann.native.arithmetic import bfloat16_pays
from probgen.nets.boltzmann.native.binary_units import binary_units
from probgen.nets.stream import Stream

__all__ = ["BinaryGradient", "serves"]


def serves(machine: BoltzmannMachine) -> bool:
    """Whether the machine has two layers of binary units, in float32."""
    kinds = {units.kind for layer in machine.layers for units in layer}
    return len(machine.layers) == 2 and kinds == {"bernoulli"} and machine.dtype == torch.float32


class BinaryGradient:
    """Gradient of -log p by contrastive divergence, persistent with a number of `chains`.

    Args:
        machine: that `serves` accepts.
        k: sweeps per step.
        chains: persistent ones; None starts as many as cases at the data in every step.
        matmul: "float32", "bfloat16" or "auto".

    """

    def __init__(
        self, machine: BoltzmannMachine, k: int, chains: int | None, matmul: str = "auto"
    ) -> None:
        self.k, self.chains, self.matmul = k, chains, matmul
        self.hidden: Tensor | None = None
        self._weight, (self._low, self._high) = machine.weights[0], machine.biases
        self._rounded: RoundedCopy | None = None
        self._arrays: dict[int, _Arrays] = {}

    def __call__(self, data: Tensor, stream: Stream) -> tuple[Gradient, list[Tensor]]:
        """The gradient at data (batch, visible), and the data's means in both layers.

        What is handed back is overwritten by the next call.
        """
        raw, slopes, means = self.raw(data, stream)
        dense = raw.values if raw.rounded is None else raw.values.float()
        return {"weights.0": dense, "biases.0": slopes[0], "biases.1": slopes[1]}, means

    @torch.no_grad()
    def raw(self, data: Tensor, stream: Stream) -> tuple[RawGradient, list[Tensor], list[Tensor]]:
        """The same with the weights' gradient as `Descent` takes it; biases' gradients, means."""
        cases = data.shape[0]
        at = self._arrays.get(cases)
        if at is None:
            at = self._arrays[cases] = self._allocate(cases)
        low, high, hidden, weight = self._low, self._high, at.hidden, self._weight.detach()
        if self._rounded is not None:
            weight = self._rounded.current()
        if self.chains is not None:
            hidden = self._persistent(at, data, weight, stream)
        visible, up, means = at.visible, at.up, at.means
        visible[:cases] = data
        for total in at.totals:
            total.zero_()
        active, dreamt, away = at.totals
        if self.chains is None:  # the chains start at the data
            torch.mm(at.data, weight, out=at.up_data)
            binary_units(
                at.up_data, high, stream.key(), drawn=hidden, mean=at.means_data, total=active,
                scale=-1 / cases,
            )  # fmt: skip
        for sweep in range(self.k):
            if sweep:
                torch.mm(at.dreams, weight, out=at.up_dreams)
                binary_units(at.up_dreams, high, stream.key(), drawn=hidden)
            torch.mm(hidden, weight.T, out=at.down)
            final = dreamt if sweep + 1 == self.k else None
            binary_units(at.down, low, stream.key(), drawn=at.dreams, total=final)
        if self.chains is None:
            torch.mm(at.dreams, weight, out=at.up_dreams)
        else:
            torch.mm(visible, weight, out=up)
            binary_units(at.up_data, high, 0, mean=at.means_data, total=active, scale=-1 / cases)
        binary_units(
            at.up_dreams, high, stream.key(), drawn=None if self.chains is None else hidden,
            mean=at.means_dreams, total=away, scale=1 / at.chains,
        )  # fmt: skip
        torch.mm(at.across.copy_(visible.T), means, out=at.product)
        on = data.mean(0, dtype=low.dtype)
        slopes = [dreamt.div_(at.chains).sub_(on), away.add_(active)]
        return RawGradient(at.product, self._rounded), slopes, [on, active.neg_()]

    def state(self) -> dict[str, Tensor]:
        """Persistent chains, and the arithmetic once it is chosen."""
        state = {} if self.hidden is None else {"chains.hidden": self.hidden.to(torch.uint8)}
        if self.matmul != "auto":
            state["bfloat16"] = torch.tensor(self.matmul == "bfloat16")
        return state

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Go on with these chains and this arithmetic."""
        self.hidden = state.get("chains.hidden")
        if "bfloat16" in state:
            self.matmul = "bfloat16" if state["bfloat16"] else "float32"

    def _allocate(self, cases: int) -> _Arrays:
        low, high, device = len(self._low), len(self._high), self._weight.device
        chains = self.chains or cases
        if self.matmul == "auto":
            pays = bfloat16_pays(cases + chains, low, high, str(device))
            self.matmul = "bfloat16" if pays else "float32"
        if self.matmul == "bfloat16" and self._rounded is None:
            self._rounded = RoundedCopy(self._weight)
        number = torch.float32 if self._rounded is None else torch.bfloat16
        return _Arrays(cases, chains, low, high, number, device)

    def _persistent(self, at: _Arrays, data: Tensor, weight: Tensor, stream: Stream) -> Tensor:
        """The hidden states of the chains, which start at the first data."""
        if self.hidden is None:
            start = repeated(data, at.chains).to(at.hidden.dtype)
            self.hidden = torch.empty_like(at.hidden)
            binary_units(start @ weight, self._high, stream.key(), drawn=self.hidden)
        if self.hidden.dtype != at.hidden.dtype:
            self.hidden = self.hidden.to(at.hidden)
        return self.hidden


class _Arrays:
    """What a step writes to, for a number of cases."""

    def __init__(
        self, cases: int, chains: int, low: int, high: int, number: torch.dtype,
        device: torch.device,
    ) -> None:  # fmt: skip
        def array(*shape: int, dtype: torch.dtype = number) -> Tensor:
            return torch.empty(*shape, dtype=dtype, device=device)

        rows, self.chains = cases + chains, chains
        self.visible, self.across = array(rows, low), array(low, rows)
        self.up, self.means = array(rows, high), array(rows, high)
        self.down, self.hidden = array(chains, low), array(chains, high)
        self.product = array(low, high)
        self.totals = [array(width, dtype=torch.float32) for width in (high, low, high)]
        self.data, self.dreams = self.visible[:cases], self.visible[cases:]
        self.up_data, self.up_dreams = self.up[:cases], self.up[cases:]
        self.means_data, self.means_dreams = self.means[:cases], self.means[cases:]
