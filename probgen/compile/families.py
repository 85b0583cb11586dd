"""Many views as one: what the steps of a loop read or write, with the step as a dimension.

Views of one buffer whose offsets are in arithmetic progression are one strided view; constants
are stacked into one table; anything else is copied, stretch by stretch, into one buffer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from probgen.compile.data import strided
from probgen.compile.ir import LOGICAL, Graph, View, contiguous_strides

__all__ = ["Irregular", "affine", "assembled", "constant_elements", "family", "merged", "window"]

Piece = tuple[View, int, tuple[int, ...]]


class Irregular(Exception):
    """The steps of a loop cannot be written as one."""


def affine(views: Sequence[View]) -> View | None:
    """Views of one buffer, equally far apart, as one view with a leading dimension."""
    first = views[0]
    step = views[1].offset - first.offset if len(views) > 1 else 0
    for number, view in enumerate(views):
        if not _moved(first, view, number * step):
            return None
    return first.restride((len(views), *first.shape), (step, *first.strides))


def family(graph: Graph, views: Sequence[View]) -> View:
    """Views of one shape, stacked along a new leading dimension."""
    together = affine(views)
    if together is not None:
        return together
    if len({view.dtype for view in views}) > 1:
        raise Irregular
    if all(view.node.kind == "constant" for view in views):
        table = np.stack([constant_elements(view) for view in views])
        return graph.constant(table.astype(bool) if views[0].dtype == LOGICAL else table)
    shape = (len(views), *views[0].shape)
    steps = contiguous_strides(shape)
    pieces = [(view, row * steps[0], steps[1:]) for row, view in enumerate(views)]
    return assembled(graph, shape, 0.0, pieces)


def constant_elements(view: View) -> np.ndarray:
    """The numbers that a view of a constant reads."""
    elements = strided(view.node.attributes[0], view.shape, view.strides, view.offset)
    return elements.reshape(view.shape)


def assembled(
    graph: Graph, shape: Sequence[int], base: View | float, pieces: Sequence[Piece]
) -> View:
    """`Graph.assemble` with as few pieces as possible: none if a view reads all of them."""
    fewer = merged(pieces)
    if len(fewer) == 1:
        view, offset, strides = fewer[0]
        order = sorted(range(len(strides)), key=lambda d: -strides[d])
        sizes = [view.shape[d] for d in order]
        kept = [strides[d] for d in order if view.shape[d] > 1]
        row_major = [s for s, n in zip(contiguous_strides(sizes), sizes, strict=True) if n > 1]
        packed = offset == 0 and kept == row_major
        if packed and [n for n in sizes if n > 1] == [n for n in shape if n > 1]:
            moves = iter(view.strides[d] for d in order if view.shape[d] > 1)
            return view.restride(shape, [next(moves) if n > 1 else 0 for n in shape])
    return graph.assemble(shape, base, fewer)


def merged(pieces: Sequence[Piece]) -> list[Piece]:
    """Stretches of pieces that read and write in equal steps, each as one piece."""
    result: list[Piece] = []
    first = 0
    while first < len(pieces):
        stop = _stretch(pieces, first)
        view, offset, strides = pieces[first]
        if stop - first > 1:
            after, place, _ = pieces[first + 1]
            count, step = stop - first, after.offset - view.offset
            view = view.restride((count, *view.shape), (step, *view.strides))
            strides = (place - offset, *strides)
        result.append((view, offset, tuple(strides)))
        first = stop
    return result


def _stretch(pieces: Sequence[Piece], first: int) -> int:
    """Where the pieces stop being equally far apart."""
    if first + 1 == len(pieces):
        return first + 1
    view, offset, strides = pieces[first]
    read = pieces[first + 1][0].offset - view.offset
    write = pieces[first + 1][1] - offset
    stop = first + 1
    while stop < len(pieces):
        count = stop - first
        other, place, steps = pieces[stop]
        if not _moved(view, other, count * read) or steps != strides:
            break
        if place != offset + count * write:
            break
        stop += 1
    return stop


def _moved(view: View, other: View, by: int) -> bool:
    return (
        other.node is view.node
        and other.offset == view.offset + by
        and other.strides == view.strides
        and other.shape == view.shape
    )


def window(views: Sequence[View]) -> tuple[int, int]:
    """The longest stretch of views that are one (`affine`), as (first, stop)."""
    pieces = [(view, 0, ()) for view in views]
    best, first = (0, 0), 0
    while first < len(pieces):
        stop = _stretch(pieces, first)
        if stop - first > best[1] - best[0]:
            best = (first, stop)
        first = max(stop - 1, first + 1)
    return best
