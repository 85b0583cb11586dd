"""Thinning keeps whole transitions, and a run may consist of warm-up alone."""

from __future__ import annotations

import numpy as np
import pyro
import pyro.distributions as dist
import pytest

import probgen as pg
from probgen.errors import OptionError
from probgen.inference.adapt.settings import make_settings
from probgen.inference.hmc import HMC
from probgen.inference.method import Draws
from probgen.inference.native import library
from probgen.inference.native.threads import run_native
from probgen.inference.nuts import NUTS
from tests.inference.conformance import make_plan, run
from tests.inference.targets import SKEWED
from tests.inference.test_interrupt import Interrupt, slow_native, slow_python

both_engines = pytest.mark.parametrize("engine", ["native", "eager"])
THIN = 3


def check_thinned(every: Draws, kept: Draws) -> None:
    """`kept` is every third transition of `every`, bit for bit, and ends where it ends."""
    np.testing.assert_array_equal(kept.unconstrained, every.unconstrained[:, THIN - 1 :: THIN])
    for name, stat in kept.stats.items():
        np.testing.assert_array_equal(stat, every.stats[name][:, THIN - 1 :: THIN], name)
    for name, value in kept.adaptation.items():
        np.testing.assert_array_equal(value, every.adaptation[name], name)


@both_engines
@pytest.mark.parametrize("method", [NUTS(), HMC(metric="diag")], ids=lambda method: method.name)
def test_every_third_transition_is_kept(engine, method):
    density = getattr(SKEWED, engine)()
    plan = {"chains": 2, "warmup": 60}
    every = run(method, density, draws=60, **plan)
    kept = run(method, density, draws=20, thin=THIN, **plan)
    check_thinned(every, kept)
    for count in ("gradient_evaluations", "gradient_evaluations_warmup"):
        assert kept.summary[count] == every.summary[count]


RIGHT = """                if ((done_ - settings_.warmup) % settings_.thin == 0)
                    write(out.draws, out.stats, row++, transition);
"""
STATS_OF_THE_NEXT = """                if ((done_ - settings_.warmup) % settings_.thin == 0)
                    write(out.draws, nullptr, row - 1, transition);
                if ((done_ - settings_.warmup) % settings_.thin == 1)
                    write(nullptr, out.stats, row++, transition);
"""
FIRST_OF_EACH = """                if ((done_ - settings_.warmup) % settings_.thin == 1)
                    write(out.draws, out.stats, row++, transition);
"""


@pytest.mark.parametrize(
    "mutation", [STATS_OF_THE_NEXT, pytest.param(FIRST_OF_EACH, marks=pytest.mark.slow)]
)
def test_a_wrong_transition_is_noticed(mutation):
    source, density = library.source(), SKEWED.native()
    assert source.count(RIGHT) == 1, "the mutation no longer fits the source"

    def draw(text: str, draws: int, thin: int) -> Draws:
        settings = make_settings("diag", dim=2, warmup=60, draws=draws, thin=thin, seed=1)
        plan = make_plan(density, chains=2, warmup=60, draws=draws, thin=thin)
        return run_native(density, plan, settings, library.open_library(text))

    every = draw(source, 60, 1)
    check_thinned(every, draw(source, 20, THIN))
    with pytest.raises(AssertionError):
        check_thinned(every, draw(source.replace(RIGHT, mutation), 20, THIN))


@both_engines
def test_progress_counts_every_transition(engine):
    seen = []
    run(NUTS(), getattr(SKEWED, engine)(), chains=1, draws=10, warmup=5, thin=THIN,
        progress=seen.append)  # fmt: skip
    assert (seen[-1].iterations, seen[-1].total) == ((35,), 35)


@pytest.mark.parametrize("thin", [0, 1.5, True])
def test_thin_must_be_a_positive_integer(thin):
    with pytest.raises(OptionError, match=f"thin={thin!r}"):
        run(NUTS(), SKEWED.native(), thin=thin)


@both_engines
def test_warmup_alone_learns(engine):
    result = run(NUTS(), getattr(SKEWED, engine)(), chains=2, draws=0, warmup=80)
    assert result.unconstrained.shape == (2, 0, 2)
    assert (result.adaptation["step_size"] == result.summary["step_size"]).all()
    assert np.isfinite(result.adaptation["position"]).all()


@pytest.mark.parametrize("make", [slow_native, slow_python])
def test_an_interrupt_keeps_what_was_thinned_so_far(make):
    stop = Interrupt(lambda progress: min(progress.iterations) > 60)
    result = run(NUTS(max_tree_depth=2), make(), chains=1, draws=20_000, warmup=20, thin=THIN,
                 initial=[0.1, -0.1], progress=stop)  # fmt: skip
    assert result.summary["interrupted"] is True
    assert 40 // THIN <= result.unconstrained.shape[1] < 20_000
    np.testing.assert_array_equal(result.adaptation["position"], result.unconstrained[:, -1])
    assert (result.adaptation["scale"] > 0).all()


def normal():
    pyro.sample("x", dist.Normal(0.0, 2.0))


def test_through_infer():
    every = pg.infer(normal, draws=40, warmup=100, chains=2, seed=4, progress=False)
    kept = pg.infer(normal, draws=20, thin=2, warmup=100, chains=2, seed=4, progress=False)
    np.testing.assert_array_equal(kept.posterior.x, every.posterior.x[:, 1::2])
