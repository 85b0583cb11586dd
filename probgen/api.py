"""The public calls: a declared model and data in, a diagnosed DataTree out.

`infer` and `resume` are of the inference layer; what is told of a model without sampling it
(`check`, `describe`, `graph`, `draw`) is here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from probgen.declare.network import Network
from probgen.declare.networks.kinds import is_continuous
from probgen.declare.networks.recognise import is_network
from probgen.errors import DataError, ModelError
from probgen.inference.boltzmann.recognise import is_machine
from probgen.inference.infer import infer, resume
from probgen.inference.prepare import read_model

if TYPE_CHECKING:
    import networkx as nx

    from probgen.declare.check import CheckReport
    from probgen.declare.program import Program

__all__ = ["check", "describe", "draw", "graph", "infer", "resume"]


def check(model: Any, data: Mapping[Any, Any] | None = None, *, seed: int = 0) -> CheckReport:
    """Dry run of a program or a network with its data: what is wrong, where, and the cure.

    `data` are the keyword arguments of the program or the evidence of the network; `seed`
    chooses the prior draws at which a program is evaluated. Faults of the model or the data
    never raise here: the report lists them, each with its severity ("error" or "warning"), site,
    message and cure, and `raise_if_failed` raises them. For networks the report also says which
    engine `infer` would choose, and why; for Boltzmann machines, NaN in `data` is missing.
    """
    if is_machine(model):
        from probgen.declare.checks.machine import check_machine

        return check_machine(model, data)
    if is_network(model) and not is_continuous(model):
        from probgen.inference.check_network import check_network

        return check_network(model, data)
    from probgen.declare.check import check as check_program
    from probgen.declare.logdensity import LogDensity

    if is_network(model):
        try:
            model, data = read_model(model, data)
        except (ModelError, DataError) as raised:
            from probgen.declare.checks.problem import Problem
            from probgen.declare.checks.report import CheckReport

            return CheckReport(type(model).__name__, [Problem("error", None, str(raised), "")])
    if isinstance(model, LogDensity) and model.gradient != "torch":
        from probgen.inference.check_callable import check_callable

        return check_callable(model, data, seed=seed)
    return check_program(model, data, seed=seed)


def describe(model: Any, data: Mapping[Any, Any] | None = None) -> Program | Network:
    """The sites and plates of a Pyro program, from one run with `data`; of a network, its form.

    Raises `ModelError` or `DataError` as `infer` does.
    """
    if is_network(model):
        model, data = read_model(model, data)
    if isinstance(model, Network):
        return model
    from probgen.declare.program import read_program

    return read_program(model, data, scored=False)


def graph(model: Any, data: Mapping[Any, Any] | None = None) -> nx.Graph:
    """What depends on what in a program or a network, as a networkx graph.

    Programs: a directed graph of the sites with kind, plates and distribution as attributes,
    united over several runs and checked numerically. Networks: see
    `probgen.declare.dependencies.graph`.
    """
    from probgen.declare.dependencies.graph import graph_of

    return graph_of(model, data)


def draw(model: Any, path: Any = None, *, data: Mapping[Any, Any] | None = None) -> Any:
    """Draw the graph of a program or network (or a graph from `graph`); returns the figure.

    With `path` the figure is also written there; the ending chooses the format.
    """
    from probgen.declare.drawing.draw import draw as draw_graph

    return draw_graph(model, path, data=data)
