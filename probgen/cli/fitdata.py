"""Data of `probgen fit`: arrays that stay on disk, tables, mappings of arrays, sets by name."""

from pathlib import Path
from typing import Any

from probgen.cli.arguments import files_and_pairs, split_pair
from probgen.errors import DataError


def training_data(items: list[str] | None, program: bool, model: Any = None) -> Any:
    """The contents of data files: one array, a table or a mapping; None for the model's own.

    For a `model` that is a program also a small set by name, such as digits.
    """
    files, pairs = files_and_pairs(items or ())
    if program and len(files) == 1 and not pairs and not Path(files[0]).expanduser().exists():
        named = _set_of(files[0], model)
        if named is not None:
            return named
    if len(files) == 1 and not pairs:
        return read_training_file(files[0], program)
    found: dict[str, Any] = {}
    for file in files:
        content = read_training_file(file, program)
        if not hasattr(content, "keys"):
            raise DataError(f"--data {file}: say whose data these are, as NAME={file}.")
        found |= {name: content[name] for name in content.keys()}  # noqa: SIM118
    for pair in pairs:
        name, file = split_pair(pair, "--data", free=True)
        content = read_training_file(file, program)
        found[name] = content[name] if hasattr(content, "keys") and name in content else content
    return found or None


def read_training_file(path: str, program: bool) -> Any:
    """An array from .npy, which stays on disk; a table from .csv; else a mapping of arrays."""
    import numpy as np
    import pandas as pd

    import probgen as pg

    file = Path(path).expanduser()
    if file.suffix == ".npy" and file.is_file():
        try:
            return np.load(file, mmap_mode="r", allow_pickle=False)
        except (ValueError, OSError, EOFError) as error:
            raise DataError(f"{file.name} cannot be read as NPY: {error}.") from error
    if file.suffix == ".csv" and file.is_file():
        # states of networks may be texts; a program's numbers are checked when they are read
        return pd.DataFrame(pg.read_data_file(file)) if program else pd.read_csv(file)
    return pg.read_data_file(file)


def _set_of(name: str, model: Any) -> Any:
    """The data set of that name, as the model takes it; None if there is none."""
    from probgen.inference.fit_modules import module_of
    from probgen.learn.training.probe import arguments_of, prior_shapes
    from probgen.models._sets import SETS, shaped

    if name not in SETS:
        if Path(name).suffix or "/" in name:
            return None  # meant as a file: reading it says that it is not there
        raise DataError(f"--data {name}: neither a file nor a data set ({', '.join(SETS)}).")
    module = module_of(model, 0)
    return shaped(name, prior_shapes(module), arguments_of(module))
