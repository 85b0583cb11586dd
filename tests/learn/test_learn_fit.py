"""What a fit hands back: a network that is saved, converted and inferred like any other."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from probgen.declare.networks.files import read_network_file
from probgen.errors import DataError, OptionError
from probgen.learn.fit import fit_network
from probgen.learn.networks.bayesian_estimate import BayesianEstimate
from probgen.learn.networks.em import EM
from probgen.learn.networks.gradient_mle import GradientMLE
from probgen.learn.networks.maximum_likelihood import MaximumLikelihood
from probgen.learn.networks.pseudo_likelihood import PseudoLikelihood
from probgen.learn.networks.structure_mcmc import StructureMCMC
from probgen.learn.networks.structure_search import GES, PC, HillClimb
from probgen.targets.factors import condition
from tests.inference.graphical.awkward import POSITIVE, bayesian, brute_force
from tests.learn.samples import brute_oracle, draw_rows

NETWORK = bayesian([2, 3, 2], [(), (0,), (0, 1)], 3, "three")
DATA = draw_rows(NETWORK, 200, 1)
PARAMETERS = [MaximumLikelihood(), BayesianEstimate(draws=10), EM(restarts=2)]
STRUCTURES = [HillClimb(restarts=1), GES(), PC(), StructureMCMC(draws=20, thin=5, chains=2)]
MARKOV = [GradientMLE(), PseudoLikelihood()]


def name_of(method) -> str:
    return method.name


@pytest.mark.parametrize("method", PARAMETERS + STRUCTURES, ids=name_of)
def test_learned_bayesian_networks_are_networks(method, tmp_path):
    model = NETWORK if method.learns == "parameters" else None
    fit = fit_network(model, method, DATA, oracle=brute_oracle, seed=2)
    assert fit.network.kind == "bayesian"
    for factor in fit.network.factors:
        axis = factor.scope.index(factor.child)
        np.testing.assert_allclose(np.exp(factor.log_table).sum(axis=axis), 1)
    fit.save(tmp_path / "learned.bif")
    read = read_network_file(tmp_path / "learned.bif")
    joints = [brute_force(condition(n)).joint for n in (fit.network, read)]
    np.testing.assert_allclose(joints[0], joints[1], atol=1e-9)
    pgmpy = fit.to_pgmpy()
    assert pgmpy.check_model()
    assert sorted(pgmpy.nodes()) == ["x0", "x1", "x2"]
    assert isinstance(fit.tree, xr.DataTree)
    assert fit.tree.attrs["method"] == method.name == fit.summary["method"]
    assert fit.summary["rows"] == 200
    assert fit.summary["log_likelihood"] < 0


@pytest.mark.parametrize("method", MARKOV, ids=name_of)
def test_learned_markov_networks_are_networks(method, tmp_path):
    network = POSITIVE["loop"]
    fit = fit_network(network, method, draw_rows(network, 200, 1), oracle=brute_oracle)
    fit.save(tmp_path / "learned.uai")
    read = read_network_file(tmp_path / "learned.uai")
    joints = [brute_force(condition(n)).joint for n in (fit.network, read)]
    np.testing.assert_allclose(joints[0], joints[1], atol=1e-9)
    assert fit.to_pgmpy().check_model()


@pytest.mark.parametrize("method", PARAMETERS + STRUCTURES + MARKOV, ids=name_of)
def test_results_can_be_stored(method, tmp_path):
    """Attributes and variables are such that netCDF holds."""
    network = POSITIVE["loop"] if method in MARKOV else NETWORK
    model = None if method.learns == "structure" else network
    columns = draw_rows(network, 50, 1)
    fit = fit_network(model, method, columns, oracle=brute_oracle)
    fit.tree.to_netcdf(tmp_path / "fit.nc", engine="h5netcdf")
    back = xr.open_datatree(tmp_path / "fit.nc", engine="h5netcdf")
    assert set(back.children) == set(fit.tree.children)


def test_a_learned_network_starts_the_next_fit():
    first = fit_network(NETWORK, MaximumLikelihood(), DATA)
    again = fit_network(first.network, EM(restarts=1), DATA, oracle=brute_oracle)
    assert again.summary["log_likelihood"] == pytest.approx(first.summary["log_likelihood"])
    markov = fit_network(POSITIVE["loop"], GradientMLE(), draw_rows(POSITIVE["loop"], 99, 1),
                         oracle=brute_oracle)  # fmt: skip
    fit = fit_network(markov.network, GradientMLE(), draw_rows(POSITIVE["loop"], 99, 1),
                      oracle=brute_oracle)  # fmt: skip
    assert fit.summary["iterations"] <= 1


def test_pgmpys_latent_variables_need_no_column():
    from pgmpy.models import DiscreteBayesianNetwork

    model = DiscreteBayesianNetwork([("h", "x0"), ("h", "x1")], latents={"h"})
    data = {name: DATA[name] for name in ("x0", "x1")}
    fit = fit_network(model, EM(latent_states={"h": 2}), data, oracle=brute_oracle)
    assert fit.network.latents == {fit.network.position["h"]}
    with pytest.raises(DataError, match="'h' has no states"):
        fit_network(model, EM(), data, oracle=brute_oracle)
    with pytest.raises(DataError, match=r"missing in 'h' \(200\).*EM"):
        fit_network(fit.network, MaximumLikelihood(), data)


def test_notes_on_the_data_reach_the_summary():
    fit = fit_network([("x0", "x1")], MaximumLikelihood(), DATA)
    assert fit.summary["notes"] == ["Columns that the network does not have were not used: 'x2'."]


def test_methods_are_values():
    assert HillClimb() == HillClimb()
    assert len({EM(), EM(), EM(prior=1.0)}) == 2
    assert repr(GES()).startswith("GES(score='bic'")
    with pytest.raises(OptionError, match="GradientMLE needs a marginal oracle"):
        fit_network(POSITIVE["loop"], GradientMLE(), {})
