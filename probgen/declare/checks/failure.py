"""An exception raised by a program, as a fault that names the place in the user's file.

Pyro's own errors about names, plates and shapes are put in words that name the site and the
cure; everything else is quoted with the file, the line and the site that it belongs to.
"""

from __future__ import annotations

import ast
import linecache
import re
import sysconfig
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import pyro
import torch

from probgen.declare.checks.problem import Problem, error
from probgen.declare.data import name_of
from probgen.errors import ProbgenError

__all__ = ["failure", "without_shapes"]

_HERE = Path(__file__).parents[2]
_LIBRARIES = (
    *(Path(module.__file__ or "").parent for module in (torch, pyro)),
    *(_HERE / room for room in ("declare", "targets", "inference", "compile")),
    _HERE / "api.py",
    Path(sysconfig.get_path("stdlib")) / "contextlib.py",
)
_PRIMITIVES = ("sample", "deterministic", "factor")


def failure(model: Callable[..., Any], raised: BaseException) -> Problem:
    """The fault behind an exception that a run of `model` raised."""
    text = _text(raised)
    if isinstance(raised, ProbgenError):  # our own, which names its site
        named = re.search(r"[Ss]ite '(.+?)'", text)
        return error(named[1] if named else None, text, "")
    frames = list(_frames(raised))
    place = _place(frames)
    for pattern, reword in _KNOWN:
        match = re.search(pattern, text)
        if match:
            return reword(match, frames, place)
    where = f" at {place.line}" if place else ""
    if isinstance(raised, NotImplementedError) and not text:
        text = _undefined(frames)
    return error(
        place.site if place else None,
        f"The program {name_of(model)!r} raises {type(raised).__name__}{where}: {text}"
        + (f"\n    {place.code}" if place and place.code else ""),
        _CURES.get(type(raised).__name__, ""),
    )


def _undefined(frames: list[tuple[FrameType, int]]) -> str:
    """What a library leaves open where it raises without a word."""
    frame = frames[-1][0]
    owner = frame.f_locals.get("self")
    return f"{type(owner).__name__} does not define {frame.f_code.co_name}"


_CURES = {
    "NotImplementedError": (
        "Inference needs the log density of every site: choose a distribution or transform that "
        "has one, or reparameterise the site (pyro.infer.reparam)."
    ),
    "KeyError": (
        "If it is a transform without an inverse: its density is known for fresh draws alone. "
        "Sample what it is applied to, and use pyro.deterministic for the result."
    ),
    "_LinAlgError": (
        "The matrix is not positive definite for these values: add a small constant to its "
        "diagonal (for instance 1e-6 * torch.eye(n)), or build it from its Cholesky factor."
    ),
}


@dataclass(frozen=True)
class _Place:
    """Where in the user's code an exception arose."""

    line: str
    code: str
    site: str | None


def without_shapes(text: str) -> str:
    """The message of an exception without the table of shapes that Pyro appends."""
    return re.split(r"\n\s*Trace Shapes:", text)[0].strip()


def _text(raised: BaseException) -> str:
    text = without_shapes(str(raised))
    return text if len(text) < 600 else text[:600] + " ..."


def _frames(raised: BaseException) -> Iterator[tuple[FrameType, int]]:
    """Frames from the outermost to the one that raised, each with its line."""
    traceback = raised.__traceback__
    while traceback is not None:
        yield traceback.tb_frame, traceback.tb_lineno
        traceback = traceback.tb_next


def _place(frames: list[tuple[FrameType, int]]) -> _Place | None:
    """The innermost line of the user's code, and the site that it or a line around it declares."""
    own = [
        (frame, line)
        for frame, line in reversed(frames)
        if not any(Path(frame.f_code.co_filename).is_relative_to(lib) for lib in _LIBRARIES)
    ]
    if not own:
        return None
    sites = (_site_at(frame.f_code.co_filename, line) for frame, line in own)
    frame, line = own[0]
    path = Path(frame.f_code.co_filename)
    code = linecache.getline(str(path), line, frame.f_globals).strip()
    return _Place(f"{path.name}:{line}", code, next(filter(None, sites), None))


def _site_at(path: str, line: int) -> str | None:
    """The site that the statement on a line of a file declares, if it is one site."""
    try:
        tree = ast.parse("".join(linecache.getlines(path)))
    except (SyntaxError, ValueError):
        return None
    around = [
        node
        for node in ast.walk(tree)
        if isinstance(node, (ast.Expr, ast.Assign, ast.AnnAssign, ast.Return))
        and node.lineno <= line <= (node.end_lineno or node.lineno)
    ]
    names = {
        call.args[0].value
        for statement in around[-1:]
        for call in ast.walk(statement)
        if isinstance(call, ast.Call)
        and getattr(call.func, "attr", getattr(call.func, "id", None)) in _PRIMITIVES
        and call.args
        and isinstance(call.args[0], ast.Constant)
    }
    return str(names.pop()) if len(names) == 1 else None


_Reword = Callable[[re.Match[str], list[tuple[FrameType, int]], "_Place | None"], Problem]


def _duplicate(match: re.Match[str], frames: Any, place: _Place | None) -> Problem:
    name, where = match[1], f" (at {place.line})" if place else ""
    kinds = _plate_or_site(name, frames)
    if kinds == ("plate", "plate"):
        return error(
            name,
            f"Two plates are named {name!r}{where}.",
            f"Give them different names; or, if they are the same plate, create it once, "
            f"{name} = pyro.plate({name!r}, size), and enter it where it is needed: "
            f"with {name}: ...",
        )
    if "plate" in kinds:
        return error(
            name,
            f"A plate and a site are both named {name!r}{where}.",
            "Give one of them another name.",
        )
    return error(
        name,
        f"Two sites are named {name!r}{where}.",
        f'Give every site its own name; in a loop, for instance f"{name}_{{i}}", or use '
        "pyro.plate instead of the loop.",
    )


def _plate_or_site(name: str, frames: list[tuple[FrameType, int]]) -> tuple[str, str]:
    """What the name was used for first, and what for again, read off Pyro's own frames."""
    first = again = "site"
    for frame, _ in frames:
        known = frame.f_locals
        if frame.f_code.co_name == "add_node" and "kwargs" in known and "self" in known:
            first = _what(known["self"].nodes.get(name))
            again = _what(known["kwargs"])
    return first, again


def _what(message: Any) -> str:
    return "plate" if message and type(message.get("fn")).__name__ == "_Subsample" else "site"


def _parameter_clash(match: re.Match[str], frames: Any, place: _Place | None) -> Problem:
    return error(
        match[1],
        f"The name {match[1]!r} belongs to a {match[2]} already.",
        "Give the site another name.",
    )


def _collision(match: re.Match[str], frames: Any, place: _Place | None) -> Problem:
    inner, outer, dim = match[1], match[2], int(match[3])
    return error(
        inner,
        f"Plates {outer!r} and {inner!r} are nested and both use dimension {dim}.",
        f"Leave dim= out, or give {inner!r} another one, for instance dim={dim - 1}.",
    )


def _nested_twice(match: re.Match[str], frames: Any, place: _Place | None) -> Problem:
    return error(
        match[1],
        f"Plate {match[1]!r} is entered inside itself.",
        "Remove the inner one.",
    )


def _plate_shape(match: re.Match[str], frames: Any, place: _Place | None) -> Problem:
    plate, site, dim, size, actual = match.groups()
    return error(
        site,
        f"Site {site!r}: its distribution has size {actual} in dimension {dim}, where plate "
        f"{plate!r} has size {size}.",
        f"Make the plate {actual} long, index the parameters by the plate (x[..., index]), or "
        f"declare the dimension as part of the event with .to_event(1).",
    )


def _empty_plate(match: re.Match[str], frames: Any, place: _Place | None) -> Problem:
    return error(
        None,
        "A plate has size 0" + (f" at {place.line}:\n    {place.code}" if place else "."),
        "Check that the data are not empty.",
    )


def _no_distribution(match: re.Match[str], frames: Any, place: _Place | None) -> Problem:
    site = place.site if place else None
    return error(
        site,
        f"Site {site!r}: pyro.sample needs a distribution, not {match[1]}.",
        "Pass a distribution of pyro.distributions, or use pyro.deterministic for a value.",
    )


def _no_map(match: re.Match[str], frames: Any, place: _Place | None) -> Problem:
    site = place.site if place else None
    cure = "Declare a site that determines the value, on a support that has one"
    if match[1] == "Sphere":
        cure += ": for a unit vector, a normal vector that is divided by its length"
    named = f"Site {site!r}" if site else "A site"
    where = f" (at {place.line})" if place else ""
    return error(
        site,
        f"{named}{where} lives on the support {match[1]}, which has no smooth one-to-one map to "
        "the real line.",
        f"{cure}.",
    )


def _batch_statistics(match: re.Match[str], frames: Any, place: _Place | None) -> Problem:
    return error(
        place.site if place else None,
        "A network of the program takes the statistics of its batch (batch normalisation in "
        "training), and has one row"
        + (f" (at {place.line}):\n    {place.code}" if place else "."),
        "Take the statistics that it was trained with: module.eval().",
    )


_KNOWN: tuple[tuple[str, _Reword], ...] = (
    (r"Multiple sample sites named '(.+?)'", _duplicate),
    (r"^(\S+) is already in the trace as a (\w+)", _parameter_clash),
    (r'at plates "(.+?)" and "(.+?)", collide at dim=(-?\d+)', _collision),
    (r"duplicate plate '(.+?)'", _nested_twice),
    (
        r"Shape mismatch inside plate\('(.+?)'\) at site (\S+) dim (-?\d+), (\d+) vs (\d+)",
        _plate_shape,
    ),
    (r"^size cannot be zero$", _empty_plate),
    (r"^Expected more than 1 value per channel when training", _batch_statistics),
    (r"^Cannot transform _?(\w+) constraints", _no_map),
    (r"^'(\w+)' object has no attribute '(?:sample|log_prob|expand)'$", _no_distribution),
)
