"""What a sampler's pieces become in a store: groups of the tree, then the state to go on from."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
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

__all__ = ["EVERY", "Recorder", "Standing"]

_BLOCK_BYTES = 32_000_000  # of groups that are made at a time
_HELD_BYTES = 1_000_000  # of pieces that are not worth a write of their own

EVERY = 0.5
"""Seconds between commits, at least."""
_SHARE = 50
"""Or so many times as long as the latest commit took: a large state must not cost the run."""
_NODES_EVERY = 10.0
"""Seconds between descriptions of every array by itself, which only few look at."""

Groups = Mapping[str, xr.Dataset]
Standing = Callable[[], tuple[Piece, Groups, Mapping[str, Any]]]
"""What a run whose draws change as it goes on has now: all of them as a piece with its state,
groups that go with them, and attributes. Called where it is written, at any time after."""
Values = Mapping[str, Mapping[str, np.ndarray]]


class Recorder:
    """Writes every piece of a run to its store as it comes.

    `to_groups` makes the groups of some draws, `to_values` only their arrays by group and name;
    `constants` are the groups that do not grow; `attrs` are the attributes until the run ends;
    `draw_bytes` is what one draw of all chains takes in the groups, which bounds how many are
    made at a time; `state` is where the store stood.
    """

    def __init__(
        self,
        store: Store,
        to_groups: Callable[[Piece], Groups],
        to_values: Callable[[Piece], Values],
        constants: Groups,
        attrs: Mapping[str, Any],
        planned: Mapping[bool, int],
        draw_bytes: int,
        state: KernelState | None = None,
    ) -> None:
        self.store = store
        self.state = state
        self._to_groups, self._to_values = to_groups, to_values
        self._constants = constants
        self._attrs = {key: storable(value) for key, value in attrs.items()}
        self._planned = planned
        self._held: list[Piece] = []
        self._held_bytes = 0
        self._latest = state  # of what is appended, to be committed
        self._standing: Standing | None = None  # of what is to be replaced
        self._replaces = False
        self._described = time.monotonic()
        self._due = self._described + EVERY
        self._at_once = max(1, _BLOCK_BYTES // max(draw_bytes, 1))
        _keep_freed_memory()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, _: object, error: BaseException | None, *__: object) -> None:
        """Store what is held, also when the run failed, and close the store."""
        try:
            if error is None:
                self.flush()
            elif not isinstance(error, StoreError):
                with suppress(Exception):  # the run's own error is the one to be told
                    self.flush()
                error.add_note(
                    f"{self.store.path} holds the {self.done(False)} draws of each chain that "
                    "were made before: look at them with open_tree, go on with resume."
                )
        finally:
            self.store.close()

    def done(self, warm: bool) -> int:
        """Draws of each chain that are stored."""
        if not warm and self.store.replaced:
            return self.store.replaced
        lengths = self.store.lengths
        return lengths.get("warmup_sample_stats" if warm else "sample_stats", 0)

    def keep(self, piece: Piece) -> None:
        """Store a piece; raises `StoreError` when it cannot be written.

        Small pieces that come in quick succession are held and written together. A Ctrl-C that
        comes meanwhile is delivered when this is done.
        """
        with held_back(), explained(self.store.path, "written"):
            self._held_bytes += piece.draws.nbytes + sum(v.nbytes for v in piece.stats.values())
            due = time.monotonic() >= self._due
            if not due and self._held_bytes < _HELD_BYTES:
                self._held.append(_copied(piece))
                return
            self._held.append(piece)
            if due:
                self._write()
            else:
                self._append_held()

    def replace(self, standing: Standing) -> None:
        """Store what a run has now in place of what it had, unless that was a moment ago."""
        self._standing, self._replaces = standing, True
        if time.monotonic() >= self._due:
            with held_back(), explained(self.store.path, "written"):
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
            self._write(every_node=True)

    def _write(self, every_node: bool = False) -> None:
        """Append what is held, and commit what was appended, also where that failed."""
        try:
            self._append_held()
        finally:
            self._commit(every_node)

    def _commit(self, every_node: bool) -> None:
        if self._latest is self.state:
            return
        began = time.monotonic()
        every_node = every_node or began - self._described >= _NODES_EVERY
        unfinished = {"interrupted": 1, "draws_asked": self._planned[False]}
        self.store.commit({**self._attrs, **unfinished}, self._latest, False, every_node)
        self.state = self._latest
        now = time.monotonic()
        self._described = now if every_node else self._described
        self._due = now + EVERY * max(1.0, _SHARE * (now - began) / 0.5)

    def _append_held(self) -> None:
        for warm in (True, False):
            pieces = [p for p in self._held if p.warm == warm and p.draws.shape[1]]
            if pieces:
                self._append(pieces[0] if len(pieces) == 1 else _joined(pieces))
        if self._held:
            self._latest = _copied_state(self._held[-1].state)
        self._held, self._held_bytes = [], 0
        if self._standing is not None:
            piece, groups, attrs = self._standing()
            drawn = self._to_groups(piece) if piece.draws.shape[1] else {}
            self.store.replace({**drawn, **groups})
            self._latest = piece.state
            self._attrs |= {key: storable(value) for key, value in attrs.items()}
            self._standing = None

    def finish(self, whole: Piece | None, final: Groups, attrs: Mapping[str, Any]) -> None:
        """Store what is known at the end: attributes, groups that do not grow, and, from methods
        that do not run in pieces, all draws at once."""
        with held_back(), explained(self.store.path, "written"):
            self._append_held()
            if whole is not None:
                self._append(whole)
            self.store.put(self._constants)
            self.store.put(final)
            plain = {key: storable(value) for key, value in attrs.items()}
            whole_run = self.done(False) >= self._planned[False] or self._latest is None
            finished = not attrs.get("interrupted") and (whole_run or self._replaces)
            self.store.commit(plain, self._latest, finished)
            self.state = self._latest

    def tree(self) -> xr.DataTree:
        """What is stored, opened lazily."""
        return open_store(self.store.path)

    def _append(self, piece: Piece) -> None:
        """Append what is new of a piece, some draws at a time."""
        draws = piece.draws.shape[1]
        done = self.done(piece.warm)
        start = done - piece.first
        if start < 0:
            raise ValueError(f"piece {piece.first} does not follow draw {piece.first + start}")
        if done == 0 and draws:  # with coordinates, and what does not grow
            first = self._part(piece, 0, self._at_once)
            self.store.append(self._to_groups(first), self._planned[piece.warm])
            start = first.draws.shape[1]
        for low in range(start, draws, self._at_once):
            self.store.extend(self._to_values(self._part(piece, low, low + self._at_once)))

    def _part(self, piece: Piece, low: int, high: int) -> Piece:
        stretch = slice(low, high)
        return replace(
            piece,
            first=piece.first + low,
            draws=piece.draws[:, stretch],
            stats={name: np.asarray(v)[:, stretch] for name, v in piece.stats.items()},
        )


def _keep_freed_memory() -> None:
    """Have freed blocks used again for the next piece, where the C library is glibc.

    It gives memory back to the system from a size on that follows the largest block freed so far,
    and pages that come back must be cleared first.
    """
    np.empty(_BLOCK_BYTES // 2, np.uint8)


def _copied(piece: Piece) -> Piece:
    """A piece whose memory is its own."""
    return replace(
        piece,
        draws=piece.draws.copy(),
        stats={name: np.array(values) for name, values in piece.stats.items()},
        state=_copied_state(piece.state),
    )


def _copied_state(state: KernelState) -> KernelState:
    return KernelState(
        state.iteration,
        state.position.copy(),
        state.rng.copy(),
        {name: np.array(values) for name, values in state.adaptation.items()},
        {name: np.array(values) for name, values in state.counters.items()},
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
