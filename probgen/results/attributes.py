"""Attributes that every result carries: who made it, from what, with which settings."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

__all__ = ["library_attributes", "model_attributes", "run_attributes", "version_of"]

_versions: dict[str, str] = {}


def library_attributes() -> dict[str, Any]:
    """This library and its version, under the names that ArviZ uses."""
    return {
        "inference_library": "probgen",
        "inference_library_version": version_of("probgen"),
    }


def run_attributes(
    model: str, method: Any, seed: int, packages: tuple[str, ...], source: str = ""
) -> dict[str, Any]:
    """Library, model, method with its settings, seed, and versions of the packages used.

    `source` is the text of the model, "" where there is none.
    """
    return {
        **library_attributes(),
        **model_attributes(model, source),
        "method": method.name,
        "method_settings": repr(method),
        "seed": seed,
        "versions": {name: version_of(name) for name in packages},
    }


def model_attributes(name: str, source: str) -> dict[str, str]:
    """What a result says of its model: the name, and the text where there is one."""
    return {"model": name} | ({"model_source": source} if source else {})


def version_of(package: str) -> str:
    """Installed version of a package, or "unknown"."""
    if package not in _versions:
        try:
            _versions[package] = version(package)
        except PackageNotFoundError:
            _versions[package] = "unknown"
    return _versions[package]
