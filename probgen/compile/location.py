"""Where in the user's program something happens, for messages."""

from __future__ import annotations

import os
import sys
import traceback
from types import FrameType

import pyro
import torch

__all__ = ["program_line", "raised_line"]

_HERE = os.path.dirname(__file__)
_TRACER = os.path.join(_HERE, "trace.py")
_STANDARD = os.path.dirname(os.__file__) + os.sep
_ROOMS = ("compile", "declare", "targets", "inference")
_LIBRARIES = (
    "<frozen", "<string>", *(os.path.dirname(str(m.__file__)) + os.sep for m in (torch, pyro)),
    *(os.path.join(os.path.dirname(_HERE), room) + os.sep for room in _ROOMS),
)  # fmt: skip


def program_line() -> str:
    """What is running, as the start of a sentence: "FILE:LINE " of the user's program.

    Where Pyro evaluates a log density, it is the site; in the backward pass nothing is known
    beyond that.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and not _is_start(frame):
        if frame.f_code.co_name == "compute_log_prob" and "name" in frame.f_locals:
            return f"the log density of site {frame.f_locals['name']!r} "
        if not _is_library(frame.f_code.co_filename):
            return f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno} "
        frame = frame.f_back
    return "the gradient "


def raised_line(error: BaseException) -> str:
    """The line of the user's program from which an error came, like `program_line`."""
    lines = [
        f"{os.path.basename(frame.f_code.co_filename)}:{number} "
        for frame, number in traceback.walk_tb(error.__traceback__)
        if not _is_library(frame.f_code.co_filename)
    ]
    return lines[-1] if lines else "it "


def _is_start(frame: FrameType) -> bool:
    """Whether tracing began here, so that the user's program is not further up."""
    return frame.f_code.co_filename == _TRACER and frame.f_code.co_name == "trace_with_gradient"


def _is_library(name: str) -> bool:
    standard = name.startswith(_STANDARD) and "site-packages" not in name
    return standard or name.startswith(_LIBRARIES)
