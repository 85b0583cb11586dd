"""Networks of continuous variables, linear-Gaussian and functional, as Pyro programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from probgen.declare.network import distinct_labels
from probgen.declare.networks.gaussian_network import GaussianNetwork, read_gaussian
from probgen.errors import DataError, ModelError, ProbgenError

__all__ = ["continuous_program", "functional_program", "gaussian_program", "program_of"]


def gaussian_program(network: GaussianNetwork) -> Callable[..., dict[str, Any]]:
    """A Pyro program for a `GaussianNetwork`; see `networks.gaussian_program`."""
    from probgen.declare.networks.gaussian_program import gaussian_program as build

    return build(network)


def functional_program(
    model: Any, prior_fn: Callable[[], Mapping[str, Any]] | None = None
) -> Callable[..., dict[str, Any]]:
    """A Pyro program for pgmpy's `FunctionalBayesianNetwork`; see `networks.functional`."""
    from probgen.declare.networks.functional import functional_program as build

    return build(model, prior_fn)


def program_of(model: Any) -> Callable[..., dict[str, Any]]:
    """The Pyro program of a `GaussianNetwork`, or of pgmpy's linear-Gaussian or functional one."""
    if isinstance(model, GaussianNetwork):
        return gaussian_program(model)
    kinds = {kind.__name__ for kind in type(model).__mro__}
    if "LinearGaussianBayesianNetwork" in kinds:
        return gaussian_program(read_gaussian(model))
    if "FunctionalBayesianNetwork" in kinds:
        return functional_program(model)
    raise ModelError(f"{type(model).__name__} is no continuous network.")


def continuous_program(
    model: Any, data: Mapping[Any, Any] | None = None
) -> tuple[Callable[..., Any], dict[str, Any]]:
    """A continuous network with its data as what `probgen.infer` takes: (program, data).

    `model` is a `GaussianNetwork` or pgmpy's linear-Gaussian or functional network; `data` maps
    node names to numbers or columns (a pandas DataFrame is such a mapping). The program is run
    once, so that a function of a CPD that cannot work is told here, with its node. Raises
    `ModelError` and `DataError`.
    """
    from probgen.declare.networks.row_program import row_data

    program = program_of(model)
    names = model.names if isinstance(model, GaussianNetwork) else tuple(model.nodes)
    if data is not None and not hasattr(data, "items"):
        raise DataError(f"data must map nodes to values, not be {type(data).__name__}.")
    labels = dict(zip(names, distinct_labels(names), strict=True))
    given = row_data(program.__name__, labels, data)
    _try(program, given)
    return program, given


def _try(program: Callable[..., Any], given: dict[str, Any]) -> None:
    """Run a program once; what goes wrong in a node's function becomes a `ModelError`."""
    from pyro import poutine

    from probgen.declare.environment import isolated

    try:
        with isolated(0):
            poutine.trace(program).get_trace(**given).compute_log_prob()
    except ProbgenError:
        raise
    except Exception as raised:
        error: BaseException = raised
        while error.__cause__ is not None:  # Pyro raises anew, with the shapes of the trace
            error = error.__cause__
        where = " ".join(getattr(error, "__notes__", ()))
        raise ModelError(
            f"{program.__name__!r} failed {where}: {type(error).__name__}: {error}. Functions "
            "get tensors by parent's name, with all rows at once: compute with torch, and "
            "branch with torch.where."
        ) from raised
