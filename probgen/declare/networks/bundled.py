"""The Bayesian networks that lie inside the pgmpy package, loaded offline by name.

They come from the bnlearn repository (Scutari 2010): alarm, asia, munin and others. pgmpy is
found but not imported.
"""

from __future__ import annotations

import difflib
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from probgen.errors import ModelError

if TYPE_CHECKING:
    from probgen.declare.network import Network

__all__ = ["bundled_names", "load_bundled"]

_FOLDER = ("utils", "example_models")
_ENDING = ".bif.gz"


def bundled_names() -> list[str]:
    """Names of the networks that the installed pgmpy carries, sorted; none if it has none."""
    folder = _folder()
    if folder is None:
        return []
    return sorted(path.name.removesuffix(_ENDING) for path in folder.glob(f"*{_ENDING}"))


def load_bundled(name: str) -> Network:
    """A network by its name, such as "alarm".

    Raises `ModelError` with the nearest names, or, when the installed pgmpy carries no
    networks, with what to do instead.
    """
    names = bundled_names()
    if name in names:
        from probgen.declare.networks.bif import read_bif  # numpy: not for a list of names

        folder = _folder()
        assert folder is not None
        return read_bif(folder / f"{name}{_ENDING}")
    if not names:
        raise ModelError(
            f"The network {name!r} was to be read from the files inside pgmpy, but the installed "
            "pgmpy has none (versions 1.0 to 1.2 have them): install `pgmpy<1.3`, or give the "
            "path of a BIF file."
        )
    near = difflib.get_close_matches(name.lower(), names, 3)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    raise ModelError(f"There is no bundled network {name!r}.{hint} There are: {', '.join(names)}.")


def _folder() -> Path | None:
    spec = importlib.util.find_spec("pgmpy")
    places = list(spec.submodule_search_locations or ()) if spec else []
    folders = [Path(place).joinpath(*_FOLDER) for place in places]
    return next((folder for folder in folders if folder.is_dir()), None)
