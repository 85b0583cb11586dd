"""The contract between `infer` and every sampler: what is asked, and what is handed back.

A method is a value: a frozen dataclass with its settings, a `name`, and `run(density, plan)`.
It sees an unconstrained log density and a plan, and returns draws in unconstrained space;
constrained values, names and the DataTree are made elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from probgen.results.store.state import KernelState, Piece

if TYPE_CHECKING:
    from probgen.inference.notes import Seen

__all__ = ["DensityLike", "Draws", "Method", "NativeFunction", "Plan", "Progress"]


class NativeFunction(Protocol):
    """A compiled density: `double f(const double* q, double* gradient, const void* context)`."""

    @property
    def address(self) -> int:
        """Address of the C function."""

    @property
    def context(self) -> int:
        """Pointer handed to the function as its third argument."""


class DensityLike(Protocol):
    """What a sampler needs to know of a log density over unconstrained coordinates."""

    @property
    def dim(self) -> int:
        """Number of unconstrained coordinates."""

    @property
    def native(self) -> NativeFunction | None:
        """The compiled function, or None when only `value_and_grad` is there."""

    @property
    def coordinate_names(self) -> list[str]:
        """A name for every coordinate, such as `theta[3]`."""

    def value_and_grad(self, q: np.ndarray) -> tuple[float, np.ndarray]:
        """Log density in nats at `q` of shape (dim,), and its gradient of the same shape."""


@dataclass(frozen=True)
class Progress:
    """A look at a run in flight; every tuple has one entry per chain."""

    iterations: tuple[int, ...]
    """Transitions done so far, warm-up included."""
    total: int
    """Transitions each chain will make."""
    warmup: int
    """How many of them are warm-up."""
    divergences: tuple[int, ...]
    """Divergent transitions after warm-up."""
    gradients: tuple[int, ...]
    """Gradient evaluations so far."""
    step_sizes: tuple[float, ...] = ()
    """Step sizes once warm-up has found them (0 before), from methods that have one."""
    doing: str = ""
    """What a method without chains of its own does, told in place of them."""


@dataclass(frozen=True)
class Plan:
    """What `infer` asks of a sampler."""

    chains: int
    draws: int
    warmup: int
    seed: int
    initial: np.ndarray
    """Unconstrained starting points, (chains, dim)."""
    threads: int = 1
    keep_warmup: bool = False
    progress: Callable[[Progress], None] | None = None
    """Called from the main thread a few times a second."""
    thin: int = 1
    """One of so many transitions after warm-up is kept: `draws` counts the kept ones."""
    adaptation: Mapping[str, np.ndarray] | None = None
    """What an earlier run of the same method learnt (`Draws.adaptation`), one row per chain;
    warm-up starts from it, and with `warmup` 0 it is used as it is."""
    keep: Callable[[Piece], None] | None = None
    """Called from the main thread with every finished piece of the run, in order. When it is
    given, pieces are as long as about a second of work, no array grows with `draws`, and the
    `Draws` handed back hold no draws: statistics and totals only."""
    state: KernelState | None = None
    """Where an earlier run with the same method, seed, chains and warm-up stood: this one goes
    on from there to the same bits as if there had been no break. Draws made before it are not
    made again; the first piece begins after it."""
    seen: Seen | None = None
    """What the notes need to know of the draws made before `state`."""


@dataclass
class Draws:
    """What a sampler hands back, in unconstrained space."""

    unconstrained: np.ndarray
    """(chain, draw, dim)."""
    stats: dict[str, np.ndarray]
    """(chain, draw) each: lp, energy, step_size, ... whatever the method records."""
    warmup_unconstrained: np.ndarray | None = None
    warmup_stats: dict[str, np.ndarray] | None = None
    summary: dict[str, Any] = field(default_factory=dict)
    """JSON-able totals: gradient evaluations, seconds, step sizes, `interrupted`, `notes`."""
    adaptation: dict[str, np.ndarray] = field(default_factory=dict)
    """What warm-up learnt, by name, one row per chain: `position` (chain, dim), `step_size`
    (chain,), the metric ...; enough for another run to go on without warm-up."""
    history: dict[str, np.ndarray] = field(default_factory=dict)
    """What training recorded by step, by name: `loss` (negative ELBO, nats)."""


class Method(Protocol):
    """An inference algorithm with its settings."""

    @property
    def name(self) -> str:
        """Short name, as in `NUTS`."""

    def run(self, density: DensityLike, plan: Plan) -> Draws:
        """Draw from `density` as `plan` says."""
