"""Right methods climb the ladder, and every broken twin falls off a rung."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest

import probgen as pg
from probgen.errors import OptionError, SamplingError
from probgen.inference.native import library
from probgen.inference.skeleton import RandomWalkMetropolis
from probgen.studies.conform import conform
from probgen.studies.ladder import exact_targets, invariance, joint, networks
from probgen.studies.ladder.target_run import density_for, exact_starts, uniforms_of
from probgen.studies.ladder.targets import TARGETS
from tests.studies.distorted import ForgetsFactor
from tests.studies.hamiltonian_faults import FAULTS, PlainGibbs, PlainHMC

SKEWED = next(target for target in TARGETS if target.name == "skewed")


def climb(method: Any, target=SKEWED) -> list:
    """The rungs on one target, smaller than `conform` makes them."""
    exact = list(exact_targets.climb(method, target, 1, 1000))
    return [*exact, invariance.climb(method, target, 1, 2000), joint.climb(method, 1, 400)]


RUNGS = (
    "reproducibility", "resume", "invariance", "joint distribution", "exact target",
    "calibration", "reference posterior",
)  # fmt: skip


def test_nuts_climbs_all_rungs_but_the_long_one():
    asked = [rung for rung in RUNGS if rung != "calibration"]
    found = conform(pg.NUTS(), rungs=asked, progress=False)
    assert found.passed, str(found)
    assert {outcome.rung for outcome in found.outcomes} >= set(asked)
    assert all(outcome.passed for outcome in found.outcomes), str(found)


@pytest.mark.slow
@pytest.mark.parametrize(
    "method",
    [pg.NUTS(), pg.HMC(), pg.MAMS(), pg.MCLMC(), pg.ChEES(), pg.Laplace(), pg.Pathfinder(),
     RandomWalkMetropolis()],
    ids=lambda method: method.name,
)  # fmt: skip
def test_every_method_climbs_the_quick_ladder(method):
    found = conform(method, progress=False)
    assert found.passed, str(found)
    assert {outcome.rung for outcome in found.outcomes} >= set(RUNGS)
    assert sum(outcome.seconds for outcome in found.outcomes) < 300


@pytest.mark.slow
def test_nuts_climbs_the_whole_ladder():
    found = conform(pg.NUTS(), quick=False, progress=False)
    assert found.passed, str(found)


def test_a_small_hmc_of_ones_own_passes():
    outcomes = climb(PlainHMC())
    assert all(outcome.passed for outcome in outcomes), outcomes


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_twin_falls(fault):
    assert any(outcome.passed is False for outcome in climb(PlainHMC(fault))), fault


def test_unadjusted_methods_are_told_as_such():
    found = conform(pg.MCLMC(), rungs=["invariance", "exact target"], progress=False)
    assert found.passed
    invariant, *exact = found.outcomes
    assert invariant.passed is None
    assert "unadjusted" in invariant.note
    assert all("0.1 sd" in outcome.bound for outcome in exact)


def test_an_approximation_is_judged_on_normal_targets():
    found = conform(pg.Laplace(), rungs=["exact target"], progress=False)
    by_name = {outcome.target: outcome.passed for outcome in found.outcomes}
    assert by_name["correlated normal"] is True
    assert by_name["ill-conditioned normal"] is True
    assert by_name["skewed"] is None


def test_draws_that_depend_on_threads_or_ignore_the_seed_fall():
    @dataclass(frozen=True)
    class Threaded(PlainHMC):
        of_threads: bool = True

        def run(self, density, plan):
            result = super().run(density, plan)
            rng = np.random.default_rng(plan.threads)
            same = np.ones_like(result.unconstrained)
            result.unconstrained = rng.random(same.shape) if self.of_threads else same
            return result

    found = conform(Threaded(), rungs=["reproducibility"], progress=False)
    assert "number of threads" in found.failures[0].note
    found = conform(Threaded(of_threads=False), rungs=["reproducibility"], progress=False)
    assert "two seeds give the same draws" in found.failures[0].note


def test_a_resumed_run_that_forgets_its_random_numbers_falls():
    @dataclass(frozen=True)
    class Forgetful:
        engine: Any
        forgets: bool
        name: ClassVar[str] = "Forgetful"

        def run(self, density, plan):
            if self.forgets and plan.state is not None:
                other = replace(plan.state, rng=plan.state.rng[:, ::-1])
                plan = replace(plan, state=other)
            return self.engine.run(density, plan)

    assert conform(Forgetful(pg.NUTS(), False), rungs=["resume"], progress=False).passed
    found = conform(Forgetful(pg.NUTS(), True), rungs=["resume"], progress=False)
    assert found.outcomes[0].passed
    assert all(outcome.passed is False for outcome in found.outcomes[1:])


def test_errors_of_a_method_are_failures_not_exceptions():
    class Failing:
        name: ClassVar[str] = "Failing"

        def run(self, density, plan):
            raise SamplingError("out of luck")

    found = conform(Failing(), progress=False, rungs=["exact target", "joint distribution"])
    assert not found.passed
    assert len(found.failures) == len(found.outcomes)
    assert "out of luck" in str(found)
    with pytest.raises(OptionError, match="'stairs' is none"):
        conform(Failing(), rungs=["stairs"])
    with pytest.raises(OptionError):
        conform("NUTS")


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_exact_draws_map_to_uniform_numbers_and_back(target):
    uniform = np.random.default_rng(5).random((500, target.dim))
    values = target.from_uniforms(uniform)
    np.testing.assert_allclose(target.uniforms(values), uniform, atol=1e-9)


def test_exact_starts_are_unconstrained_exact_draws_and_others_are_noticed():
    density = density_for(SKEWED)
    starts = exact_starts(SKEWED, density, 2000, 1)
    assert invariance.smallest_p(uniforms_of(SKEWED, density, starts)) > 1e-3
    assert invariance.smallest_p(uniforms_of(SKEWED, density, 1.1 * starts)) < 1e-4
    assert invariance.smallest_p(uniforms_of(SKEWED, density, starts + 0.15)) < 1e-4


def test_gibbs_climbs_the_quick_ladder():
    found = conform(pg.Gibbs(), progress=False)
    assert found.passed, str(found)


@pytest.mark.slow
@pytest.mark.parametrize(
    "method",
    [pg.Exact(), pg.BeliefPropagation(), pg.MeanField(), pg.ParallelTempering(),
     pg.SwendsenWang(), pg.AnnealedImportance()],
    ids=lambda method: method.name,
)  # fmt: skip
def test_every_engine_climbs_the_quick_ladder(method):
    found = conform(method, progress=False)
    assert found.passed, str(found)


def test_a_gibbs_sampler_of_ones_own_passes_where_single_updates_can():
    every = {network.title: network for network in networks.networks()}
    for name in ("loop", "many states"):
        outcome = networks.climb(PlainGibbs(), every[name], 1)
        assert outcome.passed, outcome
    # two variables that are always equal never move by themselves
    assert networks.climb(PlainGibbs(), every["copies"], 1).passed is False


@pytest.mark.parametrize("broken", [PlainGibbs(tempered=0.8), ForgetsFactor(pg.Gibbs())])
def test_a_broken_engine_falls(broken):
    loop = next(network for network in networks.networks() if network.title == "loop")
    assert networks.climb(broken, loop, 1).passed is False


def test_a_belief_propagation_on_loops_is_told_as_approximate():
    spins = next(network for network in networks.networks() if network.title == "spins")
    outcome = networks.climb(pg.BeliefPropagation(), spins, 1)
    assert outcome.passed is None
    assert "approximate" in outcome.note


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "old", "new"),
    [
        (pg.NUTS(), "rng.uniform() * weight_ < subtree_weight_",
         "rng.uniform() * weight_ < 2 * subtree_weight_"),
        (pg.HMC(), "rng.uniform() < result.acceptance", "rng.uniform() < 2 * result.acceptance"),
        (pg.NUTS(), "m[i] = p[i] + half * f[i];\n                q[i] +=",
         "m[i] = p[i] + step * f[i];\n                q[i] +="),
    ],
    ids=["biased weight between doublings", "accepts too often", "first half step is a whole one"],
)  # fmt: skip
def test_a_native_sampler_with_one_wrong_expression_falls(method, old, new, monkeypatch):
    source = library.source()
    assert source.count(old) == 1, "the mutation no longer fits the source"
    library.load.cache_clear()
    try:
        with monkeypatch.context() as patch:
            patch.setattr(library, "source", lambda: source.replace(old, new))
            found = conform(method, rungs=["invariance", "exact target"], progress=False)
    finally:
        library.load.cache_clear()
    assert not found.passed, str(found)
