"""Persistent chains at several temperatures that exchange states, so that they mix.

Source: Desjardins et al. (2010), "Tempered Markov chain Monte Carlo for training of restricted
Boltzmann machines".
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from probgen.learn.boltzmann.gradient import Gradient, energy_gradient
from probgen.learn.boltzmann.negative import averaged_top, refuse_absent, repeated
from probgen.nets.boltzmann.block import sweep
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.stream import Stream

__all__ = ["TemperedChains"]


class TemperedChains:
    """`chains` ladders of chains, one rung for each of `betas`, the first of which is 1.

    Rung r of chain c is row r * chains + c.
    """

    def __init__(self, k: int, chains: int, betas: Sequence[float]) -> None:
        self.k, self.chains, self.betas = k, chains, torch.tensor(betas)
        self.rows = chains * len(betas)
        self.states: list[Tensor] = []
        self.sweeps = 0

    def expectation(
        self, machine: BoltzmannMachine, positive: Sequence[Tensor], absent: Tensor | None,
        stream: Stream,
    ) -> Gradient:  # fmt: skip
        """The average over the chains at beta = 1."""
        refuse_absent(absent)
        rungs = len(self.betas)
        self.states = self.states or [repeated(x, rungs * self.chains) for x in positive]
        beta = self.betas.to(self.states[0]).repeat_interleave(self.chains)
        for _ in range(self.k):
            self.states = sweep(machine, self.states, stream, beta=beta)
            self._exchange(machine, stream)
        cold = [state[: self.chains] for state in self.states]
        return energy_gradient(machine, averaged_top(machine, cold))

    @torch.no_grad()
    def _exchange(self, machine: BoltzmannMachine, stream: Stream) -> None:
        """Exchange states of neighbouring rungs: even pairs and odd pairs in turn."""
        rungs, chains = len(self.betas), self.chains
        betas = self.betas.to(self.states[0])
        energy = machine.energy(self.states).view(rungs, chains)
        log_odds = (betas[:-1] - betas[1:])[:, None] * (energy[:-1] - energy[1:])
        uniform = torch.empty_like(log_odds).uniform_(generator=stream.generator(energy.device))
        taken = uniform.log() < log_odds
        taken[1 - self.sweeps % 2 :: 2] = False
        self.sweeps += 1
        order = torch.arange(rungs, device=energy.device)[:, None].repeat(1, chains)
        order[:-1] += taken.long()
        order[1:] -= taken.long()
        rows = (order * chains + torch.arange(chains, device=energy.device)).flatten()
        self.states = [state[rows] for state in self.states]

    def state(self) -> dict[str, Tensor]:
        """The chains, and which pairs are next."""
        chains = {f"chains.{layer}": state for layer, state in enumerate(self.states)}
        return {**chains, "sweeps": torch.tensor(self.sweeps)}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Go on with these chains."""
        self.sweeps = int(state["sweeps"])
        self.states = [state[f"chains.{layer}"] for layer in range(len(state) - 1)]
