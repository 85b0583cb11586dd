"""Run native chains on threads: the main thread waits, shows progress and hears Ctrl-C.

ctypes releases the interpreter lock during a chain, so threads run in parallel; chains depend on
(seed, chain) alone, so the number of threads changes nothing in the draws.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable

import numpy as np

from probgen.compile.blas import single_threaded
from probgen.inference.adapt.settings import Settings
from probgen.inference.chains import Chains
from probgen.inference.method import DensityLike, Draws, Plan
from probgen.inference.native.library import load

__all__ = ["run_native", "run_on_threads"]

POLL_SECONDS = 0.2


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
    initial = np.ascontiguousarray(plan.initial, dtype=np.float64)
    chains = Chains(settings, plan)

    def run_chain(chain: int, stop: int) -> int:
        return library.probgen_run_chain(
            settings, native.address, native.context, chain, initial[chain].ctypes.data,
            chains.output(chain), chains.reports[chain], stop,
        )  # fmt: skip

    return run_on_threads(density, chains, run_chain)


def run_on_threads(
    density: DensityLike, chains: Chains, run_chain: Callable[[int, int], int]
) -> Draws:
    """Call `run_chain(chain, address of the stop flag)` for every chain, and collect the draws.

    `run_chain` fills the rows of `chains` and returns an outcome; it stops when the flag, an
    int32, is no longer zero.
    """
    plan, stop = chains.plan, ctypes.c_int32(0)

    def job(chain: int) -> None:
        chains.outcomes[chain] = run_chain(chain, ctypes.addressof(stop))

    started = time.perf_counter()
    crew = _Crew(job, plan.chains)
    with single_threaded():
        try:
            crew.start(min(plan.threads, plan.chains))
            while not crew.finished.wait(POLL_SECONDS):
                if plan.progress:
                    plan.progress(chains.progress())
        except KeyboardInterrupt:
            chains.interrupted = True
        finally:
            stop.value = 1
            crew.join()
    if crew.error:
        raise crew.error
    if plan.progress:
        plan.progress(chains.progress())
    return chains.result(density, time.perf_counter() - started, "native")


class _Crew:
    """Worker threads that take one job after another; the last one out says so."""

    def __init__(self, job: Callable[[int], None], jobs: int):
        self.finished = threading.Event()
        self.error: BaseException | None = None
        self._job = job
        self._pending = list(reversed(range(jobs)))
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._working = 0

    def start(self, threads: int) -> None:
        self._working = threads
        for _ in range(threads):
            thread = threading.Thread(target=self._work, daemon=True)
            self._threads.append(thread)
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        try:
            while True:
                with self._lock:
                    if not self._pending or self.error:
                        return
                    job = self._pending.pop()
                self._job(job)
        except BaseException as error:
            self.error = error
        finally:
            with self._lock:
                self._working -= 1
                if self._working == 0:
                    self.finished.set()
