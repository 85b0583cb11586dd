"""JAGS (the program `jags`): a network as `dcat` nodes, run as a script.

JAGS has directed models only: the factors of a Markov network become observed Bernoulli nodes
(the "ones trick" of the BUGS manual), and chains start from a possible state.
"""

from __future__ import annotations

import resource
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from probgen.declare.network import Network
from probgen.inference.graphical.blocks.start import starting_states
from probgen.targets.factors import Factors

from .workloads import load


def measure(workload: str, chains: int, seconds: float) -> dict[str, float]:
    """Variable updates per CPU second of `update`, start-up taken off, and the start-up."""
    if shutil.which("jags") is None:
        raise NotImplementedError("the program jags is not installed")
    factors = load(workload)
    if len(factors.free) > 2000:
        raise NotImplementedError("JAGS takes minutes to set up such a model")
    updates = len(factors.free) * chains
    model, data, start = _texts(factors)
    few = _run(model, data, start, chains, 10)
    trial = _run(model, data, start, chains, 60)
    sweeps = int(max(60, 50 * seconds / max(trial - few, 1e-2)))
    many = _run(model, data, start, chains, sweeps)
    return {"rate": updates * (sweeps - 10) / (many - few), "setup": few}


def _run(model: str, data: str, start: str, chains: int, sweeps: int) -> float:
    """CPU seconds of one JAGS process."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "model.bug").write_text(model)
        Path(folder, "data.R").write_text(data)
        Path(folder, "start.R").write_text(start)
        begin = "parameters in start.R\n" if start else ""
        Path(folder, "script.cmd").write_text(
            f"model in model.bug\ndata in data.R\ncompile, nchains({chains})\n{begin}"
            f"initialize\nupdate {sweeps}\nexit\n"
        )
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            ["jags", "script.cmd"], cwd=folder, capture_output=True, text=True, check=False
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if "rror" in done.stdout + done.stderr:
        raise RuntimeError((done.stdout + done.stderr).strip()[-200:])
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _texts(factors: Factors) -> tuple[str, str, str]:
    """The model, its data, and the start if it needs one."""
    if factors.network.kind == "bayesian":
        return *_directed(factors.network, factors.evidence), ""
    return _undirected(factors)


def _directed(network: Network, evidence: Mapping[int, int]) -> tuple[str, str]:
    lines, data = ["model {"], []
    for k, factor in enumerate(network.factors):
        given = [v for v in factor.scope if v != factor.child]
        order = [factor.scope.index(v) for v in (*given, factor.child)]
        index = ",".join([*(f"x{v}" for v in given), ""])
        data.append(_array(f"t{k}", np.exp(factor.log_table.transpose(order))))
        lines.append(f"  x{factor.child} ~ dcat(t{k}{f'[{index}]' if given else ''})")
    data += [f'"x{v}" <- {state + 1}' for v, state in evidence.items()]
    return "\n".join([*lines, "}"]) + "\n", "\n".join(data) + "\n"


def _undirected(factors: Factors) -> tuple[str, str, str]:
    lines, data = ["model {"], []
    for v, card in enumerate(factors.cards):
        data.append(_array(f"u{v}", np.full(max(card, 2), 1.0 / card)))
        lines.append(f"  x{v} ~ dcat(u{v})")
    for k, (scope, table) in enumerate(zip(factors.scopes, factors.log_tables, strict=True)):
        data.append(_array(f"t{k}", np.exp(table - table.max())))
        data.append(f'"one{k}" <- 1')
        lines.append(f"  one{k} ~ dbern(t{k}[{','.join(f'x{v}' for v in scope)}])")
    first = starting_states(factors, 1, 0)[:, 0]
    start = "\n".join(f'"x{v}" <- {int(state) + 1}' for v, state in enumerate(first))
    return "\n".join([*lines, "}"]) + "\n", "\n".join(data) + "\n", start + "\n"


def _array(name: str, values: np.ndarray) -> str:
    """An R assignment of an array."""
    flat = ",".join(repr(float(x)) for x in values.ravel(order="F"))
    if values.ndim == 1:
        return f'"{name}" <- c({flat})'
    return f'"{name}" <- structure(c({flat}), .Dim=c({",".join(map(str, values.shape))}))'
