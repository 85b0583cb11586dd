"""Draws of a trained machine by chains, with what `diagnose` says of these chains."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from probgen.diagnose.judge import diagnose
from probgen.diagnose.report.grids import image_rows
from probgen.diagnose.report.training import Card, Section, card_of_verdict
from probgen.errors import ProbgenError
from probgen.inference.graphical.gibbs import Gibbs
from probgen.inference.graphical.parallel_tempering import ParallelTempering
from probgen.inference.infer_belief import infer_belief
from probgen.inference.infer_machine import MachineOptions, prepare_machine
from probgen.nets.boltzmann.belief import BeliefNetwork
from probgen.nets.boltzmann.layers import Layered
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.results.tree import Labels
from probgen.studies.fit_page.images import Pixels, pixels_of

__all__ = ["chains_of", "samples_section", "values_of"]

RUNS: tuple[tuple[Any, dict[str, int]], ...] = (
    (Gibbs(), {"chains": 16, "draws": 2000, "warmup": 500}),
    (ParallelTempering(), {"chains": 16, "draws": 500, "warmup": 250}),
)
"""Tried in turn, until chains can be trusted."""
_SHOWN = (4, 16)
"""Rows and columns of images."""


def samples_section(machine: Layered, seed: int) -> tuple[Section, list[Card], Tensor | None]:
    """The section, the verdicts on the chains, and visible states drawn, (case, width).

    Chains start at independent units and are warmed up; tempered ones follow where plain block
    Gibbs cannot be trusted.
    """
    section, cards, drawn = Section("samples", "Samples"), [], None
    pixels = pixels_of(machine)
    for number, (method, counts) in enumerate(RUNS, start=1):
        try:
            tree = chains_of(machine, method, counts, seed)
        except ProbgenError as error:
            section.remarks.append(f"{method.name} could not draw: {error}")
            continue
        verdict = diagnose(tree)
        cards.append(card_of_verdict(f"Chains of {method.name}", "samples", verdict))
        values = values_of(machine, tree)
        drawn = _even(machine.encode(0, {n: v.flatten(0, 1) for n, v in values.items()}), 4000)
        size = "{chains} chains x {draws} draws".format(**counts)
        section.paragraphs.append(f"{method.name}, {size}: {verdict.headline}")
        if pixels is not None:
            section.pictures.append(_images(machine, pixels, values, method.name, number))
        if verdict.trustworthy:
            break
    if pixels is None:
        section.remarks.append(
            "The visible units are no image (`image_shape` of the model says so where they are): "
            "the draws are compared with the data below."
        )
    return section, cards, drawn


def chains_of(machine: Layered, method: Any, counts: dict[str, int], seed: int) -> xr.DataTree:
    """Draws of the visible units, a warm-up behind them."""
    options = MachineOptions(
        counts["chains"],
        counts["draws"],
        counts["warmup"],
        seed,
        progress=False,
        hidden=False,
    )
    if isinstance(machine, BeliefNetwork):
        return infer_belief(machine, method, None, options, Labels())
    run = prepare_machine(cast(BoltzmannMachine, machine), method, None, options)
    return run.sample()


def values_of(machine: Layered, tree: xr.DataTree) -> dict[str, Tensor]:
    """Draws of the visible sites, (chain, draw, size)."""
    posterior = tree["posterior"]
    return {
        units.name: torch.from_numpy(np.array(posterior[units.name].values)).to(machine.dtype)
        for units in machine.layers[0]
    }


def _images(
    machine: Layered, pixels: Pixels, values: dict[str, Tensor], method: str, number: int
) -> Any:
    rows, columns = _SHOWN
    chains = min(rows * columns, len(values[pixels.units.name]))
    draws = -(-rows * columns // chains)
    last = {name: value[:chains] for name, value in values.items()}
    end = last[pixels.units.name].shape[1] - 1
    at = torch.linspace(end, 0, draws).round().long()  # the last one first
    shown = {name: v[:, at].flatten(0, 1)[: rows * columns] for name, v in last.items()}
    images = pixels.images(machine.encode(0, shown))
    labels = [u for u in machine.layers[0] if u.kind == "categorical" and u.size == 1]
    below = [str(int(v)) for v in shown[labels[0].name][:, 0]] if labels else []
    each = "the last draw of each" if draws == 1 else f"{draws} draws of each, far apart"
    said = f"; below each, its {labels[0].name}" if labels else ""
    return image_rows(
        f"Draws by {method}",
        f"samples-{number}",
        images.reshape(rows, columns, *pixels.shape),
        f"{chains} chains, {each}{said}.",
        f"{len(images)} images drawn by the machine, {pixels.shape[0]} x {pixels.shape[1]} "
        f"pixels, mean {images.mean():.3g}.",
        below=below,
    )


def _even(rows: Tensor, most: int) -> Tensor:
    count = min(len(rows), most)
    return rows[torch.arange(count) * len(rows) // count]
