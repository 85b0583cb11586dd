"""What `infer` was asked for beside model, data and method; see there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["NetworkOptions", "ProgramOptions"]


@dataclass(frozen=True)
class ProgramOptions:
    """Options for Pyro programs."""

    chains: int
    draws: int
    warmup: int
    seed: int
    init: Any = "uniform"
    threads: int | None = None
    keep_warmup: bool = False
    log_likelihood: bool | None = None
    progress: bool = True
    backend: str = "auto"
    precision: str = "float64"
    device: str = "cpu"
    thin: int = 1
    adapted: xr.DataTree | None = None
    derived: bool | None = True
    """Whether log densities of sites are made with the draws; None: where they are small."""


@dataclass(frozen=True)
class NetworkOptions:
    """Options for networks; None takes the method's own default."""

    chains: int | None
    draws: int | None
    warmup: int | None
    seed: int
    threads: int | None = None
    progress: bool = True
