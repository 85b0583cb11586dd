"""One run of a method on a Boltzmann machine: evidence by site, chains, DataTree."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
import xarray as xr

from probgen.errors import OptionError
from probgen.inference.boltzmann.density_run import DensityRun, prepare_density
from probgen.inference.boltzmann.evidence import Evidence, read_evidence
from probgen.inference.boltzmann.exact import exact
from probgen.inference.boltzmann.kernel import BlockGibbs, Kernel
from probgen.inference.boltzmann.layout import Layout
from probgen.inference.boltzmann.run import MachineChains
from probgen.inference.boltzmann.tempering import Tempered
from probgen.inference.boltzmann.tree import drawn_groups, marginals_group, observed_group
from probgen.inference.engine_run import EngineRun
from probgen.inference.graphical.exact import Exact
from probgen.inference.graphical.gibbs import Gibbs
from probgen.inference.graphical.method import GraphPlan, GraphResult
from probgen.inference.graphical.parallel_tempering import ParallelTempering
from probgen.inference.infer_program import ProgramOptions
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.stream import Stream
from probgen.results.attributes import run_attributes
from probgen.results.store.state import Piece
from probgen.results.tree import Labels, storable

__all__ = ["PACKAGES", "MachineOptions", "MachineRun", "prepare_machine"]

PACKAGES = ("torch", "numpy", "xarray")
"""Whose versions are noted."""
MOST_DRAW_BYTES = 1 << 30
"""Of all draws in memory; more are thinned."""
SMALL_DRAW_BYTES = 1 << 26
"""Of the draws of hidden units that are kept unasked."""
_USUAL = {
    "init": "uniform",
    "keep_warmup": False,
    "backend": "auto",
    "precision": "float64",
    "device": "cpu",
    "thin": 1,
    "adapted": None,
}
"""Options of densities that say nothing."""
DENSITY_COUNTS = {"chains": 4, "draws": 1000, "warmup": 1000}
METHODS = "Gibbs(), ParallelTempering(), Exact(), NUTS() or HMC()"


@dataclass(frozen=True)
class MachineOptions:
    """What `infer` was asked for, for machines; None takes the method's own default."""

    chains: int | None
    draws: int | None
    warmup: int | None
    seed: int
    threads: int | None = None
    progress: bool = True
    hidden: bool | None = None
    """Whether draws of hidden units are kept; None: where they take at most 64 MiB."""
    of_density: Mapping[str, Any] = field(default_factory=dict)
    """Further options, for methods that follow the gradient of a density."""


def prepare_machine(
    machine: BoltzmannMachine,
    method: Any,
    data: Mapping[Any, Any] | None,
    options: MachineOptions,
    labels: Labels | None = None,
    start: Mapping[str, np.ndarray] | None = None,
) -> MachineRun | DensityRun:
    """Read the evidence, so that the machine can be sampled; Gibbs where there is no method.

    `start` holds what an earlier run on the density started from, in place of a search.

    Raises `DataError` for data that do not fit, `OptionError` for a method that does not.
    """
    reason = "" if method is not None else "layers of a machine are drawn in blocks"
    method = Gibbs() if method is None else method
    labels = labels or Labels()
    serves = getattr(method, "serves", ("density",))
    if "machine" not in serves and "density" not in serves:
        raise OptionError(f"{method.name} does not work on Boltzmann machines. Use {METHODS}.")
    machine = copy.deepcopy(machine).requires_grad_(False)
    if "density" in serves:
        return _density_run(machine, method, data, options, labels, start)
    for name, given in options.of_density.items():
        if given != _USUAL[name]:
            raise OptionError(
                f"{name}= is for NUTS(), HMC() and other methods that follow gradients; "
                f"{method.name} has no use for it."
            )
    machine = machine.to(getattr(method, "device", "cpu"))
    if isinstance(method, Exact):
        machine = machine.double()
    return MachineRun(machine, read_evidence(machine, data), method, options, labels, reason)


def _density_run(
    machine: BoltzmannMachine,
    method: Any,
    data: Mapping[Any, Any] | None,
    options: MachineOptions,
    labels: Labels,
    start: Mapping[str, np.ndarray] | None,
) -> DensityRun:
    machine = machine.double().cpu()
    usual = {**DENSITY_COUNTS, **getattr(method, "defaults", {})}
    given = {name: getattr(options, name) for name in usual}
    counts = {name: usual[name] if value is None else value for name, value in given.items()}
    evidence = read_evidence(machine, data)
    layout = Layout(machine, evidence, counts["chains"], options.hidden is not False)
    asked = ProgramOptions(
        **counts,
        seed=options.seed,
        threads=options.threads,
        log_likelihood=False,
        progress=options.progress,
        **options.of_density,
    )
    about = {"model": name_of(machine), "layers": layers_of(machine)}
    return prepare_density(layout, method, asked, labels, about, start)


def name_of(machine: BoltzmannMachine) -> str:
    """Its title, or the name of its class."""
    return str(getattr(machine, "title", type(machine).__name__))


def layers_of(machine: BoltzmannMachine) -> list[list[str]]:
    """What the units are, in words."""
    return [[str(units) for units in layer] for layer in machine.layers]


@dataclass
class MachineRun(EngineRun):
    """A machine that is ready to be sampled, and what it is sampled with."""

    machine: BoltzmannMachine
    evidence: Evidence
    method: Any
    options: MachineOptions
    labels: Labels = field(default_factory=Labels)
    reason: str = ""
    kind: ClassVar[str] = "machine"

    @property
    def name(self) -> str:
        """Of the machine."""
        return name_of(self.machine)

    @cached_property
    def layout(self) -> Layout:
        """How states lie in arrays."""
        chains, draws = self.count("chains"), self.count("draws")
        hidden = self.options.hidden
        if hidden is None:
            units = sum(u.size for layer in self.machine.layers[1:] for u in layer)
            hidden = units * self.evidence.cases * chains * draws <= SMALL_DRAW_BYTES
        return Layout(self.machine, self.evidence, chains, hidden)

    def _usual_threads(self) -> int:
        return torch.get_num_threads()

    @property
    def _size(self) -> str:
        return f"{self.layout.size} units"

    def _work(self, plan: GraphPlan) -> GraphResult:
        if isinstance(self.method, Exact):
            return exact(self.layout, plan)
        notes: list[str] = []
        thin = getattr(self.method, "thin", 1)
        every = self._kept_sweeps(plan, thin, notes)
        kept = plan.draws * thin // every
        run = MachineChains(self.layout, plan, self._kernel, every, kept)
        result = run.work()
        result.summary["notes"] += notes
        if result.summary["interrupted"]:
            result.summary["notes"].append(
                "The run was interrupted; the results are those of the draws made."
            )
        return result

    def _kernel(self, stream: Stream) -> Kernel:
        if isinstance(self.method, ParallelTempering):
            return Tempered(self.method, self.layout, stream, self.count("warmup"))
        return BlockGibbs(self.layout, stream)

    def _kept_sweeps(self, plan: GraphPlan, thin: int, notes: list[str]) -> int:
        """Transitions for each draw kept, so that all of them fit into memory.

        Where draws leave piece by piece, or the run goes on from one that did, all are kept.
        """
        if plan.keep is not None or plan.state is not None:
            return thin
        size = plan.draws * self.draw_bytes
        more = max(1, -(-size // MOST_DRAW_BYTES))
        if more > 1:
            notes.append(
                f"One draw in {more} is kept, so that all of them take no more than "
                f"{MOST_DRAW_BYTES >> 20} MiB; marginals are counted over every sweep."
            )
        return thin * more

    @property
    def attributes(self) -> dict[str, Any]:
        """The attributes of the result that are known before the run."""
        attrs = run_attributes(name_of(self.machine), self.method, self.options.seed, PACKAGES)
        if self.reason:
            attrs["method_reason"] = self.reason
        return {**attrs, "layers": layers_of(self.machine)}

    @property
    def draw_bytes(self) -> int:
        """Size of all groups at one draw of every chain, about."""
        layout = self.layout
        columns = layout.kept_size * layout.kept_type.itemsize + 16
        return layout.rows * columns

    def _drawn_groups(self, piece: Piece) -> dict[str, xr.Dataset]:
        return drawn_groups(self.layout, piece.draws, piece.stats, self.labels)

    def _final_groups(self, result: GraphResult) -> dict[str, xr.Dataset]:
        return marginals_group(self.layout, result.marginals)

    def constants(self) -> dict[str, xr.Dataset]:
        """The groups that are the same at all draws: the evidence."""
        return observed_group(self.layout, self.labels)

    def _tree(self, result: GraphResult, attrs: Mapping[str, Any]) -> xr.DataTree:
        assert result.states is not None
        groups = drawn_groups(self.layout, result.states, result.stats, self.labels)
        groups |= marginals_group(self.layout, result.marginals)
        groups |= self.constants()
        plain = {key: storable(value) for key, value in attrs.items()}
        tree = xr.DataTree()
        tree.attrs.update(plain)
        for name in ("posterior", "marginals"):
            if name in groups:
                groups[name].attrs.update(plain)
        tree.children = {name: xr.DataTree(dataset) for name, dataset in groups.items()}
        return tree
