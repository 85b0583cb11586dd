"""What a program with latents and a guide of its own learned: likelihood, draws, latents."""

from __future__ import annotations

from typing import Any

import torch

from probgen.diagnose.report.grids import image_rows
from probgen.diagnose.report.table import Line, Table, number_cell
from probgen.diagnose.report.training import Captioned, Card, Section
from probgen.errors import ProbgenError
from probgen.inference.variational.likelihood.importance import ImportanceWeighted
from probgen.studies.fit_page.cases import Cases, Values
from probgen.studies.latents.runs import latent_values
from probgen.studies.latents.sheets import (
    Sheet,
    reconstruction_sheet,
    sample_sheet,
    traversal_sheet,
)
from probgen.studies.latents.sites import latents_of

__all__ = ["latent_sections", "reconstructions_section"]

DRAWS = (1, 10, 200)
"""Of the guide for every case, in the table of bounds."""
_JUDGED = 300
"""Cases whose bounds are found."""
_ACTIVE = 0.01
"""Variance of a latent's mean over the cases from which on it is active (Burda et al. 2016)."""


def latent_sections(
    model: Any, cases: Cases | None, seed: int
) -> tuple[list[Card], list[Section]]:
    """The likelihood's card, and the sections of the page."""
    cards: list[Card] = []
    sections: list[Section] = []
    if cases is not None:
        card, section = _likelihood(model, cases, seed)
        cards += [] if card is None else [card]
        sections.append(section)
    sections.append(_samples(model, seed))
    if cases is None:
        sections[0].remarks.append(
            "No likelihood, reconstructions and traversals: the data are not known. Give them as "
            "they were given to `fit`: `pg.report(fit, data=x)`."
        )
        return cards, sections
    judged = {name: value[:_JUDGED] for name, value in cases.judged.items()}
    sections += [reconstructions_section(model, judged), _traversals(model, judged)]
    return cards, sections


def _likelihood(model: Any, cases: Cases, seed: int) -> tuple[Card | None, Section]:
    from probgen.inference.log_likelihood import log_likelihood

    section = Section("likelihood", "Likelihood")
    whose = "held-out" if cases.held_out else "training"
    some = {name: value[:_JUDGED] for name, value in cases.judged.items()}
    lines, means = [], []
    try:
        for draws in DRAWS:
            found = log_likelihood(model, some, ImportanceWeighted(draws=draws), seed=seed)
            label = "ELBO" if draws == 1 else f"IW-{draws}"
            lines.append(Line(label, [number_cell(found.mean, ".3f")]))
            means.append(float(found.mean))
    except ProbgenError as error:
        section.remarks.append(f"No likelihood: {error}")
        return None, section
    heading = [("nats per case", f"mean over {len(next(iter(some.values())))} {whose} cases")]
    table = Table(heading, lines, len(lines), "bounds")
    section.tables.append(Captioned(table, "Bounds of the log-likelihood from below"))
    section.paragraphs.append(
        "IW-k weighs k draws of the guide; it rises with k to the log-likelihood. A large gap to "
        "the ELBO means a guide that is unlike the posterior."
    )
    if not cases.held_out:
        section.paragraphs.append("Nothing was held out: how it does on new cases is not known.")
    headline = f"At least {means[-1]:.2f} nats per {whose} case; ELBO {means[0]:.2f}."
    basis = f"By {DRAWS[-1]} weighted draws of the guide for every case."
    return Card("Likelihood", "likelihood", "good", headline, basis), section


def _samples(model: Any, seed: int) -> Section:
    section = Section("samples", "Samples")
    try:
        sheet = sample_sheet(model, 4, 16, seed)
    except (ProbgenError, RuntimeError, KeyError, TypeError) as error:
        section.remarks.append(f"No images drawn: {error}")
        return section
    section.pictures.append(
        _picture("Draws", "samples", sheet, "Means of cases whose latents come from the prior.")
    )
    return section


def reconstructions_section(model: Any, judged: Values) -> Section:
    """Cases, and what the program makes of the guide's mean latents of them."""
    section = Section("reconstructions", "Reconstructions")
    try:
        sheet = reconstruction_sheet(model, judged, 16)
    except (ProbgenError, RuntimeError, KeyError, TypeError) as error:
        section.remarks.append(f"No reconstructions: {error}")
        return section
    caption = "Cases, and below each what the program makes of its mean latents."
    section.pictures.append(_picture("Reconstructions", "reconstructions", sheet, caption))
    return section


def _traversals(model: Any, judged: Values) -> Section:
    section = Section("traversals", "Latents")
    try:
        section.tables.append(_activity(model, judged))
        sheet = traversal_sheet(model, judged, 0, 11)
    except (ProbgenError, RuntimeError, KeyError, TypeError, StopIteration) as error:
        section.remarks.append(f"No traversals: {error}")
        return section
    caption = (
        "The first case decoded while one latent at a time goes from -2.5 to 2.5, or through its "
        "states; the others stay."
    )
    section.pictures.append(_picture("Traversals", "traversals", sheet, caption))
    return section


@torch.no_grad()
def _activity(model: Any, judged: Values) -> Captioned:
    """How much each latent's mean differs between cases."""
    latents = latents_of(model, judged)
    means = latent_values(model, judged)
    lines = []
    for latent in latents:
        if latent.states:
            used = means[latent.site].long().unique().numel()
            told, all_of = f"{latent.site} (states)", latent.states
        else:
            used = int((means[latent.site].var(0) > _ACTIVE).sum())
            told, all_of = latent.site, latent.size
        lines.append(Line(told, [number_cell(used, "d"), number_cell(all_of, "d")]))
    headings = [
        ("used", f"latents whose mean has a variance above {_ACTIVE} over the cases, or states"),
        ("of", "all there are"),
    ]
    return Captioned(Table(headings, lines, len(lines), "sites"), "Latents that say something")


def _picture(title: str, prefix: str, sheet: Sheet, caption: str) -> Any:
    down, across, height, width = sheet.images.shape
    seen = f"{down} rows of {across} images, {height} x {width} pixels."
    return image_rows(title, prefix, sheet.images, caption, seen, rows=sheet.rows, wide=True)
