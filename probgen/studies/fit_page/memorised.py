"""Whether draws are copies of training rows: distances to the nearest, against those of new rows.

Source: Arora & Zhang (2017), "Do GANs actually learn the distribution?"; Meehan, Chaudhuri and
Dasgupta (2020), "A non-parametric test to detect data-copying in generative models", AISTATS.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from probgen.diagnose.finding import Finding
from probgen.diagnose.report.table import Line, Table, number_cell
from probgen.diagnose.report.training import Captioned, Card, Section
from probgen.learn.images import as_images, image_shape_of
from probgen.studies.fit_page.program import Program
from probgen.studies.fit_page.shown import image_picture

__all__ = ["nearest_section"]

SHOWN, NEAREST = 8, 5
COPIED = 0.5
"""Median distance of draws to training rows, relative to that of new rows, below which draws look
like copies."""


def nearest_section(program: Program, site: str, draws: Tensor) -> tuple[Section, Card]:
    """The section, and the card of its judgement."""
    section = Section("nearest", "Nearest training rows")
    assert program.cases is not None
    training = _flat(program.cases.training[site])
    held_out = program.cases.held_out.get(site)
    near = torch.cdist(_flat(draws), training)
    own = near.min(1).values
    if held_out is None:
        alone = torch.cdist(training, training).fill_diagonal_(torch.inf)
        new, whose = alone.min(1).values, "training rows to the nearest other"
    else:
        new, whose = torch.cdist(_flat(held_out), training).min(1).values, "held-out rows"
    ratio = float(own.median() / new.median().clamp(min=1e-12))
    shape = image_shape_of(program.model, tuple(draws.shape[1:]))
    if shape is not None:
        closest = own.argsort()[:SHOWN]  # the most suspicious ones
        rows = near[closest].argsort(1)[:, :NEAREST]
        cases = program.cases.training[site].double()
        sheet = torch.cat([draws[closest].double()[:, None], cases[rows]], 1).flatten(0, 1)
        section.pictures.append(
            image_picture(
                "Draws and the training rows nearest to them",
                "nearest",
                as_images(sheet.numpy(), shape),
                f"Left the {SHOWN} draws that are nearest to training rows; beside each the "
                f"{NEAREST} nearest.",
                across=NEAREST + 1,
            )
        )
    section.tables.append(_table(own, new, whose))
    of = program.cases.trained
    some = "" if len(training) == of else f" (of {of}, {len(training)} are looked at)"
    section.paragraphs.append(
        f"Euclidean distances of draws of {site} to training rows{some}. Draws much nearer to "
        "them than new rows are would be copies."
    )
    copied = ratio < COPIED
    times = f"{ratio:.2g}" if ratio < 100 else f"{ratio:,.0f}"
    others = "those are from each other" if held_out is None else "held-out rows are"
    headline = f"Draws are {times} times as far from training rows as {others}."
    if not copied:
        headline = f"No copies: draws{headline.removeprefix('Draws')}"
    finding = Finding(
        "draws", "warning", headline, "the program may have stored training rows",
        "train shorter, on more data, or a smaller network",
    )  # fmt: skip
    card = Card(
        "Memorisation",
        "nearest",
        "care" if copied else "good",
        headline,
        f"Medians of {len(own)} draws and {len(new)} {whose}.",
        (finding,) if copied else (),
    )
    return section, card


def _table(own: Tensor, new: Tensor, whose: str) -> Captioned:
    shares = (0.01, 0.1, 0.5, 0.9)
    lines = [
        Line(name, [number_cell(float(np.quantile(values.numpy(), q)), ".3g") for q in shares])
        for name, values in (("draws", own), (whose, new))
    ]
    headings = [(f"{q:.0%}", f"{q:.0%} of the rows are nearer than this") for q in shares]
    table = Table(headings, lines, len(lines), "rows")
    return Captioned(table, "Distance to the nearest training row: quantiles")


def _flat(values: Tensor) -> Tensor:
    return values.double().reshape(len(values), -1).nan_to_num()
