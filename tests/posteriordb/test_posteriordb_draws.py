"""Posteriors of posteriordb, sampled by `infer`, against their reference draws.

Means and standard deviations agree within their Monte Carlo errors, and the chains with each
other. A z-score is compared with 4.5: for a hundred correct ones it is passed once in 1500
runs, and the seed is fixed.
"""

from __future__ import annotations

import pytest

import probgen as pg
from tests.posteriordb.posteriors import POSTERIORS, posterior_data
from tests.posteriordb.reference import compare_with_reference

QUICK = (
    "eight_schools-eight_schools_noncentered",
    "kidiq-kidscore_momhs",
    "sblri-blr",
)
FUNNEL = "eight_schools-eight_schools_centered"  # one step size cannot sample it
SLOW = [name for name in POSTERIORS if name not in (*QUICK, FUNNEL)]
DRAWS = {
    "diamonds-diamonds": 1000,  # minutes: long trajectories over 5000 observations
    "gp_pois_regr-gp_pois_regr": 10_000,  # strongly correlated: a tenth as many effective draws
}


def check(name: str, draws: int) -> None:
    tree = pg.infer(
        POSTERIORS[name].program,
        data=posterior_data(name),
        draws=draws,
        seed=1,
        log_likelihood=False,
        progress=False,
        **POSTERIORS[name].options,
    )
    rows = compare_with_reference(tree, name)
    assert max(row.rhat for row in rows) < 1.01
    assert {row.parameter: row.z_mean for row in rows if abs(row.z_mean) > 4.5} == {}
    assert {row.parameter: row.z_sd for row in rows if abs(row.z_sd) > 4.5} == {}


@pytest.mark.parametrize("name", QUICK)
def test_quick_posteriors(name):
    check(name, draws=1000)


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_all_posteriors(name):
    check(name, draws=DRAWS.get(name, 2000))


def test_a_wrong_program_is_found_out():
    """The comparison can fail: here the prior of `beta` is a hundred times too narrow."""
    import pyro
    import pyro.distributions as dist

    def narrow(x, y):
        beta = pyro.sample("beta", dist.Normal(0.0, 0.1).expand([x.shape[1]]).to_event(1))
        sigma = pyro.sample("sigma", dist.HalfNormal(10.0))
        with pyro.plate("observation", len(y)):
            pyro.sample("y", dist.Normal(x @ beta, sigma), obs=y)

    tree = pg.infer(narrow, data=posterior_data("sblri-blr"), seed=1, progress=False)
    assert max(abs(row.z_mean) for row in compare_with_reference(tree, "sblri-blr")) > 4.5
