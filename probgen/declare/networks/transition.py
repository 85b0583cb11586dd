"""A Markov chain as a declaration: a transition matrix with the names of its states.

Made from a matrix (dense or scipy sparse), from a pandas DataFrame whose index and columns name
the states, or from a pgmpy MarkovChain.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, reduce
from typing import Any

import numpy as np
from scipy import sparse

from probgen.declare.networks.named_tables import ROUNDING
from probgen.errors import DataError, ModelError, TooLargeError

__all__ = ["TransitionModel", "read_transition"]

_LARGEST_PRODUCT = 4096  # states of the joint chain of several variables


@dataclass(frozen=True, eq=False)
class TransitionModel:
    """A homogeneous Markov chain on finitely many states.

    Attributes
    ----------
    matrix: (k, k), probability of going from the row's state to the column's; an array, a scipy
        sparse matrix, or a DataFrame. Rows may miss one by 0.01 (few printed digits) and are
        scaled to sum to one.
    states: names of the k states; those of the DataFrame, or 0, 1, ..., if not given.
    initial: law of the first state: k probabilities, a mapping from states to probabilities, or
        None if it is not declared.
    title: what the chain is called in messages and results.

    Raises `ModelError` that names the state at fault.

    Example:
        >>> weather = TransitionModel([[0.9, 0.1], [0.5, 0.5]], ("dry", "wet"))
        >>> weather
        TransitionModel('Markov chain': 2 states)
        >>> weather.row("wet")
        {'dry': 0.5, 'wet': 0.5}

    """

    matrix: Any
    states: tuple[Hashable, ...] | None = None
    initial: Any = None
    title: str = field(default="Markov chain")

    def __post_init__(self) -> None:
        """Bring matrix, names and initial law into their plain form, and check them."""
        matrix, states = _plain(self.matrix, self.states)
        _check_shape(matrix, states)
        object.__setattr__(self, "states", states)
        object.__setattr__(self, "matrix", _checked_rows(matrix, states))
        if self.initial is not None:
            object.__setattr__(self, "initial", _checked_law(self.initial, states, self.title))

    @property
    def size(self) -> int:
        """Number of states."""
        return int(self.matrix.shape[0])

    @property
    def names(self) -> tuple[Hashable, ...]:
        """Names of the states, in order."""
        return self.states or ()

    @cached_property
    def position(self) -> dict[Hashable, int]:
        """Position of each state."""
        return {state: k for k, state in enumerate(self.names)}

    @cached_property
    def dense(self) -> np.ndarray:
        """The matrix as an array."""
        return self.matrix.toarray() if sparse.issparse(self.matrix) else self.matrix

    @cached_property
    def csr(self) -> sparse.csr_array:
        """The matrix in compressed rows, without explicit zeros."""
        compressed = sparse.csr_array(self.matrix)
        compressed.eliminate_zeros()
        compressed.sort_indices()
        return compressed

    def index(self, state: Hashable) -> int:
        """Position of a state; raises `DataError` with the known ones."""
        if state not in self.position:
            shown = ", ".join(map(repr, self.names[:20])) + (" ..." if self.size > 20 else "")
            raise DataError(f"{self.title} has no state {state!r}; its states are {shown}.")
        return self.position[state]

    def row(self, state: Hashable) -> dict[Hashable, float]:
        """Where the chain goes from a state: probabilities of the states it can reach."""
        k = self.index(state)
        begin, end = self.csr.indptr[k : k + 2]
        pairs = zip(self.csr.indices[begin:end], self.csr.data[begin:end], strict=True)
        return {self.names[to]: float(probability) for to, probability in pairs}

    def __repr__(self) -> str:
        return f"TransitionModel({self.title!r}: {self.size} states)"


def read_transition(model: Any, variable: Hashable | None = None) -> TransitionModel:
    """The transition model of a pgmpy MarkovChain.

    Its variables move independently of each other. `variable` picks one; without it, a chain of
    several variables becomes one chain over tuples of their states (at most 4096). A start state
    of the pgmpy model becomes the initial law. Raises `ModelError` for a variable that is unknown
    or has no transition model, `TooLargeError` for too many joint states.
    """
    variables = list(model.variables)
    if variable is not None and variable not in variables:
        raise ModelError(f"The chain has no variable {variable!r}; it has {variables}.")
    chosen = variables if variable is None else [variable]
    if not chosen:
        raise ModelError("The MarkovChain has no variables: add one with add_variable.")
    cards = [int(model.cardinalities[name]) for name in chosen]
    if len(chosen) > 1 and math.prod(cards) > _LARGEST_PRODUCT:
        raise TooLargeError(
            f"The variables {chosen} have {math.prod(cards)} joint states: read one at a time "
            "with variable=..., they move independently."
        )
    matrices = [_matrix_of(model, *pair) for pair in zip(chosen, cards, strict=True)]
    start: dict[Hashable, Hashable] = dict(model.state or ())
    states: tuple[Hashable, ...] = tuple(range(cards[0]))
    first: Hashable = start.get(chosen[0])
    if len(chosen) > 1:
        states = tuple(itertools.product(*map(range, cards)))
        first = tuple(start[name] for name in chosen) if start else None
    return TransitionModel(
        reduce(np.kron, matrices),
        states,
        None if first is None else {first: 1.0},
        " and ".join(map(str, chosen)),
    )


def _matrix_of(model: Any, variable: Hashable, card: int) -> np.ndarray:
    table: Mapping[int, Mapping[int, float]] = model.transition_models.get(variable) or {}
    if not table:
        raise ModelError(
            f"The variable {variable!r} has no transition model: call add_transition_model."
        )
    matrix = np.zeros((card, card))
    for state, targets in table.items():
        for target, probability in targets.items():
            if not (0 <= state < card and 0 <= target < card):
                raise ModelError(
                    f"The transition model of {variable!r} goes from {state} to {target}, but "
                    f"its states are 0 to {card - 1}."
                )
            matrix[state, target] = probability
    return matrix


def _plain(matrix: Any, states: Sequence[Hashable] | None) -> tuple[Any, tuple[Hashable, ...]]:
    """Matrix as float64 array or CSR, states as a tuple; a DataFrame names its own."""
    if hasattr(matrix, "columns") and hasattr(matrix, "to_numpy"):
        rows, columns = tuple(matrix.index), tuple(matrix.columns)
        if set(rows) != set(columns) or len(rows) != len(columns):
            raise ModelError(
                f"Rows and columns of a transition DataFrame name the same states: rows {rows}, "
                f"columns {columns}."
            )
        states = rows if states is None else states
        if set(states) != set(rows):
            raise ModelError(f"states={tuple(states)} are not those of the DataFrame, {rows}.")
        matrix = matrix.loc[list(states), list(states)].to_numpy(dtype=np.float64)
    elif sparse.issparse(matrix):
        matrix = sparse.csr_array(matrix, dtype=np.float64)
    else:
        matrix = np.array(matrix, dtype=np.float64)
    return matrix, tuple(range(matrix.shape[0]) if states is None else states)


def _check_shape(matrix: Any, states: tuple[Hashable, ...]) -> None:
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.shape[0]:
        raise ModelError(f"A transition matrix is square; this one has shape {matrix.shape}.")
    if len(states) != matrix.shape[0]:
        raise ModelError(f"{len(states)} states are named; the matrix has {matrix.shape[0]} rows.")
    if len(set(states)) != len(states):
        twice = next(state for state in states if states.count(state) > 1)
        raise ModelError(f"The state {twice!r} is named twice.")


def _checked_rows(matrix: Any, states: tuple[Hashable, ...]) -> Any:
    compressed = matrix if sparse.issparse(matrix) else None
    values = matrix.data if compressed is not None else matrix
    sums = np.asarray(matrix.sum(axis=1)).ravel()
    if not np.isfinite(sums).all():
        raise ModelError(f"The row of {states[int(np.argmin(np.isfinite(sums)))]!r} holds NaN.")
    if (values < 0).any():
        row = int(np.argmin(np.asarray(matrix.min(axis=1).todense() if compressed is not None
                                       else matrix.min(axis=1)).ravel()))  # fmt: skip
        raise ModelError(f"The row of {states[row]!r} holds a negative probability.")
    worst = int(np.argmax(np.abs(sums - 1)))
    if abs(sums[worst] - 1) > ROUNDING:
        raise ModelError(
            f"The row of {states[worst]!r} sums to {sums[worst]:.6g}: the probabilities of going "
            "from a state sum to one over the columns (is the matrix transposed?)."
        )
    if compressed is None:
        return matrix / sums[:, None]
    return sparse.csr_array(sparse.diags_array(1 / sums) @ compressed)


def _checked_law(initial: Any, states: tuple[Hashable, ...], title: str) -> np.ndarray:
    if isinstance(initial, Mapping):
        unknown = [state for state in initial if state not in set(states)]
        if unknown:
            raise ModelError(f"initial names {unknown[0]!r}, which is no state of {title}.")
        initial = [initial.get(state, 0.0) for state in states]
    law = np.array(initial, dtype=np.float64)
    if law.shape != (len(states),):
        raise ModelError(f"initial has shape {law.shape}; {title} has {len(states)} states.")
    if not np.isfinite(law).all() or (law < 0).any() or abs(law.sum() - 1) > ROUNDING:
        raise ModelError(
            f"initial is no probability law of {title}: it sums to {law.sum():.6g}, its least "
            f"entry is {law.min():.6g}."
        )
    return law / law.sum()
