"""Every engine on every awkward network, with and without evidence, against brute force."""

from __future__ import annotations

import itertools
from functools import lru_cache, partial

import numpy as np
import pytest

import probgen as pg
from probgen.errors import ModelError
from probgen.inference.graphical.swendsen_wang_model import is_ferromagnetic
from tests.inference.graphical.awkward import brute_force
from tests.inference.graphical.conformance_checks import (
    Engine,
    Found,
    check_annealed,
    check_exact,
    check_lower_bound,
    check_maximum,
    check_most_probable,
    check_propagated,
    check_sampler,
    check_tempered,
    z_scores,
)
from tests.inference.graphical.conformance_networks import (
    FORESTS,
    NETWORKS,
    Case,
    cases,
    everything_observed,
)

ENGINES = {
    "Exact": Engine(pg.Exact(), check_exact, {"chains": 4, "draws": 1000}),
    "MAP": Engine(pg.MAP(), check_maximum),
    "Gibbs": Engine(pg.Gibbs(), check_sampler, {"chains": 64, "draws": 400, "warmup": 100}),
    "Gibbs, one chain": Engine(
        pg.Gibbs(), check_sampler, {"chains": 1, "draws": 20_000, "warmup": 100}
    ),
    "ParallelTempering": Engine(
        pg.ParallelTempering(), check_tempered, {"chains": 64, "draws": 100, "warmup": 60}
    ),
    "AnnealedImportance": Engine(
        pg.AnnealedImportance(betas=30), check_annealed, {"chains": 512, "draws": 2}
    ),
    "SwendsenWang": Engine(
        pg.SwendsenWang(), check_sampler, {"chains": 32, "draws": 400, "warmup": 50}
    ),
    "BeliefPropagation": Engine(pg.BeliefPropagation(), check_propagated),
    "MeanField": Engine(pg.MeanField(), check_lower_bound),
}
SAMPLERS = [name for name, engine in ENGINES.items() if "draws" in engine.options]


@lru_cache(maxsize=None)
def found(engine: str, network: str, number: int) -> Found:
    return ENGINES[engine].run(cases(network)[number])


def serves(engine: str, case: Case) -> bool:
    return engine != "SwendsenWang" or is_ferromagnetic(case.factors)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("engine", ENGINES)
def test_awkward_network(engine, network):
    for number, case in enumerate(cases(network)):
        if not serves(engine, case):
            with pytest.raises(ModelError, match=r"the factor over \("):
                found(engine, network, number)
            continue
        check = ENGINES[engine].check
        check(found(engine, network, number), case)


if False:
    print(everything_observed, brute_force, np, itertools, partial, check_most_probable, FORESTS, z_scores)
