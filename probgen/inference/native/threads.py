"""Run native chains on threads: the main thread hands over pieces, shows progress, hears Ctrl-C.

ctypes releases the interpreter lock during a chain, so threads run in parallel; chains depend on
(seed, chain) alone, so the number of threads changes nothing in the draws.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable

from probgen.compile.blas import single_threaded
from probgen.inference.adapt.learnt import addresses
from probgen.inference.adapt.settings import Settings
from probgen.inference.chains import DONE, Chains
from probgen.inference.collect import collected
from probgen.inference.method import DensityLike, Draws, Plan
from probgen.inference.native.handle import NativeChain
from probgen.inference.native.library import load
from probgen.inference.pieces import Stretch

__all__ = ["run_native", "run_on_threads"]

POLL_SECONDS = 0.2
AHEAD = 2
"""Stretches under way at a time: one that is handed over, one that chains write to."""


def run_native(
    density: DensityLike, plan: Plan, settings: Settings, library: ctypes.CDLL | None = None
) -> Draws:
    """Draw with the compiled samplers; `density.native` must be there.

    A KeyboardInterrupt stops all chains after their current gradient and hands back what is
    finished; raised again when nothing is.
    """
    library = library or load()
    native = density.native
    if native is None:
        raise ValueError("this density has no native function")
    chains = Chains(settings, plan)

    def open_chain(index: int, stop: int) -> NativeChain:
        handle = library.probgen_open(
            settings, native.address, native.context, index,
            addresses(chains.learnt, index), chains.reports[index],
        )  # fmt: skip
        return NativeChain(library, handle, stop)

    return run_on_threads(density, chains, open_chain)


def run_on_threads(
    density: DensityLike, chains: Chains, open_chain: Callable[[int, int], NativeChain]
) -> Draws:
    """Make all stretches with every chain, hand them over, and collect the draws.

    `open_chain(chain, address of the stop flag)` makes a chain, which stops when the flag, an
    int32, is no longer zero.
    """
    plan, stop = chains.plan, ctypes.c_int32(0)
    crew = _Crew(chains, lambda index: open_chain(index, ctypes.addressof(stop)))
    shown = time.perf_counter()

    def show() -> None:
        nonlocal shown
        if plan.progress and time.perf_counter() - shown >= POLL_SECONDS:
            shown = time.perf_counter()
            plan.progress(chains.progress())

    with single_threaded():
        try:
            crew.start(min(plan.threads, plan.chains))
            while not crew.finished:
                crew.news.wait(POLL_SECONDS)
                crew.news.clear()
                while (stretch := crew.complete()) is not None:
                    chains.deliver(stretch)
                    crew.release()
                    show()  # chains that are as fast as the writing leave no pause
                show()
        except KeyboardInterrupt:
            chains.interrupted = True
        finally:
            stop.value = 1
            crew.leave()
    if crew.error:
        raise crew.error
    if plan.progress:
        plan.progress(chains.progress())
    return collected(chains, density, "native")


class _Crew:
    """Worker threads. A chain may go on to the next stretch before all others are there."""

    def __init__(self, chains: Chains, open_chain: Callable[[int], NativeChain]):
        self.news = threading.Event()
        self.error: BaseException | None = None
        self._chains, self._open_chain = chains, open_chain
        self._opened: dict[int, NativeChain] = {}
        self._under_way: deque[Stretch] = deque()
        self._ready: defaultdict[int, deque[int]] = defaultdict(deque)
        self._ready[0].extend(range(chains.plan.chains))
        self._begun = 0
        self._exhausted = self._left = False
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []

    @property
    def finished(self) -> bool:
        """Whether there is nothing more to wait for."""
        broken = self.error is not None or (self._chains.failed and self._chains.plan.keep)
        return bool(broken) or (self._exhausted and not self._under_way)

    def start(self, threads: int) -> None:
        """Begin to work."""
        for _ in range(threads):
            thread = threading.Thread(target=self._work, daemon=True)
            self._threads.append(thread)
            thread.start()

    def complete(self) -> Stretch | None:
        """The stretch that all chains have made and that was not released."""
        with self._changed:
            first = self._under_way[0] if self._under_way else None
            return first if first is not None and first.left == 0 else None

    def release(self) -> None:
        """Done with it: its place may be taken by another one."""
        with self._changed:
            self._under_way.popleft()
            self._changed.notify_all()

    def leave(self) -> None:
        """Wait for the threads, which take up nothing new, and close what is open."""
        with self._changed:
            self._left = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        for chain in self._opened.values():
            chain.close()

    def _work(self) -> None:
        try:
            while (job := self._next()) is not None:
                self._do(*job)
        except BaseException as error:
            self.error = error
        finally:
            with self._changed:
                self._changed.notify_all()
            self.news.set()

    def _next(self) -> tuple[Stretch, int] | None:
        """A stretch and a chain that is ready for it; None when there is nothing more to do."""
        with self._changed:
            while not (self._left or self.finished):
                for stretch in self._under_way:
                    if self._ready[stretch.number]:
                        return stretch, self._ready[stretch.number].popleft()
                if not self._begin():
                    self._changed.wait()
            return None

    def _begin(self) -> bool:
        """Begin another stretch if a chain is ready for it; whether there is news."""
        if self._exhausted or len(self._under_way) == AHEAD or not self._ready[self._begun]:
            return False
        stretch = self._chains.following()
        if stretch is not None:
            self._under_way.append(stretch)
            self._begun += 1
        self._exhausted = stretch is None or stretch.end == self._chains.total
        return True

    def _do(self, stretch: Stretch, index: int) -> None:
        chains, outcome = self._chains, DONE
        if index not in self._opened:
            self._opened[index] = self._open_chain(index)
            outcome = chains.place(self._opened[index], index)
        chain = self._opened[index]
        if outcome == DONE:
            outcome = chains.advance(chain, index, stretch)
        if outcome != DONE or stretch.end == chains.total:
            chain.close()
        with self._changed:
            chains.note(index, outcome)
            stretch.left -= 1
            if outcome == DONE:
                self._ready[stretch.number + 1].append(index)
            if stretch.left == 0 or chains.failed:
                self.news.set()
            self._changed.notify_all()
