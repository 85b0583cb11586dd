"""The public call `report`: results of inference, or a fitted program, as one HTML page."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

from probgen.errors import OptionError

__all__ = ["report"]


def report(
    results: Any,
    path: str | PathLike[str] = "report.html",
    *,
    model: Any = None,
    title: str | None = None,
    data: Any = None,
    validation: Any = None,
) -> Path:
    """Write a report on results, or on a fitted program, as one self-contained HTML page.

    Of results, the page begins with the verdict of `diagnose`, then the summary table, pictures
    of the parameters that need a look, predictive checks and leave-one-out where the groups for
    them are there, and how the result was made; several results are compared. Groups that a
    result lacks are left out with a sentence.

    Of a fit, it shows how training went and, of Boltzmann machines, the likelihood with its
    error, filters, draws with the verdict on the chains, and inpainting; of programs with latents
    and a guide of their own bounds of the likelihood, draws, reconstructions and traversals of the
    latents; of flows and of programs without a density draws, interpolations, metrics of their
    quality, and the training rows nearest to them; and draws over time where the training was
    watched. Chains, draws and likelihoods are computed here. It loads nothing from anywhere.

    Parameters
    ----------
    results: an ArviZ DataTree of any library, a path (a store, a NetCDF file, or CmdStan's CSV
        files, which together are one result), a sequence of these, or a mapping from labels to
        these; or what `fit` returned for a program.
    path: the file to write; its name ends in .html.
    model: results only: the model, as a function, a class or text, for its source to be shown
        with the runs that name no other model and do not hold their source themselves.
    title: heading of the page; made of the model's name when left out.
    data, validation: fits only: as they were given to `fit`; the data of the model's own file
        when left out.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    DataError: a result cannot be read or holds no draws, or the data do not fit the model.
    OptionError: there is no result, or the page cannot be written.

    """
    from probgen.diagnose.report.write import checked_path, write_text
    from probgen.diagnose.report.write import report as report_results
    from probgen.learn.program_fit import ProgramFit

    if not isinstance(results, ProgramFit):
        if data is not None or validation is not None:
            raise OptionError("report: data= and validation= are for what `fit` returned.")
        return report_results(results, path, model=model, title=title)
    if model is not None:
        raise OptionError("report: model= is for results of `infer`; a fit holds its model.")
    from probgen.studies.fit_page.page import page_of_fit

    target = checked_path(path)
    return write_text(page_of_fit(results, data, validation, title), target)
