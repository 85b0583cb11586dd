"""Gibbs sampling of discrete networks (Geman & Geman 1984): single sites, and blocks where needed.

Each sweep draws every free variable from its distribution given all others. Zeros in the tables
can trap such a walk; variables tied by zeros are then drawn jointly, exactly.
"""

from __future__ import annotations

import hashlib
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from probgen.errors import OptionError
from probgen.inference.graphical.method import GraphPlan, GraphResult
from probgen.inference.graphical.native.library import build_together
from probgen.inference.graphical.sweeps.clusters import Clustered, small_blocks
from probgen.inference.graphical.sweeps.engine import Blocked, open_sweeper
from probgen.inference.graphical.sweeps.gibbs_run import GibbsRun
from probgen.inference.graphical.sweeps.protocol import Sweeps
from probgen.targets.factors import Factors

if TYPE_CHECKING:
    from probgen.inference.graphical.blocks.plan import BlockPlan

__all__ = ["Gibbs", "ReducibleWarning", "with_blocks"]

MOST_DRAW_BYTES = 1 << 30
BLOCKS = ("auto", "none")


class ReducibleWarning(UserWarning):
    """The sampler may not reach every state of positive probability."""


@dataclass(frozen=True)
class Gibbs:
    """Gibbs sampling with many chains.

    Marginals are counted at every sweep after warm-up, whether its draw is kept or not.

    Args:
        thin: sweeps for each draw that is kept.
        blocks: "auto" draws variables jointly that zeros in the tables tie together, so that
            the walk reaches every possible state; "none" updates single variables only.
        device: "cpu" (native code), or a torch device such as "cuda".

    Raises `OptionError` for values out of range.

    Example:
        >>> Gibbs(thin=5)
        Gibbs(thin=5, blocks='auto', device='cpu')

    """

    thin: int = 1
    blocks: str = "auto"
    device: str = "cpu"
    name: ClassVar[str] = "Gibbs"
    serves: ClassVar[tuple[str, ...]] = ("factors", "machine")
    defaults: ClassVar[dict[str, int]] = {"chains": 64, "draws": 1000, "warmup": 500}

    def __post_init__(self) -> None:
        """Validate the settings."""
        if not isinstance(self.thin, int) or isinstance(self.thin, bool) or self.thin < 1:
            raise OptionError(
                f"Gibbs(thin={self.thin!r}): it must be an integer from 1 on, the number of "
                "sweeps for each draw kept."
            )
        if self.blocks not in BLOCKS:
            raise OptionError(f"Gibbs(blocks={self.blocks!r}): it must be one of {BLOCKS}.")
        if not isinstance(self.device, str):
            raise OptionError(f"Gibbs(device={self.device!r}): it must be a torch device's name.")

    def run(self, factors: Factors, plan: GraphPlan) -> GraphResult:
        """Sample as `plan` says.

        Warns with `ReducibleWarning` before sampling when it is not proven that the walk reaches
        every possible state. Raises `EvidenceError` when no state is possible, and
        `SamplingError` when a chain stands on a state of probability zero. A KeyboardInterrupt
        hands back what was drawn so far, if anything.
        """
        started = time.perf_counter()
        notes: list[str] = []
        sweeps, reducible = self._sweeps(factors, notes)
        if plan.state is None:
            states = starting_states(factors, plan.chains, plan.seed)
            states = np.ascontiguousarray(states, dtype=sweeps.state_type)
        else:
            states = np.zeros((len(factors.cards), plan.chains), dtype=sweeps.state_type)
        every = self._kept_sweeps(factors, plan, notes)
        run = GibbsRun(factors, plan, sweeps, key_of(plan.seed), every, self.thin, states)
        built = time.perf_counter() - started
        result = run.work()
        result.summary.update(
            engine=sweeps.name, seconds_build=built, irreducible=not reducible, notes=notes
        )
        if result.summary["interrupted"]:
            notes.append("The run was interrupted; the results are those of the draws made.")
        return result

    def _sweeps(self, factors: Factors, notes: list[str]) -> tuple[Sweeps, bool]:
        """The sweeps to make, and whether they may miss states."""

        def open_noted(network: Factors) -> Sweeps:
            sweeps, note = open_sweeper(network, self.device)
            notes.extend([note] if note else [])
            return sweeps

        zeros = has_zeros(factors)
        if self.device == "cpu":
            blocks = ("block_sweep.cpp",) if zeros else ()
            build_together("gibbs.cpp", "log_joint.cpp", *blocks)
        if not zeros:
            return open_noted(factors), False
        from probgen.inference.graphical.blocks.plan import plan_blocks, single_site_is_safe

        if self.blocks == "none":
            sweeps = open_noted(factors)
            reducible = not single_site_is_safe(factors)
            reason = "Zeros in the tables may trap updates of single variables: use blocks='auto'."
        else:
            plan = plan_blocks(factors)
            reducible, reason = not plan.irreducible, plan.reason
            sweeps = with_blocks(factors, plan, open_noted)
            notes.extend([reason] if plan.blocks else [])
        if reducible:
            warnings.warn(reason, ReducibleWarning, stacklevel=4)
            notes.extend([reason] if reason not in notes else [])
        return sweeps, reducible

    def _kept_sweeps(self, factors: Factors, plan: GraphPlan, notes: list[str]) -> int:
        """Sweeps for each draw kept, so that all of them fit into memory.

        Where draws leave piece by piece, or the run goes on from one that did, all are kept.
        """
        if plan.keep is not None or plan.state is not None:
            return self.thin
        size = plan.chains * plan.draws * len(factors.cards)
        more = max(1, -(-size // MOST_DRAW_BYTES))
        if more > 1:
            notes.append(
                f"One draw in {more} is kept, so that all of them take no more than "
                f"{MOST_DRAW_BYTES >> 20} MiB; marginals are counted over every sweep."
            )
        return self.thin * more


def with_blocks(
    factors: Factors, plan: BlockPlan, open_sweeps: Callable[[Factors], Sweeps]
) -> Sweeps:
    """Sweeps that draw small blocks as single variables, and large ones by elimination."""
    from probgen.inference.graphical.blocks.sampler import BlockSampler

    small = small_blocks(factors, plan.blocks)
    sweeps = Clustered(factors, small, open_sweeps) if small else open_sweeps(factors)
    large = tuple(block for block in plan.blocks if block not in small)
    if not large:
        return sweeps
    members = np.unique(np.concatenate([np.asarray(block) for block in large]))
    blocks = BlockSampler(factors, replace(plan, blocks=large))
    return Blocked(sweeps, blocks, members, factors.cards)


def starting_states(factors: Factors, chains: int, seed: int) -> np.ndarray:
    """Over-dispersed states of positive probability, (variable, chain)."""
    if has_zeros(factors):
        from probgen.inference.graphical.blocks import start

        return start.starting_states(factors, chains, seed)
    rng = np.random.default_rng(key_of(seed))
    states = np.zeros((len(factors.cards), chains), dtype=np.uint16)
    for v, card in enumerate(factors.cards):
        states[v] = rng.integers(0, card, chains)
    return states


def has_zeros(factors: Factors) -> bool:
    """Whether some joint state has probability zero."""
    return any(bool((table == -np.inf).any()) for table in factors.log_tables)


def key_of(seed: int) -> int:
    """64 bits from any integer."""
    return int.from_bytes(hashlib.blake2b(str(seed).encode(), digest_size=8).digest(), "big")
