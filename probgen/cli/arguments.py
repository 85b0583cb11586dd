"""Text from the command line made into values: data, methods and their options, output paths.

Everything here fails before any work is done, with a message that names the argument.
"""

import ast
import dataclasses
import json
import os
import runpy
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from probgen.errors import DataError, EvidenceError, OptionError

# word on the command line -> public name
METHODS = {
    "nuts": "NUTS",
    "hmc": "HMC",
    "chees": "ChEES",
    "mclmc": "MCLMC",
    "mams": "MAMS",
    "pathfinder": "Pathfinder",
    "laplace": "Laplace",
    "neutra": "NeuTra",
    "flow-metropolis": "FlowMetropolis",
    "tempered-smc": "TemperedSMC",
    "svi": "SVI",
    "rejection-abc": "RejectionABC",
    "smc-abc": "SMCABC",
    "exact": "Exact",
    "gibbs": "Gibbs",
    "parallel-tempering": "ParallelTempering",
    "swendsen-wang": "SwendsenWang",
    "ais": "AnnealedImportance",
    "belief-propagation": "BeliefPropagation",
    "mean-field": "MeanField",
    "map": "MAP",
}


def split_pair(text: str, option: str, free: bool = False) -> tuple[str, str]:
    """`name=value` in two; OptionError names the option otherwise.

    Names are identifiers, or with `free` any text, as variables of networks are called.
    """
    name, equals, value = text.partition("=")
    name = name.strip()
    if not equals or not (name if free else name.isidentifier()):
        raise OptionError(f"{option} {text!r} must have the form name=value.")
    return name, value.strip()


def value_of(text: str) -> Any:
    """A JSON or Python value ([1, 2], true, None, 1e-3), else the text itself."""
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError):
            continue
    return text


def option_of(text: str) -> Any:
    """A value as `value_of` reads it; for file.py:name what that file defines by the name."""
    path, _, name = text.rpartition(":")
    return defined_in(path, name) if path.endswith(".py") else value_of(text)


def defined_in(path: str, name: str) -> Any:
    """What a Python file defines by a name, such as a method or a guide; the file is run.

    Raises `OptionError` where there is no such file or name.
    """
    if not Path(path).expanduser().is_file():
        raise OptionError(f"{path}: there is no such file.")
    found = runpy.run_path(str(Path(path).expanduser()))
    if name not in found:
        raise OptionError(f"{path} defines no {name!r}.")
    return found[name]


def given_data(model: Any, items: Iterable[str] | None) -> dict[Any, Any]:
    """What a loaded model is run with: its own data, files in their place, then single values.

    A Boltzmann machine's own data are what it learns from, not evidence: they are left out.
    """
    from probgen.declare.networks.kinds import is_continuous
    from probgen.declare.networks.recognise import is_network
    from probgen.inference.boltzmann.recognise import is_machine

    files, pairs = files_and_pairs(items or ())
    own = {} if files or is_machine(model.program) else dict(model.data)
    if is_network(model.program) and not is_continuous(model.program):
        return network_evidence(own, files, pairs)
    free = is_network(model.program)
    return program_data(own, files, pairs, free)


def files_and_pairs(items: Iterable[str]) -> tuple[list[str], list[str]]:
    """Items of `--data` that are files, and those that are NAME=VALUE."""
    files: list[str] = []
    pairs: list[str] = []
    for item in items:
        (pairs if "=" in item and not Path(item).expanduser().is_file() else files).append(item)
    return files, pairs


def program_data(
    own: Mapping[str, Any], files: Iterable[str], pairs: Iterable[str], free: bool = False
) -> dict[str, Any]:
    """The program's arguments: data files in place of the model's own, then single values."""
    import probgen as pg

    data = dict(own)
    for file in files:
        data |= pg.read_data_file(file)
    for pair in pairs:
        name, text = split_pair(pair, "--data", free)
        data[name] = as_data(name, value_of(text))
    return data


def network_evidence(
    own: Mapping[Any, Any], files: Iterable[str], pairs: Iterable[str]
) -> dict[Any, Any]:
    """Evidence of a network: evidence files, then variable=state."""
    from probgen.declare.networks.evidence_files import read_evidence_file

    evidence = dict(own)
    for file in files:
        evidence |= read_evidence_file(file)
    said: dict[str, str] = {}
    for pair in pairs:
        name, text = split_pair(pair, "--data", free=True)
        if said.setdefault(name, text) != text:
            raise EvidenceError(
                f"Contradictory evidence: --data gives {name} as both {said[name]} and {text}."
            )
        value = value_of(text)
        evidence[name] = value if isinstance(value, list | dict) else text
    return evidence


def as_data(name: str, value: Any) -> Any:
    """A list as an array; other values as they are."""
    if not isinstance(value, list | tuple):
        return value
    import numpy as np

    try:
        array = np.array(value)
    except ValueError as error:
        raise DataError(f"--data {name}: the rows of the list differ in length.") from error
    if array.dtype.kind not in "biuf":
        raise DataError(f"--data {name}: the list must hold numbers only.")
    return array


def chosen_method(
    default: Any,
    name: str | None,
    pairs: Iterable[str],
    methods: Mapping[str, str] = METHODS,
    usual: str | None = "NUTS",
) -> Any:
    """The method by its name, or the model's own, with the given options replaced.

    None when neither the command line nor the model names one and no option is given: then the
    public default decides. Options without a method are those of the `usual` one.
    """
    import probgen as pg

    options = dict(split_pair(pair, "--method-option") for pair in pairs)
    if name is not None:
        word = name.lower().replace("_", "-")
        if word not in methods:
            raise OptionError(f"--method {name}: the methods are {', '.join(methods)}.")
        default = getattr(pg, methods[word])()
    if not options:
        return default
    if default is None and usual is None:
        raise OptionError(f"--method-option {next(iter(options))}: name the method, by --method.")
    method = getattr(pg, str(usual))() if default is None else default
    known = [entry.name for entry in dataclasses.fields(method) if entry.init]
    for option in options:
        if option not in known:
            raise OptionError(
                f"--method-option {option}: {type(method).__name__} has no such option. "
                f"It has {', '.join(known)}."
            )
    return dataclasses.replace(method, **{key: option_of(text) for key, text in options.items()})


def writable(path: str | None, option: str, endings: tuple[str, ...]) -> Path | None:
    """A path that can be written later; OptionError says now what would fail then."""
    if path is None:
        return None
    target = Path(path).expanduser()
    if target.suffix.lower() not in endings:
        raise OptionError(f"{option} {path}: the name must end in {' or '.join(endings)}.")
    if target.is_dir():
        raise OptionError(f"{option} {path}: this is a directory; give a file name in it.")
    folder = target.parent
    if not folder.is_dir():
        raise OptionError(
            f"{option} {path}: the directory {folder} does not exist; make it first."
        )
    if not os.access(target if target.exists() else folder, os.W_OK):
        raise OptionError(f"{option} {path}: no permission to write there.")
    return target
