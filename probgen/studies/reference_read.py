"""References as a user gives them: a result, moments by name, or a file of draws.

Files: a result of any library (NetCDF, Zarr, CmdStan's CSV); JSON as posteriordb has it (a list of
chains, each a mapping from scalars to draws, perhaps zipped); npz of arrays (chain, draw) by
scalar. In JSON and npz, and in model files, scalars are counted from 1, as in Stan. No file is
unpickled.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from probgen.diagnose.reading import read_files
from probgen.errors import DataError, OptionError
from probgen.studies.compare.estimates import STATISTICS, Scalars, estimates_of_scalars
from probgen.studies.reference import MOST_DRAWS, Reference, reference_from_tree, thinned

__all__ = ["read_reference", "reference_from_moments"]

_DRAWS = (".json", ".npz", ".zip")  # scalars by name; all other files hold a result


def read_reference(given: Any) -> Reference:
    """A reference from a `Reference`, a DataTree, a mapping of moments, or the path of a file.

    Raises `DataError` for files and numbers that cannot be used, `OptionError` for other types.
    """
    if isinstance(given, Reference):
        return given
    if isinstance(given, xr.DataTree):
        method = given.attrs.get("method") or given.attrs.get("inference_library", "")
        return reference_from_tree(given, f"a given result{f' of {method}' if method else ''}")
    if isinstance(given, Mapping):
        return reference_from_moments(given)
    if isinstance(given, (str, Path)):
        return _from_file(Path(given).expanduser())
    raise OptionError(
        f"reference={type(given).__name__}: it must be 'exact', 'long', a DataTree, a mapping "
        "from scalars to (mean, sd), or the path of a file of draws."
    )


def reference_from_moments(given: Mapping[str, Any], title: str = "given moments") -> Reference:
    """A reference from known moments.

    Each value is (mean, sd), exact, of a scalar named as in the posterior; arrays of both for
    all elements of a site; a mapping with some of mean, sd, 5%, 50%, 95% and their errors
    (`mean_error` ...); or, as in model files, (mean, its error, sd, its error), the elements of
    a site being counted from 1. `log_evidence` (nats) is a number, or (number, its error).
    Raises `DataError` for anything else.
    """
    given = dict(given)
    evidence, evidence_error = _pair(given.pop("log_evidence", (np.nan, 0.0)))
    rows: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    from_one = bool(given) and all(_length(value) == 4 for value in given.values())
    for name, value in given.items():
        if from_one:
            mean, mean_error, sd, sd_error = map(float, value)
            rows[_from_zero(str(name))] = _row(
                {"mean": mean, "sd": sd}, {"mean": mean_error, "sd": sd_error}
            )
        elif isinstance(value, Mapping):
            rows[str(name)] = _from_mapping(str(name), value)
        elif _length(value) == 2:
            rows |= _from_pair(str(name), *value)
        else:
            raise DataError(
                f"reference: {name!r} must be (mean, sd), (mean, its error, sd, its error) or a "
                "mapping of statistics, all scalars in the same form."
            )
    if not rows:
        raise DataError("reference: the mapping is empty.")
    names = tuple(rows)
    values, errors = (np.array([row[part] for row in rows.values()]) for part in (0, 1))
    if not (values[:, 1] > 0).all():
        bad = names[int(np.argmin(values[:, 1] > 0))]
        raise DataError(f"reference: the sd of {bad!r} must be given, and positive.")
    return Reference(
        *(names, names, STATISTICS, values, errors),
        title=title,
        by_position=from_one,
        log_evidence=evidence,
        log_evidence_error=evidence_error,
    )


def _pair(given: Any) -> tuple[float, float]:
    """A number and its error, which is 0 when left out."""
    value, error = given if _length(given) == 2 else (given, 0.0)
    return float(value), float(error)


def _length(value: Any) -> int:
    return len(value) if isinstance(value, (tuple, list)) else 0


def _row(values: Mapping[str, float], errors: Mapping[str, float]) -> Any:
    return (
        np.array([float(values.get(name, np.nan)) for name in STATISTICS]),
        np.array([float(errors.get(name, 0.0)) for name in STATISTICS]),
    )


def _from_pair(name: str, mean: Any, sd: Any) -> dict[str, Any]:
    means, sds = np.broadcast_arrays(np.asarray(mean, float), np.asarray(sd, float))
    return {
        f"{name}[{', '.join(map(str, place))}]" if place else name: _row(
            {"mean": float(means[place]), "sd": float(sds[place])}, {}
        )
        for place in np.ndindex(means.shape)
    }


def _from_mapping(name: str, value: Mapping[str, Any]) -> Any:
    errors = {n.removesuffix("_error"): v for n, v in value.items() if n.endswith("_error")}
    values = {n: v for n, v in value.items() if not n.endswith("_error")}
    unknown = {*values, *errors} - set(STATISTICS)
    if unknown:
        raise DataError(
            f"reference: {name!r} has {', '.join(sorted(unknown))}; the statistics are "
            f"{', '.join(STATISTICS)} and their errors, such as mean_error."
        )
    return _row(values, errors)


def _from_zero(name: str) -> str:
    """A scalar whose elements are counted from 1, counted from 0: theta[1] -> theta[0]."""
    site, bracket, index = name.partition("[")
    if not bracket:
        return name
    places = [str(int(i) - 1) for i in re.findall(r"\d+", index)]
    return f"{site}[{', '.join(places)}]"


def _from_file(path: Path) -> Reference:
    if not path.exists():
        raise DataError(f"reference: there is no file {path}.")
    if path.suffix not in _DRAWS:
        return reference_from_tree(read_files(path), f"draws in {path.name}")
    try:
        draws = _draws_in(path)
        lengths = {values.shape for values in draws.values()}
        if len(lengths) != 1 or len(next(iter(lengths))) != 2:
            raise ValueError("the scalars do not all have draws of one shape (chain, draw)")
    except (OSError, ValueError, KeyError, IndexError, TypeError, zipfile.BadZipFile) as error:
        raise DataError(
            f"reference: {path} holds no draws (a JSON list of chains as in posteriordb, an npz "
            f"of arrays (chain, draw), or NetCDF): {error}."
        ) from error
    names = tuple(_from_zero(name) for name in draws)
    scalars = Scalars(names, names, np.stack(list(draws.values())))
    found = estimates_of_scalars(scalars)
    flat = scalars.values.reshape(len(names), -1).T
    return Reference(
        *(found.names, found.places, found.statistics, found.values, found.errors),
        title=f"draws in {path.name}",
        by_position=True,
        draws=thinned(flat, MOST_DRAWS),
        drawn=names,
    )


def _draws_in(path: Path) -> dict[str, np.ndarray]:
    """Draws (chain, draw) by scalar."""
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as archive:
            return {key: np.asarray(archive[key], float) for key in archive.files}
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            chains = json.loads(archive.read(archive.namelist()[0]))
    else:
        chains = json.loads(path.read_text(encoding="utf-8"))
    return {key: np.array([chain[key] for chain in chains], float) for key in chains[0]}
