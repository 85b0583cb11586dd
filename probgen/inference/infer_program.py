"""One run of a method on a Pyro program: density, start, draws, DataTree."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from probgen.declare.program import Program
from probgen.errors import OptionError
from probgen.inference.cores import usable_cores
from probgen.inference.groups import data_groups, sampled_groups
from probgen.inference.initialise import find_starts
from probgen.inference.method import Draws, Method, Plan, Progress
from probgen.inference.only_discrete import independent_draws, only_discrete
from probgen.inference.recorder import Recorder
from probgen.progress import ProgressDisplay
from probgen.results.attributes import run_attributes
from probgen.results.store.state import KernelState, Piece
from probgen.results.tree import Labels, Variable, build_groups, build_tree
from probgen.targets.density import Density
from probgen.targets.reuse import density_of
from probgen.targets.slopes import notes_on_slopes

__all__ = ["PACKAGES", "ProgramOptions", "ProgramRun", "infer_program", "prepare_program"]

PACKAGES = ("torch", "pyro-ppl", "numpy", "xarray")
"""Whose versions are noted."""
_LARGEST_LOG_LIKELIHOOD = 1_000_000_000  # bytes; larger ones must be asked for


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
    return prepare_program(model, method, data, options, labels).sample()


def prepare_program(
    model: Callable[..., Any],
    method: Method,
    data: Mapping[str, Any] | None,
    options: ProgramOptions,
    labels: Labels,
    start: Mapping[str, np.ndarray] | None = None,
) -> ProgramRun:
    """Read and compile a program and find where chains start, so that it can be sampled.

    `start` holds what an earlier run started from (`ProgramRun.start`), in place of a search.
    """
    started = time.perf_counter()
    density, reused = density_of(model, data, options.backend, options.precision, options.device)
    compiled = time.perf_counter()
    run = ProgramRun(density, method, options, labels)
    if not reused:
        run.seconds_trace = density.seconds_trace
        run.seconds_compile = compiled - started - density.seconds_trace
    if start is not None:
        run.initial = start["initial"]
        learnt = {n.removeprefix(_LEARNT): v for n, v in start.items() if n.startswith(_LEARNT)}
        run.adaptation = learnt or None
        return run
    run.initial, notes = find_starts(density, options.chains, options.seed, options.init)
    run.notes = [*notes]
    if density.backend in ("eager", "callable") and not only_discrete(density):
        wrong = notes_on_slopes(density, run.initial)
        run.notes += wrong
        for note in wrong:  # now, since sampling may take for ever
            warnings.warn(note, stacklevel=3)
    run.adaptation = _learnt(options.adapted, method, density, options.chains)
    return run


@dataclass
class ProgramRun:
    """A program that is ready to be sampled, and what it is sampled with."""

    density: Density
    method: Method
    options: ProgramOptions
    labels: Labels
    initial: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    adaptation: dict[str, np.ndarray] | None = None
    notes: list[str] = field(default_factory=list)
    seconds_trace: float = 0.0
    seconds_compile: float = 0.0
    kind: ClassVar[str] = "program"

    @property
    def planned(self) -> dict[bool, int]:
        """Draws of each chain, by whether they are of the warm-up."""
        return {False: self.options.draws, True: self.options.warmup}

    @property
    def start(self) -> dict[str, np.ndarray]:
        """What the chains start from, by name."""
        learnt = {_LEARNT + name: value for name, value in (self.adaptation or {}).items()}
        return {"initial": self.initial, **learnt}

    @property
    def title(self) -> str:
        """What is sampled, and how."""
        return f"{self.method.name} {self.density.program.name}"

    def sample(
        self,
        recorder: Recorder | None = None,
        watch: Callable[[Progress | None], None] | None = None,
    ) -> xr.DataTree:
        """Run the method; draws go to `recorder` while they are made, if there is one.

        `watch` is called with the progress a few times a second, and with None after every piece
        that was stored; a `KeyboardInterrupt` that it raises stops the run as Ctrl-C does.
        """
        options, exact = self.options, only_discrete(self.density)
        with ProgressDisplay(self.title, options.progress) as display:

            def show(progress: Progress) -> None:
                display.show(progress)
                if watch is not None:
                    watch(progress)

            plan = Plan(
                chains=options.chains,
                draws=options.draws,
                warmup=options.warmup,
                seed=options.seed,
                initial=self.initial,
                threads=options.threads or min(options.chains, usable_cores()),
                keep_warmup=options.keep_warmup,
                progress=show,
                thin=options.thin,
                adaptation=self.adaptation,
                keep=None if recorder is None or exact else recorder.keeper(watch),
                state=recorder.state if recorder else None,
            )
            result = (
                independent_draws(self.density, plan)
                if exact
                else self.method.run(self.density, plan)
            )
        attrs = {**self.attributes, **result.summary}
        attrs["notes"] = [*attrs.get("notes", []), *self.attributes["notes"]]
        if recorder is None:
            return self._tree(result, attrs)
        whole = Piece(0, False, result.unconstrained, result.stats, _NOWHERE)
        made_whole = bool(result.unconstrained.shape[1]) and recorder.state is None
        final = build_groups(_adaptation(result), self.labels)
        recorder.finish(whole if made_whole else None, final, attrs)
        return recorder.tree()

    @cached_property
    def attributes(self) -> dict[str, Any]:
        """The attributes of the result that are known before the run."""
        density = self.density
        attrs = run_attributes(density.program.name, self.method, self.options.seed, PACKAGES)
        attrs["backend"] = density.backend
        if density.reason:
            attrs["backend_reason"] = density.reason
        attrs["seconds_trace"], attrs["seconds_compile"] = self.seconds_trace, self.seconds_compile
        attrs["notes"] = [*self.notes]
        size = _log_likelihood_bytes(density.program, self.options)
        if not self.pointwise and self.options.log_likelihood is None:
            attrs["notes"].append(
                f"The log likelihood of every observation would take {size / 1e9:.1f} GB and was "
                "left out. Ask for it with log_likelihood=True."
            )
        return attrs

    @property
    def pointwise(self) -> bool:
        """Whether the log likelihood of every observation is computed."""
        if self.options.log_likelihood is not None:
            return self.options.log_likelihood
        size = _log_likelihood_bytes(self.density.program, self.options)
        return size <= _LARGEST_LOG_LIKELIHOOD

    @property
    def draw_bytes(self) -> int:
        """Size of all groups at one draw of every chain, about."""
        sites = self.density.program.sites.values()
        sizes = [math.prod(site.shape) for site in sites]
        return 8 * self.options.chains * (3 * sum(sizes) + 16)

    def groups_of(self, piece: Piece) -> dict[str, xr.Dataset]:
        """The groups of the tree at some draws."""
        groups = sampled_groups(
            self.density,
            piece.draws,
            self.pointwise and not piece.warm,
            self.options.seed,
            piece.first,
        )
        stats = {name: Variable(values) for name, values in piece.stats.items()}
        if piece.warm:
            warm = {"warmup_posterior": groups["posterior"], "warmup_sample_stats": stats}
            return build_groups(warm, self.labels)
        return build_groups({**groups, "sample_stats": stats}, self.labels)

    def constants(self) -> dict[str, xr.Dataset]:
        """The groups that are the same at all draws: the data."""
        return build_groups(data_groups(self.density.program), self.labels)

    def _tree(self, result: Draws, attrs: dict[str, Any]) -> xr.DataTree:
        """The tree of a run whose draws are in memory."""
        whole = Piece(0, False, result.unconstrained, result.stats, _NOWHERE)
        groups = self.groups_of(whole)
        if result.warmup_unconstrained is not None:
            stats = result.warmup_stats or {}
            groups |= self.groups_of(Piece(0, True, result.warmup_unconstrained, stats, _NOWHERE))
        groups |= build_groups(_adaptation(result), self.labels) | self.constants()
        tree = build_tree({}, attrs=attrs)
        if "posterior" in groups:
            groups["posterior"].attrs.update(tree.attrs)
        tree.children = {name: xr.DataTree(dataset) for name, dataset in groups.items()}
        return tree


_LEARNT = "adaptation:"
_NOWHERE = KernelState(0, np.zeros((0, 0)), np.zeros((0, 0), np.uint64))


def _adaptation(result: Draws) -> dict[str, dict[str, Variable]]:
    learnt = {n: Variable(v, per_chain=True) for n, v in result.adaptation.items()}
    return {"adaptation": learnt}


def _log_likelihood_bytes(program: Program, options: ProgramOptions) -> int:
    """Size of the log likelihood of every observation at every draw."""
    sites = program.of_kind("observed")
    batches = (site.shape[: len(site.shape) - site.event_dim] for site in sites)
    return 8 * options.chains * options.draws * sum(math.prod(batch) for batch in batches)


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
