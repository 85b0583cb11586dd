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
    KeyboardInterrupt; the interrupt is raised again once the call has come back.
    """
    stop = np.zeros(1, dtype=np.int32)
    address = stop.ctypes.data
    if entries <= QUICK or threading.current_thread() is not threading.main_thread():
        return call(address)
    results: list[int] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(call(address))
        except BaseException as error:
            errors.append(error)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        while worker.is_alive():
            worker.join(POLL_SECONDS)
    except KeyboardInterrupt:
        stop[0] = 1
        worker.join()
        raise
    if errors:
        raise errors[0]
    return results[0]
