"""`log_partition`, and `log_likelihood` of Boltzmann machines: what users call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from probgen.errors import DataError, ModelError, OptionError, TooLargeError
from probgen.inference.arguments import check_counts, seed_of
from probgen.inference.boltzmann.likelihood.annealed import Annealing
from probgen.inference.boltzmann.likelihood.belief import belief_log_likelihood
from probgen.inference.boltzmann.likelihood.choose import partition
from probgen.inference.boltzmann.likelihood.exact import log_sum_hidden
from probgen.inference.boltzmann.likelihood.mean_field import mean_field_bound
from probgen.inference.boltzmann.likelihood.result import (
    Conservative,
    LogLikelihood,
    LogPartition,
)
from probgen.inference.graphical.annealed_importance import AnnealedImportance
from probgen.inference.graphical.exact import Exact
from probgen.nets.boltzmann.belief import BeliefNetwork
from probgen.nets.boltzmann.layers import Layered
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.boltzmann.values import read_values

__all__ = ["log_partition", "machine_log_likelihood"]


def log_partition(
    machine: Layered,
    method: Exact | AnnealedImportance | None = None,
    *,
    data: Any = None,
    chains: int | None = None,
    seed: int | None = None,
) -> LogPartition:
    """Log of the partition function of a Boltzmann machine, nats, with its error.

    Args:
        machine: of two or more layers.
        method: `Exact()` lists the states of a side of at most 2^25; `AnnealedImportance(...)`
            estimates; None is `Exact()` up to 2^18 states, else annealing with 10,000 betas.
        data: cases whose base rates the annealing begins at and which it walks back from;
            values by site, or an array where the visible layer is one site.
        chains: particles of the annealing; 100 when None.
        seed: any integer; the same seed gives the same bits with the same number of torch
            threads (one, where products are small).

    Raises `SamplingError` when an estimate would be unreliable, `TooLargeError` for `Exact` of a
    machine that is too large, `DataError` and `OptionError` for what is wrong with the rest.

    Example:
        >>> from probgen.models.rbm import RBM
        >>> print(log_partition(RBM(visible=3, hidden=2)))  # 5 units, hardly coupled
        log Z             3.4663 nats, exact (Exact)

    """
    _check_kind(machine)
    visible = None if data is None else _visible(machine, data)
    return partition(machine, method, visible, chains, seed).log_z


def machine_log_likelihood(
    machine: Layered,
    data: Any,
    method: Exact | AnnealedImportance | None = None,
    *,
    chains: int | None = None,
    samples: int | None = None,
    seed: int | None = None,
) -> LogLikelihood:
    """Mean log-likelihood of complete cases under a machine or a deep belief network.

    Arguments and errors are those of `log_partition`. The hidden layers of a machine with more
    than two are summed exactly where they are small, else bounded by mean field. Those of a deep
    belief network are bounded by `samples` draws of recognition for each case, 100 when None;
    `method` finds log Z of its top machine. Numbers are in nats per case.
    """
    _check_kind(machine)
    visible = _visible(machine, data)
    check_counts({"samples": samples})
    if isinstance(machine, BeliefNetwork):
        return belief_log_likelihood(machine, visible, method, chains, seed_of(seed), samples)
    if samples is not None:
        raise OptionError("samples= is for deep belief networks, whose layers are recognised.")
    found = partition(machine, method, visible, chains, seed)
    assert isinstance(machine, BoltzmannMachine)
    sums, exact = _log_sums(machine, visible)
    cases = (sums - found.log_z.value).cpu().numpy()
    bound = "exact" if found.log_z.ess is None else "above on average"
    if not exact:
        bound = "below given log Z, by mean field"
    variational = None
    if len(machine.layers) > 2:
        below = mean_field_bound(machine, visible) if exact else sums
        variational = (below - found.log_z.value).cpu().numpy()
    conservative = _conservative(found, sums, cases)
    return LogLikelihood(cases, found.log_z, bound, conservative, variational)


def _check_kind(machine: Any) -> None:
    if not isinstance(machine, Layered):
        raise ModelError(
            f"{type(machine).__name__} is no Boltzmann machine: log_partition and log_likelihood "
            "take models such as probgen.models.rbm.RBM."
        )


def _visible(machine: Layered, data: Any) -> Tensor:
    """States of the visible layer, (cases, width)."""
    names = [units.name for units in machine.layers[0]]
    if not isinstance(data, Mapping):
        if len(names) > 1:
            raise DataError(
                f"The visible layer has sites {names}: give a mapping with a value of each."
            )
        data = {names[0]: data}
    unknown = [name for name in data if name not in names]
    missing = [name for name in names if name not in data]
    if unknown or missing:
        raise DataError(
            f"A likelihood takes values of the visible sites {names}, not {list(data)}."
        )
    with torch.no_grad():
        return machine.encode(0, read_values(machine, data))


def _log_sums(machine: BoltzmannMachine, visible: Tensor) -> tuple[Tensor, bool]:
    """Log of the sum over the hidden layers for every case, and whether it is exact."""
    try:
        return log_sum_hidden(machine, visible), True
    except TooLargeError:
        return mean_field_bound(machine, visible), False


def _conservative(found: Annealing, sums: Tensor, cases: np.ndarray) -> Conservative | None:
    if found.numbers is None or found.back is None:
        return None
    below = sums.cpu().numpy()[found.numbers] - found.back
    return Conservative(found.numbers, below, float(cases[found.numbers].mean()))
