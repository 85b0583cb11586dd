"""Work in a process of its own, with a time limit: the answer, or why there is none.

One helper process (`mother`) per thread that asks is kept for its next call, since importing the
libraries takes seconds. Calls travel by cloudpickle, between processes of ours only.
"""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
import threading
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from probgen.studies.compare.mother import (
    DONE,
    FORKS,
    KILLED,
    RAISED,
    TIMEOUT,
    receive,
    send,
)

__all__ = ["Answer", "answer_of"]

_GRACE = 120.0  # seconds beyond the limit, for the start, after which the helper is given up
_MATTERS = ("CXX", "OMP_NUM_THREADS")  # and PROBGEN_...: a helper with others is no use


@dataclass(frozen=True)
class Answer:
    """What became of a call.

    Attributes
    ----------
    status: "done"; "failed" (it raised), "timeout", or "crashed" (its process died).
    value: what it returned, if done; the traceback as text, if it failed.
    reason: in words, if not done.
    kind: name of the error's class, if it failed.

    """

    status: Literal["done", "failed", "timeout", "crashed"]
    value: Any = None
    reason: str = ""
    kind: str = ""


def answer_of(call: bytes, seconds: float | None = None) -> Answer:
    """Do a packed call in a process of its own, and wait for it `seconds` at most."""
    helper = getattr(_of_thread, "helper", None)
    if helper is None or not helper.serves():
        if helper is not None:
            helper.close()
        helper = _of_thread.helper = _Helper()
    try:
        return helper.ask(call, seconds)
    except BaseException:  # Ctrl-C: the work goes too
        helper.close()
        raise


class _Helper:
    """A running `mother` and the pipes to it."""

    def __init__(self) -> None:
        import cloudpickle

        self.surroundings = _surroundings()
        self.process = subprocess.Popen(
            [sys.executable, "-c", _START, str(Path(__file__).parents[3])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is ours to pass on
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.requests: IO[bytes] = self.process.stdin
        self.answers: IO[bytes] = self.process.stdout
        _helpers.add(self)
        send(self.requests, cloudpickle.dumps(sys.path))

    def serves(self) -> bool:
        """Whether it still runs, in surroundings that have not changed since."""
        return self.process.poll() is None and self.surroundings == _surroundings()

    def ask(self, call: bytes, seconds: float | None) -> Answer:
        """Send a call, wait for its answer."""
        watch = threading.Timer((seconds or 0.0) + _GRACE, self.process.kill)
        watch.daemon = True  # nobody waits for it at the end of the program
        try:
            if seconds is not None:
                watch.start()
            send(self.requests, call, -1.0 if seconds is None else seconds)
            received = receive(self.answers)
        except BrokenPipeError:
            received = None
        finally:
            late = watch.finished.is_set()
            watch.cancel()
        if received is None or not FORKS:
            self.close()
        if received is not None:
            return _read(received[0], seconds)
        if late:
            return Answer("timeout", reason=f"not done after {seconds:g} s")
        return Answer("crashed", reason="its process died")

    def close(self) -> None:
        """End it; its children notice and end, too."""
        for stream in (self.requests, self.answers):
            try:
                stream.close()
            except BrokenPipeError:
                continue
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


_of_thread = threading.local()
_helpers: weakref.WeakSet[_Helper] = weakref.WeakSet()
_START = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from probgen.studies.compare.mother import main; main()"
)


@atexit.register
def _close_all() -> None:
    for helper in list(_helpers):
        helper.close()


def _surroundings() -> dict[str, str]:
    """What a helper takes over from this process when it starts."""
    found = {n: v for n, v in os.environ.items() if n.startswith("PROBGEN_") or n in _MATTERS}
    return {**found, "directory": os.getcwd()}


def _read(answer: bytes, seconds: float | None) -> Answer:
    import cloudpickle

    status, rest = answer[:1], answer[1:]
    if status == DONE:
        return Answer("done", cloudpickle.loads(rest))
    if status == TIMEOUT:
        return Answer("timeout", reason=f"not done after {seconds:g} s")
    if status == KILLED:
        return Answer("crashed", reason=_how_it_died(int(rest or b"1")))
    kind, text, trace = cloudpickle.loads(rest) if status == RAISED else ("", "no answer", "")
    return Answer("failed", value=trace, reason=text or kind, kind=kind)


def _how_it_died(code: int) -> str:
    if code >= 0:
        return f"its process ended with code {code}"
    name = signal.Signals(-code).name
    hint = " (out of memory?)" if name == "SIGKILL" else ""
    return f"its process was ended by {name}{hint}"
