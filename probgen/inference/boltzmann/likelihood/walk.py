"""Particles on the path between a base-rate machine and a Boltzmann machine, either way.

Forward, the mean weight is Z / Z0 (Neal 2001). Backward from a state x of the machine, the mean
weight is Z0 p'(x) / f(x) with f = exp(-E) and p' the distribution in which the walk forward ends
(Burda, Grosse & Salakhutdinov 2015): nearly Z0 / Z, whatever the x.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch

from probgen.inference.boltzmann.likelihood.path import Particles, Path
from probgen.inference.graphical.tempering.weights import Weights
from probgen.nets.stream import Stream

__all__ = ["backward", "forward"]


@torch.no_grad()
def forward(
    path: Path, positions: np.ndarray, chains: int, sweeps: int, stream: Stream
) -> tuple[Particles, Weights]:
    """Particles at the end of the path and their log weights; `positions` go from 0 to 1."""
    particles = path.draw_base(chains, stream)
    log = np.zeros(chains)
    for start, stop in pairwise(positions):
        rise = path.statistics(particles)
        log += rise.step(start, stop)
        for number in range(sweeps if stop < 1 else 0):
            rise = rise if number == 0 else path.statistics(particles)
            particles = path.sweep(rise, stop, stream)
    return particles, Weights(log)


@torch.no_grad()
def backward(
    path: Path, positions: np.ndarray, particles: Particles, sweeps: int, stream: Stream
) -> Weights:
    """Log weights of walks from given particles back to the base."""
    log: np.ndarray | float = 0.0
    for stop, start in pairwise(positions[::-1]):
        rise = path.statistics(particles)
        log = log - rise.step(start, stop)
        for number in range(sweeps if start > 0 else 0):
            rise = rise if number == 0 else path.statistics(particles)
            particles = path.sweep(rise, start, stream)
    return Weights(np.asarray(log))
