"""The page of a fit: sections of its model computed, and everything put together."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from probgen.diagnose.report.provenance import source_of
from probgen.diagnose.report.training import Card, Section, training_page
from probgen.errors import DataError
from probgen.inference.boltzmann.recognise import is_belief_network, is_machine
from probgen.learn.program_fit import ProgramFit
from probgen.nets.boltzmann.values import read_values
from probgen.studies.fit_page.cases import Cases, Values, cases_of
from probgen.studies.fit_page.filters import filters_section
from probgen.studies.fit_page.generated import generated_sections
from probgen.studies.fit_page.inpainting import inpainting_section
from probgen.studies.fit_page.latents import latent_sections, reconstructions_section
from probgen.studies.fit_page.likelihood import likelihood_section
from probgen.studies.fit_page.match import match_section
from probgen.studies.fit_page.program import Program, is_implicit
from probgen.studies.fit_page.samples import samples_section
from probgen.studies.fit_page.watched import watched_section
from probgen.studies.latents.sites import has_latents

__all__ = ["page_of_fit"]


def page_of_fit(
    fitted: ProgramFit, data: Any = None, validation: Any = None, title: str | None = None
) -> str:
    """The text of the page; see `probgen.report`."""
    machine = is_machine(fitted.model) or is_belief_network(fitted.model)
    cards: list[Card] = []
    sections: list[Section] = []
    tree = xr.DataTree.from_dict({"history": fitted.tree["history"].to_dataset()})
    tree.attrs.update(fitted.tree.attrs)
    cases = cases_of(fitted, data, validation)
    if cases is not None and machine:
        cases = _checked(fitted.model, cases)
    if cases is not None:
        tree["observed_data"] = xr.DataTree(_dataset(cases))
    if machine:
        cards, sections = _of_machine(fitted, cases)
    else:
        cards, sections = _of_program(fitted, cases)
    found = watched_section(fitted, cases)
    if found is not None:
        sections.insert(0, found[0])
        cards = found[1] + cards
    attrs = fitted.tree.attrs
    name, method = (str(attrs.get(key, "")) for key in ("model", "method_settings"))
    heading = title or f"{name or type(fitted.model).__name__} trained by {method.split('(')[0]}"
    return training_page(tree, cards, sections, source_of(type(fitted.model)), heading)


def _of_program(fitted: ProgramFit, cases: Cases | None) -> tuple[list[Card], list[Section]]:
    """Of a program with a density and a guide what the guide says; of others what they draw."""
    seed = int(fitted.tree.attrs.get("seed", 0))
    program = Program(fitted.average or fitted.model, cases, seed)
    if not has_latents(fitted.model):
        return generated_sections(program)
    if not is_implicit(program):
        return latent_sections(fitted.model, cases, seed)
    cards, sections = generated_sections(program)
    if cases is not None:
        judged = {name: value[:16] for name, value in cases.judged.items()}
        section = reconstructions_section(program.model, judged)
        sections += [section] if section.pictures else []
    return cards, sections


def _of_machine(fitted: ProgramFit, cases: Cases | None) -> tuple[list[Card], list[Section]]:
    """Likelihood, filters, samples, their likeness to the data, and inpainting."""
    machine: Any = fitted.model
    seed = int(fitted.tree.attrs.get("seed", 0))
    cards: list[Card] = []
    sections: list[Section] = []
    if cases is None:
        section = Section("likelihood", "Likelihood")
        section.remarks.append(
            "No likelihood, and no inpainting: the data are not known. Give data and validation "
            "as they were given to `fit`: `pg.report(fit, data=x)`."
        )
        sections.append(section)
    else:
        section, card = likelihood_section(machine, cases, seed)
        sections.append(section)
        cards.append(card)
    sections.append(filters_section(machine))
    samples, verdicts, drawn = samples_section(machine, seed)
    sections.append(samples)
    cards += verdicts
    if cases is not None and drawn is not None:
        whose = "held-out" if cases.held_out else "training"
        sections.append(match_section(machine, cases.judged, drawn, whose))
    if cases is not None and is_machine(machine):
        sections.append(inpainting_section(machine, cases, seed))
    return cards, sections


def _checked(machine: Any, cases: Cases) -> Cases:
    """The values of the visible sites, in the form that machines take. Raises `DataError`."""
    visible = [units.name for units in machine.layers[0]]

    def read(values: Values) -> Values:
        if not values:
            return values
        missing = [name for name in visible if name not in values]
        if missing:
            raise DataError(f"The page needs data of {visible}; {missing} are not there.")
        return read_values(machine, {name: values[name] for name in visible}, missing=True)

    return Cases(read(cases.training), read(cases.held_out), cases.trained, cases.kept_back)


def _dataset(cases: Cases) -> xr.Dataset:
    """The cases that are looked at, for their shapes and ranges to be told."""
    arrays = {}
    for ending, values in (("", cases.training), ("_held_out", cases.held_out)):
        for name, value in values.items():
            array = np.asarray(value.detach().cpu())
            dims = [f"case{ending}", *(f"{name}_dim_{i}" for i in range(array.ndim - 1))]
            arrays[f"{name}{ending}"] = (dims, array)
    return xr.Dataset(arrays)
