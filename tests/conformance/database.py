"""posteriordb on disk: data and reference draws of a posterior, in either of two layouts.

*Folders*: `with_reference/NAME` and `no_reference/NAME` with `data.json` and
`reference_draws.npz`. *Checkout*: the repository stan-dev/posteriordb as it is, where
`posteriors/NAME.json` names model, data and reference, and the files themselves are zipped.
Source: Magnusson et al., posteriordb (github.com/stan-dev/posteriordb).
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

ReferenceDraws = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Entry:
    """A posterior as the database names it."""

    name: str
    model: str
    has_reference: bool


class Database(Protocol):
    """What the runner asks of a database."""

    def entries(self) -> list[Entry]:
        """Every posterior, in alphabetical order."""

    def data(self, name: str) -> dict[str, Any]:
        """Stan's data."""

    def reference_draws(self, name: str) -> ReferenceDraws:
        """Draws (chain, draw) of every scalar, under its name in Stan."""


def open_database(path: Path) -> Database:
    """The database at `path`, whichever layout it has; raises `FileNotFoundError` for neither."""
    for root in (path, path / "posterior_database"):
        if (root / "posteriors").is_dir():
            return Checkout(root)
    folders = [path / name for name in ("with_reference", "no_reference")]
    if any(folder.is_dir() for folder in folders):
        return Folders(tuple(folder for folder in folders if folder.is_dir()))
    raise FileNotFoundError(
        f"{path} is no posteriordb: it has neither posterior_database/posteriors (a checkout of "
        "the repository) nor folders with_reference and no_reference."
    )


@dataclass(frozen=True)
class Folders:
    """One folder per posterior."""

    roots: tuple[Path, ...]

    def entries(self) -> list[Entry]:
        paths = {path.name: path for root in self.roots for path in root.iterdir()}
        return [
            Entry(name, name.partition("-")[2], (paths[name] / "reference_draws.npz").exists())
            for name in sorted(paths)
            if (paths[name] / "data.json").exists()
        ]

    def data(self, name: str) -> dict[str, Any]:
        return json.loads((self._folder(name) / "data.json").read_text())

    def reference_draws(self, name: str) -> ReferenceDraws:
        with np.load(self._folder(name) / "reference_draws.npz") as archive:
            return {key: archive[key] for key in archive.files}

    def _folder(self, name: str) -> Path:
        for root in self.roots:
            if (root / name).is_dir():
                return root / name
        raise FileNotFoundError(f"No posterior {name!r} in {self.roots[0].parent}.")


@dataclass(frozen=True)
class Checkout:
    """The repository's own layout; `root` is its folder `posterior_database`."""

    root: Path

    def entries(self) -> list[Entry]:
        found = []
        for path in sorted((self.root / "posteriors").glob("*.json")):
            described = json.loads(path.read_text())
            has_reference = described.get("reference_posterior_name") is not None
            found.append(Entry(path.stem, described["model_name"], has_reference))
        return found

    def data(self, name: str) -> dict[str, Any]:
        data_name = self._described(name)["data_name"]
        info = json.loads((self.root / "data" / "info" / f"{data_name}.info.json").read_text())
        return _unzipped(self.root / info["data_file"])

    def reference_draws(self, name: str) -> ReferenceDraws:
        reference = self._described(name)["reference_posterior_name"]
        folder = self.root / "reference_posteriors" / "draws" / "draws"
        chains = _unzipped(folder / f"{reference}.json")
        return {key: np.array([chain[key] for chain in chains]) for key in chains[0]}

    def _described(self, name: str) -> dict[str, Any]:
        return json.loads((self.root / "posteriors" / f"{name}.json").read_text())


def _unzipped(path: Path) -> Any:
    """The JSON file at `path`, which may be there as `path.zip` only."""
    if path.exists():
        return json.loads(path.read_text())
    with zipfile.ZipFile(path.with_name(f"{path.name}.zip")) as archive:
        return json.loads(archive.read(archive.namelist()[0]))
