"""One run of a method on a Pyro program: density, start, draws, DataTree."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from probgen.declare.program import Program
from probgen.errors import OptionError
from probgen.inference.cores import usable_cores
from probgen.inference.initialise import find_starts
from probgen.inference.method import Draws, Method, Plan, Progress
from probgen.inference.only_discrete import independent_draws, only_discrete
from probgen.progress import ProgressDisplay
from probgen.results.attributes import run_attributes
from probgen.results.tree import Labels, Variable, build_tree
from probgen.targets.density import Density
from probgen.targets.discrete import recovered_outputs
from probgen.targets.reuse import density_of
from probgen.targets.slopes import notes_on_slopes

__all__ = ["ProgramOptions", "infer_program"]

_LARGEST_LOG_LIKELIHOOD = 1_000_000_000  # bytes; larger ones must be asked for
_PACKAGES = ("torch", "pyro-ppl", "numpy", "xarray")


@dataclass(frozen=True)
class ProgramOptions:
    """What `infer` was asked for, for programs; see there."""

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


def infer_program(
    model: Callable[..., Any],
    method: Method,
    data: Mapping[str, Any] | None,
    options: ProgramOptions,
    labels: Labels,
) -> xr.DataTree:
    """Draws of the latent sites of a program by `method`, as a DataTree; see `probgen.infer`."""
    started = time.perf_counter()
    density, reused = density_of(model, data, options.backend, options.precision, options.device)
    compiled = time.perf_counter()
    exact = only_discrete(density)
    initial, start_notes = find_starts(density, options.chains, options.seed, options.init)
    if density.backend in ("eager", "callable") and not exact:
        wrong = notes_on_slopes(density, initial)
        start_notes = [*start_notes, *wrong]
        for note in wrong:  # now, since sampling may take for ever
            warnings.warn(note, stacklevel=3)
    with ProgressDisplay(f"{method.name} {density.program.name}", options.progress) as display:
        plan = Plan(
            chains=options.chains,
            draws=options.draws,
            warmup=options.warmup,
            seed=options.seed,
            initial=initial,
            threads=options.threads or min(options.chains, usable_cores()),
            keep_warmup=options.keep_warmup,
            progress=partial(_show, display),
            thin=options.thin,
            adaptation=_learnt(options.adapted, method, density, options.chains),
        )
        result = independent_draws(density, plan) if exact else method.run(density, plan)
    attrs = run_attributes(density.program.name, method, options.seed, _PACKAGES)
    attrs["backend"] = density.backend
    if density.reason:
        attrs["backend_reason"] = density.reason
    attrs.update(result.summary)
    attrs["notes"] = [*attrs.get("notes", []), *start_notes]
    attrs["seconds_trace"] = 0.0 if reused else density.seconds_trace
    attrs["seconds_compile"] = 0.0 if reused else compiled - started - density.seconds_trace
    pointwise = options.log_likelihood
    if pointwise is None:
        size = _log_likelihood_bytes(density.program, result.unconstrained.shape)
        pointwise = size <= _LARGEST_LOG_LIKELIHOOD
        if not pointwise:
            attrs["notes"] = [
                *attrs.get("notes", []),
                f"The log likelihood of every observation would take {size / 1e9:.1f} GB and was "
                "left out. Ask for it with log_likelihood=True.",
            ]
    return _to_tree(density, result, pointwise, labels, attrs)


def _log_likelihood_bytes(program: Program, drawn: tuple[int, ...]) -> int:
    """Size of the log likelihood of every observation at every draw."""
    sites = program.of_kind("observed")
    batches = (site.shape[: len(site.shape) - site.event_dim] for site in sites)
    return 8 * drawn[0] * drawn[1] * sum(math.prod(batch) for batch in batches)


def _learnt(
    earlier: xr.DataTree | None, method: Method, density: Density, chains: int
) -> dict[str, np.ndarray] | None:
    """What an earlier run learnt, one row per chain; raises `OptionError` if it does not fit."""
    if earlier is None:
        return None
    if not isinstance(earlier, xr.DataTree) or "adaptation" not in earlier.children:
        raise OptionError(
            "adapted: this holds no adaptation; give the result of an earlier `infer` with the "
            "same method."
        )
    if earlier.attrs.get("method") != method.name:
        raise OptionError(
            f"adapted: that run used {earlier.attrs.get('method')}, and this one uses "
            f"{method.name}; what one method learns does not serve another."
        )
    learnt = {str(n): v.values for n, v in earlier["adaptation"].dataset.data_vars.items()}
    coordinates = learnt["position"].shape[-1]
    if coordinates != density.dim:
        raise OptionError(
            f"adapted: that run had {coordinates} coordinates, and this one has {density.dim}."
        )
    return {n: v[np.arange(chains) % len(v)] for n, v in learnt.items()}


def _show(display: ProgressDisplay, progress: Progress) -> None:
    warm = min(progress.iterations, default=0) >= progress.warmup
    display.step(
        sum(progress.iterations),
        progress.total * len(progress.iterations),
        f"{'sampling' if warm else 'warm-up'}, {sum(progress.divergences)} divergences, "
        f"{_short(sum(progress.gradients))} gradients",
    )


def _short(count: int) -> str:
    for unit, scale in (("M", 1_000_000), ("k", 1_000)):
        if count >= scale:
            return f"{count / scale:.1f}{unit}"
    return str(count)


def _to_tree(
    density: Density, result: Draws, log_likelihood: bool, labels: Labels, attrs: dict[str, Any]
) -> xr.DataTree:
    groups: dict[str, dict[str, Variable]] = _sampled_groups(
        density, result.unconstrained, log_likelihood, int(attrs["seed"])
    )
    groups["sample_stats"] = {n: Variable(v) for n, v in result.stats.items()}
    if result.warmup_unconstrained is not None:
        warm = _sampled_groups(density, result.warmup_unconstrained, False, int(attrs["seed"]))
        groups["warmup_posterior"] = warm["posterior"]
        groups["warmup_sample_stats"] = {
            n: Variable(v) for n, v in (result.warmup_stats or {}).items()
        }
    if result.adaptation:
        groups["adaptation"] = {
            n: Variable(v, per_chain=True) for n, v in result.adaptation.items()
        }
    groups.update(_data_groups(density.program))
    return build_tree(groups, labels, attrs)


def _sampled_groups(
    density: Density, unconstrained: np.ndarray, log_likelihood: bool, seed: int
) -> dict[str, dict[str, Variable]]:
    chains, draws, dim = unconstrained.shape
    without = () if log_likelihood else ("log_likelihood:",)
    flat = unconstrained.reshape(chains * draws, dim)
    outputs = density.outputs(flat, without) | recovered_outputs(density, flat, seed)
    groups: dict[str, dict[str, Variable]] = {
        "posterior": {},
        "log_likelihood": {},
        "log_prior": {},
        "unconstrained_posterior": {},
    }
    for key, values in outputs.items():
        kind, name = key.split(":", 1)
        group = "posterior" if kind in ("latent", "deterministic") else kind
        shaped = values.reshape(chains, draws, *values.shape[1:])
        groups[group][name] = Variable(shaped, density.program.plates_of(kind, name))
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
