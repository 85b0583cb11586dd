"""How much higher one restricted machine's log-likelihood of some states is than another's.

Of two machines that are close, the difference of log Z is known far better than either: by
annealing along the straight line between their parameters, from chains of the first forwards and
from chains of the second backwards (Jarzynski 1997; Neal 2001). Both sets of chains start at data,
so that what they do not mix between counts alike. The two estimates bound the difference from
either side on average.
"""

from __future__ import annotations

import copy

import numpy as np
import torch

from probgen.nets.boltzmann.block import rounded, sweep
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.stream import Stream


@torch.no_grad()
def log_z_between(
    first: BoltzmannMachine, second: BoltzmannMachine, states: torch.Tensor, stream: Stream,
    burn_in: int, steps: int,
) -> tuple[float, float]:  # fmt: skip
    """log Z of the second less that of the first, and its standard error, by chains of the first.

    `states` (chains, width) of the lower layer are where the chains start.
    """
    machine = copy.deepcopy(first)
    chains = [states, states.new_zeros(len(states), first.widths[1])]
    weights = rounded(machine)
    for _ in range(burn_in):
        chains = sweep(machine, chains, stream, weights=weights)
    log = torch.zeros(len(states), dtype=torch.float64)
    for share in np.linspace(0, 1, steps + 1)[1:].tolist():
        log += machine.free_energy(chains[0]).double()
        for own, start, end in zip(
            machine.parameters(), first.parameters(), second.parameters(), strict=True
        ):
            own.copy_(torch.lerp(start, end, share))
        log -= machine.free_energy(chains[0]).double()
        chains = sweep(machine, chains, stream)
    relative = (log - log.max()).exp()
    error = (relative.std() / relative.mean() / len(log) ** 0.5).item()
    return (relative.mean().log() + log.max()).item(), error


def gain(
    first: BoltzmannMachine, second: BoltzmannMachine, starts: torch.Tensor, cases: torch.Tensor,
    burn_in: int = 300, steps: int = 50, seed: int = 1,
) -> dict[str, tuple[float, float]]:  # fmt: skip
    """Mean over cases of log p_second - log p_first, nats, with the error of log Z; both ways."""
    with torch.no_grad():
        free = (first.free_energy(cases) - second.free_energy(cases)).double().mean().item()
    found = {}
    for name, pair, sign in (("forwards", (first, second), 1), ("backwards", (second, first), -1)):
        log_z, error = log_z_between(*pair, starts, Stream(seed), burn_in, steps)
        found[name] = (free - sign * log_z, error)
    return found
