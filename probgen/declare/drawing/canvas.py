"""A figure measured in inches, and the parts that all drawings of models are made of."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FILL", "INK", "canvas", "empty_figure", "name_lines", "node", "text_size"]

FILL = {
    "latent": "#FFFFFF",
    "observed": "#C9D6E6",
    "deterministic": "#FAFAF7",
    "factor": "#4A4A4A",
}
INK, FRAME, EDGE, PLATE, NUMERIC = "#1F2328", "#5A6470", "#7A828C", "#9AA4B0", "#B4552D"
NAME, SMALL, TITLE = 9.0, 6.8, 11.0
"""Sizes of type, in points."""
_MARGIN = 0.22


def canvas(
    corners: tuple[float, float, float, float], title: str, notes: Sequence[str] = ()
) -> tuple[Figure, Any]:
    """A figure around (x0, y0, x1, y1) with its axes in inches, the title above, notes below."""
    from matplotlib.figure import Figure

    x0, y0, x1, y1 = corners
    needed = max([text_size(title, TITLE)[0], *(text_size(n, SMALL)[0] for n in notes)], default=0)
    missing = max(0.0, needed - (x1 - x0), 1.2 - (x1 - x0))
    x0, x1 = x0 - missing / 2 - _MARGIN, x1 + missing / 2 + _MARGIN
    y1 += _MARGIN + (0.3 if title else 0.0)
    y0 -= _MARGIN + 0.15 * len(notes)
    figure = Figure(figsize=(x1 - x0, y1 - y0), facecolor="white")
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_xlim(x0, x1)
    axes.set_ylim(y0, y1)
    axes.set_axis_off()
    axes.text(
        x0 + _MARGIN, y1 - 0.14, title, fontsize=TITLE, color=INK, va="top", parse_math=False
    )
    for k, note in enumerate(reversed(notes)):
        y = y0 + 0.1 + 0.15 * k
        axes.text(x0 + _MARGIN, y, note, fontsize=SMALL, color=FRAME, parse_math=False)
    return figure, axes


def empty_figure(title: str) -> Figure:
    """The picture of a model without variables."""
    return canvas((0.0, 0.0, 2.0, 0.4), title, ["No variables."])[0]


@functools.lru_cache(maxsize=4096)
def text_size(text: str, points: float) -> tuple[float, float]:
    """Width and height of a line of text, in inches."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    if not text:
        return 0.0, 0.0
    font = FontProperties(size=points)
    width, height, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return width / 72, height / 72


def name_lines(name: str, longest: int = 18) -> list[str]:
    """A long name in two lines, broken at the mark nearest its middle."""
    marks = [k + 1 for k, letter in enumerate(name) if letter in "_ .-|" and 2 < k < len(name) - 3]
    if len(name) <= longest or not marks:
        return [name]
    cut = min(marks, key=lambda k: abs(k - len(name) / 2))
    return [name[:cut].rstrip(), name[cut:]]


def node(
    axes: Any,
    place: tuple[float, float],
    size: tuple[float, float],
    lines: Sequence[tuple[str, float, str]],
    *,
    kind: str,
    conditional: bool = False,
) -> None:
    """A variable: its lines of (text, points, colour) in a rounded frame that says its kind."""
    from matplotlib.patches import FancyBboxPatch

    (x, y), (width, height) = place, size
    style = ":" if conditional else "--" if kind == "deterministic" else "-"
    radius = 0.06 if kind == "factor" else min(height, width) * 0.36
    axes.add_patch(
        FancyBboxPatch(
            (x - width / 2, y - height / 2),
            width,
            height,
            boxstyle=f"round,pad=0,rounding_size={radius:.3f}",
            facecolor=FILL.get(kind, "#FFFFFF") if kind != "factor" else "#ECECEC",
            edgecolor=FRAME,
            linewidth=1.5 if conditional else 1.0,
            linestyle=style,
            zorder=3,
        )
    )
    step = sum(1.22 * points / 72 for _, points, _ in lines)
    top = y + step / 2
    for text, points, colour in lines:
        line = 1.22 * points / 72
        axes.text(
            x,
            top - line / 2,
            text,
            ha="center",
            va="center_baseline",
            fontsize=points,
            color=colour,
            zorder=4,
            parse_math=False,
        )
        top -= line
