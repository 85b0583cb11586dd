"""Many chains: what chance does to R-hat, and single chains among hundreds."""

from __future__ import annotations

import numpy as np
import pytest

from probgen.diagnose import diagnose
from probgen.diagnose.draw_statistics import effective_size
from probgen.diagnose.many_chains import outliers
from tests.diagnose.synthetic_runs import normal, rng, tree_of


def autoregressive(correlation: float, chains: int, draws: int, scalars: int, seed: int):
    noise = rng(seed).normal(size=(chains, draws, scalars)) * np.sqrt(1 - correlation**2)
    noise[:, 0] /= np.sqrt(1 - correlation**2)
    for draw in range(1, draws):
        noise[:, draw] += correlation * noise[:, draw - 1]
    return noise


def checks(verdict, *severities: str) -> set[str]:
    return {f.check for f in verdict.findings if f.severity in (severities or ("failure",))}


@pytest.mark.parametrize(("chains", "draws"), [(64, 200), (256, 100), (20, 50)])
def test_one_chain_of_many_in_another_place_is_named(chains, draws):
    values = normal(1, 2, chains=chains, draws=draws)
    values[7, :, 1] += 10
    verdict = diagnose(tree_of({"x": values}))
    (found,) = [f for f in verdict.findings if f.check == "outlying chains"]
    assert list(found.sites) == ["chain 7"]
    assert "`x[1]`" in found.message
    assert not verdict.trustworthy


def test_without_the_check_it_would_go_unseen():
    values = normal(1, chains=256, draws=100)
    values[7] += 10
    verdict = diagnose(tree_of({"x": values}))
    assert checks(verdict) == {"outlying chains"}


@pytest.mark.parametrize("correlation", [0.0, 0.7])
@pytest.mark.parametrize("seed", range(4))
def test_good_chains_raise_no_alarm(correlation, seed):
    values = autoregressive(correlation, 64, 200, 10, seed)
    assert diagnose(tree_of({"x": values})).ok


def test_heavy_tails_and_rare_events_are_no_outliers():
    generator = rng(3)
    assert not outliers(generator.standard_cauchy((5, 64, 200))).any()
    assert not outliers((generator.random((5, 64, 200)) < 0.01).astype(float)).any()


def test_chains_that_disagree_do_not_raise_their_own_limit():
    values = normal(1, chains=64, draws=400)
    values += 0.4 * rng(2).normal(size=(64, 1))
    assert "R-hat" in checks(diagnose(tree_of({"x": values})))


def test_effective_draws_are_counted_inside_chains():
    values = autoregressive(0.8, 8, 1000, 1, 5)[None, :, :, 0]
    apart = values + 10 * np.arange(8.0)[None, :, None]
    inside = effective_size(values, between=False)
    np.testing.assert_allclose(effective_size(apart, between=False), inside, rtol=1e-9)
    assert effective_size(apart)[0] < 0.05 * inside[0]
    assert inside[0] == pytest.approx(8000 * 0.2 / 1.8, rel=0.2)


def test_few_chains_that_mix_slowly_but_enough_are_a_warning():
    verdicts = [
        diagnose(tree_of({"x": autoregressive(0.75, 4, 1000, 8, seed)})) for seed in range(6)
    ]
    over = [v for v in verdicts if "R-hat" in checks(v, "failure", "warning")]
    assert over  # chance does bring R-hats above 1.01
    assert all(v.trustworthy for v in verdicts)


def test_a_posterior_of_rare_events_is_not_stuck():
    rare = (rng(1).random((64, 200, 5)) < 0.01).astype(int)
    assert "stuck chains" not in checks(diagnose(tree_of({"x": rare})))


def test_many_chains_are_not_all_listed():
    values = normal(1, chains=64, draws=200)
    values[:32] += 3
    (found,) = [f for f in diagnose(tree_of({"x": values})).findings if f.check == "several modes"]
    assert "and 24 more" in found.message


def test_cells_are_red_where_the_checks_say_so():
    verdict = diagnose(tree_of({"x": normal(1, chains=64, draws=50)}))
    assert 1000 < verdict.table["ess_bulk"].iloc[0] < 6400
    assert not any("red" in style for row in verdict.rows() for style in row.styles)
