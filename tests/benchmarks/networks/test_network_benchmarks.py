"""The benchmarks of the graph engines run, without their peers, and measure what they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from probgen.inference.graphical.elimination.tree import calibrate
from tests.benchmarks.networks import accuracy, exact, gibbs, growth, own_exact, own_gibbs
from tests.benchmarks.networks.worker import measured
from tests.benchmarks.networks.workloads import load


@pytest.mark.parametrize("name", ["ising32", "random200", "alarm", "pigs"])
def test_workloads_are_possible(name):
    factors = load(name)
    assert len(factors.free) > 20
    assert all(np.isfinite(table).any() for table in factors.log_tables)
    if name == "alarm":  # the observed leaves were drawn together
        assert np.isfinite(calibrate(factors).log_z)


def test_rates_count_every_variable_and_chain():
    few = own_gibbs.measure("alarm", 8, 0.02)
    many = own_gibbs.measure("alarm", 256, 0.02)
    assert 0 < few["rate"] < many["rate"]


def test_exact_times(tmp_path):
    path = exact.unpacked("asia", tmp_path)
    assert Path(path).suffix == ".bif"
    result = own_exact.measure(path, 2)
    assert result["seconds"] > 0
    assert result["log_z"] == pytest.approx(0, abs=1e-9)


def test_a_worker_reports_what_it_cannot_do():
    assert measured("own_gibbs", "measure", "nonsense", 1, 0.1, core=0, timeout=60)["failed"]


def test_rows_of_the_table():
    results = {"probgen": {"rate": 2e9, "setup": 0.5}, "JAGS": {"rate": 1e6, "setup": 1.0}}
    assert gibbs._cells(results, ["probgen", "JAGS"]) == ["2e+03", "1", "2e+03x JAGS", "0.50"]
    results["JAGS"] = {"failed": "absent"}
    assert gibbs._cells(results, ["probgen", "JAGS"]) == ["2e+03", "-", "-", "0.50"]


def test_hellinger_is_zero_for_the_truth():
    factors = load("alarm")
    marginals = calibrate(factors).marginals()
    truth = [np.zeros(0)] * len(factors.network.names)
    for v, place in enumerate(factors.free):
        truth[place] = marginals.of(v)
    assert accuracy.hellinger(marginals.probabilities, factors, truth) < 1e-7
    shifted = np.roll(marginals.probabilities, 1)
    assert accuracy.hellinger(shifted, factors, truth) > 0.05


def test_costs_of_growth(tmp_path):
    cost, build = growth.update_cost(growth.strip(3, 4), 4)
    assert cost > 0
    assert build >= 0
    seconds, entries = growth.exact_cost(growth.strip(3, 4))
    assert seconds > 0
    assert entries > 0
    rows = [(1, 2.0, 0.1), (2, 3.0, 0.2)]
    growth.draw(rows, rows, rows, [(4, 0.1, 1e3), (6, 0.2, 1e4)], tmp_path / "growth.png")
    assert (tmp_path / "growth.png").stat().st_size > 10_000
