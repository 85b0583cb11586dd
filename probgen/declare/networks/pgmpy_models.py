"""Reading discrete models of pgmpy (1.0 and 1.1) into a `Network`.

pgmpy's own accessors fail on falsy names (0, "", ()), so its lists of tables are walked here;
the class is told by its name, and pgmpy is not imported. Tables become float64 whatever
backend made them; the backend is not touched.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

from probgen.declare.network import Network
from probgen.declare.networks.acyclic import check_acyclic
from probgen.declare.networks.dynamic import unroll_chain, unroll_dynamic
from probgen.declare.networks.kinds import is_continuous
from probgen.declare.networks.named_tables import agreed_states, assemble
from probgen.declare.networks.pgmpy_tables import one_for_each, read_table
from probgen.errors import ModelError, OptionError

__all__ = ["read_network"]

_MOST_SLICES = 100_000


def read_network(model: Any, *, slices: int | None = None) -> Network:
    """The network that a discrete pgmpy model declares; a `Network` passes through.

    - Bayesian networks (`DiscreteBayesianNetwork`, `NaiveBayes`): one factor for each CPD.
    - `DiscreteMarkovNetwork`, `FactorGraph`: its factors.
    - `ClusterGraph`, `JunctionTree`: the product of the factors put on its cliques. Beliefs of a
      calibrated tree count the separators twice; pgmpy keeps those apart, in the inference
      object.
    - `DynamicBayesianNetwork`, `MarkovChain`: unrolled over `slices` time slices (2 by default),
      with variables (name, slice); see `probgen.declare.networks.dynamic`.

    Names may be any hashable value. State names are matched by name between tables: the order of
    a variable's own CPD holds, in Markov networks that of the first factor that names states.

    Raises `ModelError` naming the variable and the cure (missing or repeated CPDs, CPDs that do
    not fit the edges, differing states, cycles, tables that are no probabilities), and
    `OptionError` for `slices` where there is no time.
    """
    if isinstance(model, Network):
        _no_slices(model, slices)
        return model
    kinds = [cls.__name__ for cls in type(model).__mro__]
    if "DynamicBayesianNetwork" in kinds:
        return unroll_dynamic(model, _checked_slices(slices))
    if "MarkovChain" in kinds:
        return unroll_chain(model, _checked_slices(slices))
    _no_slices(model, slices)
    if is_continuous(model):
        raise ModelError(
            f"A {type(model).__name__} has no discrete tables; read it with "
            "probgen.declare.networks.continuous."
        )
    if isinstance(getattr(model, "cpds", None), list):
        return _read_bayesian(model)
    if isinstance(getattr(model, "factors", None), list):
        return _read_markov(model, clusters="ClusterGraph" in kinds)
    raise ModelError(
        f"{type(model).__name__} holds no tables: fit its parameters first, or give a "
        "DiscreteBayesianNetwork with CPDs or a Markov network with factors."
    )


def _read_bayesian(model: Any) -> Network:
    edges = {name: list(model.predecessors(name)) for name in model.nodes}
    check_acyclic(edges)
    tables = one_for_each((read_table(cpd, conditional=True) for cpd in model.cpds), edges)
    states = agreed_states(list(edges), tables)
    return assemble(_title(model), states, tables, _latents(model))


def _read_markov(model: Any, *, clusters: bool) -> Network:
    nodes: Iterable[Hashable] = model.nodes
    if clusters:
        nodes = (name for clique in model.nodes for name in clique)
    # The nodes of a FactorGraph are variables and factors.
    variables = list(dict.fromkeys(node for node in nodes if not hasattr(node, "cardinality")))
    tables = [read_table(factor) for factor in model.factors]
    known = set(variables)
    for table in tables:
        for name in table.scope:
            if name not in known:
                raise ModelError(
                    f"There is a factor over {table.scope}, but {name!r} is no variable of the "
                    "model: add the node or correct the factor."
                )
    states = agreed_states(variables, tables)
    return assemble(_title(model), states, tables, _latents(model))


def _title(model: Any) -> str:
    name = getattr(model, "name", None)
    return str(name) if name else type(model).__name__


def _latents(model: Any) -> list[Hashable]:
    return list(getattr(model, "latents", None) or ())


def _no_slices(model: Any, slices: int | None) -> None:
    if slices is not None:
        raise OptionError(
            f"slices={slices} is for DynamicBayesianNetwork and MarkovChain; "
            f"{type(model).__name__} has no time slices."
        )


def _checked_slices(slices: int | None) -> int:
    if slices is None:
        return 2
    if isinstance(slices, bool) or not isinstance(slices, int) or slices < 1:
        raise OptionError(f"slices must be a whole number of at least 1, not {slices!r}.")
    if slices > _MOST_SLICES:
        raise OptionError(
            f"{slices} time slices are asked for; the most that are unrolled is {_MOST_SLICES}."
        )
    return slices
