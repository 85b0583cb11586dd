"""The public call: results in, an HTML page out."""

from __future__ import annotations

import os
import tempfile
from os import PathLike
from pathlib import Path
from typing import Any

from probgen.diagnose.report.page import page_of
from probgen.diagnose.report.runs import Run, read_runs
from probgen.errors import OptionError

__all__ = ["checked_path", "report", "write_report", "write_text"]

ENDINGS = (".html", ".htm")


def report(
    results: Any,
    path: str | PathLike[str] = "report.html",
    *,
    model: Any = None,
    title: str | None = None,
) -> Path:
    """Write a report on one or several results as one self-contained HTML page.

    The page begins with the verdict of `diagnose`, then the summary table, pictures of the
    parameters that need a look, predictive checks and leave-one-out where the groups for them
    are there, and how the result was made; several results are compared. It loads nothing from
    anywhere, and groups that a result lacks are left out with a sentence.

    Parameters
    ----------
    results: an ArviZ DataTree of any library, a path (a store, a NetCDF file, or CmdStan's CSV
        files, which together are one result), a sequence of these, or a mapping from labels to
        these. Results on discrete networks are shown by their marginals.
    path: the file to write; its name ends in .html.
    model: the model, as a function, a class or text, for its source to be shown with the runs
        that name no other model and do not hold their source themselves.
    title: heading of the page; made of the model's name when left out.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    DataError: a result cannot be read or holds no draws.
    OptionError: there is no result, or the page cannot be written.

    """
    target = checked_path(path)
    runs = read_runs(results)
    try:
        return write_report(runs, target, model, title)
    finally:
        for run in runs:
            if run.opened:
                run.tree.close()


def write_report(
    runs: list[Run], target: Path, model: Any = None, title: str | None = None
) -> Path:
    """Write the page of runs already read; whole, or not at all."""
    return write_text(page_of(runs, model, title), target)


def write_text(text: str, target: Path) -> Path:
    """Write the text of a page; whole, or not at all."""
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(text)
            os.chmod(name, 0o666 & ~_umask())
            os.replace(name, target)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        raise OptionError(f"The report {target} cannot be written: {error.strerror}.") from error
    return target


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def checked_path(path: str | PathLike[str]) -> Path:
    """Where a page is to be written. Raises `OptionError` where it cannot be."""
    target = Path(path).expanduser()
    if target.suffix.lower() not in ENDINGS:
        raise OptionError(f"The report {target} must end in .html.")
    if not target.parent.is_dir():
        raise OptionError(f"The directory {target.parent} does not exist; make it first.")
    return target
