"""The likelihood of a trained machine with its error, beside that of independent units."""

from __future__ import annotations

import numpy as np
import torch

from probgen.diagnose.finding import Finding
from probgen.diagnose.report.table import Cell, Line, Table, number_cell
from probgen.diagnose.report.training import Captioned, Card, Section
from probgen.errors import DataError, ModelError, SamplingError, TooLargeError
from probgen.inference.boltzmann.likelihood.base import base_biases
from probgen.inference.boltzmann.likelihood.result import LogLikelihood
from probgen.inference.graphical.annealed_importance import AnnealedImportance
from probgen.inference.graphical.exact import Exact
from probgen.inference.log_likelihood import log_likelihood
from probgen.nets.boltzmann.layers import Layered
from probgen.nets.boltzmann.listing import smaller_side
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.studies.fit_page.cases import Cases, Values
from probgen.studies.fit_page.lowest import lowest

__all__ = ["independent_log_likelihood", "likelihood_section"]

BETAS = (1_000, 10_000)
"""Temperatures of the annealing: the first number whose estimate is reliable is told."""
_SOON_LISTED = 18
"""Log2 of the states up to which log Z is summed exactly: a second or two."""


def likelihood_section(machine: Layered, cases: Cases, seed: int) -> tuple[Section, Card]:
    """The section and the card; where there is no likelihood to be had they say why."""
    section = Section("likelihood", "Likelihood")
    together = _together(cases)
    try:
        found = _found(machine, together, seed)
    except (SamplingError, TooLargeError, ModelError, DataError) as error:
        section.remarks.append(f"No likelihood: {error}")
        refused = isinstance(error, (SamplingError, TooLargeError))
        finding = Finding(
            "likelihood", "warning" if refused else "note", str(error),
            advice="`pg.log_likelihood(model, data, method)` with more temperatures or chains"
            if refused else "",
        )  # fmt: skip
        headline = "The estimate is refused." if refused else "This machine has no likelihood."
        basis = "No number is better than a wrong one." if refused else ""
        tone = "bad" if refused else "care"
        return section, Card("Likelihood", "likelihood", tone, headline, basis, (finding,))
    base = independent_log_likelihood(machine, cases.training, together)
    section.tables.append(Captioned(_table(found, base, cases), "Mean log-likelihood, nats"))
    section.paragraphs += _words(found, cases)
    return section, _card(found, base, cases)


def _found(machine: Layered, values: Values, seed: int) -> LogLikelihood:
    if not isinstance(machine, BoltzmannMachine):
        return log_likelihood(machine, values, seed=seed)
    try:
        smaller_side(machine, most=_SOON_LISTED)
        return log_likelihood(machine, values, Exact())
    except TooLargeError:
        pass
    for betas in BETAS[:-1]:
        try:
            found = log_likelihood(machine, values, _annealing(betas), seed=seed)
        except SamplingError:
            continue
        if found.reliable:
            return found
    return log_likelihood(machine, values, _annealing(BETAS[-1]), seed=seed)


def _annealing(betas: int) -> AnnealedImportance:
    return AnnealedImportance(betas=betas, schedule="three-part", sweeps=1)


def _together(cases: Cases) -> Values:
    """Training cases, then held-out ones: one log Z serves both."""
    if not cases.held_out:
        return cases.training
    return {
        name: torch.cat([cases.training[name], cases.held_out[name]]) for name in cases.training
    }


@torch.no_grad()
def independent_log_likelihood(machine: Layered, training: Values, values: Values) -> np.ndarray:
    """Of every case under independent units with the training cases' rates, nats, (case,).

    Gaussian units have the training cases' means and variances.
    """
    seen, judged = machine.encode(0, training), machine.encode(0, values)
    biases = base_biases(lowest(machine), "data", seen)[0]
    total, start = torch.zeros(len(judged), dtype=judged.dtype), 0
    for units, part in machine.parts(0, judged):
        place = slice(start, start + units.width)
        scale = seen[:, place].std(0) if units.kind == "gaussian" else None
        total = total + units.law(biases[place], scale).log_prob(units.decode(part)).cpu()
        start = place.stop
    return total.double().numpy()


def _table(found: LogLikelihood, base: np.ndarray, cases: Cases) -> Table:
    headings = [
        ("machine", "mean log-likelihood under the machine, nats per case"),
        ("error", "standard error of the estimate of log Z; 0 where it is exact"),
        ("over cases", "standard error of the mean over cases, were they a sample of all"),
        ("independent units", "the same cases under independent units with the training's rates"),
        ("gain", "machine less independent units, nats per case"),
    ]
    count = len(next(iter(cases.training.values())))
    parts = [("training cases", slice(0, count), cases.trained)]
    if cases.held_out:
        parts.append(("held-out cases", slice(count, None), cases.kept_back))
    lines = []
    for name, rows, whole in parts:
        own, other = found.cases[rows], base[rows]
        of = "" if len(own) == whole else f" of {whole}"
        spread = float(own.std(ddof=1) / np.sqrt(len(own))) if len(own) > 1 else None
        error = Cell("exact", 0.0) if found.ess is None else number_cell(found.error, ".3f")
        cells = [number_cell(float(own.mean()), ".3f"), error, number_cell(spread, ".3f")]
        gain = float(own.mean() - other.mean())
        cells += [number_cell(float(other.mean()), ".3f"), number_cell(gain, ".3f", gain < 0)]
        lines.append(Line(f"{name} ({len(own)}{of})", cells))
    return Table(headings, lines, len(lines), "cases")


def _words(found: LogLikelihood, cases: Cases) -> list[str]:
    told = [" ".join(line.split()) for line in str(found).splitlines()]
    words = [f"Bound: {found.bound}."] if found.bound != "exact" else []
    if found.conservative is not None:
        own = found.conservative
        words.append(
            f"From below, by walks back (RAISE): {own.mean:.3f} ± {own.spread:.3f} on "
            f"{len(own.cases)} of the cases, for which the estimate says {own.estimate:.3f}."
        )
    if found.variational is not None and not np.array_equal(found.variational, found.cases):
        words.append(f"Variational bound: {found.variational.mean():.3f} nats per case.")
    first = next(i for i, line in enumerate(told) if line.startswith("log Z"))
    words.append(f"{'; '.join(told[first:])}.")
    if not cases.held_out:
        words.append("Nothing was held out: how it does on new cases is not known.")
    return words


def _card(found: LogLikelihood, base: np.ndarray, cases: Cases) -> Card:
    count = len(next(iter(cases.training.values())))
    rows = slice(count, None) if cases.held_out else slice(0, count)
    own, other = float(found.cases[rows].mean()), float(base[rows].mean())
    error = "" if found.ess is None else f" ± {found.error:.3f}"
    whose = "held-out" if cases.held_out else "training"
    headline = (
        f"{own:.2f}{error} nats per {whose} case, {found.bound}; independent units: {other:.2f}."
    )
    better, findings = own > other, []
    if not found.reliable:
        findings.append(Finding("log Z", "warning", " ".join(found.log_z.notes)))
    if not better:
        findings.append(
            Finding(
                "baseline",
                "failure",
                "independent units with the base rates do better",
                "the machine has not learned how units go together, or learned labels alone",
                "train longer, or with other settings",
            )
        )
    tone = "bad" if not better else "good" if found.reliable else "care"
    how = "exact sum" if found.ess is None else (
        f"annealed importance sampling, ESS {found.ess:.0f} of "
        f"{found.log_z.settings['chains']} particles"
    )  # fmt: skip
    return Card("Likelihood", "likelihood", tone, headline, f"By {how}.", tuple(findings))
