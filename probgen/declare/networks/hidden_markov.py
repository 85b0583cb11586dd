"""Hidden Markov models with discrete states, as networks for the exact engine.

A chain of states z[0], z[1], ... is seen through symbols x[t], or through a table of log
likelihoods of any observations. On these networks exact inference is the forward-backward
algorithm and the most probable explanation is Viterbi's (Rabiner 1989).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from probgen.declare.network import Factor, Network
from probgen.declare.networks.named_tables import ROUNDING
from probgen.declare.networks.transition import TransitionModel
from probgen.errors import DataError, ModelError

__all__ = ["HiddenMarkov", "latent_chain"]


@dataclass(frozen=True, eq=False)
class HiddenMarkov:
    """A hidden Markov model: a transition model, and what its states emit.

    Attributes
    ----------
    transition: the chain of the k hidden states; its `initial` law must be given.
    emission: (k, m), probability of each symbol in each state; rows sum to one. A DataFrame
        names the symbols by its columns.
    symbols: names of the m symbols; 0, 1, ..., if not given.

    Raises `ModelError` that names the state at fault.

    Example:
        >>> weather = TransitionModel([[0.9, 0.1], [0.5, 0.5]], ("dry", "wet"), [0.8, 0.2])
        >>> hmm = HiddenMarkov(weather, [[0.7, 0.3], [0.1, 0.9]], ("walk", "shop"))
        >>> hmm.network(3)
        Network('hidden Markov chain': bayesian, 6 variables, 6 factors)
        >>> hmm.evidence(["walk", None, "shop"])
        {('x', 0): 'walk', ('x', 2): 'shop'}

    """

    transition: TransitionModel
    emission: Any
    symbols: tuple[Hashable, ...] | None = None

    def __post_init__(self) -> None:
        """Bring the emission table into its plain form, and check it."""
        emission, symbols = self.emission, self.symbols
        if hasattr(emission, "columns") and hasattr(emission, "to_numpy"):
            symbols = tuple(emission.columns) if symbols is None else symbols
            emission = emission.loc[list(self.transition.names), list(symbols)].to_numpy()
        table = np.array(emission, dtype=np.float64)
        size = self.transition.size
        if table.ndim != 2 or len(table) != size:
            raise ModelError(
                f"emission has shape {table.shape}; it needs a row for each of {size} states."
            )
        names = tuple(range(table.shape[1])) if symbols is None else tuple(symbols)
        if len(names) != table.shape[1] or len(set(names)) != len(names):
            raise ModelError(
                f"{len(names)} symbols {names} for {table.shape[1]} columns of emission."
            )
        sums = table.sum(axis=1)
        wrong = ~np.isfinite(sums) | (table < 0).any(axis=1) | (np.abs(sums - 1) > ROUNDING)
        if wrong.any():
            row = int(np.argmax(wrong))
            raise ModelError(
                f"The emissions of {self.transition.names[row]!r} are no probabilities: "
                f"{table[row]} sum to {sums[row]:.6g}."
            )
        _initial(self.transition)
        object.__setattr__(self, "emission", table / sums[:, None])
        object.__setattr__(self, "symbols", names)

    @cached_property
    def _log_emission(self) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.emission))

    def network(self, observations: int | Iterable[Any]) -> Network:
        """Variables ("z", t) and ("x", t) for as many times as there are observations.

        `observations` is that number, or the sequence itself (its values are not used here; give
        them as `evidence`).
        """
        length = observations if isinstance(observations, int) else len(list(observations))
        if length < 1:
            raise DataError("A hidden Markov chain needs at least one observation.")
        factors = [*_chain_factors(self.transition, length)]
        factors += [Factor((t, length + t), self._log_emission, length + t) for t in range(length)]
        names = [(kind, t) for kind in "zx" for t in range(length)]
        states = (self.transition.names,) * length + (tuple(self.symbols or ()),) * length
        return Network(tuple(names), states, tuple(factors), "hidden Markov chain")

    def evidence(self, observations: Iterable[Any]) -> dict[tuple[str, int], Hashable]:
        """Observed symbols as evidence for `network`; None and NaN are missing.

        Raises `DataError` for an unknown symbol.
        """
        known = set(self.symbols or ())
        evidence: dict[tuple[str, int], Hashable] = {}
        for t, symbol in enumerate(observations):
            if symbol is None or symbol != symbol:
                continue
            if symbol not in known:
                raise DataError(
                    f"Observation {t} is {symbol!r}; the symbols are "
                    f"{', '.join(map(repr, (self.symbols or ())[:20]))}."
                )
            evidence["x", t] = symbol
        return evidence


def latent_chain(transition: TransitionModel, log_likelihood: Any) -> Network:
    """The chain of hidden states for observations of any kind, already put in.

    `log_likelihood` (T, k) holds log p(observation t | state) in nats, a row of zeros for a
    missing one; -inf for states that exclude the observation. The network's variables are
    ("z", t), its log partition function is the log likelihood of all observations. Raises
    `DataError` for NaN, +inf or a wrong shape.
    """
    table = np.array(log_likelihood, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] != transition.size or not len(table):
        raise DataError(
            f"log_likelihood has shape {table.shape}; it needs a row per observation and a column "
            f"for each of {transition.size} states."
        )
    wrong = np.isnan(table).any(axis=1) | (table == np.inf).any(axis=1)
    if wrong.any():
        raise DataError(f"log_likelihood of observation {int(np.argmax(wrong))} is not a number.")
    factors = [*_chain_factors(transition, len(table))]
    factors += [Factor((t,), row) for t, row in enumerate(table)]
    names = tuple(("z", t) for t in range(len(table)))
    return Network(names, (transition.names,) * len(table), tuple(factors), "latent Markov chain")


def _chain_factors(transition: TransitionModel, length: int) -> list[Factor]:
    with np.errstate(divide="ignore"):
        first, step = np.log(_initial(transition)), np.log(transition.dense)
    return [Factor((0,), first, 0), *(Factor((t - 1, t), step, t) for t in range(1, length))]


def _initial(transition: TransitionModel) -> np.ndarray:
    if transition.initial is None:
        raise ModelError(
            f"{transition.title} has no initial law, and a hidden Markov chain begins with one: "
            "give TransitionModel(..., initial=...), e.g. its stationary law."
        )
    return np.asarray(transition.initial)
