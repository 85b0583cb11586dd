"""One door to stored networks: a path of a file, or the name of a bundled one."""

from __future__ import annotations

import difflib
from pathlib import Path

from probgen.declare.network import Network
from probgen.declare.networks.bundled import bundled_names, load_bundled
from probgen.declare.networks.files import read_network_file
from probgen.declare.networks.recognise import is_network_file
from probgen.errors import DataError, ModelError

__all__ = ["load_network"]


def load_network(spec: str | Path) -> Network:
    """The network of a file (`alarm.bif`, `grid.uai.gz` ...) or a bundled one (`"alarm"`).

    Raises `DataError` for a file that is missing or malformed, and `ModelError` for a name that
    is neither, both with the nearest names.
    """
    path = Path(spec).expanduser()
    names = bundled_names()
    if is_network_file(path) and not path.exists():
        raise DataError(f"There is no file {path}.{_near_files(path)}")
    if str(spec) not in names and (path.exists() or path.suffix or len(path.parts) > 1):
        return read_network_file(path)
    try:
        return load_bundled(str(spec))
    except ModelError as error:
        if not names:
            raise
        raise ModelError(f"{error} Or give the path of a BIF or UAI file.") from None


def _near_files(path: Path) -> str:
    """A hint: network files beside it with like names, else a bundled network of that name."""
    folder, stem = path.parent, _stem(path)
    there = [p for p in folder.iterdir() if is_network_file(p)] if folder.is_dir() else []
    near = difflib.get_close_matches(stem, {_stem(p) for p in there}, 3)
    if near:
        files = sorted(str(p) for p in there if _stem(p) in near)[:3]
        return f" Did you mean {' or '.join(files)}?"
    if stem in bundled_names():
        return f' A network of that name is bundled: load_network("{stem}").'
    return ""


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").rsplit(".", 1)[0]
