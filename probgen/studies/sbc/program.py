"""Replications of a Pyro program: prior or posterior draws, their data, and the method's draws."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
import xarray as xr

from probgen.declare.data import as_tensors, check_names
from probgen.declare.environment import double_precision, isolated, tracing
from probgen.declare.placing import PlacePrior
from probgen.declare.program import Program
from probgen.errors import OptionError
from probgen.inference.infer_program import ProgramOptions, infer_program
from probgen.inference.method import Method
from probgen.results.tree import Labels
from probgen.studies.sbc.replication import Case, Posterior, seeds_of, smallest_ess
from probgen.studies.sbc.simulate import draw_joint, observed_sites, with_data
from probgen.targets.reuse import density_of

__all__ = ["LOG_LIKELIHOOD", "ProgramStudy", "posterior_truths"]

LOG_LIKELIHOOD = "log_likelihood"
"""The sum over all observations: a quantity of parameters and data, which catches posteriors
that ignore the data and pass for every parameter (Modrák et al. 2023)."""
SAMPLE_DIMS = ("chain", "draw")

Quantity = Callable[[Mapping[str, np.ndarray]], np.ndarray]


@dataclass(frozen=True)
class ProgramStudy:
    """A program, its data's shapes, and the method that is put to the test."""

    model: Callable[..., Any]
    method: Method
    data: Mapping[str, Any]
    observed: tuple[str, ...]
    seed: int
    ranks: int
    chains: int
    draws: int
    warmup: int
    simulator: Callable[..., Any] | None = None
    """The program that draws parameters and data; the model itself when None."""
    truths: Mapping[str, np.ndarray] | None = None
    """Draws of the latent sites given the real data, (replication, ...), for posterior SBC."""
    quantities: Mapping[str, Quantity] = field(default_factory=dict)

    @cached_property
    def forward(self) -> Program:
        """What is run forward."""
        model, data = self.simulator or self.model, as_tensors(self.data)
        check_names(model, data)
        return Program(model, data)

    @cached_property
    def _arguments(self) -> dict[str, str]:
        """Arguments that observed sites take as they are, by site."""
        with tracing(), double_precision(), isolated(0), torch.no_grad():
            trace = self.forward.trace_with(PlacePrior())
        found = {}
        for site in self.observed:
            value = trace.nodes[site]["value"]
            for name, given in self.forward.data.items():
                alike = isinstance(given, torch.Tensor) and given.shape == value.shape
                if alike and (name == site or given.data_ptr() == value.data_ptr()):
                    found[site] = name
        return found

    def case(self, index: int) -> Case:
        """Draw the truth and its data, and evaluate every quantity at the truth."""
        latent = None
        if self.truths is not None:
            latent = {n: torch.from_numpy(np.array(v[index])) for n, v in self.truths.items()}
        drawn = draw_joint(self.forward, self.observed, seeds_of(self.seed, index, 1)[0], latent)
        model = with_data(self.model, drawn.observed, beside=self.truths is not None)
        if self.truths is None:  # a guide is a function of the data, and sees those drawn
            shown = {n: drawn.observed[s] for s, n in self._arguments.items()}
            model.shown_data = shown  # type: ignore[attr-defined]
        density, _ = density_of(model, self.data)
        sites = [site.name for site in density.program.of_kind("latent")]
        missing = [name for name in sites if name not in drawn.latent]
        if missing:
            raise OptionError(f"simulator: it draws no site named {missing[0]!r}.")
        continuous = {s.name: drawn.latent[s.name] for s in density.program.latents}
        point = density.join(density.program.unconstrain(continuous))
        outputs = {key: value[0] for key, value in density.outputs(point[None]).items()}
        truth = {name: drawn.latent[name].numpy() for name in sites}
        truth |= _of_kind(outputs, "deterministic:")
        likelihood = _of_kind(outputs, f"{LOG_LIKELIHOOD}:")
        truth[LOG_LIKELIHOOD] = np.array(sum(float(v.sum()) for v in likelihood.values()))
        alone = {name: np.asarray(value)[None] for name, value in truth.items()}
        return Case(truth | {n: f(alone)[0] for n, f in self.quantities.items()}, model)

    def infer(self, case: Case, index: int, draws: int) -> Posterior:
        """Draws of every quantity by the method."""
        seed = seeds_of(self.seed, index, 3)[2]
        tree = infer_program(
            case.given, self.method, self.data, self._options(seed, draws), Labels()
        )
        values = {str(n): _array(a) for n, a in tree["posterior"].data_vars.items()}
        if "log_likelihood" in tree.children:
            terms = [_array(a) for a in tree["log_likelihood"].data_vars.values()]
            values[LOG_LIKELIHOOD] = sum(
                (t.reshape(*t.shape[:2], -1).sum(axis=2) for t in terms[1:]),
                start=terms[0].reshape(*terms[0].shape[:2], -1).sum(axis=2),
            )
        if self.quantities:
            lead = next(iter(values.values())).shape[:2]
            flat = {n: v.reshape(-1, *v.shape[2:]) for n, v in values.items()}
            values |= {n: np.reshape(f(flat), lead) for n, f in self.quantities.items()}
        stats = tree["sample_stats"].dataset if "sample_stats" in tree.children else {}
        diverging = int(stats["diverging"].sum()) if "diverging" in stats else 0
        return Posterior(values, diverging)

    def _options(self, seed: int, draws: int) -> ProgramOptions:
        return ProgramOptions(
            chains=self.chains,
            draws=draws,
            warmup=self.warmup,
            seed=seed,
            threads=1,  # replications run beside one another, chains one after the other
            log_likelihood=True,
            progress=False,
        )


def posterior_truths(study: ProgramStudy, count: int) -> dict[str, np.ndarray]:
    """`count` draws of the latent sites given the real data, by the method itself."""
    draws = max(study.draws, -(-2 * count // study.chains))
    values: dict[str, np.ndarray] = {}
    for _ in range(3):
        tree = infer_program(
            study.model, study.method, study.data, study._options(study.seed, draws), Labels()
        )
        values = {str(n): _array(a) for n, a in tree["posterior"].data_vars.items()}
        short = count / max(smallest_ess(values), 1.0)
        if short <= 1:
            break
        draws = int(draws * min(8.0, 1.2 * short))
    density, _ = density_of(study.model, study.data)
    names = [site.name for site in density.program.of_kind("latent")]
    flat = {n: values[n].reshape(-1, *values[n].shape[2:]) for n in names}
    at = np.linspace(0, len(flat[names[0]]) - 1, count).round().astype(int)
    # In another order than along the chain: replications that are left out do not matter then.
    at = np.random.default_rng(study.seed % 2**64).permutation(at)
    return {name: value[at] for name, value in flat.items()}


def sites_to_observe(
    model: Callable[..., Any], data: Mapping[str, Any], asked: Any
) -> tuple[str, ...]:
    """Names of the observed sites; see `simulate.observed_sites`."""
    tensors = as_tensors(data)
    check_names(model, tensors)
    return tuple(observed_sites(Program(model, tensors), asked))


def _of_kind(outputs: Mapping[str, np.ndarray], kind: str) -> dict[str, np.ndarray]:
    return {key.removeprefix(kind): v for key, v in outputs.items() if key.startswith(kind)}


def _array(array: xr.DataArray) -> np.ndarray:
    return array.transpose(*SAMPLE_DIMS, ...).values
