"""pyAgrum: its Gibbs sampler, and all marginals by LazyPropagation."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import pyagrum as gum

from probgen.declare.networks.bif_writer import write_bif
from probgen.targets.factors import Factors

from .workloads import load


def measure(workload: str, chains: int, seconds: float) -> dict[str, float]:
    """Variable updates per CPU second of its Gibbs sampler (one chain is all it has)."""
    if chains != 1:
        raise NotImplementedError("one chain only")
    factors = load(workload)
    network, evidence = as_pyagrum(factors)
    started = time.process_time()
    sampler = gum.GibbsSampling(network)
    sampler.setEvidence(evidence)
    sampler.setMaxTime(2 * seconds)
    sampler.setEpsilon(1e-9)
    sampler.setMinEpsilonRate(1e-12)
    sampler.setMaxIter(10_000_000)
    sampler.setBurnIn(100)
    sampler.setNbrDrawnVar(len(factors.free))
    sampler.setDrawnAtRandom(False)
    sampler.setPeriodSize(1000)
    setup = time.process_time() - started
    started = time.process_time()
    sampler.makeInference()
    took = time.process_time() - started
    return {"rate": sampler.nbrIterations() * len(factors.free) / took, "setup": setup}


def all_marginals(network: Any, evidence: dict[str, str]) -> None:
    """Every posterior, from a ready network: by its engine for directed or undirected models."""
    directed = isinstance(network, gum.BayesNet)
    engine = (gum.LazyPropagation if directed else gum.ShaferShenoyMRFInference)(network)
    engine.setEvidence(evidence)
    engine.makeInference()
    for name in network.names():
        engine.posterior(name)


def as_pyagrum(factors: Factors) -> tuple[gum.BayesNet, dict[str, str]]:
    """The network and its evidence, through a BIF file."""
    if factors.network.kind != "bayesian":
        raise NotImplementedError("directed models only")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "network.bif")
        write_bif(factors.network, path)
        network = gum.loadBN(str(path))
    names, states = factors.network.names, factors.network.states
    return network, {str(names[v]): str(states[v][s]) for v, s in factors.evidence.items()}
