"""Dependencies of a program's sites, found by changing one value at a time.

All runs share the random numbers and the values of all sites but one; deterministic sites hold
their value, too, so that an edge means direct use. What moves then must have used the changed
site: the density of a site, a computed value, or whether a site is there at all.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from probgen.declare.dependencies.runs import moved_sites, run_at
from probgen.declare.environment import double_precision, isolated, tracing
from probgen.declare.evaluation import Program
from probgen.declare.placing import PlacePrior
from probgen.declare.sites import Site, describe_site, site_kind

__all__ = ["Perturbed", "numeric_edges"]

_RUNS = 240
"""About how many runs of the program the search may take, if every site can have two."""
_SINGLY, _GROUPS, _ROUNDS = 100, 16, 3
"""Sites up to which each is changed by itself; groups per round beyond that; rounds."""


@dataclass
class Perturbed:
    """What the runs told: edges, the names of the sites of every run, and all sites met."""

    edges: set[tuple[str, str]] = field(default_factory=set)
    runs: list[set[str]] = field(default_factory=list)
    sites: dict[str, Site] = field(default_factory=dict)


def numeric_edges(program: Program, traced: set[tuple[str, str]]) -> Perturbed:
    """Edges of a program by perturbation.

    Every site is changed by itself, up to a hundred of them; in larger programs, groups are
    changed together, and their members one by one where something moved that no edge in
    `traced` explains. A site that differs between two runs at the same values draws random
    numbers of its own and is left out. A value at which the program fails is passed over.
    """
    found = Perturbed()
    repeats = max(2, min(6, _RUNS // max(1, len(program.sites))))
    for seed in range((repeats + 1) // 2):
        drawn = run_at(program, {}, seed, None)
        if drawn is None:
            continue
        values = {name: message["value"] for name, message in drawn.items()}
        base = run_at(program, values, seed, None)
        again = None if base is None else run_at(program, values, seed, base)
        if base is None or again is None:
            continue
        _note(found, base)
        start = _Start(program, seed, values, base, moved_sites(base, again, base))
        names = [name for name, message in base.items() if site_kind(message) != "factor"]
        if len(names) > _SINGLY:
            names = _suspects(start, names, traced)
        for name in names:
            for other in _other_values(program, base[name], seed, 2):
                users = start.moved_by({name: other}, found)
                found.edges |= {(name, user) for user in users - {name}}
    return found


@dataclass
class _Start:
    """A run from which values are changed: its values, messages, and sites that move anyway."""

    program: Program
    seed: int
    values: Mapping[str, torch.Tensor]
    base: dict[str, Any]
    noisy: set[str]

    def moved_by(self, changes: Mapping[str, torch.Tensor], found: Perturbed | None) -> set[str]:
        """Sites that move when some values are changed; none when the program fails."""
        changed = run_at(self.program, {**self.values, **changes}, self.seed, self.base)
        if changed is None:
            return set()
        if found is not None:
            _note(found, changed)
        return moved_sites(self.base, changed, {**self.base, **changed}) - self.noisy


def _suspects(start: _Start, names: list[str], traced: set[tuple[str, str]]) -> list[str]:
    """Sites that may have untraced users: members of groups whose change moved unexplained ones.

    Groups are random, anew in each round, so that a pair of sites is hidden only if in every
    round a traced parent is in the group of the untraced one.
    """
    parents: dict[str, set[str]] = {}
    for parent, child in traced:
        parents.setdefault(child, set()).add(parent)
    shuffle, suspects = random.Random(start.seed), set()
    for _ in range(_ROUNDS):
        order = shuffle.sample(names, len(names))
        for k in range(_GROUPS):
            group = set(order[k::_GROUPS])
            changes = {
                name: other
                for name in group
                for other in _other_values(start.program, start.base[name], start.seed, 1)
            }
            moved = start.moved_by(changes, None)
            if any(not parents.get(user, set()) & group for user in moved):
                suspects |= group
    return [name for name in names if name in suspects]


def _note(found: Perturbed, run: Mapping[str, Any]) -> None:
    found.runs.append(set(run))
    for name, message in run.items():
        if name not in found.sites:
            found.sites[name] = describe_site(name, message)


def _other_values(
    program: Program, message: Mapping[str, Any], seed: int, count: int
) -> list[torch.Tensor]:
    """Values to which a site may be moved: fresh draws, other points of a discrete support."""
    value = message["value"]
    if site_kind(message) in ("observed", "deterministic") and value.is_floating_point():
        observed_reals = not _is_discrete(message)
        if observed_reals:
            return [value + shift for shift in (0.5, -1.0)][:count]
    with double_precision(program.needs_widening), isolated(seed + 1), tracing():
        others: list[torch.Tensor] = []
        for attempt in range(20 * count):
            other = _fresh(message, attempt)
            if other is None:
                break
            if not torch.equal(other, value) and not any(torch.equal(other, o) for o in others):
                others.append(other.to(value.dtype))
            if len(others) == count:
                break
    return others


def _is_discrete(message: Mapping[str, Any]) -> bool:
    return bool(getattr(message["fn"], "has_enumerate_support", False)) or bool(
        getattr(message["fn"].support, "is_discrete", False)
    )


def _fresh(message: Mapping[str, Any], attempt: int) -> torch.Tensor | None:
    """A fresh value of a latent or discrete site; every second one of a finite support."""
    distribution = message["fn"]
    if getattr(distribution, "has_enumerate_support", False) and attempt % 2:
        try:
            support = distribution.enumerate_support(expand=True)
            return support[(attempt // 2) % len(support)]
        except NotImplementedError:
            pass
    trial = {**message, "value": None, "done": False, "is_observed": False}
    try:
        PlacePrior()._pyro_sample(trial)
    except (RuntimeError, ValueError, NotImplementedError):
        return None
    return trial["value"]
