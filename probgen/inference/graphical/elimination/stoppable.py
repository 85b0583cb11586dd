"""Long native calls that hear Ctrl-C."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

__all__ = ["run_stoppable"]

QUICK = 2**21
POLL_SECONDS = 0.1


def run_stoppable(call: Callable[[int], int], entries: float) -> int:
    """The result of `call(address of a stop flag, int32)`.

    Work on many table entries goes to a thread, so that the main thread can raise the flag on
    KeyboardInterrupt; the interrupt is raised again once the call has come back. A second
    interrupt does not wait for that, so `call` itself must keep alive the memory that it uses.
    """
    stop = np.zeros(1, dtype=np.int32)
    if entries <= QUICK or threading.current_thread() is not threading.main_thread():
        return call(stop.ctypes.data)
    results: list[int] = []
    errors: list[BaseException] = []
    finished = threading.Event()

    def work() -> None:
        try:
            results.append(call(stop.ctypes.data))
        except BaseException as error:
            errors.append(error)
        finally:
            finished.set()

    thread = threading.Thread(target=work)
    # An event: an interrupted Thread.join takes the thread for finished (Python 3.11).
    try:
        thread.start()
        while not finished.wait(POLL_SECONDS):
            pass
    except KeyboardInterrupt:
        stop[0] = 1
        if thread.is_alive():
            finished.wait()
        raise
    if errors:
        raise errors[0]
    return results[0]
