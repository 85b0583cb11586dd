"""Learning networks from data: the method chosen where none is named, and its marginals.

Wires the learners of `probgen.learn`, which know no engine, to the engines that compute what
they need.
"""

from __future__ import annotations

from typing import Any

from probgen.declare.networks.kinds import is_continuous
from probgen.errors import ModelError
from probgen.inference.arguments import check_method, seed_of
from probgen.inference.graphical.oracle import marginal_oracle
from probgen.learn.columns import read_table
from probgen.learn.fit import Fit, Learner, fit_network
from probgen.learn.networks.em import EM
from probgen.learn.networks.gradient_mle import GradientMLE
from probgen.learn.networks.maximum_likelihood import MaximumLikelihood
from probgen.learn.networks.read_skeleton import read_skeleton
from probgen.learn.networks.structure_search import HillClimb
from probgen.progress import ProgressDisplay

__all__ = ["fit"]


def fit(
    model: Any,
    method: Learner | None = None,
    *,
    data: Any,
    seed: int | None = None,
    progress: bool = True,
) -> Fit:
    """Learn the parameters or the structure of a discrete network from data.

    Parameters
    ----------
    model
        What is known of the network: a pgmpy model (its tables, if any, are starting values), a
        `Network`, a networkx graph or a list of edges; None or a list of variables when the
        structure is to be learned.
    method
        A learner: `MaximumLikelihood()`, `BayesianEstimate()`, `EM()` for Bayesian networks,
        `GradientMLE()`, `PseudoLikelihood()` for Markov networks, `HillClimb()`,
        `StructureMCMC()` for structures. When left out: maximum likelihood, with EM where values
        are missing or variables latent; hill climbing where there is no structure.
    data
        A table: DataFrame, mapping of columns, list of mappings, xarray Dataset. State names, or
        numbers of states; missing values are None or NaN.
    seed
        Any integer; drawn at random, and noted in the result, when left out.
    progress
        Whether to show progress (on standard error, after half a second).

    Returns
    -------
    Fit: `.network` (for `infer`), `.tree` (history or posterior draws as a DataTree),
    `.summary`, `.to_pgmpy()`, `.save(path)`.

    Raises
    ------
    DataError, ModelError, OptionError, TooLargeError
        Naming the column, variable or option at fault.
    """
    seed = seed_of(seed)
    if is_continuous(model):
        raise ModelError(
            f"fit learns discrete networks; this is a {type(model).__name__}: fit it with pgmpy, "
            "model.fit(data)."
        )
    method = _default(model, data) if method is None else method
    check_method(method, "learn")
    engine = getattr(method, "engine", None)
    oracle = marginal_oracle(engine) if method.needs_oracle and engine else None
    with ProgressDisplay(method.name, progress) as display:
        return fit_network(model, method, data, oracle=oracle, seed=seed, progress=display.step)


def _default(model: Any, data: Any) -> Learner:
    if model is None or (isinstance(model, list) and not any(map(_is_edge, model))):
        return HillClimb()
    skeleton = read_skeleton(model)
    if not skeleton.directed:
        return GradientMLE()
    hidden = {skeleton.names[v] for v in skeleton.latents}
    table = read_table(data, skeleton.names, skeleton.known_states, hidden)
    return EM() if (table.codes < 0).any() else MaximumLikelihood()


def _is_edge(entry: Any) -> bool:
    return isinstance(entry, (tuple, list))
