"""A matplotlib figure as SVG that lives inside the page: themed by its CSS, and small.

Colours of the plotting style become CSS variables, so that one picture serves the light and the
dark page; text stays text; identifiers get a prefix, since pictures share one page. The SVG is
rebuilt element by element from a list of what may be in it: no script, no link, no style sheet
can come through, whatever the labels were.
"""

from __future__ import annotations

import io
import re
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.figure import Figure

__all__ = ["MOST_BYTES", "PALETTE", "figure_svg", "picture_style"]

MOST_BYTES = 350_000
"""Of one picture; a larger one is drawn in dots."""
LARGEST = 1.4
"""CSS pixels per point: larger, the text of a small picture would shout."""
INK, MUTED, PAPER = "#20242a", "#595959", "#ffffff"
# Tol's "bright" scheme, told apart by colour-blind readers
PALETTE = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bb7733", "#777788")
VARIABLES = {INK: "--ink", "#000000": "--ink", MUTED: "--muted", PAPER: "--surface"} | {
    colour: f"--c{number}" for number, colour in enumerate(PALETTE)
}
ELEMENTS = {"svg", "g", "defs", "path", "use", "clipPath", "rect", "text", "tspan", "image"}
ATTRIBUTES = {
    *("id", "d", "x", "y", "width", "height", "viewBox", "transform", "style", "clip-path"),
    *("href", "preserveAspectRatio"),
}
FAMILY = re.compile(r"font-family: [^;]*")
NUMBER = re.compile(r"-?\d+\.\d{3,}")


@contextmanager
def picture_style() -> Iterator[None]:
    """Draw in the report's style: transparent, few lines, text as text, no formulas in names."""
    import matplotlib
    from cycler import cycler

    style: dict[str, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": "probgen",
        "text.parse_math": False,  # a dollar sign in a name is a dollar sign
        "font.size": 10,
        "axes.titlesize": 10.5,
        "axes.titleweight": "bold",
        "axes.labelsize": 9.5,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.facecolor": PAPER,  # arviz-plots derives its greys from it
        "figure.facecolor": PAPER,
        "legend.frameon": False,
        "axes.prop_cycle": cycler(color=PALETTE),
        "figure.constrained_layout.use": True,
        **dict.fromkeys(("text.color", "axes.labelcolor", "axes.titlecolor"), INK),
        **dict.fromkeys(("xtick.color", "ytick.color", "axes.edgecolor"), MUTED),
    }
    with matplotlib.rc_context(style), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # degenerate limits of stuck chains
        yield


def figure_svg(figure: Figure, prefix: str) -> str:
    """The figure as an `svg` element; `prefix` keeps its identifiers apart from others'."""
    text = _small(_drawn(figure), prefix)
    if len(text) > MOST_BYTES:
        for axes in figure.axes:
            axes.set_rasterization_zorder(1000)
        text = _small(_drawn(figure), prefix)
    return text


def _small(text: str, prefix: str) -> str:
    """What matplotlib wrote, rebuilt from what a picture may hold."""
    root = _kept(ElementTree.fromstring(text), prefix)
    if root is None:
        raise ValueError("matplotlib wrote no svg element")
    for name in ("width", "height"):
        root.attrib.pop(name, None)
    width = float(root.get("viewBox", "0 0 500 0").split()[2])
    root.set("style", f"max-width: {LARGEST * width:.0f}px")
    root.set("aria-hidden", "true")
    root.set("focusable", "false")
    return ElementTree.tostring(root, encoding="unicode")


def _drawn(figure: Figure) -> str:
    stream = io.StringIO()
    figure.savefig(stream, format="svg", dpi=110, transparent=True, metadata={"Date": None})
    return stream.getvalue()


def _kept(element: ElementTree.Element, prefix: str) -> ElementTree.Element | None:
    """A copy of an element without what does not belong in a picture; None: nothing is left."""
    tag = str(element.tag).rpartition("}")[2]
    if tag not in ELEMENTS:
        return None
    copy = ElementTree.Element(tag)
    for name, value in element.attrib.items():
        name = name.rpartition("}")[2]
        if name in ATTRIBUTES and (kept := _value(name, value, prefix)) is not None:
            copy.set(name, kept)
    copy.text = element.text if tag in ("text", "tspan") else None
    for child in element:
        if (part := _kept(child, prefix)) is not None:
            copy.append(part)
    return copy


def _value(name: str, value: str, prefix: str) -> str | None:
    if name == "id":
        return f"{prefix}-{value}"
    if name == "href":
        if value.startswith("#"):
            return f"#{prefix}-{value[1:]}"
        return value if value.startswith("data:image/png;base64,") else None
    if name == "clip-path":
        return value.replace("url(#", f"url(#{prefix}-")
    if name == "d":
        return NUMBER.sub(lambda match: f"{float(match.group()):.1f}", value.replace("\n", ""))
    if name == "style":
        for colour, variable in VARIABLES.items():
            value = value.replace(colour, f"var({variable})")
        return FAMILY.sub("font-family: var(--font)", value)
    if name in ("x", "y"):
        return NUMBER.sub(lambda match: f"{float(match.group()):.1f}", value)
    return value
