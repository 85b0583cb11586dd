"""Attributes that every result carries: who made it, from what, with which settings."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

__all__ = ["library_attributes", "run_attributes", "version_of"]

_versions: dict[str, str] = {}


def library_attributes() -> dict[str, Any]:
    """This library and its version, under the names that ArviZ uses."""
    return {
        "inference_library": "probgen",
        "inference_library_version": version_of("probgen"),
    }


def run_attributes(
    model: str, method: Any, seed: int, packages: tuple[str, ...]
) -> dict[str, Any]:
    """Library, model, method with its settings, seed, and versions of the packages used."""
    return {
        **library_attributes(),
        "model": model,
        "method": method.name,
        "method_settings": repr(method),
        "seed": seed,
        "versions": {name: version_of(name) for name in packages},
    }


def version_of(package: str) -> str:
    """Installed version of a package, or "unknown"."""
    if package not in _versions:
        try:
            _versions[package] = version(package)
        except PackageNotFoundError:
            _versions[package] = "unknown"
    return _versions[package]
