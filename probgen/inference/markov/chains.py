"""Long-run behaviour of Markov chains: stationary laws, mixing time, spectral gap.

Definitions as in Levin & Peres, Markov Chains and Mixing Times (2nd ed., 2017). Dense linear
algebra serves up to a few thousand states; stationary laws and gaps of larger chains use the
sparse matrix.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import ArpackNoConvergence, eigs, eigsh, splu

from probgen.declare.networks.transition import TransitionModel
from probgen.errors import OptionError, TooLargeError
from probgen.inference.markov.classes import CommunicatingClass, classes

__all__ = [
    "MixingTime",
    "SpectralGap",
    "StationaryLaw",
    "mixing_time",
    "spectral_gap",
    "stationary",
]

_DENSE = 1500  # states up to which dense algebra is used
_MIXING_BYTES = 4e9
_MOST_DOUBLINGS = 50


@dataclass(frozen=True, eq=False)
class StationaryLaw:
    """A stationary law that cannot be split further: that of one closed class.

    `probabilities` are over all states of the chain, zero outside the class; `states` names
    those of the class. A class of period above 1 has this law, but the chain does not converge
    to it.
    """

    probabilities: np.ndarray
    states: tuple[Hashable, ...]
    period: int


@dataclass(frozen=True)
class MixingTime:
    """`steps` until the chain is within `epsilon` of its stationary law, from the worst start.

    None when it never is; `reason` then says why.
    """

    steps: int | None
    epsilon: float
    reason: str = ""


@dataclass(frozen=True)
class SpectralGap:
    """How fast a chain forgets where it began.

    `absolute` is 1 less the second largest modulus of an eigenvalue, `relaxation_time` (steps)
    its inverse, infinite for a periodic chain or one with several closed classes.
    """

    absolute: float
    relaxation_time: float
    reversible: bool
    definition: str


def stationary(model: TransitionModel) -> tuple[StationaryLaw, ...]:
    """The extreme stationary laws, one per closed communicating class.

    Every stationary law is a mixture of these; a chain has exactly one if one class is closed.
    Small classes by the elimination of Grassmann, Taksar & Heyman (1985), which subtracts
    nothing and so keeps full relative precision; large ones by a sparse factorisation.
    """
    return tuple(_law(model, each) for each in classes(model) if each.closed)


def mixing_time(model: TransitionModel, epsilon: float = 0.25) -> MixingTime:
    """The smallest t with max over starts of the total variation to the stationary law <= epsilon.

    The distance falls with t, so powers by doubling and a bisection find t exactly. Raises
    `OptionError` unless 0 < epsilon < 1, `TooLargeError` when the powers would not fit.
    """
    if not 0 < epsilon < 1:
        raise OptionError(f"mixing_time(epsilon={epsilon!r}): it must be between 0 and 1.")
    laws = stationary(model)
    if len(laws) > 1:
        names = " and ".join(repr(law.states[0]) for law in laws[:2])
        reason = f"{len(laws)} closed classes (those of {names} ...): the start decides the end"
        return MixingTime(None, epsilon, reason)
    if laws[0].period > 1:
        reason = f"the chain is periodic with period {laws[0].period}: it never settles"
        return MixingTime(None, epsilon, reason)
    needed = 8.0 * model.size**2 * 20
    if needed > _MIXING_BYTES:
        raise TooLargeError(
            f"mixing_time of {model.size} states would need about {needed / 1e9:.0f} GB for "
            "powers of the matrix; spectral_gap gives the relaxation time from the sparse one."
        )
    return _by_doubling(model.dense, laws[0].probabilities, epsilon)


def spectral_gap(model: TransitionModel) -> SpectralGap:
    """The absolute spectral gap and the relaxation time.

    For a reversible chain these are the quantities of Levin & Peres (2017, chapter 12), from
    which bounds on the mixing time follow. For others the gap is that of the moduli of complex
    eigenvalues: the exact asymptotic rate of convergence, without those bounds. Raises
    `TooLargeError` for a large chain whose eigenvalues the sparse iteration cannot separate.
    """
    laws = stationary(model)
    law = laws[0].probabilities
    reversible = len(laws) == 1 and bool((law > 0).all()) and _is_reversible(model, law)
    definition = (
        "1 - max |eigenvalue| below the first, reversible chain (Levin & Peres 2017, ch. 12)"
        if reversible
        else "1 - second largest modulus of the eigenvalues of a non-reversible chain: the "
        "asymptotic rate only, without the bounds on mixing that hold for reversible chains"
    )
    if len(laws) > 1 or laws[0].period > 1:
        gap = 0.0  # a second eigenvalue on the unit circle, known without computing it
    elif model.size == 1:
        gap = 1.0
    else:
        gap = max(0.0, 1 - _second_modulus(model, law if reversible else None))
    return SpectralGap(gap, np.inf if gap == 0 else 1 / gap, reversible, definition)


def _law(model: TransitionModel, each: CommunicatingClass) -> StationaryLaw:
    inner = model.csr[each.members][:, each.members]
    size = len(each.members)
    law = _eliminated(inner.toarray()) if size <= _DENSE else _factorised(inner)
    probabilities = np.zeros(model.size)
    probabilities[each.members] = law
    return StationaryLaw(probabilities, each.states, each.period)


def _eliminated(matrix: np.ndarray) -> np.ndarray:
    """Stationary law by state reduction: no subtraction, so no cancellation."""
    size = len(matrix)
    for k in range(size - 1, 0, -1):
        matrix[:k, k] /= matrix[k, :k].sum()
        matrix[:k, :k] += np.outer(matrix[:k, k], matrix[k, :k])
    law = np.ones(size)
    for k in range(1, size):
        law[k] = law[:k] @ matrix[:k, k]
    return law / law.sum()


def _factorised(matrix: sparse.csr_array) -> np.ndarray:
    """Stationary law from a sparse factorisation, with its largest entry held at one.

    Held at a small entry, the others would be lost in rounding; a first solution finds it.
    """
    first = _held_at(matrix, 0)
    law = np.abs(_held_at(matrix, int(np.argmax(np.abs(first)))))
    return np.asarray(law / law.sum())


def _held_at(matrix: sparse.csr_array, state: int) -> np.ndarray:
    size = matrix.shape[0]
    others = np.delete(np.arange(size), state)
    system = (sparse.eye_array(size) - matrix.T).tocsr()[others]
    law = np.ones(size)
    law[others] = splu(system[:, others].tocsc()).solve(-system[:, [state]].toarray().ravel())
    return law


def _by_doubling(matrix: np.ndarray, law: np.ndarray, epsilon: float) -> MixingTime:
    def distance(power: np.ndarray) -> float:
        return float(np.abs(power - law).sum(axis=1).max()) / 2

    if distance(np.eye(len(matrix))) <= epsilon:
        return MixingTime(0, epsilon)
    powers = [matrix]
    while distance(powers[-1]) > epsilon:
        if len(powers) == _MOST_DOUBLINGS:
            reason = f"still farther away than epsilon after 2**{_MOST_DOUBLINGS - 1} steps"
            return MixingTime(None, epsilon, reason)
        squared = powers[-1] @ powers[-1]
        powers.append(squared / squared.sum(axis=1, keepdims=True))
    # The largest t with a greater distance, bit by bit from the top.
    far, steps = np.eye(len(matrix)), 0
    for bit in range(len(powers) - 2, -1, -1):
        further = far @ powers[bit]
        if distance(further) > epsilon:
            far, steps = further, steps + 2**bit
    return MixingTime(steps + 1, epsilon)


def _is_reversible(model: TransitionModel, law: np.ndarray) -> bool:
    flow = sparse.diags_array(law) @ model.csr
    difference = abs(flow - flow.T)
    return bool(difference.max() <= 1e-12 + 1e-9 * flow.max())


def _second_modulus(model: TransitionModel, law: np.ndarray | None) -> float:
    """Second largest modulus of an eigenvalue; with the law of a reversible chain, symmetric."""
    matrix = model.csr
    if law is not None:
        root = np.sqrt(law)
        matrix = sparse.diags_array(root) @ matrix @ sparse.diags_array(1 / root)
        matrix = (matrix + matrix.T) / 2
    if model.size <= _DENSE:
        dense = matrix.toarray()
        values = np.linalg.eigvals(dense) if law is None else np.linalg.eigvalsh(dense)
    elif law is None:
        values = _outermost(matrix)
    else:  # both ends of the spectrum, each by inverse iteration from just outside
        top = eigsh(matrix, k=2, sigma=1 + 1e-6, return_eigenvectors=False)
        bottom = eigsh(matrix, k=1, sigma=-1 - 1e-6, tol=1e-6, return_eigenvectors=False)
        values = np.concatenate([top, bottom])
    return float(np.sort(np.abs(values))[-2])


def _outermost(matrix: sparse.csr_array) -> np.ndarray:
    """The eigenvalues of largest modulus of a large matrix that is not symmetric."""
    try:
        return np.asarray(eigs(matrix, k=3, ncv=60, maxiter=300, return_eigenvectors=False))
    except ArpackNoConvergence as error:
        raise TooLargeError(
            f"The outermost eigenvalues of {matrix.shape[0]} states lie too close together for "
            f"the sparse iteration (up to {_DENSE} states are solved densely): lump states, or "
            "use mixing_time."
        ) from error
