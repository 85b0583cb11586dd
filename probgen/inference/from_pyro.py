"""Results of Pyro's own inference as a DataTree: MCMC, guides, dictionaries of samples.

Pyro hands out tensors by site. Here they get the groups that ArviZ and `diagnose` look for:
dimensions named from plates, the log likelihood of every observation, log priors, statistics.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from probgen.declare.program import Program, read_program
from probgen.errors import DataError, ModelError, OptionError
from probgen.inference.arguments import check_counts, seed_of
from probgen.inference.derived import Derived, derive, missing_latents
from probgen.inference.groups import data_groups
from probgen.inference.model_source import program_text
from probgen.inference.optimise.importance import notes_on_k, smoothed
from probgen.inference.pyro_results.guide import is_guide, read_guide
from probgen.inference.pyro_results.mcmc import read_mcmc
from probgen.inference.pyro_results.source import Source, by_chain
from probgen.inference.pyro_results.variables import add_predictive, in_shape, variables_of
from probgen.results.attributes import model_attributes, version_of
from probgen.results.tree import Labels, Variable, build_tree

__all__ = ["from_pyro"]


def from_pyro(
    result: Any = None,
    model: Callable[..., Any] | None = None,
    data: Mapping[str, Any] | None = None,
    *,
    prior: Mapping[str, Any] | None = None,
    posterior_predictive: Mapping[str, Any] | None = None,
    predictions: Mapping[str, Any] | None = None,
    num_chains: int = 1,
    draws: int = 1000,
    losses: Sequence[float] | None = None,
    log_likelihood: bool = True,
    seed: int | None = 0,
    dims: Mapping[str, Sequence[str]] | None = None,
    coords: Mapping[str, Sequence[Any]] | None = None,
) -> xr.DataTree:
    """A result of `pyro.infer` as an ArviZ DataTree.

    Parameters
    ----------
    result
        A `pyro.infer.MCMC` after `run` (chains, divergences and acceptance rates are kept), an
        AutoGuide, a guide of your own or an `SVI` object (draws are taken from it), or a mapping
        of posterior samples by site, such as `get_samples()` returns.
    model, data
        The program and its arguments by name. An MCMC knows both, an AutoGuide and an SVI object
        know the model. Without them there are draws alone.
    prior, posterior_predictive, predictions
        Samples by site, as `pyro.infer.Predictive` returns them; observed sites among those of
        the prior go to `prior_predictive`.
    num_chains
        Chains that flat samples are divided into, one after another.
    draws
        Draws per chain from a guide.
    losses
        What `SVI.step` returned at every step (negative ELBO, nats): `diagnose` then says
        whether training had settled.
    log_likelihood
        Whether the log likelihood of every observation is computed.
    seed
        For draws from a guide, and of discrete sites that were summed out.
    dims, coords
        Names of dimensions that have no plate, by site; labels of dimensions.

    Returns
    -------
    DataTree with `posterior`, `sample_stats` (`lp`, `diverging`; `log_q` of a guide, whose
    Pareto k is an attribute), `log_likelihood`, `log_prior`, `unconstrained_posterior`,
    `observed_data`, `constant_data`, `history` (the losses) and the predictive groups that were
    given. What a program does not allow is left out, with a note among the attributes.

    Raises
    ------
    OptionError
        Something that is no result of Pyro, or a run that has no samples.
    DataError
        Samples that are no arrays or of unequal number; arguments that do not fit.
    """
    check_counts({"num_chains": num_chains, "draws": draws})
    seed = seed_of(seed)
    source = _read(result, model, data, num_chains, draws, seed)
    given = {"prior": prior, "posterior_predictive": posterior_predictive,
             "predictions": predictions}  # fmt: skip
    program, notes = _program(source)
    posterior = in_shape(program, source.draws)
    groups: dict[str, dict[str, Variable]] = {}
    if posterior:
        groups["posterior"] = variables_of(program, posterior)
    derived = _derive(program, posterior, log_likelihood, seed, notes) if posterior else None
    attrs = {**source.attrs, "inference_library": "pyro"}
    attrs["inference_library_version"] = version_of("pyro-ppl")
    stats = {name: Variable(values) for name, values in source.stats.items()}
    if derived is not None:
        groups |= {
            **derived.groups,
            "posterior": groups["posterior"] | derived.groups["posterior"],
        }
        stats["lp"] = Variable(derived.log_density)
        if source.log_q is not None:
            log_q = source.log_q + derived.log_jacobian
            stats["log_q"] = Variable(log_q)
            k = smoothed((derived.log_density - log_q).ravel())[1]
            attrs["pareto_k"] = k
            notes += notes_on_k(k, attrs["method"])
    groups["sample_stats"] = stats
    if losses is not None:
        groups["history"] = {"loss": _by_step(losses)}
    for name, samples in given.items():
        add_predictive(groups, name, samples, program, num_chains)
    if program is not None:
        attrs |= model_attributes(program.name, program_text(program.model))
        groups |= data_groups(program)
    if notes:
        attrs["notes"] = notes
    if not any(groups.values()):
        raise OptionError("from_pyro: there is nothing to convert; give a result or samples.")
    return build_tree(groups, Labels(dims or {}, coords or {}), attrs)


def _by_step(losses: Sequence[float]) -> Variable:
    """Losses, numbers or tensors of one, as a variable over the steps."""
    try:
        values = np.array([float(loss) for loss in losses])
    except (TypeError, ValueError):
        raise DataError("losses must be a sequence of numbers, one for every step.") from None
    return Variable(values, ("step",), sampled=False)


def _read(
    result: Any, model: Any, data: Mapping[str, Any] | None, chains: int, draws: int, seed: int
) -> Source:
    if result is None:
        return Source({}, model, data)
    if isinstance(result, Mapping):
        return Source(by_chain(result, chains), model, data)
    kinds = {kind.__name__ for kind in type(result).__mro__}
    if "Predictive" in kinds:
        raise OptionError(
            "from_pyro takes the samples of a Predictive: call it, and pass what it returns as "
            "prior=, posterior_predictive= or predictions=."
        )
    if "AbstractMCMC" in kinds:
        source = read_mcmc(result)
        source.model = source.model if model is None else model
        source.data = source.data if data is None else data
        return source
    if not is_guide(result):
        raise OptionError(
            f"from_pyro: {type(result).__name__} is no result of Pyro; pass an MCMC after run, a "
            "guide, an SVI object, or a mapping of samples."
        )
    return read_guide(result, model, data, draws, chains, seed)


def _program(source: Source) -> tuple[Program | None, list[str]]:
    """The program, read with its data, and why there is none."""
    if source.model is None:
        return None, []
    try:
        return read_program(source.model, source.data), []
    except (ModelError, DataError) as raised:
        return None, [f"Only draws were converted, for the model cannot be read: {raised}"]


def _derive(
    program: Program | None,
    draws: Mapping[str, np.ndarray],
    log_likelihood: bool,
    seed: int,
    notes: list[str],
) -> Derived | None:
    if program is None:
        return None
    lacking = missing_latents(program, draws)
    if lacking:
        notes.append(
            f"Densities were left out: the samples lack the site {lacking[0]!r}, or hold it in "
            "another shape than the model."
        )
        return None
    try:
        return derive(program, draws, log_likelihood, seed)
    except ModelError as raised:
        notes.append(f"Densities were left out: {raised}")
        return None
