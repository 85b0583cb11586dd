"""Evidence by name: what the user says about variables, as positions in a network.

Texts are understood too, since the command line gives nothing else: "A[0]" for the variable
("A", 0), "1" for the state 1. Likelihoods of states are soft (virtual) evidence (Pearl 1988).
"""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from probgen.declare.network import Network
from probgen.errors import DataError, EvidenceError

__all__ = ["resolve_evidence"]


def resolve_evidence(
    network: Network, data: Mapping[Any, Any] | None
) -> tuple[dict[int, int], dict[int, np.ndarray]]:
    """Observed states and likelihoods, by positions of variables and states.

    Parameters
    ----------
    network: the network that the evidence is about.
    data: variable -> state, or a likelihood for each state, as a list or array in the order of
        the states or as a mapping from states. A row of a pandas table will do; what it has
        missing (NaN, None) is not observed.

    Returns
    -------
    hard: position of the state of each observed variable.
    soft: float64 likelihoods of the states of each softly observed variable, as given.

    Raises `DataError` for an unknown variable or state (with the nearest names and the states),
    for an ambiguous text and for likelihoods that are none; `EvidenceError` for a variable that
    is given two states.

    """
    items = _items(data)
    variables = _Variables(network)
    hard: dict[int, int] = {}
    soft: dict[int, np.ndarray] = {}
    for key, value in items:
        v = variables.find(key)
        likelihood = _likelihood(network, v, value)
        if likelihood is not None:
            soft[v] = soft[v] * likelihood if v in soft else likelihood
            continue
        state = _state(network, v, value)
        if hard.setdefault(v, state) != state:
            names = network.states[v]
            raise EvidenceError(
                f"Contradictory evidence: {network.names[v]!r} is given as both "
                f"{names[hard[v]]!r} and {names[state]!r}."
            )
    for v, likelihood in soft.items():
        if not (likelihood > 0).any() or (v in hard and likelihood[hard[v]] == 0):
            raise EvidenceError(
                f"Contradictory evidence: what is given about {network.names[v]!r} leaves it "
                "no possible state."
            )
    return hard, soft


def _items(data: Any) -> list[tuple[Any, Any]]:
    if data is None:
        return []
    if isinstance(data, Mapping):
        return list(data.items())
    kind = type(data).__name__
    if type(data).__module__.startswith("pandas") and kind == "DataFrame":
        if len(data) != 1:
            raise DataError(
                f"Evidence is one row of a table, this one has {len(data)}: pass table.iloc[0]."
            )
        data, kind = data.iloc[0], "Series"
    if type(data).__module__.startswith("pandas") and kind == "Series":
        return [(name, value) for name, value in data.items() if not _is_missing(value)]
    raise DataError(
        f"Evidence must be a mapping of variables to their states, not {kind}: "
        "for instance data={'HRBP': 'HIGH'}."
    )


def _is_missing(value: Any) -> bool:
    """None, NaN or pandas.NA."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, (float, np.floating)) and bool(np.isnan(value))


class _Variables:
    """Variables of a network by name and by text."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.by_text: dict[str, set[int]] = {}
        for v, (name, label) in enumerate(zip(network.names, network.labels(), strict=True)):
            for text in (str(name), label, *_subscripted(name)):
                self.by_text.setdefault(text, set()).add(v)

    def find(self, key: Hashable) -> int:
        """The position of a variable. Raises `DataError` for none or several."""
        if key in self.network.position:
            return self.network.position[key]
        found = self.by_text.get(str(key), set())
        if len(found) == 1:
            return next(iter(found))
        title = self.network.title
        if found:
            names = ", ".join(repr(self.network.names[v]) for v in sorted(found))
            raise DataError(
                f"{key!r} may mean several variables of {title!r}: {names}. Give the name as it "
                "was declared."
            )
        raise DataError(
            f"{title!r} has no variable {key!r}.{_nearest(str(key), list(self.by_text))}"
        )


def _subscripted(name: Hashable) -> list[str]:
    """("A", 0) as A[0], whether or not another variable has that label."""
    return [f"{name[0]}[{name[1]}]"] if isinstance(name, tuple) and len(name) == 2 else []


def _nearest(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, 3)
    if not near:
        lower = {text.lower(): text for text in known}
        near = [lower[t] for t in difflib.get_close_matches(word.lower(), list(lower), 3)]
    if near:
        return f" Did you mean {' or '.join(map(repr, near))}?"
    shown = ", ".join(map(str, known[:12]))
    return f" Its variables: {shown}{', ...' if len(known) > 12 else ''}."


def _likelihood(network: Network, v: int, value: Any) -> np.ndarray | None:
    """Soft evidence as an array, or None for what is to be a state."""
    name, states = network.names[v], network.states[v]
    if _is_state(value, states):
        return None
    if isinstance(value, Mapping):
        given: dict[int, Any] = {}
        for state, weight in value.items():
            given[_state(network, v, state)] = weight
        if len(given) < len(states) or len(given) < len(value):
            lacking = [str(s) for k, s in enumerate(states) if k not in given]
            raise DataError(
                f"Soft evidence on {name!r} must give one likelihood for each state; "
                f"{', '.join(lacking) or 'some state'} has none or two."
            )
        value = [given[k] for k in range(len(states))]
    elif not isinstance(value, (list, tuple)) and np.ndim(_plain(value)) == 0:
        return None
    try:
        likelihood = np.asarray(_plain(value), dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(
            f"Soft evidence on {name!r} must be numbers, one for each of the states "
            f"{_listed(states)}; got {value!r}."
        ) from None
    if likelihood.shape != (len(states),):
        raise DataError(
            f"Soft evidence on {name!r} has shape {likelihood.shape}; it needs one likelihood for "
            f"each of the {len(states)} states {_listed(states)}."
        )
    if not (np.isfinite(likelihood) & (likelihood >= 0)).all() or not likelihood.any():
        raise DataError(
            f"Soft evidence on {name!r} must be finite, not negative and not all zero; "
            f"got {likelihood.tolist()}."
        )
    return likelihood


def _plain(value: Any) -> Any:
    """Tensors as arrays."""
    return value.detach().cpu().numpy() if hasattr(value, "detach") else value


def _is_state(value: Any, states: Sequence[Hashable]) -> bool:
    try:
        return value in set(states)
    except TypeError:
        return False


def _state(network: Network, v: int, value: Any) -> int:
    """The position of a state, by its name or else by its text."""
    states = network.states[v]
    value = _plain(value)
    if isinstance(value, (np.ndarray, np.generic)) and value.ndim == 0:
        value = value.item()
    if _is_state(value, states):
        return states.index(value)
    texts = _texts(value)
    found = [k for k, state in enumerate(states) if texts & _texts(state)]
    if len(found) == 1:
        return found[0]
    name = network.names[v]
    if found:
        several = ", ".join(repr(states[k]) for k in found)
        raise DataError(f"{value!r} may mean several states of {name!r}: {several}.")
    near = difflib.get_close_matches(str(value).lower(), [str(s).lower() for s in states], 1)
    hint = next((f" Did you mean {str(s)!r}?" for s in states if str(s).lower() in near), "")
    raise DataError(f"{name!r} has no state {value!r}; its states are {_listed(states)}.{hint}")


def _texts(value: Any) -> set[str]:
    """How a value may be written: as it prints; 2.0 as 2 too; truth values in any case."""
    texts = {str(value)}
    if isinstance(value, float) and value.is_integer():
        texts.add(str(int(value)))
    if isinstance(value, bool):
        texts.add(str(value).lower())
    return texts


def _listed(states: Sequence[Hashable]) -> str:
    shown = ", ".join(map(str, states[:20]))
    return f"{shown}, ... ({len(states)} in all)" if len(states) > 20 else shown
