"""Statements that depend on discrete sites, and which of them hang together.

Factors that share no variable, directly or through others, are independent of each other given
the continuous sites; each such component is summed out by itself.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

import torch

from probgen.declare.discrete.order import Order, elimination_order
from probgen.declare.discrete.variables import Dims, Variable, dims_of
from probgen.declare.placing import mask_of

__all__ = ["Component", "Factor", "components_of", "is_masked"]


@dataclass(frozen=True)
class Factor:
    """A statement whose log density depends on variables (their positions, ascending).

    `kind` is that of the site, "enumerated" for a variable's own prior.
    """

    name: str
    kind: str
    scope: tuple[int, ...]
    batch: tuple[int, ...]
    masked: bool = False

    @property
    def plates(self) -> Dims:
        """The batch dimensions with more than one element."""
        return dims_of(self.batch)


@dataclass(frozen=True)
class Component:
    """Factors that share variables, and an order in which to sum these out.

    `plates` are those that all factors live in: the elements along them are independent of
    each other given the continuous sites. `prior` is the order without the observed sites,
    where the sum of that is not one.
    """

    factors: tuple[int, ...]
    observed: tuple[str, ...]
    continuous: tuple[str, ...]
    plates: Dims
    order: Order
    prior: Order | None
    prior_factors: tuple[int, ...]
    label: str
    """A name for the observed sites together: their own, or what their names share."""


def is_masked(message: Mapping[str, Any]) -> bool:
    """Whether a mask or a scale changes what the probabilities of a site sum to."""
    scale = message["scale"]
    return mask_of(message) is not True or isinstance(scale, torch.Tensor) or scale != 1.0


def components_of(
    factors: Sequence[Factor], variables: Sequence[Variable], sites: Iterable[str]
) -> tuple[Component, ...]:
    """The independent parts of a program with these `sites`, in its order.

    Raises `ModelError` for a part that cannot be summed out.
    """
    taken = frozenset(sites)
    found = [
        _component(factors, variables, numbers, taken)
        for numbers in _connected(factors, len(variables))
    ]
    shared = Counter(component.label for component in found)
    return tuple(
        replace(part, label=_range(part.observed))
        if len(part.observed) > 1 and shared[part.label] > 1
        else part
        for part in found
    )


def _connected(factors: Sequence[Factor], count: int) -> list[list[int]]:
    """Numbers of the factors that share variables, in the order of the program."""
    leader = list(range(count))

    def find(v: int) -> int:
        while leader[v] != v:
            leader[v] = leader[leader[v]]
            v = leader[v]
        return v

    for factor in factors:
        for v in factor.scope[1:]:
            leader[find(v)] = find(factor.scope[0])
    groups: dict[int, list[int]] = {}
    for number, factor in enumerate(factors):
        groups.setdefault(find(factor.scope[0]), []).append(number)
    return list(groups.values())


def _component(
    factors: Sequence[Factor],
    variables: Sequence[Variable],
    numbers: Sequence[int],
    taken: frozenset[str],
) -> Component:
    members = [factors[n] for n in numbers]
    rest = [n for n in numbers if factors[n].kind != "observed"]
    # Priors of the variables sum to one, unless a mask leaves a part of them out.
    trivial = all(factors[n].kind == "enumerated" and not factors[n].masked for n in rest)
    observed = tuple(factor.name for factor in members if factor.kind == "observed")
    return Component(
        tuple(numbers),
        observed,
        tuple(factor.name for factor in members if factor.kind == "latent"),
        frozenset.intersection(*(factor.plates for factor in members)),
        _order(members, variables),
        None if trivial else _order([factors[n] for n in rest], variables),
        tuple(rest),
        _label(observed, taken),
    )


def _order(factors: Sequence[Factor], variables: Sequence[Variable]) -> Order:
    return elimination_order(
        [factor.scope for factor in factors],
        [factor.plates for factor in factors],
        [variable.size for variable in variables],
        [variable.plates for variable in variables],
        [variable.name for variable in variables],
    )


def _label(observed: Sequence[str], taken: frozenset[str]) -> str:
    """What the names share: "y" for "y_0" ... "y_9"; the first and last where that is taken."""
    if len(observed) < 2:
        return next(iter(observed), "")
    alike = takewhile(lambda letters: len(set(letters)) == 1, zip(*observed, strict=False))
    shared = "".join(letters[0] for letters in alike)
    if any(name[len(shared) : len(shared) + 1].isdigit() for name in observed):
        shared = shared.rstrip("0123456789")
    shared = re.sub(r"[\W_]+$", "", shared)
    return _range(observed) if shared in {"", *taken} else shared


def _range(names: Sequence[str]) -> str:
    return f"{names[0]}..{names[-1]}"
