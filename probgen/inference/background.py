"""A run on a thread of its own: look at the draws so far, stop it, wait for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import xarray as xr

from probgen.errors import StoreError
from probgen.results.store.reading import open_store

__all__ = ["Background"]


class Background:
    """A run in flight.

    Args:
        title: what is sampled, and how.
        run: samples; gets a function to call with its progress (or None) a few times a second,
            which raises `KeyboardInterrupt` when the run is to stop.
        path: the store that the draws go to.
        keep_store: whether it stays, so that the result can be read from it.
        close: called when the run is over.

    """

    def __init__(
        self,
        title: str,
        run: Callable[[Callable[[Any], None]], xr.DataTree],
        path: Path,
        keep_store: bool,
        close: Callable[[], None],
    ) -> None:
        self._title, self._run, self._path = title, run, path
        self._keep_store, self._close = keep_store, close
        self._progress: Any = None
        self._stopping = threading.Event()
        self._told = False
        self._over = threading.Event()
        self._tree: xr.DataTree | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name=title, daemon=True)
        self._thread.start()

    @property
    def progress(self) -> Any:
        """The latest look at the run, with the fields of `Progress`; None before the first."""
        return self._progress

    @property
    def running(self) -> bool:
        """Whether the run is still going on."""
        return not self._over.is_set()

    def tree(self) -> xr.DataTree:
        """The draws so far (none, and no groups, before the first are stored); the result when
        the run is over."""
        if self._tree is not None:
            return self._tree
        if self._keep_store:
            return open_store(self._path)
        try:
            return open_store(self._path).load()
        except StoreError:  # the run ended just now, and its temporary store is gone
            return self.result()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the run is over, at most `timeout` seconds; returns whether it is."""
        return self._over.wait(timeout)

    def stop(self) -> xr.DataTree:
        """Stop the run after its current transitions and return the draws so far.

        Raises `StoreError` when there are none yet, and whatever error the run met.
        """
        self._stopping.set()
        self._over.wait()
        if isinstance(self._error, KeyboardInterrupt):
            raise StoreError("The run was stopped before its first draw: there is no result.")
        return self.result()

    def result(self, timeout: float | None = None) -> xr.DataTree:
        """Wait for the end and return the tree; raises the error that the run met, if any.

        Raises `TimeoutError` when the run is not over after `timeout` seconds.
        """
        if not self._over.wait(timeout):
            raise TimeoutError(f"{self._title} is still running.")
        if self._error is not None:
            raise self._error
        if self._tree is None:
            raise StoreError(f"{self._title} ended without a result.")
        return self._tree

    def __repr__(self) -> str:
        doing = "running" if self.running else "failed" if self._error else "finished"
        return f"<{self._title}: {doing}, {self._path}>"

    def _work(self) -> None:
        try:
            tree = self._run(self._watch)
            self._tree = tree if self._keep_store else tree.load()
        except BaseException as error:
            self._error = error
        finally:
            self._close()
            self._over.set()

    def _watch(self, progress: Any) -> None:
        if progress is not None:
            self._progress = progress
        if self._stopping.is_set() and not self._told:
            self._told = True  # once, as a signal comes
            raise KeyboardInterrupt
