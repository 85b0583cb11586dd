"""Densities that misbehave: what is counted, noted, or raised, and with which words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from probgen.errors import InitialisationError, ModelError, OptionError, SamplingError
from probgen.inference.hmc import HMC
from probgen.inference.nuts import NUTS
from tests.inference.conformance import make_plan, run
from tests.inference.densities import TestDensity, native_density
from tests.inference.targets import SKEWED

methods = pytest.mark.parametrize(
    "method", [NUTS(max_tree_depth=6), HMC(num_steps=8)], ids=["NUTS", "HMC"]
)
engines = pytest.mark.parametrize("engine", ["native", "eager"])

INFINITE_GRADIENT = """
    grad[0] = q[0] > 1 ? INFINITY : -q[0];
    return -0.5 * q[0] * q[0];"""
CONSTANT = "grad[0] = 0; return 3;"
RUNAWAY = "grad[0] = 1; return q[0];"
NOWHERE_ELSE = "grad[0] = 0; return q[0] == 0.5 ? 0 : NAN;"
NOWHERE_FINITE = "grad[0] = 0; return -INFINITY;"
ISLAND = """
    grad[0] = -q[0];
    if (q[0] == 10) return 0;
    return q[0] > 5 ? NAN : -0.5 * q[0] * q[0];"""
RAISES_LATER = "the program failed at the fifth call"


def density_of(body: str, engine: str) -> TestDensity:
    density = native_density(1, body)
    return density if engine == "native" else replace(density, native=None)


@engines
@methods
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_infinite_gradients_count_as_divergences(method, engine):
    result = run(method, density_of(INFINITE_GRADIENT, engine), draws=300, warmup=200, initial=[0])
    assert result.stats["diverging"].sum() > 5
    assert (result.unconstrained <= 1).all()


@engines
@methods
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_constant_density_is_noted(method, engine):
    result = run(method, density_of(CONSTANT, engine), draws=20, warmup=20)
    assert any("does not depend on the latent sites" in note for note in result.summary["notes"])


@engines
@methods
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_runaway_density_is_noted_with_its_coordinate(method, engine):
    result = run(method, density_of(RUNAWAY, engine), draws=50, warmup=50)
    notes = " ".join(result.summary["notes"])
    assert "x[0]" in notes
    assert "improper" in notes


@engines
@methods
def test_chains_that_never_move_have_no_result(method, engine):
    with pytest.raises(SamplingError, match="No chain ever moved: every trajectory met"):
        run(method, density_of(NOWHERE_ELSE, engine), draws=20, warmup=10, initial=[0.5])


@engines
@methods
def test_one_stuck_chain_is_noted(method, engine):
    density = density_of(ISLAND, engine)
    result = run(method, density, chains=2, draws=50, warmup=50, initial=[[0.0], [10.0]])
    assert any(note.startswith("Chain 1 never moved") for note in result.summary["notes"])
    assert not any("Chain 0" in note for note in result.summary["notes"])


@engines
@methods
def test_bad_start(method, engine):
    density = density_of(NOWHERE_FINITE, engine)
    with pytest.raises(InitialisationError, match=r"Chain 0 starts where .* not finite.*init"):
        run(method, density, draws=5)
    density = density_of(INFINITE_GRADIENT, engine)
    with pytest.raises(InitialisationError, match="Chain 1 starts"):
        run(method, density, chains=3, draws=5, warmup=5, initial=[[0], [2], [0]])


@methods
def test_a_density_that_raises(method):
    density = SKEWED.eager()

    def value_and_grad(q):
        if density.calls == 5:
            raise ZeroDivisionError(RAISES_LATER)
        return SKEWED.python(q)

    density.python = value_and_grad
    with pytest.raises(ZeroDivisionError, match=RAISES_LATER):
        run(method, density, draws=5)


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ({"draws": -1}, "draws=-1"),
        ({"draws": 2.0}, "draws=2.0"),
        ({"draws": True}, "draws=True"),
        ({"warmup": -1}, "warmup=-1"),
        ({"threads": 0}, "threads=0"),
        ({"chains": 0}, "chains=0"),
        ({"draws": 0, "warmup": 0}, "nothing to do"),
    ],
)
def test_plans_that_cannot_be_carried_out(plan, message):
    density = SKEWED.native()
    with pytest.raises(OptionError, match=message):
        NUTS().run(density, replace(make_plan(density), **plan))


def test_starting_points_of_the_wrong_shape():
    density = SKEWED.native()
    plan = replace(make_plan(density), initial=np.zeros((4, 3)))
    with pytest.raises(OptionError, match=r"shape \(4, 3\).*\(4, 2\)"):
        NUTS().run(density, plan)


def test_nothing_to_sample():
    density = TestDensity(0, lambda q: (0.0, q))
    with pytest.raises(ModelError, match="no continuous latent site"):
        run(NUTS(), density, draws=5)


def test_a_dense_metric_is_refused_where_it_would_be_too_large():
    density = TestDensity(2001, lambda q: (-0.5 * float(q @ q), -q))
    with pytest.raises(OptionError, match=r"metric='dense'.*2001"):
        run(NUTS(metric="dense"), density, draws=5)
