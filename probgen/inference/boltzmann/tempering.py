"""Parallel tempering of a machine (Salakhutdinov 2010; Desjardins et al. 2010).

Replicas of every chain stand along the path from independent units to the machine; even and odd
pairs of neighbours swap in turn (Okabe et al. 2001). In warm-up the independent units learn from
states of the machine (see `base`), and the levels are placed so that all neighbours swap equally
often (Syed et al. 2022).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from probgen.inference.boltzmann.base import base_of_states
from probgen.inference.boltzmann.layout import Layout
from probgen.inference.boltzmann.path import gain, sweep_at
from probgen.inference.boltzmann.start import starting_states
from probgen.inference.graphical.pieces import each_chain
from probgen.inference.graphical.tempering.ladder import ladder_summary
from probgen.inference.graphical.tempering.positions import levels_for, respaced
from probgen.inference.graphical.tempering.schedule import Schedule, Settings
from probgen.nets.stream import Stream

__all__ = ["Tempered"]

_FIRST_LEVELS = 10
"""Until the first look at swap rates."""
_LOOKS = 8
"""At the states of the machine, for the independent units."""


class Tempered:
    """Ladders of replicas, one for every row; the last level is the machine.

    Rows of `_states` are (level, chain, case).
    """

    def __init__(self, method: Settings, layout: Layout, stream: Stream, warmup: int) -> None:
        self._method, self._layout, self._stream = method, layout, stream
        self._schedule = Schedule.of(warmup)
        self._warmup = warmup
        levels = method.levels or min(_FIRST_LEVELS, method.most_levels)
        self._states = starting_states(layout, stream, levels)
        machine = layout.machine
        self._base = [bias.new_zeros(layout.cases, len(bias)) for bias in machine.biases]
        self._seen: list[Tensor] = []  # values of all rows, from time to time
        self.updates = self._sampled = 0
        self._place(np.linspace(0.0, 1.0, levels))

    @property
    def states(self) -> list[Tensor]:
        """States at the machine itself, (row, width) of every layer."""
        return [state[-self._layout.rows :] for state in self._states]

    def iterate(self, number: int) -> None:
        """Sweep all levels, swap every other pair; in warm-up, learn from it."""
        machine, levels = self._layout.machine, len(self._positions)
        for _ in range(self._method.sweeps):
            self._states = sweep_at(
                machine, self._states, self._stream, self._rows, self._row_base, self._clamp
            )
        self.updates += self._method.sweeps * levels * self._layout.rows * self._layout.size
        found = gain(machine, self._states, self._row_base).reshape(levels, -1)
        acceptance = swap_acceptance(self._rows.reshape(levels, -1), found)
        random = torch.empty_like(acceptance)
        random.uniform_(generator=self._stream.generator(random.device))
        self._swap(random < acceptance, number % 2)
        self._refused += 1 - acceptance.double().mean(1).cpu().numpy()
        if number < self._warmup:
            self._learn(number + 1)
        else:
            self._sampled += 1

    def _swap(self, accepted: Tensor, parity: int) -> None:
        """Exchange the replicas of accepted pairs that begin at a level of this parity."""
        levels, rows = len(self._positions), self._layout.rows
        origin = torch.arange(levels * rows, device=accepted.device).reshape(levels, rows)
        source = origin.clone()
        for pair in range(parity, levels - 1, 2):
            moved = accepted[pair]
            source[pair] = torch.where(moved, origin[pair + 1], source[pair])
            source[pair + 1] = torch.where(moved, origin[pair], source[pair + 1])
        flat = source.flatten()
        self._states = [state[flat] for state in self._states]
        places = flat.cpu().numpy()
        for flags in (self._seen_top, self._returning):
            flags[:] = flags.reshape(-1)[places].reshape(levels, rows)
        # A trip ends at the top, for a replica that left it and has been at the bottom.
        self._returning[0] |= self._seen_top[0]
        self._trips += self._returning[-1]
        self._returning[-1] = False
        self._seen_top[-1] = True

    def _learn(self, done: int) -> None:
        """The independent units after the first round, and places of the levels after each."""
        rounds, layout = self._schedule.rounds, self._layout
        first = min(rounds, default=0)
        if done <= first and (first - done) % max(1, first // _LOOKS) == 0:
            self._seen.append(layout.values(self.states))
        if done == first:
            shape = (-1, layout.cases)
            seen = layout.states(torch.cat(self._seen))
            self._base = base_of_states(layout.machine, [s.unflatten(0, shape) for s in seen])
            self._seen = []
        length = rounds.get(done)
        if length:
            refused, method = self._refused / length, self._method
            levels = method.levels or levels_for(
                float(refused.sum()), method.target_swap, method.most_levels
            )
            self._place(respaced(self._positions, refused, levels))
        if done == self._warmup:
            self._forget()

    def _place(self, positions: np.ndarray) -> None:
        """Move the levels; where there are more or fewer, take the states of the nearest."""
        rows, levels = self._layout.rows, len(positions)
        had = len(self._states[0]) // rows
        if levels != had:
            nearest = torch.from_numpy(np.rint(np.linspace(0, had - 1, levels)).astype(int))
            self._states = [
                state.reshape(had, rows, -1)[nearest.to(state.device)].reshape(levels * rows, -1)
                for state in self._states
            ]
        self._positions = positions
        like = self._states[0]
        placed = torch.from_numpy(positions).to(like.device, like.dtype)
        self._rows = placed.repeat_interleave(rows)
        self._spread_base()
        self._forget()

    def _spread_base(self) -> None:
        """What is the same at all levels, for every row."""
        levels, layout = len(self._positions), self._layout
        self._row_base = [each.repeat(levels * layout.chains, 1) for each in self._base]
        again = (levels, 1)
        self._clamp = {
            layer: (mask.repeat(again), values.repeat(again))
            for layer, (mask, values) in (layout.clamp or {}).items()
        }

    def _forget(self) -> None:
        """Count swaps and round trips from here."""
        shape = (len(self._positions), self._layout.rows)
        self._seen_top = np.zeros(shape, dtype=bool)
        self._returning = np.zeros(shape, dtype=bool)
        self._trips = np.zeros(shape[1], dtype=np.int64)
        self._refused = np.zeros(shape[0] - 1)

    def arrays(self) -> dict[str, np.ndarray]:
        """Hotter replicas, levels, rates and counts, a row a chain."""
        layout = self._layout
        chains, levels, size = layout.chains, len(self._positions), layout.cases * layout.size
        hotter = [state[: -layout.rows] for state in self._states]
        values = layout.values(hotter).reshape(levels - 1, chains, size)
        by_chain = {"seen_top": self._seen_top, "returning": self._returning}
        seen = torch.stack(self._seen) if self._seen else values[:0]
        shared = {
            "level_positions": self._positions,
            "base": torch.cat(self._base, -1).cpu().numpy(),
            "refused": self._refused,
            "sampled": np.int64(self._sampled),
        }
        return {
            "hotter_states": values.transpose(0, 1).cpu().numpy(),
            "seen_states": seen.reshape(-1, chains, size).transpose(0, 1).cpu().numpy(),
            "round_trips": self._trips.reshape(chains, -1),
            **{n: each_chain(v, chains) for n, v in shared.items()},
            **{
                n: v.reshape(levels, chains, -1).transpose(1, 0, 2).astype(np.uint8)
                for n, v in by_chain.items()
            },
        }

    def restore(self, states: list[Tensor], arrays: Mapping[str, np.ndarray]) -> None:
        """Go on from there."""
        layout, like = self._layout, states[0]
        hotter = np.array(arrays["hotter_states"].transpose(1, 0, 2)).reshape(-1, layout.size)
        found = layout.states(torch.from_numpy(hotter).to(like.device))
        self._states = [torch.cat(both) for both in zip(found, states, strict=True)]
        base = torch.from_numpy(np.array(arrays["base"][0])).to(like.device)
        self._base = list(base.split(layout.machine.widths, -1))
        seen = torch.from_numpy(np.array(arrays["seen_states"].transpose(1, 0, 2)))
        self._seen = [part.reshape(layout.rows, -1).to(like.device) for part in seen]
        self._place(np.array(arrays["level_positions"][0]))
        shape = self._seen_top.shape
        for flags, name in ((self._seen_top, "seen_top"), (self._returning, "returning")):
            flags[:] = arrays[name].transpose(1, 0, 2).reshape(shape)
        self._trips[:] = arrays["round_trips"].reshape(-1)
        self._refused[:] = arrays["refused"][0]
        self._sampled = int(arrays["sampled"][0])

    def summary(self) -> dict[str, Any]:
        """Levels, swap rates, round trips, and warnings."""
        acceptance = 1 - self._refused / max(1, self._sampled)
        found, notes = ladder_summary(
            self._positions, acceptance, self._trips, self._sampled, self._layout.rows
        )
        return {"engine": "block Gibbs", **found, "notes": notes}


def swap_acceptance(positions: Tensor, gains: Tensor) -> Tensor:
    """Probability that neighbouring levels swap, (levels - 1, rows), of both (levels, rows).

    Exchanging x at s for y at t changes the log density by (t - s) (gain(x) - gain(y)).
    """
    steps = positions[1:] - positions[:-1]
    return (steps * (gains[:-1] - gains[1:])).clamp(max=0).exp()
