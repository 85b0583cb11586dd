"""A comparison of generative models as a page of its own, dressed as the report is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from probgen.diagnose.finding import Finding
from probgen.diagnose.report.pictures import drawn
from probgen.diagnose.report.table import Cell, Line, Table
from probgen.diagnose.report.training import Captioned, Card, Section, sections_page
from probgen.studies.generative.pictures import quality_figure, samples_figure, samples_in_words
from probgen.studies.generative.result import FLOOR, heading_of

if TYPE_CHECKING:
    from probgen.studies.generative.result import GenerativeComparison

__all__ = ["page"]


def page(comparison: GenerativeComparison) -> str:
    """The text of the page."""
    sections = [_table(comparison), _samples(comparison), _quality(comparison)]
    models = [str(name) for name in comparison.table.index if name != FLOOR]
    title = f"Generative models compared: {', '.join(models)}"
    cards = [_card(comparison, name) for name in models]
    architectures = str(comparison.tree.attrs.get("model_source", ""))
    return sections_page(comparison.tree, cards, sections, architectures, title)


def _card(comparison: GenerativeComparison, name: str) -> Card:
    row = comparison.table.loc[name]
    cells = comparison.cells().loc[name]
    if row["status"] == "failed":
        finding = Finding(name, "failure", str(row["reason"]))
        return Card(name, "table", "bad", "It could not be compared.", row["family"], (finding,))
    best = [heading_of(metric) for metric, model in comparison.best.items() if model == name]
    headline = f"Best in {', '.join(best)}." if best else "In no metric the best."
    told = cells.get("nats per case", "-")
    known = math.isfinite(row["log_likelihood"])
    likelihood = f"{told} nats per case, {row['likelihood']}" if known else f"Likelihood {told}"
    basis = (
        f"{row['family']}. {likelihood}. {cells['parameters']} parameters, "
        f"trained in {cells['training']}; 1000 draws take {cells['1000 draws']}."
    )
    return Card(name, "table", "good" if best else "care", headline, basis)


def _table(comparison: GenerativeComparison) -> Section:
    section = Section("table", "Table")
    cells, table = comparison.cells(), comparison.table
    sorted_by = dict(zip(cells.columns, _sorted_by(comparison), strict=True))
    lines = []
    for model, row in cells.iterrows():
        numbers = table.loc[model]
        line = [
            Cell(str(row[heading]), None if column is None else _number(numbers[column]))
            for heading, column in sorted_by.items()
        ]
        lines.append(Line(str(model), line))
    headings = [(str(heading), _ABOUT.get(str(heading), "")) for heading in cells.columns]
    section.tables.append(
        Captioned(Table(headings, lines, len(lines), "model"), "Draws of each against the data")
    )
    section.paragraphs += comparison.notes
    return section


def _sorted_by(comparison: GenerativeComparison) -> list[str | None]:
    """For every printed column the column of numbers that it sorts by."""
    found: list[str | None] = [None, *comparison.metrics]
    if "log_likelihood" in comparison.table:
        found += ["log_likelihood", None]
    return [*found, "parameters", "training_seconds", "seconds_per_1000"]


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None


_ABOUT = {
    "family": "what kind of model it is",
    "FID": "Fréchet distance of the features; lower is better",
    "KID": "squared MMD of the features, cubic kernel, unbiased; lower is better",
    "precision": "share of draws that lie where data lie; higher is better",
    "recall": "share of data that lie where draws lie; higher is better",
    "density": "how deep among data draws lie; 1 for the data's own law",
    "coverage": "share of data with draws near them; higher is better",
    "C2ST": "accuracy of a classifier of draws and data; 0.5 is chance, lower is better",
    "nats per case": "mean log-likelihood of the data",
    "likelihood": "whether the number is exact, or a bound",
    "parameters": "numbers in the model's parameters, critics and guides included",
    "training": "seconds of training",
    "1000 draws": "seconds that a thousand draws take",
}


def _samples(comparison: GenerativeComparison) -> Section:
    section = Section("samples", "Samples")
    section.pictures.append(
        drawn(
            "Draws side by side",
            "samples",
            lambda: samples_figure(comparison),
            "Above the data, below each model's draws as they came, in the space they were "
            "compared in.",
            samples_in_words(comparison),
            True,
        )
    )
    return section


def _quality(comparison: GenerativeComparison) -> Section:
    section = Section("quality", "Metrics")
    cells = comparison.cells()
    seen = "; ".join(
        f"{model}: "
        + ", ".join(f"{h} {row[h]}" for h in list(cells.columns)[1 : 1 + len(comparison.metrics)])
        for model, row in cells.iterrows()
    )
    section.pictures.append(
        drawn(
            "Metrics of every set of draws",
            "quality",
            lambda: quality_figure(comparison),
            "A dot for each set of draws; the band is what rows of data come to in their place.",
            f"{seen}.",
            True,
        )
    )
    return section
