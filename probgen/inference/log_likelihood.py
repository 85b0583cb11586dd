"""`log_likelihood` of cases under a learned model: Boltzmann machines, flows, latent programs."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch

from probgen.errors import ModelError, OptionError
from probgen.inference.arguments import check_counts, seed_of
from probgen.nets.boltzmann.layers import Layered

__all__ = ["log_likelihood"]

_ROWS = 1 << 13


def log_likelihood(
    model: Any,
    data: Any,
    method: Any = None,
    *,
    chains: int | None = None,
    samples: int | None = None,
    seed: int | None = None,
) -> Any:
    """Log-likelihood of cases under a learned model, nats, with what is known of its error.

    Args:
        model: a Boltzmann machine or deep belief network; a module with a method
            `log_prob(**data)`, such as a flow, whose values are exact; or a program with latent
            sites in a plate of rows and a `guide`, such as a trained VAE.
        data: a row for each case, as in `fit`.
        method: machines: `Exact()` or `AnnealedImportance(...)`, chosen by size when None.
            Programs: `ImportanceWeighted(draws=200)`, which None stands for, or
            `AnnealedImportance(...)`, both on average below the truth.
        chains: particles of the annealing: 100 of a machine, 16 for each case of a program.
        samples: of deep belief networks, draws of recognition for each case.
        seed: any integer; the same seed gives the same numbers.

    Returns:
        A value with `mean`, `cases` (one for each case), `error` (Monte Carlo), `spread` (over
        cases), `interval`, `ess`, `bound`, `reliable`, and a table when printed: `LogLikelihood`
        of machines, else `CaseLikelihood`.

    Raises `ModelError` for a model without a likelihood, `DataError` for data that do not fit,
    `OptionError` for a method or number that cannot be, `SamplingError` when an estimate of a
    machine would be unreliable, `TooLargeError` for `Exact` of a machine that is too large.

    """
    if isinstance(model, Layered):
        from probgen.inference.boltzmann.likelihood.estimate import machine_log_likelihood

        return machine_log_likelihood(
            model, data, method, chains=chains, samples=samples, seed=seed
        )
    if samples is not None:
        raise OptionError("samples= is for deep belief networks, whose layers are recognised.")
    check_counts({"chains": chains})
    if callable(getattr(model, "log_prob", None)) and isinstance(model, torch.nn.Module):
        return _exact(model, data, method)
    from probgen.inference.graphical.annealed_importance import AnnealedImportance
    from probgen.inference.variational.likelihood.annealed import annealed_likelihood
    from probgen.inference.variational.likelihood.cases import Cases
    from probgen.inference.variational.likelihood.importance import (
        ImportanceWeighted,
        weighted_likelihood,
    )

    method = ImportanceWeighted() if method is None else method
    if isinstance(method, AnnealedImportance):
        return annealed_likelihood(Cases(model, data), method, chains, seed_of(seed))
    if not isinstance(method, ImportanceWeighted):
        raise OptionError(
            f"method={method!r}: the likelihood of a program takes ImportanceWeighted() or "
            "AnnealedImportance()."
        )
    if chains is not None:
        raise OptionError("chains= is for AnnealedImportance(); ImportanceWeighted has draws=.")
    return weighted_likelihood(Cases(model, data), method, seed_of(seed))


@torch.no_grad()
def _exact(model: torch.nn.Module, data: Any, method: Any) -> Any:
    """Of a module that knows its density."""
    from probgen.inference.graphical.exact import Exact
    from probgen.inference.variational.likelihood.cases import read_case_rows
    from probgen.inference.variational.likelihood.result import CaseLikelihood

    if method is not None and not isinstance(method, Exact):
        raise OptionError(
            f"method={method!r}: {type(model).__name__} knows its density; leave the method out."
        )
    started, training = time.perf_counter(), model.training
    first = next(model.parameters(), torch.zeros(()))
    found = []
    model.eval()
    try:
        rows = read_case_rows(model, data, first.dtype, first.device)
        for start in range(0, len(rows), _ROWS):
            numbers = torch.arange(start, min(start + _ROWS, len(rows)))
            batch = {n: v.to(first.device) for n, v in rows.take(numbers).items()}
            found.append(model.log_prob(**batch).double().cpu().numpy())  # type: ignore[operator]
    finally:
        model.train(training)
    cases = np.concatenate(found)
    if cases.shape != (len(rows),):
        raise ModelError(
            f"{type(model).__name__}.log_prob gives an array of shape {cases.shape} for "
            f"{len(rows)} rows: it must give one number for each."
        )
    seconds = time.perf_counter() - started
    bound = "exact" if getattr(model, "exact", True) else "below on average"
    return CaseLikelihood(cases, "Exact", bound, np.zeros(len(cases)), seconds=seconds)
