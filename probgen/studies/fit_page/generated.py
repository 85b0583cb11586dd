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
from probgen.studies.fit_page.likeness import quality_section
from probgen.studies.fit_page.memorised import nearest_section
from probgen.studies.fit_page.program import Program
from probgen.studies.fit_page.shown import image_picture, kind_of, picture_of_rows, scatter

__all__ = ["generated_sections"]

DRAWS, JUDGED = 64, 1000
"""Draws shown of images, and draws that are measured and shown of points and columns."""
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
    known = {} if program.cases is None else program.cases.training
    labels = next((v for v in draws.values() if v.dim() == 1 and not v.is_floating_point()), None)
    for number, (site, values) in enumerate(draws.items(), start=1):
        if values.dim() == 1 and labels is values and len(draws) > 1:
            continue
        shape = tuple(values.shape[1:])
        shown = values[:DRAWS] if kind_of(program.model, shape) == "images" else values
        below = (
            [] if labels is None or len(shown) > DRAWS else [str(int(v)) for v in labels[:DRAWS]]
        )
        data = known.get(site)
        picture = picture_of_rows(
            program.model,
            f"samples-{number}",
            site,
            shown.double().numpy(),
            None if data is None else data.double().numpy(),
            below,
        )
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
