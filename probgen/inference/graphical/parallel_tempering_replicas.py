"""The replicas of parallel tempering: sweeps at every level, then swaps between neighbours.

Even and odd pairs take turns (Okabe et al. 2001): a replica that is not refused keeps on in its
direction, and crosses the ladder in a straight line instead of a random walk.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from probgen.inference.graphical.ladder_path import Path, Statistics

__all__ = ["Iteration", "Replicas"]


@dataclass(frozen=True, eq=False)
class Iteration:
    """What an iteration saw: (levels - 1, chains) each.

    up: log density of the level above less that of the level, at the level's states; down: the
    same at the states of the level above. acceptance: of the swap, whether proposed or not.
    """

    up: np.ndarray
    down: np.ndarray
    acceptance: np.ndarray


class Replicas:
    """States of all levels of all chains; level 0 is independent, the last one is the network.

    A chain is a whole ladder of its own. Levels keep their place and states move.
    """

    def __init__(
        self, path: Path, positions: np.ndarray, cold: np.ndarray, seed: int, threads: int
    ):
        """`cold`: possible states of the network, (n, C) uint8."""
        self.path, self.threads = path, threads
        self.chains = cold.shape[1]
        self._rng = np.random.default_rng((seed % 2**128, 301))
        self._seed = seed % 2**128
        levels = len(positions)
        starts = [path.draw_base(self.chains, (self._seed, 302, r)) for r in range(levels - 1)]
        self.states = [*starts, np.ascontiguousarray(cold)]
        self.iterations = 0
        self.place(positions)

    def place(self, positions: np.ndarray) -> None:
        """Move the levels; where there are more or fewer, take the states of the nearest."""
        levels = len(positions)
        if levels != len(self.states):
            nearest = np.rint(np.linspace(0, len(self.states) - 1, levels)).astype(int)
            # Only the last level's states are sure to be possible; it keeps them.
            self.states = [self.states[r].copy() for r in nearest]
        self.positions = positions
        self.sweepers = [self.path.sweeper(float(s)) for s in positions]
        self._keys = [int(key) for key in self._rng.integers(2**63, size=levels)]
        self.forget_trips()

    def forget_trips(self) -> None:
        """Count round trips from here."""
        levels = len(self.positions)
        # Of each replica: whether it has been at the bottom since it was last at the top.
        self._warmed = np.zeros((levels, self.chains), dtype=bool)
        self._seen_top = np.zeros((levels, self.chains), dtype=bool)
        self.round_trips = np.zeros(self.chains, dtype=np.int64)

    def iterate(self, sweeps: int) -> Iteration:
        """Sweep every level, then propose the swaps of every other pair."""
        found = []
        for states, sweeper, key in zip(self.states, self.sweepers, self._keys, strict=True):
            sweeper.sweep(states, key, self.iterations * sweeps, sweeps, threads=self.threads)
            found.append(self.path.statistics(states))
        seen = _compare(self.positions, found)
        uniform = self._rng.random(seen.acceptance.shape)
        for pair in range(self.iterations % 2, len(self.states) - 1, 2):
            accepted = uniform[pair] < seen.acceptance[pair]
            self._swap(pair, accepted)
        self._count_trips()
        self.iterations += 1
        return seen

    def _swap(self, pair: int, accepted: np.ndarray) -> None:
        moved = np.flatnonzero(accepted)
        below, above = self.states[pair], self.states[pair + 1]
        below[:, moved], above[:, moved] = above[:, moved], below[:, moved]
        for mark in (self._warmed, self._seen_top):
            mark[pair, moved], mark[pair + 1, moved] = mark[pair + 1, moved], mark[pair, moved]

    def _count_trips(self) -> None:
        """A trip ends at the top, for a replica that left it and has been at the bottom."""
        self._warmed[0] |= self._seen_top[0]
        self.round_trips += self._warmed[-1]
        self._warmed[-1] = False
        self._seen_top[-1] = True


def _compare(positions: np.ndarray, found: list[Statistics]) -> Iteration:
    pairs = range(len(positions) - 1)
    up = np.array([found[r].step(positions[r], positions[r + 1]) for r in pairs])
    down = np.array([found[r + 1].step(positions[r], positions[r + 1]) for r in pairs])
    # Exchange x below for y above: densities change by `up` at x less `up` at y.
    return Iteration(up, down, np.exp(np.minimum(0.0, up - down)))
