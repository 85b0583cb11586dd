"""What a sampler's pieces become in a store: groups of the tree, then the state to go on from."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from probgen.errors import StoreError
from probgen.inference.interrupts import held_back
from probgen.results.store.files import explained
from probgen.results.store.reading import open_store
from probgen.results.store.state import KernelState, Piece
from probgen.results.store.store import Store
from probgen.results.tree import storable

__all__ = ["EVERY", "Recorder"]

_BLOCK_BYTES = 16_000_000  # of groups that are made at a time

EVERY = 0.5
"""Seconds between writes, at least."""

Groups = Mapping[str, xr.Dataset]


class Recorder:
    """Writes every piece of a run to its store as it comes.

    `to_groups` makes the groups of some draws, `constants` those that do not grow; `attrs` are
    the attributes until the run ends; `draw_bytes` is what one draw of all chains takes in the
    groups, which bounds how many are made at a time; `state` is where the store stood.
    """

    def __init__(
        self,
        store: Store,
        to_groups: Callable[[Piece], Groups],
        constants: Groups,
        attrs: Mapping[str, Any],
        planned: Mapping[bool, int],
        draw_bytes: int,
        state: KernelState | None = None,
    ) -> None:
        self.store = store
        self.state = state
        self._to_groups = to_groups
        self._constants = constants
        self._attrs = {key: storable(value) for key, value in attrs.items()}
        self._planned = planned
        self._held: list[Piece] = []
        self._held_bytes = 0
        self._written = time.monotonic()
        self._at_once = max(1, _BLOCK_BYTES // max(draw_bytes, 1))

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Store what is held, also when the run failed, and close the store."""
        try:
            if kind is None or not issubclass(kind, StoreError):
                self.flush()
        finally:
            self.store.close()

    def done(self, warm: bool) -> int:
        """Draws of each chain that are stored."""
        lengths = self.store.lengths
        return lengths.get("warmup_sample_stats" if warm else "sample_stats", 0)

    def keep(self, piece: Piece) -> None:
        """Store a piece; raises `StoreError` when it cannot be written.

        Pieces that come in quick succession are held and written together. A Ctrl-C that comes
        meanwhile is delivered when this is done.
        """
        with held_back(), explained(self.store.path, "written"):
            now = time.monotonic()
            self._held_bytes += piece.draws.nbytes + sum(v.nbytes for v in piece.stats.values())
            if now - self._written < EVERY and self._held_bytes < _BLOCK_BYTES:
                self._held.append(_copied(piece))
                return
            self._held.append(piece)
            self._write()

    def keeper(self, watch: Callable[[None], None] | None) -> Callable[[Piece], None]:
        """`keep`, with a call of `watch` after every piece: it may want the run to stop."""
        if watch is None:
            return self.keep

        def keep(piece: Piece) -> None:
            self.keep(piece)
            watch(None)

        return keep

    def flush(self) -> None:
        """Store what is held."""
        with held_back(), explained(self.store.path, "written"):
            self._write()

    def _write(self) -> None:
        if not self._held:
            return
        latest = self._held[-1].state
        for warm in (True, False):
            pieces = [p for p in self._held if p.warm == warm and p.draws.shape[1]]
            if pieces:
                self._append(pieces[0] if len(pieces) == 1 else _joined(pieces))
        self._held, self._held_bytes = [], 0
        unfinished = {"interrupted": 1, "draws_asked": self._planned[False]}
        self.store.commit({**self._attrs, **unfinished}, latest, False)
        self.state = latest
        self._written = time.monotonic()

    def finish(self, whole: Piece | None, final: Groups, attrs: Mapping[str, Any]) -> None:
        """Store what is known at the end: attributes, groups that do not grow, and, from methods
        that do not run in pieces, all draws at once."""
        with held_back(), explained(self.store.path, "written"):
            self._write()
            if whole is not None:
                self._append(whole)
            self.store.put(self._constants)
            self.store.put(final)
            plain = {key: storable(value) for key, value in attrs.items()}
            finished = not attrs.get("interrupted") and (
                self.done(False) >= self._planned[False] or self.state is None
            )
            self.store.commit(plain, self.state, finished)

    def tree(self) -> xr.DataTree:
        """What is stored, opened lazily."""
        return open_store(self.store.path)

    def _append(self, piece: Piece) -> None:
        """Append what is new of a piece, some draws at a time."""
        draws = piece.draws.shape[1]
        start = self.done(piece.warm) - piece.first
        if start < 0:
            raise ValueError(f"piece {piece.first} does not follow draw {piece.first + start}")
        for low in range(start, draws, self._at_once):
            self.store.append(
                self._part(piece, low, low + self._at_once), self._planned[piece.warm]
            )

    def _part(self, piece: Piece, low: int, high: int) -> Groups:
        stretch = slice(low, high)
        return self._to_groups(
            replace(
                piece,
                first=piece.first + low,
                draws=piece.draws[:, stretch],
                stats={name: np.asarray(v)[:, stretch] for name, v in piece.stats.items()},
            )
        )


def _copied(piece: Piece) -> Piece:
    """A piece whose memory is its own."""
    state = piece.state
    return replace(
        piece,
        draws=piece.draws.copy(),
        stats={name: np.array(values) for name, values in piece.stats.items()},
        state=KernelState(
            state.iteration,
            state.position.copy(),
            state.rng.copy(),
            {name: np.array(values) for name, values in state.adaptation.items()},
            {name: np.array(values) for name, values in state.counters.items()},
        ),
    )


def _joined(pieces: Sequence[Piece]) -> Piece:
    """Successive pieces as one."""
    return replace(
        pieces[0],
        draws=np.concatenate([piece.draws for piece in pieces], axis=1),
        stats={
            name: np.concatenate([piece.stats[name] for piece in pieces], axis=1)
            for name in pieces[0].stats
        },
        state=pieces[-1].state,
    )
