"""Linear-Gaussian and functional networks of pgmpy through `infer`."""

from __future__ import annotations

import numpy as np
import pytest

import probgen as pg
from probgen.declare.networks.gaussian_network import read_gaussian
from probgen.errors import DataError, OptionError
from probgen.inference.graphical.gaussian import condition_gaussian


@pytest.fixture(scope="module")
def chain():
    from pgmpy.factors.continuous import LinearGaussianCPD
    from pgmpy.models import LinearGaussianBayesianNetwork

    network = LinearGaussianBayesianNetwork([("a", "b"), ("b", "c")])
    network.add_cpds(
        LinearGaussianCPD("a", [1.0], 2.0),
        LinearGaussianCPD("b", [-5.0, 0.5], 2.0, ["a"]),
        LinearGaussianCPD("c", [4.0, -1.0], 3.0**0.5, ["b"]),
    )
    return network


def test_exact_by_default(chain):
    tree = pg.infer(chain, data={"c": 10.0}, seed=1)
    truth = condition_gaussian(read_gaussian(chain), {"c": 10.0})
    assert tree.attrs["method"] == "Exact"
    assert "closed form" in tree.attrs["method_reason"]
    assert tree.attrs["log_evidence"] == pytest.approx(truth.log_evidence)
    for name, mean, sd in zip(truth.names, truth.mean, truth.standard_deviations, strict=True):
        values = tree["posterior"][name].values
        assert values.shape == (4, 1000)
        assert values.mean() == pytest.approx(mean, abs=5 * sd / np.sqrt(values.size))
    assert pg.diagnose(tree).trustworthy
    assert float(tree["observed_data"]["c"]) == 10.0


def test_nuts_agrees_with_the_closed_form(chain):
    tree = pg.infer(chain, pg.NUTS(), data={"c": 10.0}, seed=1, progress=False)
    truth = condition_gaussian(read_gaussian(chain), {"c": 10.0})
    assert tree.attrs["method"] == "NUTS"
    for name, mean, sd in zip(truth.names, truth.mean, truth.standard_deviations, strict=True):
        values = tree["posterior"][name].values
        assert values.mean() == pytest.approx(mean, abs=0.15 * sd)
        assert values.std() == pytest.approx(sd, rel=0.1)


def test_exact_refuses_columns(chain):
    with pytest.raises(OptionError, match="'c' is a column"):
        pg.infer(chain, pg.Exact(), data={"c": [1.0, 2.0]})
    rows = pg.infer(chain, data={"c": [1.0, 2.0]}, seed=1, draws=50, warmup=50, progress=False)
    assert rows.attrs["method"] == "NUTS"


def test_discrete_engines_are_refused(chain):
    with pytest.raises(OptionError, match="discrete networks"):
        pg.infer(chain, pg.Gibbs(), data={"c": 1.0})


def test_check_runs_on_continuous_networks(chain):
    assert pg.check(chain, {"c": 1.0}).ok


def test_data_that_are_no_mapping(chain):
    for method in (None, pg.Exact(), pg.NUTS()):
        with pytest.raises(DataError, match="data must map nodes to values, not be list"):
            pg.infer(chain, method, data=["x"])


def test_check_lists_faulty_data(chain):
    report = pg.check(chain, {"nobody": 1.0})
    assert not report.ok
    assert "nobody" in str(report)


def test_independent_draws_have_no_missing_statistics(chain):
    verdict = pg.diagnose(pg.infer(chain, seed=0))
    assert verdict.ok
    assert not verdict.findings
