"""A comparison as HTML: a fragment for any page, and a page of its own.

The page is dressed as the report is, by its style sheet and script, and needs no network. All
that comes from the user or from an error message is escaped by the report's template engine.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from probgen.diagnose.report.svg import figure_svg, picture_style
from probgen.diagnose.report.templating import content_policy, environment, static_text
from probgen.results.attributes import version_of
from probgen.studies.compare.render import basis, cells, headings, legend, method_of
from probgen.studies.compare.units import duration
from probgen.studies.compare.words import settings_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from probgen.studies.compare.result import Comparison

__all__ = ["fragment", "page"]

_TITLES = {
    "errors": "Errors",
    "efficiency": "Effective draws per cost",
    "curves": "Error as cost grows",
}
_MOODS = {"right": "good", "passed": "good", "slightly biased": "care", "unchecked": "care"}


def fragment(comparison: Comparison) -> str:
    """Verdict, table, pictures and runs, without `<html>` around them and without a style."""
    return _template("comparison.html").render(_context(comparison, _svg))


def page(comparison: Comparison) -> str:
    """A self-contained page."""
    from markupsafe import Markup

    script = static_text("report.js")
    with picture_style():
        context = _context(comparison, figure_svg)
    return _template("page.html").render(
        context,
        title=f"Comparison of methods: {context['model']}",
        policy=content_policy(script),
        style=Markup(static_text("report.css")),
        script=Markup(script),
    )


@cache
def _template(name: str) -> Any:
    from jinja2 import PackageLoader

    loader = PackageLoader("probgen.studies.compare", "templates")
    return environment().overlay(loader=loader).get_template(name)


def _context(comparison: Comparison, draw: Callable[[Figure, str], str]) -> dict[str, Any]:
    from markupsafe import Markup

    from probgen.studies.compare.plots import alt_texts

    table = comparison.table
    columns = headings(table)
    described = alt_texts(comparison)
    runs = comparison.runs
    attrs = comparison.tree.attrs
    return {
        "model": str(attrs.get("model", "")),
        "sentences": comparison.sentences,
        "best": comparison.best,
        "caveats": comparison.caveats,
        "basis": basis(comparison),
        "legend": legend(comparison) + _floor(comparison),
        "columns": list(columns.values()),
        "rows": [
            {
                "method": method_of(row),
                "standing": row["standing"],
                "mood": _MOODS.get(row["standing"], "bad"),
                "cells": [cell.text for cell in cells(row, columns)],
                "sort": [_sortable(row[cell]) for cell in columns],
                "reason": row["reason"],
            }
            for _, row in table.iterrows()
        ],
        "pictures": [
            {"title": _TITLES[name], "alt": described[name], "svg": Markup(draw(figure, name))}
            for name, figure in comparison.plot().items()
        ],
        "runs": [
            {
                "method": row["method"],
                "seed": row["seed"],
                "budget": "" if row["budget"] != row["budget"] else f"{row['budget']:.0f}",
                "status": row["status"],
                "verdict": row["verdict"] or row["reason"],
                "seconds": duration(row["seconds"]) if "seconds" in runs else "-",
                "sort": _sortable(row["seconds"]) if "seconds" in runs else "",
            }
            for _, row in runs.iterrows()
        ],
        "settings": settings_of(comparison.tree),
        "made_by": f"probgen {version_of('probgen')}",
    }


def _floor(comparison: Comparison) -> str:
    """What chance alone makes of the sliced Wasserstein distance."""
    floor = float(comparison.tree.attrs.get("sliced_wasserstein_floor", "nan"))
    if floor != floor or "sliced_wasserstein" not in comparison.table:
        return ""
    return (
        " Sliced W is the sliced Wasserstein distance of the joint draws from those of the "
        f"reference, in sds; two samples of the reference itself are {floor:.2g} apart by chance."
    )


def _sortable(value: Any) -> str:
    """A number that a script can sort by; of counts such as 2/3, the share."""
    if isinstance(value, str):
        done, _, of = value.partition("/")
        value = float(done) / float(of) if of and float(of) else float("nan")
    return "" if value != value else f"{value:.8g}".replace("inf", "Infinity")


def _svg(figure: Figure, name: str) -> str:
    """The figure as SVG with text as text and its own names, to stand in a page with others."""
    import matplotlib

    stream = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": f"probgen-{name}"}):
        figure.savefig(stream, format="svg", metadata={"Date": None})
    text = stream.getvalue()
    return text[text.index("<svg") :].replace("<svg", '<svg class="picture"', 1)
