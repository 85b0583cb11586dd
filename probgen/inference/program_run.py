"""A program that is ready to be sampled: one run of a method, draws to DataTree."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from probgen.declare.program import Program
from probgen.inference.cores import usable_cores
from probgen.inference.groups import data_groups, sampled_groups
from probgen.inference.method import Draws, Method, Plan, Progress
from probgen.inference.model_source import program_text
from probgen.inference.notes import Seen, seen_in
from probgen.inference.only_discrete import independent_draws, only_discrete
from probgen.inference.options import ProgramOptions
from probgen.inference.recorder import Recorder
from probgen.progress import ProgressDisplay
from probgen.results.attributes import run_attributes
from probgen.results.store.state import KernelState, Piece
from probgen.results.tree import Labels, Variable, build_groups, build_tree
from probgen.targets.density import Density

__all__ = ["LEARNT", "PACKAGES", "ProgramRun"]

PACKAGES = ("torch", "pyro-ppl", "numpy", "xarray")
"""Whose versions are noted."""
LEARNT = "adaptation:"
"""What names of an earlier run's adaptation begin with in `ProgramRun.start`."""
_LARGEST_LOG_LIKELIHOOD = 1_000_000_000  # bytes; larger ones must be asked for
_LONG = 100_000  # draws of all chains above which a store is spared log densities ...
_LARGEST_DERIVED = 32_000_000  # ... that take more bytes than this


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
    seconds_start: float = 0.0
    streaming: bool = False
    """Whether draws go to a store; there, what is the same twice is written once."""
    kind: ClassVar[str] = "program"

    @property
    def planned(self) -> dict[bool, int]:
        """Draws of each chain, by whether they are of the warm-up."""
        return {False: self.options.draws, True: self.options.warmup}

    @property
    def start(self) -> dict[str, np.ndarray]:
        """What the chains start from, by name."""
        learnt = {LEARNT + name: value for name, value in (self.adaptation or {}).items()}
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
        self.streaming = recorder is not None
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
                seen=self._seen(recorder),
            )
            ready = time.perf_counter()
            result = (
                independent_draws(self.density, plan)
                if exact
                else self.method.run(self.density, plan)
            )
        attrs = {**self.attributes, "seconds_method": time.perf_counter() - ready}
        attrs |= result.summary
        attrs["notes"] = [*attrs.get("notes", []), *self.attributes["notes"]]
        if recorder is None:
            return self._tree(result, attrs)
        whole = Piece(0, False, result.unconstrained, result.stats, _NOWHERE)
        made_whole = bool(result.unconstrained.shape[1]) and recorder.state is None
        final = build_groups(_learnt(result), self.labels)
        recorder.finish(whole if made_whole else None, final, attrs)
        return recorder.tree()

    @cached_property
    def attributes(self) -> dict[str, Any]:
        """The attributes of the result that are known before the run."""
        density = self.density
        program = density.program
        source = program_text(program.model)
        attrs = run_attributes(program.name, self.method, self.options.seed, PACKAGES, source)
        attrs["backend"] = density.backend
        if density.reason:
            attrs["backend_reason"] = density.reason
        for step in ("seconds_trace", "seconds_compile", "seconds_start"):
            attrs[step] = getattr(self, step)
        attrs["notes"] = [*self.notes]
        if not self.derived:
            attrs["notes"].append(
                f"The store holds draws and statistics. Log likelihoods and log priors would take "
                f"{self._derived_bytes / 1e6:.0f} MB more; complete(tree, model, data) makes "
                "them, and log_likelihood=True stores them with the draws."
            )
        elif not self.pointwise and self.options.log_likelihood is None:
            size = _density_bytes(density.program, self.options, "observed")
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
        size = _density_bytes(self.density.program, self.options, "observed")
        return self.derived and size <= _LARGEST_LOG_LIKELIHOOD

    @property
    def derived(self) -> bool:
        """Whether log densities of sites are made with the draws."""
        if self.options.derived is not None:
            return self.options.derived
        draws = self.options.chains * self.options.draws
        small = draws <= _LONG or self._derived_bytes <= _LARGEST_DERIVED
        return bool(self.options.log_likelihood) or small

    @property
    def _derived_bytes(self) -> int:
        """Size of the log densities of all sites."""
        program, options = self.density.program, self.options
        if options.log_likelihood is False:
            return _density_bytes(program, options, "latent")
        return _density_bytes(program, options, "latent", "observed")

    @property
    def draw_bytes(self) -> int:
        """Size of all groups at one draw of every chain, about."""
        sites = self.density.program.sites.values()
        sizes = [math.prod(site.shape) for site in sites]
        return 8 * self.options.chains * (3 * sum(sizes) + 16)

    def groups_of(self, piece: Piece) -> dict[str, xr.Dataset]:
        """The groups of the tree at some draws."""
        return build_groups(self._variables_of(piece), self.labels)

    def values_of(self, piece: Piece) -> dict[str, dict[str, np.ndarray]]:
        """The arrays of these groups."""
        groups = self._variables_of(piece)
        return {n: {k: v.values for k, v in group.items()} for n, group in groups.items() if group}

    def _variables_of(self, piece: Piece) -> dict[str, dict[str, Variable]]:
        groups = sampled_groups(
            self.density,
            piece.draws,
            self.pointwise and not piece.warm,
            self.options.seed,
            piece.first,
            self.derived,
            shared=self.streaming,
        )
        stats = {name: Variable(values) for name, values in piece.stats.items()}
        if piece.warm:
            return {"warmup_posterior": groups["posterior"], "warmup_sample_stats": stats}
        return {**groups, "sample_stats": stats}

    def constants(self) -> dict[str, xr.Dataset]:
        """The groups that are the same at all draws: the data."""
        return build_groups(data_groups(self.density.program), self.labels)

    def _seen(self, recorder: Recorder | None) -> Seen | None:
        """What the notes must know of the draws before a break."""
        if recorder is None or recorder.state is None:
            return None
        return seen_in(recorder.tree(), [site.name for site in self.density.latents])

    def _tree(self, result: Draws, attrs: dict[str, Any]) -> xr.DataTree:
        """The tree of a run whose draws are in memory."""
        whole = Piece(0, False, result.unconstrained, result.stats, _NOWHERE)
        groups = self.groups_of(whole)
        if result.warmup_unconstrained is not None:
            stats = result.warmup_stats or {}
            groups |= self.groups_of(Piece(0, True, result.warmup_unconstrained, stats, _NOWHERE))
        groups |= build_groups(_learnt(result), self.labels) | self.constants()
        tree = build_tree({}, attrs=attrs)
        if "posterior" in groups:
            groups["posterior"].attrs.update(tree.attrs)
        tree.children = {name: xr.DataTree(dataset) for name, dataset in groups.items()}
        return tree


_NOWHERE = KernelState(0, np.zeros((0, 0)), np.zeros((0, 0), np.uint64))


def _learnt(result: Draws) -> dict[str, dict[str, Variable]]:
    """What the method learnt, and how training went."""
    learnt = {n: Variable(v, per_chain=True) for n, v in result.adaptation.items()}
    steps = {n: Variable(v, ("step",), sampled=False) for n, v in result.history.items()}
    return {"adaptation": learnt, "history": steps}


def _density_bytes(program: Program, options: ProgramOptions, *kinds: str) -> int:
    """Size of the log densities of sites of these kinds, element by element, at every draw."""
    sites = [site for kind in kinds for site in program.of_kind(kind)]
    batches = (site.shape[: len(site.shape) - site.event_dim] for site in sites)
    return 8 * options.chains * options.draws * sum(math.prod(batch) for batch in batches)
