"""The replicas of parallel tempering: sweeps at every level, then swaps between neighbours.

Even and odd pairs take turns (Okabe et al. 2001): a replica that is not refused keeps on in its
direction, and crosses the ladder in a straight line instead of a random walk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from probgen.inference.graphical.pieces import each_chain
from probgen.inference.graphical.tempering.path import Path, Statistics

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
        self,
        path: Path,
        positions: np.ndarray,
        cold: np.ndarray,
        seed: int,
        spread: Callable = map,
    ):
        """`cold`: possible states of the network, (n, C); `spread`: `map`, or that of a pool."""
        self.path, self._spread = path, spread
        self.chains = cold.shape[1]
        seed %= 2**128
        self._rng = np.random.default_rng((seed, 301))
        levels = len(positions)
        starts = [path.draw_base(self.chains, (seed, 302, r)) for r in range(levels - 1)]
        self.states = np.stack([*starts, cold])
        self.iterations = 0
        self.place(positions)

    def place(self, positions: np.ndarray) -> None:
        """Move the levels; where there are more or fewer, take the states of the nearest."""
        levels = len(positions)
        if levels != len(self.states):
            # Only the last level's states are sure to be possible; it keeps them.
            nearest = np.rint(np.linspace(0, len(self.states) - 1, levels)).astype(int)
            self.states = self.states[nearest]
        self.positions = positions
        self._sweepers = [self.path.sweeper(float(s)) for s in positions]
        self._keys = [int(key) for key in self._rng.integers(2**63, size=levels)]
        self.forget_trips()

    def forget_trips(self) -> None:
        """Count round trips from here."""
        shape = (len(self.positions), self.chains)
        # Of each replica: whether it has been at the top, and at the bottom since then.
        self._seen_top = np.zeros(shape, dtype=bool)
        self._returning = np.zeros(shape, dtype=bool)
        self.round_trips = np.zeros(self.chains, dtype=np.int64)

    def arrays(self) -> dict[str, np.ndarray]:
        """All but the last level's states and the generator, one row per chain, for `restore`."""
        keys = np.array(self._keys, dtype=np.uint64)
        return {
            "hotter_states": self.states[:-1].transpose(2, 0, 1),
            "level_positions": each_chain(self.positions, self.chains),
            "level_keys": each_chain(keys, self.chains),
            "seen_top": self._seen_top.T.astype(np.uint8),
            "returning": self._returning.T.astype(np.uint8),
            "round_trips": self.round_trips,
        }

    def rng_words(self) -> np.ndarray:
        """The generator that all chains share, (chain, 6) uint64."""
        state = self._rng.bit_generator.state
        inner, low = state["state"], 2**64 - 1
        words = [half for n in ("state", "inc") for half in (inner[n] >> 64, inner[n] & low)]
        words += [state["has_uint32"], state["uinteger"]]
        return each_chain(np.array(words, dtype=np.uint64), self.chains)

    def restore(
        self, arrays: Mapping[str, np.ndarray], words: np.ndarray, iterations: int
    ) -> None:
        """Go on where `arrays` and `rng_words` were taken, after so many iterations."""
        self.states[:-1] = arrays["hotter_states"].transpose(1, 2, 0)
        self._keys = [int(key) for key in arrays["level_keys"][0]]
        self._seen_top[:] = arrays["seen_top"].T
        self._returning[:] = arrays["returning"].T
        self.round_trips[:] = arrays["round_trips"]
        self.iterations = iterations
        high, low, more_high, more_low, has_half, half = (int(word) for word in words[0])
        self._rng.bit_generator.state = {
            "bit_generator": "PCG64",
            "state": {"state": high << 64 | low, "inc": more_high << 64 | more_low},
            "has_uint32": has_half,
            "uinteger": half,
        }

    def iterate(self, sweeps: int) -> Iteration:
        """Sweep every level, then propose the swaps of every other pair."""
        first = self.iterations * sweeps

        def sweep(level: int) -> None:
            self._sweepers[level].sweep(self.states[level], self._keys[level], first, sweeps)

        # The list is what waits for the threads and raises their errors.
        list(self._spread(sweep, range(len(self.states))))
        seen = self._look()
        uniform = self._rng.random(seen.acceptance.shape)
        for pair in range(self.iterations % 2, len(self.states) - 1, 2):
            self._swap(pair, np.flatnonzero(uniform[pair] < seen.acceptance[pair]))
        self._count_trips()
        self.iterations += 1
        return seen

    def _look(self) -> Iteration:
        found = self.path.statistics(self.states)
        shape = (len(self.positions) - 1, self.chains)
        up, down = np.empty(shape), np.empty(shape)
        for pair in range(len(up)):
            both = Statistics(found.gain[pair : pair + 2], found.zeros[pair : pair + 2])
            up[pair], down[pair] = both.step(self.positions[pair], self.positions[pair + 1])
        # Exchanging x below for y above changes the density by `up` at x less `up` at y.
        return Iteration(up, down, np.exp(np.minimum(0.0, up - down)))

    def _swap(self, pair: int, moved: np.ndarray) -> None:
        for values in (self.states, self._seen_top, self._returning):
            below, above = values[pair], values[pair + 1]
            below[..., moved], above[..., moved] = above[..., moved], below[..., moved]

    def _count_trips(self) -> None:
        """A trip ends at the top, for a replica that left it and has been at the bottom."""
        self._returning[0] |= self._seen_top[0]
        self.round_trips += self._returning[-1]
        self._returning[-1] = False
        self._seen_top[-1] = True
