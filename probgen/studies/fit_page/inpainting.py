"""Half of some cases hidden, and completed by Gibbs sampling with the other half clamped."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from probgen.diagnose.report.grids import image_rows
from probgen.diagnose.report.pictures import Picture
from probgen.diagnose.report.table import Line, Table, number_cell
from probgen.diagnose.report.training import Captioned, Section
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.boltzmann.units import Units
from probgen.nets.boltzmann.visible import inpaint
from probgen.studies.fit_page.cases import Cases, Values
from probgen.studies.fit_page.images import Pixels, pixels_of

__all__ = ["inpainting_section"]

SWEEPS, REPEATS, SCORED, SHOWN = 200, 16, 200, 16
"""Of each chain; chains of each case; cases that are scored; cases that are shown."""


def inpainting_section(machine: BoltzmannMachine, cases: Cases, seed: int) -> Section:
    """How well hidden halves are told, and of images how they look.

    Images lose their lower half, other blocks every other unit. A unit is told by the average of
    `REPEATS` chains; base rates and means of the training cases are the floor.
    """
    section = Section("inpainting", "Inpainting")
    whose = "held-out" if cases.held_out else "training"
    values = _spread(cases.judged, SCORED)
    pixels = pixels_of(machine)
    hidden = {units.name: _hidden(units, pixels) for units in machine.layers[0]}
    blanked = {
        units.name: _blank(values[units.name], hidden[units.name]) for units in machine.layers[0]
    }
    repeated = {name: value.repeat(REPEATS, 1) for name, value in blanked.items()}
    found = inpaint(machine, repeated, sweeps=SWEEPS, seed=seed)
    found = {n: v.to(machine.dtype).unflatten(0, (REPEATS, -1)) for n, v in found.items()}
    count = len(next(iter(values.values())))
    what = "The lower half of images" if pixels is not None else "Every other visible unit"
    section.paragraphs.append(
        f"{what} of {count} {whose} cases is hidden and drawn by {SWEEPS} sweeps of block Gibbs "
        f"given the rest, {REPEATS} chains for each case."
    )
    lines = [
        line
        for units in machine.layers[0]
        if (line := _score(units, hidden[units.name], cases, values, found)) is not None
    ]
    headings = [
        ("machine", "share of hidden units told right; root mean square error of real numbers"),
        ("base rates", "the same from the training cases' most frequent values, or means"),
        ("better by", "share of the base rates' errors that the machine avoids"),
    ]
    section.tables.append(Captioned(Table(headings, lines, len(lines), "site"), "Hidden units"))
    if pixels is not None:
        section.pictures.append(_images(machine, pixels, values, blanked, found))
    return section


def _hidden(units: Units, pixels: Pixels | None) -> Tensor:
    """Which units of a block are hidden, (size,)."""
    place = torch.arange(units.size)
    if pixels is not None and units == pixels.units:
        return place >= (pixels.shape[0] // 2) * pixels.shape[1]
    if pixels is not None:
        return torch.zeros(units.size, dtype=torch.bool)
    return place % 2 == 1


def _blank(value: Tensor, hidden: Tensor) -> Tensor:
    value = value if value.is_floating_point() else value.float()
    return value.masked_fill(hidden, torch.nan)


def _score(
    units: Units, hidden: Tensor, cases: Cases, values: Values, found: Values
) -> Line | None:
    """One line of the table; None where nothing of a site is hidden and known."""
    truth = values[units.name].double()[:, hidden]
    known = ~truth.isnan()
    if not known.any():
        return None
    drawn = found[units.name].double()[:, :, hidden]
    train = cases.training[units.name].double()[:, hidden]
    if units.discrete:
        told = drawn.mode(0).values
        usual = torch.stack([column[~column.isnan()].mode().values for column in train.T])
        own = (told == truth)[known].double().mean().item()
        base = (usual.expand_as(truth) == truth)[known].double().mean().item()
        gain = (own - base) / (1 - base) if base < 1 else 0.0
        name, form = f"{units.name}, share right", ".3f"
    else:
        own = (drawn.mean(0) - truth)[known].square().mean().sqrt().item()
        base = (train.nanmean(0) - truth)[known].square().mean().sqrt().item()
        gain = 1 - own / base if base > 0 else 0.0
        name, form = f"{units.name}, root mean square error", ".3f"
    cells = [number_cell(own, form), number_cell(base, form)]
    return Line(name, [*cells, number_cell(gain, ".0%", gain < 0)])


def _images(
    machine: BoltzmannMachine, pixels: Pixels, values: Values, blanked: Values, found: Values
) -> Picture:
    site = pixels.units.name
    first = found[site][0], found[site].mean(0)
    rows = [v.to(machine.dtype)[:SHOWN] for v in (values[site], blanked[site], *first)]
    images = np.stack([row.reshape(-1, *pixels.shape).cpu().numpy() for row in rows])
    return image_rows(
        "Completed images",
        "inpainting",
        images,
        f"From above: the case; with its lower half hidden (blue); one chain's completion; the "
        f"average of {REPEATS} chains.",
        f"{images.shape[1]} cases, each whole, half hidden, completed, and completed on average.",
        rows=("case", "given", "drawn", "average"),
        wide=True,
    )


def _spread(values: Values, most: int) -> dict[str, Any]:
    count = len(next(iter(values.values())))
    chosen = torch.arange(min(count, most)) * count // min(count, most)
    return {name: value[chosen] for name, value in values.items()}
