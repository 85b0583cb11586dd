"""The public calls: a declared model and data in, a diagnosed DataTree out.

This module only wires the rooms together: declare -> targets -> inference -> results.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import xarray as xr

from probgen.declare.check import CheckReport, check
from probgen.declare.data import as_tensors, check_names
from probgen.declare.datafile import read_data_file
from probgen.declare.modelfile import load_model
from probgen.declare.program import Program, read_program
from probgen.declare.replay import simulate
from probgen.errors import OptionError
from probgen.inference.hmc import HMC
from probgen.inference.initialise import initialise
from probgen.inference.method import Draws, Method, Plan
from probgen.inference.nuts import NUTS
from probgen.progress import ProgressDisplay
from probgen.results.tree import Labels, Variable, build_tree
from probgen.targets.density import Density
from probgen.targets.reuse import density_of

__all__ = [
    "HMC",
    "NUTS",
    "CheckReport",
    "check",
    "describe",
    "infer",
    "load_model",
    "predict",
    "read_data_file",
]


def infer(
    model: Callable[..., Any],
    method: Method | None = None,
    *,
    data: Mapping[str, Any] | None = None,
    chains: int = 4,
    draws: int = 1000,
    warmup: int = 1000,
    seed: int | None = None,
    init: Any = "uniform",
    threads: int | None = None,
    keep_warmup: bool = False,
    log_likelihood: bool = True,
    progress: bool = True,
    backend: str = "auto",
    dims: Mapping[str, Sequence[str]] | None = None,
    coords: Mapping[str, Sequence[Any]] | None = None,
) -> xr.DataTree:
    """Posterior draws of the latent sites of a Pyro program, as an ArviZ DataTree.

    Parameters
    ----------
    model
        A Pyro program: any callable that Pyro can trace. Parameters (`pyro.param`, modules)
        stay fixed.
    method
        The algorithm with its settings; `NUTS()` when left out.
    data
        Keyword arguments of the program, as arrays, tensors, lists, pandas or xarray objects.
    chains, draws, warmup
        Number of chains, and of kept and warm-up draws per chain.
    seed
        Any integer; the same seed gives the same draws on the same machine, whatever the
        number of threads. Drawn at random, and noted in the result, when left out.
    init
        "uniform", "prior", or a mapping of site names to constrained starting values.
    threads
        Chains that run at once; the number of usable cores when left out.
    keep_warmup
        Whether the warm-up draws are kept, in groups named `warmup_...`.
    log_likelihood
        Whether the log likelihood of every observation is computed.
    progress
        Whether to show progress (on standard error, after half a second).
    backend
        "auto", "native" (compiled, an error if impossible) or "eager" (the program itself).
    dims, coords
        Names of dimensions that have no plate, by site; labels of dimensions.

    Returns
    -------
    DataTree with groups `posterior` (constrained scale, deterministic sites included),
    `sample_stats`, `log_likelihood`, `log_prior`, `observed_data`, `constant_data` and
    `unconstrained_posterior`. Attributes name the method, the seed, versions, seconds, and
    gradient evaluations (warm-up apart).

    Raises
    ------
    ModelError, DataError
        The program or its data cannot be used; the message names the site or variable.
    InitialisationError
        No finite starting point; names the site at fault.
    KeyboardInterrupt
        Interrupted before the first kept draw; later, the finished draws are returned.
    """
    _check_counts(chains=chains, draws=draws, warmup=warmup)
    method = NUTS() if method is None else method
    seed = secrets.randbelow(2**31) if seed is None else int(seed)
    started = time.perf_counter()
    density, reused = density_of(model, data, backend)
    compiled = time.perf_counter()
    initial = initialise(density, chains, seed, init)
    with ProgressDisplay(f"{method.name} {density.program.name}", progress) as display:
        plan = Plan(
            chains=chains,
            draws=draws,
            warmup=warmup,
            seed=seed,
            initial=initial,
            threads=threads or min(chains, usable_cores()),
            keep_warmup=keep_warmup,
            progress=display,
        )
        result = method.run(density, plan)
    attrs = _attributes(method, density, result, seed)
    attrs["seconds_trace"] = 0.0 if reused else density.seconds_trace
    attrs["seconds_compile"] = 0.0 if reused else compiled - started - density.seconds_trace
    return _to_tree(density, result, log_likelihood, Labels(dims or {}, coords or {}), attrs)


def predict(
    tree: xr.DataTree,
    model: Callable[..., Any],
    data: Mapping[str, Any] | None = None,
    *,
    sites: Sequence[str] | None = None,
    group: str = "posterior_predictive",
    seed: int = 0,
    dims: Mapping[str, Sequence[str]] | None = None,
    coords: Mapping[str, Sequence[Any]] | None = None,
) -> xr.DataTree:
    """Draws of the observed sites given every posterior draw of the latent ones.

    `data` holds the program's arguments, those of the fit for a posterior predictive check or
    new ones for predictions (then leave observed values out or pass None where the program
    takes that). `sites` names what to keep, deterministic sites too; all sampled sites when left
    out. Returns a copy of `tree` with one more group named `group`, of dims (chain, draw, ...).
    Raises `DataError` and `ModelError` as `infer` does, `OptionError` for an unknown site.
    """
    if not isinstance(tree, xr.DataTree) or "posterior" not in tree:
        raise OptionError("predict(tree, model, data): the first argument is a tree from infer.")
    posterior = tree["posterior"].dataset
    tensors = as_tensors(data)
    check_names(model, tensors)
    chains, draws = posterior.sizes["chain"], posterior.sizes["draw"]
    group_name = "unconstrained_posterior" if "unconstrained_posterior" in tree else "posterior"
    latent_names = set(tree[group_name].data_vars)
    latent = {
        str(name): array.transpose("chain", "draw", ...).values.reshape(
            chains * draws, *array.shape[2:]
        )
        for name, array in posterior.data_vars.items()
        if name in latent_names
    }
    simulated = simulate(Program(model, tensors), latent, seed)
    unknown = sorted(set(sites or ()) - set(simulated))
    if unknown:
        raise OptionError(
            f"sites: the program draws no {unknown[0]!r}; it draws {', '.join(simulated)}."
        )
    variables = {
        name: Variable(values.reshape(chains, draws, *values.shape[1:]), site.plates)
        for name, (site, values) in simulated.items()
        if (name in sites if sites is not None else site.kind != "deterministic")
    }
    labels = Labels(dims or {}, {**_coordinates(posterior, variables), **(coords or {})})
    made = build_tree({group: variables}, labels)
    result = tree.copy()
    result[group] = made[group]
    return result


def _coordinates(posterior: Any, variables: Mapping[str, Variable]) -> dict[str, Sequence[Any]]:
    """Labels of plates that still have the length they had in the fit."""
    sizes = {
        plate: variable.values.shape[2 + d]
        for variable in variables.values()
        for d, plate in enumerate(variable.plates)
        if plate
    }
    return {
        dim: list(posterior.coords[dim].values)
        for dim, size in sizes.items()
        if dim in posterior.coords and posterior.sizes[dim] == size
    }


def describe(model: Callable[..., Any], data: Mapping[str, Any] | None = None) -> Program:
    """The sites and plates of a Pyro program, from one run with `data`."""
    return read_program(model, data)


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _check_counts(**counts: int) -> None:
    for name, count in counts.items():
        lowest = 1 if name == "chains" else 0
        if not isinstance(count, (int, np.integer)) or isinstance(count, bool) or count < lowest:
            raise OptionError(f"{name}={count!r}: must be an integer of at least {lowest}.")


def _attributes(method: Method, density: Density, result: Draws, seed: int) -> dict[str, Any]:
    attrs: dict[str, Any] = {
        "inference_library": "probgen",
        "inference_library_version": _version("probgen"),
        "model": density.program.name,
        "method": method.name,
        "method_settings": repr(method),
        "seed": seed,
        "backend": density.backend,
        "versions": {name: _version(name) for name in ("torch", "pyro-ppl", "numpy", "xarray")},
    }
    if density.reason:
        attrs["backend_reason"] = density.reason
    attrs.update(result.summary)
    return attrs


_versions: dict[str, str] = {}


def _version(package: str) -> str:
    if package not in _versions:
        try:
            _versions[package] = version(package)
        except PackageNotFoundError:
            _versions[package] = "unknown"
    return _versions[package]


def _to_tree(
    density: Density, result: Draws, log_likelihood: bool, labels: Labels, attrs: dict[str, Any]
) -> xr.DataTree:
    groups: dict[str, dict[str, Variable]] = _sampled_groups(
        density, result.unconstrained, log_likelihood
    )
    groups["sample_stats"] = {n: Variable(v) for n, v in result.stats.items()}
    if result.warmup_unconstrained is not None:
        warm = _sampled_groups(density, result.warmup_unconstrained, False)
        groups["warmup_posterior"] = warm["posterior"]
        groups["warmup_sample_stats"] = {
            n: Variable(v) for n, v in (result.warmup_stats or {}).items()
        }
    groups.update(_data_groups(density.program))
    return build_tree(groups, labels, attrs)


def _sampled_groups(
    density: Density, unconstrained: np.ndarray, log_likelihood: bool
) -> dict[str, dict[str, Variable]]:
    chains, draws, dim = unconstrained.shape
    outputs = density.outputs(unconstrained.reshape(-1, dim))
    groups: dict[str, dict[str, Variable]] = {
        "posterior": {},
        "log_likelihood": {},
        "log_prior": {},
        "unconstrained_posterior": {},
    }
    for key, values in outputs.items():
        kind, name = key.split(":", 1)
        group = "posterior" if kind in ("latent", "deterministic") else kind
        if group == "log_likelihood" and not log_likelihood:
            continue
        shaped = values.reshape(chains, draws, *values.shape[1:])
        groups[group][name] = Variable(shaped, density.program.sites[name].plates)
    for name, values in density.split(unconstrained).items():
        site = density.program.sites[name]
        plates = site.plates if site.unconstrained_shape == site.shape else ()
        groups["unconstrained_posterior"][name] = Variable(values, plates)
    return groups


def _data_groups(program: Program) -> dict[str, dict[str, Variable]]:
    observed = {
        name: Variable(value.numpy(), program.sites[name].plates, sampled=False)
        for name, value in program.observed.items()
    }
    constant = {}
    for name, value in program.data.items():
        if name in observed or isinstance(value, (str, type(None))):
            continue
        array = np.asarray(value)
        if array.dtype.kind in "fiub":
            constant[name] = Variable(array, sampled=False)
    return {"observed_data": observed, "constant_data": constant}
