"""A process that runs work in children of its own: `python -m probgen.studies.compare.mother`.

Each piece of work gets a fresh process, so that a crash, a leak or a compiled library of one
run cannot touch another, and one that takes too long can be killed with all it has started.
The libraries are imported once, here; children are forks, which start in milliseconds and find
them loaded. Where forks are not safe (outside Linux) the work is done here, once, and whoever
asked starts another process.

Messages are an 8-byte length and bytes: in, (seconds allowed or -1) and a pickled call; out,
a status byte and the pickled answer. Both ends are processes of ours, on one machine.
"""

from __future__ import annotations

import os
import select
import signal
import struct
import sys
import time
import traceback
from contextlib import suppress
from typing import IO

__all__ = ["DONE", "FORKS", "KILLED", "RAISED", "TIMEOUT", "receive", "send"]

DONE, RAISED, TIMEOUT, KILLED = b"d", b"r", b"t", b"k"
FORKS = sys.platform == "linux"
_PR_SET_PDEATHSIG = 1
_LENGTH = struct.Struct(">Qd")


def send(stream: IO[bytes], message: bytes, seconds: float = -1.0) -> None:
    """Write one message."""
    stream.write(_LENGTH.pack(len(message), seconds))
    stream.write(message)
    stream.flush()


def receive(stream: IO[bytes]) -> tuple[bytes, float] | None:
    """Read one message; None at the end of the stream."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    length, seconds = _LENGTH.unpack(head)
    message = stream.read(length)
    return (message, seconds) if len(message) == length else None


def work(call: bytes) -> bytes:
    """Do a pickled (function, arguments); a status byte and the pickled answer."""
    import cloudpickle

    try:
        function, arguments = cloudpickle.loads(call)
        return DONE + cloudpickle.dumps(function(*arguments))
    except BaseException as error:
        reason = (type(error).__name__, str(error), traceback.format_exc(limit=-6))
        return RAISED + cloudpickle.dumps(reason)


def in_child(call: bytes, seconds: float, requests: IO[bytes]) -> bytes:
    """Do the work in a fork, and kill it when its time is up or nobody waits any more."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()  # its compilers and helpers die with it
        _die_with_parent()
        os.close(reading)
        code = 0
        try:
            with os.fdopen(writing, "wb") as stream:
                stream.write(work(call))
        except BaseException:
            code = 1
        os._exit(code)
    os.close(writing)
    answer, status = bytearray(), DONE
    end = time.monotonic() + seconds if seconds >= 0 else None
    while True:
        left = None if end is None else max(end - time.monotonic(), 0.0)
        ready, _, _ = select.select([reading, requests.fileno()], [], [], left)
        if reading in ready:
            piece = os.read(reading, 1 << 16)
            if not piece:
                break
            answer += piece
        elif requests.fileno() in ready:  # nothing is sent before an answer: the other end is gone
            status = KILLED
            break
        else:
            status = TIMEOUT
            break
    if status is not DONE:
        _kill(child)
    os.close(reading)
    _, waited = os.waitpid(child, 0)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)  # what it may have left behind
    if status is not DONE:
        return status
    code = os.waitstatus_to_exitcode(waited)
    if code == -signal.SIGALRM:  # it had set itself a limit
        return TIMEOUT
    return bytes(answer) or KILLED + str(code).encode()


def _die_with_parent() -> None:
    """Ask Linux to end this process when the one that forked it ends."""
    import ctypes

    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _kill(child: int) -> None:
    for kill in (os.killpg, os.kill):  # in its first moment it leads no group yet
        try:
            kill(child, signal.SIGKILL)
        except ProcessLookupError:
            continue


def main() -> None:
    """Answer requests on standard input until it ends."""
    import cloudpickle

    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)  # what models print is no answer
    first = receive(requests)
    if first is None:
        return
    sys.path[:] = cloudpickle.loads(first[0])
    import arviz_stats.base  # noqa: F401  (a second to import; children find it here)

    import probgen.inference.infer_program
    import probgen.studies.compare.run  # noqa: F401

    while (request := receive(requests)) is not None:
        call, seconds = request
        answer = in_child(call, seconds, requests) if FORKS else work(call)
        send(answers, answer)


if __name__ == "__main__":
    main()
