"""Text from the command line made into values: data, methods and their options, output paths.

Everything here fails before any work is done, with a message that names the argument.
"""

import ast
import dataclasses
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from probgen.errors import DataError, OptionError

METHODS = {"nuts": "NUTS", "hmc": "HMC"}  # word on the command line -> public name


def split_pair(text: str, option: str) -> tuple[str, str]:
    """`name=value` in two; OptionError names the option otherwise."""
    name, equals, value = text.partition("=")
    name = name.strip()
    if not equals or not name.isidentifier():
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


def model_data(own: Mapping[str, Any], file: str | None, pairs: Iterable[str]) -> dict[str, Any]:
    """The program's arguments: a data file in place of the model's own, then single values."""
    import probgen as pg

    data = dict(own) if file is None else dict(pg.read_data_file(file))
    for pair in pairs:
        name, text = split_pair(pair, "--set")
        data[name] = as_data(name, value_of(text))
    return data


def as_data(name: str, value: Any) -> Any:
    """A list as an array; other values as they are."""
    if not isinstance(value, list | tuple):
        return value
    import numpy as np

    try:
        array = np.array(value)
    except ValueError as error:
        raise DataError(f"--set {name}: the rows of the list differ in length.") from error
    if array.dtype.kind not in "biuf":
        raise DataError(f"--set {name}: the list must hold numbers only.")
    return array


def chosen_method(default: Any, name: str | None, pairs: Iterable[str]) -> Any:
    """The method by its name, or the model's own, with the given options replaced.

    None when neither the command line nor the model names one and no option is given: then the
    public default decides.
    """
    import probgen as pg

    options = dict(split_pair(pair, "--method-option") for pair in pairs)
    if name is not None:
        word = name.lower()
        if word not in METHODS:
            raise OptionError(f"--method {name}: the methods are {', '.join(METHODS)}.")
        default = getattr(pg, METHODS[word])()
    if not options:
        return default
    method = pg.NUTS() if default is None else default
    known = [entry.name for entry in dataclasses.fields(method) if entry.init]
    for option in options:
        if option not in known:
            raise OptionError(
                f"--method-option {option}: {type(method).__name__} has no such option. "
                f"It has {', '.join(known)}."
            )
    return dataclasses.replace(method, **{key: value_of(text) for key, text in options.items()})


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
