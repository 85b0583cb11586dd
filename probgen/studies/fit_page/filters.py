"""The weights between the visible layer and the first hidden one, as images or a heat map."""

from __future__ import annotations

import numpy as np
import torch

from probgen.diagnose.report.grids import heat_map, image_rows
from probgen.diagnose.report.pictures import Picture
from probgen.diagnose.report.training import Section
from probgen.nets.boltzmann.layers import Layered
from probgen.nets.boltzmann.units import Units
from probgen.studies.fit_page.images import pixels_of
from probgen.studies.fit_page.lowest import lowest

__all__ = ["filters_section"]

MOST_FILTERS = 100
_ACROSS = 20


@torch.no_grad()
def filters_section(machine: Layered) -> Section:
    """The first `MOST_FILTERS` hidden units, those with the largest weights first."""
    weights = lowest(machine).weights[0].detach().cpu().double()
    order = weights.square().sum(0).argsort(descending=True)
    chosen = order[:MOST_FILTERS]
    hidden = weights.shape[1]
    some = "" if hidden <= MOST_FILTERS else f" {MOST_FILTERS} of {hidden} hidden units."
    first = ", ".join(units.name for units in machine.layers[1])
    section = Section("filters", "Filters")
    section.paragraphs.append(
        f"What each unit of {first} looks for: its weights to the visible units, the strongest "
        f"unit first.{some}"
    )
    pixels, start = pixels_of(machine), 0
    for number, units in enumerate(machine.layers[0], start=1):
        own = weights[start : start + units.width][:, chosen]
        if pixels is not None and units == pixels.units:
            images = pixels.images(weights[:, chosen].T)
            section.pictures.append(_images(f"filters-{number}", images, units.name))
        else:
            section.pictures.append(_heat(f"filters-{number}", own.numpy(), units))
        start += units.width
    return section


def _images(prefix: str, images: np.ndarray, site: str) -> Picture:
    across = min(_ACROSS, max(5, int(np.ceil(np.sqrt(2 * len(images))))))
    rows = -(-len(images) // across)
    padded = np.full((rows * across, *images.shape[1:]), np.nan)
    padded[: len(images)] = images
    return image_rows(
        f"Weights to {site}",
        prefix,
        padded.reshape(rows, across, *images.shape[1:]),
        "An image for every hidden unit; red pixels switch it on, blue ones off.",
        f"Weight images of {len(images)} hidden units, {images.shape[1]} x {images.shape[2]} "
        f"pixels; {_in_words(images)}",
        signed=True,
    )


def _heat(prefix: str, weights: np.ndarray, units: Units) -> Picture:
    states = range(units.states) if units.kind == "categorical" else (None,)
    names = [
        f"{units.name}[{i}]" if state is None else f"{units.name}[{i}]={state}"
        for i in range(units.size)
        for state in states
    ]
    return heat_map(
        f"Weights to {units.name}",
        prefix,
        weights,
        "A row for every visible unit or state, a column for every hidden unit.",
        f"Heat map of {weights.shape[0]} x {weights.shape[1]} weights; {_in_words(weights)}",
        across="hidden unit",
        names=names,
    )


def _in_words(weights: np.ndarray) -> str:
    return (
        f"from {weights.min():.3g} to {weights.max():.3g}, root mean square "
        f"{np.sqrt(np.mean(weights**2)):.3g}."
    )
