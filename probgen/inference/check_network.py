"""The dry run of a network: can it be read, does the evidence fit, which engine would serve."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from probgen.declare.checks.problem import Problem
from probgen.declare.checks.report import CheckReport
from probgen.declare.network import Network
from probgen.declare.networks.kinds import slices_of
from probgen.declare.networks.pgmpy_models import read_network
from probgen.errors import DataError, EvidenceError, InitialisationError, ModelError, OptionError
from probgen.inference.graphical.blocks.start import starting_states
from probgen.inference.graphical.choose import choose_engine
from probgen.inference.graphical.elimination.tree import calibrate
from probgen.inference.infer_network import put_in_evidence

__all__ = ["check_network"]


def check_network(model: Any, data: Mapping[Any, Any] | None) -> CheckReport:
    """Read a network, put its evidence in and choose an engine; faults are listed, not raised."""
    data = {} if data is None else data
    try:
        network = read_network(model, slices=slices_of(model, data))
    except (ModelError, OptionError) as raised:
        return CheckReport(type(model).__name__, [Problem("error", None, str(raised), "")])
    report = CheckReport(network.title, remarks=[_sizes(network)])
    try:
        factors = put_in_evidence(network, data)
    except DataError as raised:
        report.problems.append(Problem("error", None, str(raised), "", "data"))
        return report
    method, reason = choose_engine(factors)
    try:
        if method.name == "Exact":
            calibrate(factors)
        else:
            starting_states(factors, 1, 0)
    except (EvidenceError, InitialisationError) as raised:
        report.problems.append(Problem("error", None, str(raised), "", "data"))
    report.remarks.append(f"Without a method, infer takes {method.name}: {reason}.")
    return report


def _sizes(network: Network) -> str:
    largest = max((factor.log_table.size for factor in network.factors), default=0)
    return (
        f"A {network.kind.capitalize()} network of {len(network.names)} variables with up to "
        f"{int(network.cards.max(initial=0))} states, {len(network.factors)} factors of up to "
        f"{largest} entries."
    )
