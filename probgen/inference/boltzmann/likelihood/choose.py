"""The method for log Z of a machine: as asked for, or chosen by size."""

from __future__ import annotations

from torch import Tensor

from probgen.errors import ModelError, OptionError, TooLargeError
from probgen.inference.arguments import check_counts, seed_of
from probgen.inference.boltzmann.likelihood.annealed import Annealing, annealed_log_partition
from probgen.inference.boltzmann.likelihood.exact import exact_log_partition
from probgen.inference.graphical.annealed_importance import AnnealedImportance
from probgen.inference.graphical.exact import Exact
from probgen.nets.boltzmann.layers import Layered
from probgen.nets.boltzmann.listing import smaller_side
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.threads import threads_for, torch_threads

__all__ = ["CHAINS", "partition"]

CHAINS = 100
"""Particles when none are asked for."""
_SOON_LISTED = 18
"""Log2 of the states up to which the exact sum is the default: a second or two."""


def partition(
    machine: Layered,
    method: Exact | AnnealedImportance | None,
    visible: Tensor | None,
    chains: int | None,
    seed: int | None,
    hidden: bool = False,
) -> Annealing:
    """Log Z of a machine; `visible` are states of data. See `log_partition` for the rest."""
    if not isinstance(machine, BoltzmannMachine):
        raise ModelError(
            f"{type(machine).__name__} has no log Z of its own: of a deep belief network it is "
            "that of the top machine, log_partition(network.top)."
        )
    if any(units.optional for units in machine.layers[0]):
        raise ModelError(
            "Optional units make another machine, with another log Z, of every case. Judge it by "
            "its predictions, or declare the units without optional=True."
        )
    check_counts({"chains": chains})
    method = _chosen(machine) if method is None else method
    if isinstance(method, Exact):
        return Annealing(exact_log_partition(machine))
    if not isinstance(method, AnnealedImportance):
        raise OptionError(
            f"method={method!r}: the likelihood of a Boltzmann machine takes Exact() or "
            "AnnealedImportance()."
        )
    count = CHAINS if chains is None else chains
    if count < 2:
        raise OptionError("AnnealedImportance needs at least two particles (chains).")
    work = count * max(weight.numel() for weight in machine.weights)
    with torch_threads(threads_for(work)):
        return annealed_log_partition(machine, method, count, seed_of(seed), visible, hidden)


def _chosen(machine: BoltzmannMachine) -> Exact | AnnealedImportance:
    try:
        smaller_side(machine, most=_SOON_LISTED)
    except TooLargeError:
        return AnnealedImportance(betas=10_000, schedule="three-part", sweeps=1)
    return Exact()
