"""A run of NUTS, HMC and the like on the density of a machine; units are drawn afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
import xarray as xr

from probgen.inference.boltzmann.counting import counted
from probgen.inference.boltzmann.densities import densities
from probgen.inference.boltzmann.layout import Layout
from probgen.inference.boltzmann.start import starting_states
from probgen.inference.boltzmann.tree import drawn_groups, marginals_group, observed_group
from probgen.inference.infer_program import ProgramOptions, ProgramRun, prepare_program
from probgen.inference.method import Method, Progress
from probgen.inference.prepared import drawn_arrays
from probgen.inference.recorder import Recorder
from probgen.nets.boltzmann.marginal import Marginal, marginal_program
from probgen.nets.boltzmann.relaxed import Relaxed, relaxed_program
from probgen.nets.stream import Stream
from probgen.results.store.state import Piece
from probgen.results.tree import Labels

__all__ = ["DensityRun", "prepare_density"]

_AFTERWARDS, _KEYS = 1 << 62, 1 << 16
"""Where the keys of units drawn after the run begin, and how many each draw may take."""


def prepare_density(
    layout: Layout,
    method: Method,
    options: ProgramOptions,
    labels: Labels,
    about: Mapping[str, Any],
    start: Mapping[str, np.ndarray] | None = None,
) -> DensityRun:
    """Compile the density of a machine; `about` are attributes of the result.

    Chains start at over-dispersed states of the units, as those of Gibbs do, unless
    `options.init` says otherwise. Raises `ModelError` for machines without such a density, and as
    `prepare_program`.
    """
    program = _program_of(layout)
    if start is None and options.init == "uniform" and options.adapted is None:
        stream = Stream(options.seed)
        states = starting_states(layout, stream)
        start = {"initial": _coordinates(layout, program, states, stream)}
    run = prepare_program(program, method, None, options, labels, start)
    known = {each.name: getattr(run, each.name) for each in fields(run)}
    return DensityRun(**known, layout=layout, program=program, about=about)


@dataclass(kw_only=True)
class DensityRun(ProgramRun):
    """A density whose draws become units of the machine."""

    layout: Layout
    program: Marginal | Relaxed
    about: Mapping[str, Any] = field(default_factory=dict)
    kind: ClassVar[str] = "machine"

    def sample(
        self,
        recorder: Recorder | None = None,
        watch: Callable[[Progress | None], None] | None = None,
    ) -> xr.DataTree:
        """As of a program; then count the units."""
        tree = super().sample(recorder, watch)
        if not self.layout.discrete:
            return tree
        marginals = counted(self.layout, tree["posterior"].dataset)
        group = marginals_group(self.layout, marginals, self.layout.kept)
        if recorder is not None:
            recorder.finish(None, group, {str(n): value for n, value in tree.attrs.items()})
            return recorder.tree()
        for name, dataset in group.items():
            dataset.attrs.update(tree.attrs)
            tree[name] = xr.DataTree(dataset)
        return tree

    @cached_property
    def attributes(self) -> dict[str, Any]:
        """Those of a program, and of the machine."""
        how = "free energy" if isinstance(self.program, Marginal) else "Gaussian relaxation"
        return {**super().attributes, **self.about, "density": how}

    @property
    def draw_bytes(self) -> int:
        """Size of all groups at one draw of every chain, about."""
        return super().draw_bytes + self.layout.rows * (self.layout.size + 16)

    def groups_of(self, piece: Piece) -> dict[str, xr.Dataset]:
        """Statistics and coordinates of the density, and units drawn given these."""
        groups = super().groups_of(piece)
        values, stats = self._units(piece)
        drawn = drawn_groups(self.layout, values, {**piece.stats, **stats}, self.labels)
        if piece.warm:
            return {f"warmup_{name}": dataset for name, dataset in drawn.items()}
        kept = {"unconstrained_posterior": groups["unconstrained_posterior"]}
        return {**drawn, **kept}

    def values_of(self, piece: Piece) -> dict[str, dict[str, np.ndarray]]:
        """The arrays of these groups."""
        return drawn_arrays(self.groups_of(piece))

    def constants(self) -> dict[str, xr.Dataset]:
        """The evidence."""
        return observed_group(self.layout, self.labels)

    @torch.no_grad()
    def _units(self, piece: Piece) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Kept values (chain, draw, column), and log densities (chain, draw), by case if any.

        Every draw has a key of its own, so pieces of a run have the values of the whole.
        """
        layout, (chains, draws) = self.layout, piece.draws.shape[:2]
        values = np.empty((draws, chains, layout.cases * layout.kept_size), layout.kept_type)
        stats: dict[str, np.ndarray] = {}
        for number in range(draws):
            place = piece.first + number + (self.options.draws + 1) * piece.warm
            stream = Stream(self.options.seed, _AFTERWARDS + place * _KEYS)
            rows = torch.from_numpy(np.ascontiguousarray(piece.draws[:, number]))
            states = _states(layout, self.program, rows, stream)
            values[number] = layout.kept_values(states).reshape(values.shape[1:])
            for name, found in densities(layout, states).items():
                own = stats.setdefault(name, np.empty((draws, chains, layout.cases)))
                own[number] = found.numpy().reshape(chains, -1)
        cut: Any = slice(None) if layout.evidence.batched else 0
        ordered = {name: found.transpose(1, 0, 2)[:, :, cut] for name, found in stats.items()}
        return values.transpose(1, 0, 2), ordered


def _program_of(layout: Layout) -> Marginal | Relaxed:
    """Gaussian units alone, or a relaxation of discrete ones; of all cases."""
    machine, cases = layout.machine, layout.cases
    clamp = {n: (mask[:cases], given[:cases]) for n, (mask, given) in (layout.clamp or {}).items()}
    if all(units.discrete for layer in machine.layers for units in layer):
        return relaxed_program(machine, clamp, cases)
    return marginal_program(machine, clamp, cases)


def _coordinates(
    layout: Layout, program: Marginal | Relaxed, states: list[torch.Tensor], stream: Stream
) -> np.ndarray:
    """Coordinates at which chains may start, given states of all rows, (chain, coordinate)."""
    found = []
    for chain in range(layout.chains):
        rows = slice(chain * layout.cases, (chain + 1) * layout.cases)
        own = [state[rows] for state in states]
        if isinstance(program, Marginal):
            found.append(program.positions(own[0]))
        else:
            found.append(program.positions(own, stream).flatten())
    return np.ascontiguousarray(torch.stack(found).numpy())


def _states(
    layout: Layout, program: Marginal | Relaxed, draws: torch.Tensor, stream: Stream
) -> list[torch.Tensor]:
    """States of all rows given draws (chain, coordinate)."""
    if isinstance(program, Relaxed):
        states = program.states(draws.unflatten(-1, (layout.cases, -1)), stream)
        return [state.flatten(0, 1) for state in states]
    whole = (layout.chains, *program.free.shape)
    given = program.given.to(draws).expand(whole)
    visible = given.masked_scatter(program.free.expand(whole), draws).flatten(0, 1)
    hidden = program.machine.activation(1, [visible, None])
    return [visible, program.machine.draw(1, hidden, stream)]
