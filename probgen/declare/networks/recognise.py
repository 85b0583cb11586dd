"""Telling networks from other models, and network files from other files, without pgmpy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from probgen.declare.network import Network

__all__ = ["NETWORK_ENDINGS", "is_network", "is_network_file", "network_ending"]

NETWORK_ENDINGS = (".bif", ".xmlbif", ".xml", ".net", ".xdsl", ".uai")
"""Of files that hold a network, each optionally followed by .gz."""

_MODULES = ("pgmpy.models", "pgmpy.base")
_GAUSSIAN = ("probgen.declare.networks.gaussian_network", "GaussianNetwork")


def is_network(model: Any) -> bool:
    """Whether `model` is a `Network`, a Gaussian network, or a model of pgmpy (not a class)."""
    if isinstance(model, type):
        return False
    if isinstance(model, Network):
        return True
    classes = type(model).__mro__
    return any(
        (cls.__module__, cls.__name__) == _GAUSSIAN or cls.__module__.startswith(_MODULES)
        for cls in classes
    )


def is_network_file(path: str | Path) -> bool:
    """Whether the ending of a path is that of a network file; the file need not exist."""
    return network_ending(path) is not None


def network_ending(path: str | Path) -> str | None:
    """The ending in lower case without .gz, such as ".bif"; None for other files."""
    name = Path(path).name.lower().removesuffix(".gz")
    return next((ending for ending in NETWORK_ENDINGS if name.endswith(ending)), None)
