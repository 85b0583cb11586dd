"""JAGS (the program `jags`): a Bayesian network as `dcat` nodes, run as a script."""

from __future__ import annotations

import resource
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from probgen.declare.network import Network

from .workloads import load


def measure(workload: str, chains: int, seconds: float) -> dict[str, float]:
    """Variable updates per CPU second of `update`, start-up taken off, and the start-up."""
    if shutil.which("jags") is None:
        raise NotImplementedError("the program jags is not installed")
    factors = load(workload)
    if factors.network.kind != "bayesian":
        raise NotImplementedError("JAGS has directed models only")
    updates = len(factors.free) * chains
    few = _run(factors.network, factors.evidence, chains, 10)
    trial = _run(factors.network, factors.evidence, chains, 200)
    sweeps = int(max(200, 200 * seconds / max(trial - few, 1e-2)))
    many = _run(factors.network, factors.evidence, chains, sweeps)
    return {"rate": updates * (sweeps - 10) / (many - few), "setup": few}


def _run(network: Network, evidence: dict[int, int], chains: int, sweeps: int) -> float:
    """CPU seconds of one JAGS process."""
    with tempfile.TemporaryDirectory() as folder:
        model, data = _texts(network, evidence)
        Path(folder, "model.bug").write_text(model)
        Path(folder, "data.R").write_text(data)
        Path(folder, "script.cmd").write_text(
            f"model in model.bug\ndata in data.R\ncompile, nchains({chains})\ninitialize\n"
            f"update {sweeps}\nexit\n"
        )
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            ["jags", "script.cmd"], cwd=folder, capture_output=True, text=True, check=False
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if "rror" in done.stdout + done.stderr:
        raise RuntimeError((done.stdout + done.stderr).strip()[-200:])
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _texts(network: Network, evidence: dict[int, int]) -> tuple[str, str]:
    lines, data = ["model {"], []
    for k, factor in enumerate(network.factors):
        given = [v for v in factor.scope if v != factor.child]
        order = [factor.scope.index(v) for v in (*given, factor.child)]
        table = np.exp(factor.log_table.transpose(order))
        values = ",".join(repr(float(x)) for x in table.ravel(order="F"))
        shape = ",".join(map(str, table.shape))
        index = ",".join([*(f"x{v}" for v in given), ""])
        if given:
            data.append(f'"t{k}" <- structure(c({values}), .Dim=c({shape}))')
            lines.append(f"  x{factor.child} ~ dcat(t{k}[{index}])")
        else:
            data.append(f'"t{k}" <- c({values})')
            lines.append(f"  x{factor.child} ~ dcat(t{k})")
    data += [f'"x{v}" <- {state + 1}' for v, state in evidence.items()]
    return "\n".join([*lines, "}"]) + "\n", "\n".join(data) + "\n"
