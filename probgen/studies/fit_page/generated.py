"""What a program that draws data has learned: draws, interpolations, quality, nearest rows.

For programs without a guide of their own, such as flows, and for those without a density.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from probgen.diagnose.metrics.path_length import slerp
from probgen.diagnose.report.pictures import Picture, drawn
from probgen.diagnose.report.svg import PALETTE
from probgen.diagnose.report.training import Card, Section
from probgen.errors import ProbgenError
from probgen.learn.images import as_images, image_shape_of
from probgen.learn.labels import classes_of, placed_at, rows_by_class
from probgen.studies.fit_page.likeness import quality_section
from probgen.studies.fit_page.memorised import nearest_section
from probgen.studies.fit_page.program import Program
from probgen.studies.fit_page.shown import (
    ACROSS,
    image_picture,
    kind_of,
    picture_of_rows,
    scatter,
)

__all__ = ["generated_sections"]

DRAWS, JUDGED = 64, 1000
"""Draws shown of images, and draws that are measured and shown of points and columns."""
_LEAST = 8
"""Images of a class, where there are so many draws of it."""
_BY_CLASS = "A row for each label; draws of a row are independent."
_WAYS, _STEPS = 6, 9
_FAILURES = (ProbgenError, RuntimeError, ValueError, KeyError, TypeError, IndexError)


def generated_sections(program: Program) -> tuple[list[Card], list[Section]]:
    """Cards and sections; what cannot be made says why in its place."""
    samples = Section("samples", "Samples")
    try:
        draws = program.draws(JUDGED)
    except _FAILURES as error:
        samples.remarks.append(f"No draws: {error}")
        return [], [samples]
    _fill_samples(program, samples, draws)
    sections = [samples, _interpolations(program)]
    judged = {} if program.cases is None else program.cases.judged
    sites = [n for n, v in draws.items() if n in judged and v.dim() > 1]
    if not sites:
        if program.cases is None:
            samples.remarks.append(
                "No quality and no nearest rows: the data are not known. Give them as they were "
                "given to `fit`: `pg.report(fit, data=x)`."
            )
        return [], [s for s in sections if s.pictures or s.remarks]
    site = sites[0]
    section, found = quality_section(program, site, draws[site], JUDGED)
    sections.append(section)
    section, card = nearest_section(program, site, draws[site])
    return [*found, card], [s for s in [*sections, section] if s.pictures or s.tables or s.remarks]


def _fill_samples(program: Program, section: Section, draws: dict[str, Tensor]) -> None:
    """A picture of every site; images of a conditional program in a row for each class."""
    known = {} if program.cases is None else program.cases.training
    label, labels = program.labels(draws)
    for number, (site, values) in enumerate(draws.items(), start=1):
        if site == label:
            continue
        data = known.get(site)
        beside = None if data is None else data.double().numpy()
        prefix, model = f"samples-{number}", program.model
        if kind_of(model, tuple(values.shape[1:])) != "images":
            shown = values.double().numpy()
            picture = picture_of_rows(model, prefix, site, shown, beside)
        elif labels is None:
            shown = values[:DRAWS].double().numpy()
            picture = picture_of_rows(model, prefix, site, shown, beside)
        else:
            classes = classes_of(labels, known.get(label or ""))
            across = min(ACROSS, max(DRAWS // len(classes), _LEAST))
            numbers = rows_by_class(labels, classes, across)
            shape = image_shape_of(model, tuple(values.shape[1:]))
            assert shape is not None
            images = as_images(placed_at(values, numbers.ravel()), shape)
            names = [f"{label} = {one:g}" for one in classes]
            picture = image_picture(f"Draws of {site}", prefix, images, _BY_CLASS, across=across,
                                    rows=names)  # fmt: skip
        section.pictures.append(picture)


def _interpolations(program: Program) -> Section:
    """Ways between pairs of latents, along the arc that keeps normal latents likely."""
    section = Section("interpolations", "Interpolations")
    try:
        latents = program.latents()
        if not latents:
            return section
        random = torch.Generator().manual_seed(program.seed)
        ways = {name: _ways(size, random) for name, size in latents.items()}
        found = program.decoded(ways, _WAYS * _STEPS)
        site, values = next((n, v) for n, v in found.items() if v.dim() > 1)
        picture = _picture_of_ways(program, site, values.detach().double().numpy())
    except _FAILURES as error:
        section.remarks.append(f"No interpolations: {error}")
        return section
    if picture is not None:
        told = ", ".join(f"`{name}`" for name in latents)
        held = ", ".join(f"{n} = {v[0]:g}" for n, v in found.items() if v.dim() == 1)
        held = f" Everywhere {held}." if held else ""
        section.paragraphs.append(
            f"Between two draws of {told}, on the arc (slerp) that keeps the length of normal "
            "latents. Jumps and washed-out middles mean latents that are not used smoothly."
            f"{held}"
        )
        section.pictures.append(picture)
    return section


def _ways(size: int, random: torch.Generator) -> Tensor:
    """Latents on arcs, (way * step, size)."""
    ends = torch.randn(2, _WAYS, 1, size, generator=random)
    share = torch.linspace(0, 1, _STEPS)[None, :, None]
    first, last = (end.expand(_WAYS, _STEPS, size) for end in ends)
    return slerp(first, last, share.expand(_WAYS, _STEPS, 1)).flatten(0, 1)


def _picture_of_ways(program: Program, site: str, values: np.ndarray) -> Picture | None:
    shape = image_shape_of(program.model, values.shape[1:])
    if shape is not None:
        return image_picture(
            f"From one {site} to another",
            "interpolations",
            as_images(values, shape),
            "Each row goes from one draw of the latents, left, to another, right.",
            across=_STEPS,
        )
    if values.shape[1:] != (2,):
        return None
    data = None if program.cases is None else program.cases.training.get(site)

    def draw() -> Any:
        from matplotlib import pyplot

        figure, axes = pyplot.subplots(figsize=(4.6, 4.2))
        nothing = np.empty((0, 2))
        scatter(axes, nothing, None if data is None else data.double().numpy())
        for number, way in enumerate(values.reshape(_WAYS, _STEPS, 2)):
            colour = PALETTE[number % len(PALETTE)]
            axes.plot(*way.T, color=colour, linewidth=1.4, marker="o", markersize=3)
        return figure

    long = np.linalg.norm(np.diff(values.reshape(_WAYS, _STEPS, 2), axis=1), axis=-1)
    seen = f"{_WAYS} ways; the longest step is {long.max():.3g}, the mean one {long.mean():.3g}."
    caption = "Lines go from one draw of the latents to another."
    return drawn(f"From one {site} to another", "interpolations", draw, caption, seen)
