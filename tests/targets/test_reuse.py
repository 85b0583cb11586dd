"""A second call with the same program and data compiles nothing; any change is noticed."""

from __future__ import annotations

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch

from probgen.targets import density as density_module
from probgen.targets import reuse
from probgen.targets.reuse import density_of, forget

PRIOR = {"scale": 1.0}


def line(x, y):
    slope = pyro.sample("slope", dist.Normal(0.0, PRIOR["scale"]))
    with pyro.plate("n", len(y)):
        pyro.sample("y", dist.Normal(slope * x, 1.0), obs=y)


def data(shift: float = 0.0) -> dict[str, np.ndarray]:
    x = np.linspace(0, 1, 5)
    return {"x": x, "y": 2 * x + shift}


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """No density is kept from other tests, and every trace is counted."""
    forget()
    pyro.clear_param_store()
    traces = []
    original = density_module.trace_with_gradient

    def counted(*args):
        traces.append(args)
        return original(*args)

    monkeypatch.setattr(density_module, "trace_with_gradient", counted)
    yield traces
    forget()
    pyro.clear_param_store()


def value(density) -> float:
    return density.value_and_grad(np.full(density.dim, 0.4))[0]


def test_the_second_call_neither_traces_nor_builds(fresh, monkeypatch):
    first, kept = density_of(line, data())
    assert not kept
    monkeypatch.setattr(density_module, "CompiledDensity", None)
    second, kept = density_of(line, data())
    assert kept
    assert second is first
    assert len(fresh) == 1


def test_equal_data_in_another_form_is_the_same(fresh):
    density_of(line, data())
    tensors = {name: torch.tensor(array) for name, array in data().items()}
    lists = {name: array.tolist() for name, array in data().items()}
    assert density_of(line, tensors)[1]
    assert density_of(line, lists)[1]
    assert len(fresh) == 1


def test_other_data_are_noticed(fresh):
    first, _ = density_of(line, data())
    second, kept = density_of(line, data(shift=1e-6))
    assert not kept
    assert value(second) != value(first)
    assert density_of(line, data())[0] is first  # the earlier one is still there


def test_data_written_in_place_are_noticed():
    given = {name: torch.tensor(array) for name, array in data().items()}
    first, _ = density_of(line, given)
    before = value(first)
    given["y"][2] = 7.0
    second, kept = density_of(line, given)
    assert not kept
    assert value(second) != before
    again, _ = density_of(line, data())
    assert value(again) == pytest.approx(before)


def test_a_changed_global_is_noticed(monkeypatch):
    first, _ = density_of(line, data())
    monkeypatch.setitem(PRIOR, "scale", 3.0)
    second, kept = density_of(line, data())
    assert not kept
    assert value(second) != value(first)


def test_a_changed_closure_is_noticed():
    offset = torch.zeros(5)

    def model():
        x = pyro.sample("x", dist.Normal(0.0, 1.0))
        pyro.sample("y", dist.Normal(x + offset, 1.0).to_event(1), obs=torch.ones(5))

    first, _ = density_of(model, None)
    assert density_of(model, None)[1]
    offset[1] = 2.0
    second, kept = density_of(model, None)
    assert not kept
    assert value(second) != value(first)


def test_a_changed_output_alone_is_noticed():
    factor = [2.0]

    def model():
        x = pyro.sample("x", dist.Normal(0.0, 1.0))
        pyro.deterministic("scaled", factor[0] * x)

    density_of(model, None)
    assert density_of(model, None)[1]
    factor[0] = 3.0
    density, kept = density_of(model, None)
    assert not kept
    assert density.outputs(np.ones((1, 1)))["deterministic:scaled"].tolist() == [3.0]


def test_a_changed_parameter_is_noticed():
    def model():
        loc = pyro.param("loc", torch.tensor(1.0))
        pyro.sample("x", dist.Normal(loc, 1.0))

    pyro.param("loc", torch.tensor(1.0))
    first, _ = density_of(model, None)
    assert density_of(model, None)[1]
    with torch.no_grad():
        pyro.param("loc").fill_(4.0)
    second, kept = density_of(model, None)
    assert not kept
    assert value(second) != value(first)


def test_changed_weights_of_a_module_are_noticed():
    layer = torch.nn.Linear(2, 1)

    def model():
        x = pyro.sample("x", dist.Normal(0.0, 1.0).expand([2]).to_event(1))
        pyro.factor("f", layer(x).sum())

    density_of(model, None)
    assert density_of(model, None)[1]
    with torch.no_grad():
        layer.weight += 1
    assert not density_of(model, None)[1]


class Holder:
    """A program that is a method, as users of classes write them."""

    def __init__(self, scale: float) -> None:
        self.scale = scale

    def model(self):
        pyro.sample("x", dist.Normal(0.0, self.scale))


def test_a_method_is_the_same_program_at_every_look():
    narrow, wide = Holder(1.0), Holder(5.0)
    first, _ = density_of(narrow.model, None)
    assert density_of(narrow.model, None) == (first, True)
    assert not density_of(wide.model, None)[1]


def test_another_program_with_the_same_data_is_another_density():
    def other(x, y):
        slope = pyro.sample("slope", dist.Cauchy(0.0, 1.0))
        pyro.sample("y", dist.Normal(slope * x, 1.0).to_event(1), obs=y)

    density_of(line, data())
    assert not density_of(other, data())[1]


def test_a_factorisation_that_fails_at_the_point_of_comparison_is_no_error(monkeypatch):
    def model():
        x = pyro.sample("x", dist.Normal(0.0, 1.0))
        covariance = torch.eye(2) + torch.tensor([[0.0, 1.0], [1.0, 0.0]]) * x * 3
        pyro.sample("y", dist.MultivariateNormal(torch.zeros(2), covariance), obs=torch.ones(2))

    first, _ = density_of(model, None)
    monkeypatch.setattr(reuse.np.random, "default_rng", lambda: Far())
    assert density_of(model, None) == (first, True)


class Far:
    """A random generator that always draws a point where the program fails."""

    def uniform(self, low: float, high: float, size: int) -> np.ndarray:
        return np.full(size, 0.9)


def test_a_program_evaluated_eagerly_is_read_again():
    def model():
        x = pyro.sample("x", dist.Normal(0.0, 1.0))
        pyro.factor("f", x if x > 0 else -x)

    for _ in range(2):
        with pytest.warns(density_module.EagerDensityWarning):
            density, kept = density_of(model, None)
        assert not kept
        assert density.backend == "eager"


def test_code_made_without_a_compiler_does_not_stay(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setenv("PROBGEN_CXX", "none")
        assert density_of(line, data())[0].backend == "torch"
    density, kept = density_of(line, data())
    assert (density.backend, kept) == ("native", False)


def test_only_so_many_are_kept():
    for shift in range(reuse._KEPT + 2):
        density_of(line, data(shift=shift))
    assert not density_of(line, data(shift=0))[1]
    assert density_of(line, data(shift=reuse._KEPT + 1))[1]
