"""How well draws match cases: metrics beside those of real cases, and a judgement of both."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from probgen.diagnose.finding import Finding
from probgen.diagnose.metrics import Score
from probgen.diagnose.report.table import Line, Table, number_cell
from probgen.diagnose.report.training import Captioned, Card, Section
from probgen.studies.fit_page.program import Program
from probgen.studies.quality.table import quality

__all__ = ["quality_section"]

_POOR = 0.5
"""Precision or coverage, relative to that of real cases, below which most draws are off."""
_SAID = {
    "precision": ("Most draws are unlike the data", "fewer draws lie among the data than should"),
    "coverage": ("Draws miss most of the data", "fewer cases have a draw near them than should"),
}


def quality_section(
    program: Program, site: str, draws: Tensor, most: int
) -> tuple[Section, list[Card]]:
    """The section, of `most` rows of each side at most, and the card of its judgement."""
    section = Section("quality", "Quality")
    assert program.cases is not None
    held_out = bool(program.cases.held_out)
    real = program.cases.judged[site][:most].double()
    if real.isnan().any():
        section.remarks.append(f"No quality: cases of {site} have missing entries.")
        return section, []
    other = program.cases.training[site].double()
    if not held_out:  # two halves, so that no case is its own neighbour
        real, other = other[::2][:most], other[1::2]
    count = min(len(real), len(other), len(draws))
    own = quality(real[:count], draws[:count].double(), seed=program.seed)
    floor = quality(real[:count], other[:count], seed=program.seed)
    whose = "held-out" if held_out else "training"
    section.paragraphs.append(
        f"{count} draws of {site} against as many {whose} cases; {own.notes[0]}. Beside them "
        "training cases in the place of draws: what a perfect program comes to. "
        "`pg.metrics.quality` and `pg.compare` take other features."
    )
    lines = []
    for name, score in own.scores.items():
        beside = floor.scores.get(name)
        cells = [
            number_cell(score.value, ".4g"),
            number_cell(score.error, ".2g"),
            number_cell(None if beside is None else beside.value, ".4g"),
        ]
        lines.append(Line(f"{score.metric} ({score.better} is better)", cells))
    section.remarks += [
        f"{note[:1].upper()}{note[1:]}" for note in own.notes if "left out" in note
    ]
    headings = [
        ("draws", "of the program"),
        ("error", "as the metric tells it"),
        ("real", "training cases instead of draws"),
    ]
    table = Table(headings, lines, len(lines), "metric")
    section.tables.append(Captioned(table, f"Draws of {site} against {whose} cases"))
    return section, _cards(own.scores, floor.scores, count)


def _cards(own: Mapping[str, Score], real: Mapping[str, Score], count: int) -> list[Card]:
    """Precision and coverage against those of real cases; none where they were left out."""
    shown = [name for name in _SAID if name in own and name in real]
    if not shown:
        return []
    poor = [name for name in shown if own[name].value < _POOR * real[name].value]
    numbers = {
        name: f"{name} {own[name].value:.2g}, of real cases {real[name].value:.2g}"
        for name in shown
    }
    findings = tuple(
        Finding(name, "warning", f"{_SAID[name][0]}: {numbers[name]}.", _SAID[name][1],
                "look at the samples; train longer, or regularise")
        for name in poor
    )  # fmt: skip
    said = (
        _SAID[poor[0]][0]
        if poor
        else "Most draws lie among the data and most of the data is covered"
    )
    basis = f"{'; '.join(numbers.values())}; {count} draws.".capitalize()
    return [Card("Quality", "quality", "care" if poor else "good", f"{said}.", basis, findings)]
