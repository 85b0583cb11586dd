"""The density of a program: native against eager, what falls back, and what it says then."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch

from probgen import models
from probgen.compile import build
from probgen.compile.rules import RULES
from probgen.declare.program import read_program
from probgen.errors import BuildError, ModelError, UnsupportedOperation
from probgen.targets import density as density_module
from probgen.targets.density import EagerDensityWarning, compile_density, disagreement
from tests.targets.agreement import assert_agrees, native

Y = torch.linspace(-1, 2, 8, dtype=torch.float64)


def simple():
    loc = pyro.sample("loc", dist.Normal(0.0, 1.0))
    scale = pyro.sample("scale", dist.HalfNormal(1.0))
    with pyro.plate("n", 8):
        pyro.sample("y", dist.Normal(loc, scale), obs=Y)


# Loops of thousands of operations take seconds to trace and compile.
LONG = {"lotka_volterra", "susceptible_infected", "garch", "local_level", "hidden_markov", "arma",
        "capture_recapture"}  # fmt: skip
ZOO = [
    pytest.param(n, marks=pytest.mark.slow) if n in LONG else n
    for n in models.names(learned=False)
]


@pytest.mark.parametrize("name", ZOO)
def test_every_zoo_model_is_native_and_agrees(name):
    model = models.load(name)
    density = native(model.program, model.data)
    assert density.backend == "native"
    assert_agrees(density, scales=(0.3, 1.0, 2.0))


def test_names_split_and_join():
    density = native(simple)
    assert density.dim == 2
    assert density.coordinate_names == ["loc", "scale"]
    parts = density.split(np.array([[0.5, -1.0]]))
    assert parts["scale"].tolist() == [-1.0]
    values = density.program.unconstrain({"loc": 0.5, "scale": np.exp(-1.0)})
    np.testing.assert_allclose(density.join(values), [0.5, -1.0])


def test_a_program_without_data_or_latents():
    def nothing():
        pyro.sample("y", dist.Normal(0.0, 1.0), obs=torch.tensor(1.0))

    density = compile_density(read_program(nothing))
    value, gradient = density.value_and_grad(np.zeros(0))
    assert value == pytest.approx(-0.5 - 0.5 * np.log(2 * np.pi))
    assert gradient.shape == (0,)


def test_discrete_sites_without_end_are_refused():
    def model():
        pyro.sample("k", dist.Poisson(0.5))

    with pytest.raises(ModelError, match="site 'k' cannot be summed out: Poisson has infinitely"):
        compile_density(read_program(model))


# --- what cannot be compiled -------------------------------------------------------------------


def branching():
    loc = pyro.sample("loc", dist.Normal(0.0, 1.0))
    scale = 1.0 if loc > 0 else 2.0
    pyro.sample("y", dist.Normal(loc, scale).expand([8]).to_event(1), obs=Y)


def looping():
    x = pyro.sample("x", dist.Normal(0.0, 1.0))
    while abs(x.item()) > 1:
        x = x / 2
    pyro.sample("y", dist.Normal(x, 1.0).expand([8]).to_event(1), obs=Y)


def through_numpy():
    x = pyro.sample("x", dist.Normal(0.0, 1.0))
    pyro.factor("f", torch.as_tensor(np.sin(x.detach().numpy())) * x)


def sorting():
    x = pyro.sample("x", dist.Normal(0.0, 1.0).expand([8]).to_event(1))
    pyro.sample("y", dist.Normal(x.sort()[0], 1.0).to_event(1), obs=Y)


def sized_by_values():
    x = pyro.sample("x", dist.Normal(0.0, 1.0).expand([8]).to_event(1))
    pyro.factor("f", -x[x > 0].sum())


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (branching, r"test_density.py:\d+ looks at a random value in Python.*torch.where"),
        (looping, r"test_density.py:\d+ looks at a random value"),
        (through_numpy, r"test_density.py:\d+ looks at a random value"),
        (sized_by_values, r"test_density.py:\d+ makes a tensor whose shape depends on random"),
    ],
)
def test_fallback_says_why_and_where(model, reason):
    with pytest.warns(EagerDensityWarning, match=reason):
        density = compile_density(read_program(model))
    assert density.backend == "eager"
    assert density.native is None
    value, gradient = density.value_and_grad(np.full(density.dim, 0.3))
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


def test_an_operation_without_a_rule_is_left_to_torch(monkeypatch):
    monkeypatch.delitem(RULES, torch.ops.aten.sin.default)

    def model():
        x = pyro.sample("x", dist.Normal(0.0, 1.0))
        pyro.factor("f", torch.sin(x))

    density = compile_density(read_program(model))
    assert density.backend == "torch"
    assert re.match(r"test_density.py:\d+ needs (prims|aten).sin", density.reason)
    assert density.native is None
    assert_agrees(density)


def test_backend_native_insists():
    with pytest.raises(UnsupportedOperation, match="looks at a random value"):
        compile_density(read_program(branching), backend="native")


def test_backend_eager_compiles_nothing(monkeypatch):
    monkeypatch.setattr(density_module, "trace_with_gradient", None)
    density = compile_density(read_program(simple), backend="eager")
    assert density.backend == "eager"
    assert set(density.outputs(np.zeros((2, 2)))) == set(native_outputs())


def native_outputs():
    return ["latent:loc", "latent:scale", "log_likelihood:y", "log_prior:loc", "log_prior:scale"]


class Leak:
    """A value smuggled past the tracer: what it hands out is a constant to the compiler."""

    def __init__(self) -> None:
        self.seen = 0.0

    def note(self, x: torch.Tensor) -> None:
        self.seen = float(
            np.ctypeslib.as_array((np.ctypeslib.ctypes.c_double * 1).from_address(x.data_ptr()))[0]
        )


def test_a_baked_value_is_caught_by_comparison():
    leak = Leak()

    def model():
        x = pyro.sample("x", dist.Normal(0.0, 1.0))
        leak.note(x)
        pyro.factor("f", torch.tensor(leak.seen) * 2.0)

    with pytest.warns(EagerDensityWarning, match="disagrees with the program"):
        density = compile_density(read_program(model))
    assert density.backend == "eager"


def test_a_wrong_rule_is_caught_by_comparison(monkeypatch):
    monkeypatch.setitem(RULES, torch.ops.aten.sin.default, RULES[torch.ops.aten.cos.default])

    def model():
        x = pyro.sample("x", dist.Normal(0.0, 1.0))
        pyro.factor("f", torch.sin(x))

    density = compile_density(read_program(model))
    assert density.backend == "torch"
    assert "disagrees with the program" in density.reason


def test_wrong_machine_code_is_built_again_with_caution(monkeypatch):
    """As GCC 12 makes it at times."""
    efforts = []

    def broken(source, name, effort):
        efforts.append((name, effort))
        wrong = effort == "bold"
        return build.build(source.replace("return v", "return 1+v") if wrong else source, name)

    monkeypatch.setattr("probgen.compile.function.build", broken)
    density = native(simple)
    assert [effort for name, effort in efforts if name == "density"] == ["bold", "cautious"]
    assert disagreement(density, np.array([0.2, 0.1])) == ""


def test_no_compiler_falls_back(monkeypatch):
    monkeypatch.setenv("PROBGEN_CXX", "none")
    density = compile_density(read_program(simple))
    assert density.backend == "torch"
    assert "PROBGEN_CXX=none switches native code off" in density.reason
    with pytest.raises(BuildError):
        compile_density(read_program(simple), backend="native")


# --- numbers -----------------------------------------------------------------------------------


def test_a_failed_factorisation_is_nan_in_both():
    def model():
        x = pyro.sample("x", dist.Normal(0.0, 1.0))
        covariance = torch.eye(2) + torch.tensor([[0.0, 1.0], [1.0, 0.0]]) * x
        pyro.sample("y", dist.MultivariateNormal(torch.zeros(2), covariance), obs=Y[:2])

    density = native(model)
    assert disagreement(density, np.array([0.5])) == ""
    for evaluate in (density.value_and_grad, density.eager_value_and_grad):
        value, gradient = evaluate(np.array([3.0]))
        assert np.isnan(value)
        assert np.isnan(gradient).all()


def test_outside_the_domain_is_not_finite_in_both():
    def model():
        x = pyro.sample("x", dist.Normal(0.0, 1.0))
        pyro.sample("y", dist.Exponential(x).expand([3]).to_event(1), obs=Y[-3:])
        pyro.factor("wall", torch.where(x < 5, 0.0, -torch.inf))

    density = native(model)
    for q in (-1.0, 6.0):
        value, _ = density.value_and_grad(np.array([q]))
        expected, _ = density.eager_value_and_grad(np.array([q]))
        assert np.isnan(value) == np.isnan(expected)
        assert not np.isfinite(value)


def test_single_precision_programs_are_evaluated_in_double():
    x = torch.linspace(-1, 1, 8)
    table = torch.randn(8, 2, generator=torch.Generator().manual_seed(1))
    layer = torch.nn.Linear(2, 1, bias=False)

    def program(dtype):
        data, weight = table.to(dtype), layer.weight.detach().to(dtype)

        def model():
            slope = pyro.sample("slope", dist.Normal(torch.zeros(2, dtype=dtype), 1.0).to_event(1))
            scale = pyro.sample("scale", dist.HalfNormal(torch.ones((), dtype=dtype)))
            mean = data @ slope + (data @ weight.T).squeeze(-1) + torch.zeros(8, dtype=dtype)
            with pyro.plate("n", 8):
                pyro.sample("y", dist.Normal(mean, scale), obs=x.to(dtype))

        return model

    single, double = native(program(torch.float32)), native(program(torch.float64))
    for q in np.random.default_rng(0).normal(size=(3, 3)):
        value, gradient = single.value_and_grad(q)
        expected, expected_gradient = double.value_and_grad(q)
        assert value == pytest.approx(expected, rel=1e-13)
        np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-12)
        assert disagreement(single, q) == ""


def test_reentrant_and_the_same_from_many_threads():
    from concurrent.futures import ThreadPoolExecutor

    model = models.load("stochastic_volatility")
    density = native(model.program, model.data)
    points = np.random.default_rng(0).normal(size=(64, density.dim)) * 0.3
    alone = [density.value_and_grad(q) for q in points]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(density.value_and_grad, points))
    for (value, gradient), (other, other_gradient) in zip(alone, together, strict=True):
        assert value == other
        assert (gradient == other_gradient).all()


def test_outputs_of_many_draws_and_of_none():
    density = native(simple)
    draws = np.random.default_rng(0).normal(size=(5, 2))
    outputs = density.outputs(draws)
    assert sorted(outputs) == native_outputs()
    assert outputs["log_likelihood:y"].shape == (5, 8)
    np.testing.assert_allclose(outputs["latent:scale"], np.exp(draws[:, 1]))
    assert density.outputs(np.zeros((0, 2)))["log_likelihood:y"].shape == (0, 8)
    eager = compile_density(read_program(simple), backend="eager")
    for name, values in eager.outputs(draws).items():
        np.testing.assert_allclose(outputs[name], values, rtol=1e-12)
    assert eager.outputs(np.zeros((0, 2)))["log_likelihood:y"].shape == (0, 8)


def test_outputs_without_log_densities_are_the_same_values():
    density = native(simple)
    draws = np.random.default_rng(0).normal(size=(5, 2))
    outputs = density.outputs(draws)
    few = density.outputs(draws, ("log_likelihood:", "log_prior:"))
    assert sorted(few) == [name for name in native_outputs() if not name.startswith("log_")]
    for name, values in few.items():
        np.testing.assert_array_equal(values, outputs[name])
    assert "log_likelihood:y" in density.outputs(draws, ("log_prior:",))


def test_compiling_is_silent_and_leaves_torch_as_it_was():
    torch.manual_seed(5)
    before = torch.random.get_rng_state(), torch.get_default_dtype()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        native(simple)
    assert torch.equal(torch.random.get_rng_state(), before[0])
    assert torch.get_default_dtype() is before[1]


def test_a_program_that_raises_at_some_values_names_itself():
    def model():
        x = pyro.sample("x", dist.Normal(0.0, 1.0))
        if x > 2:
            refuse()

    def refuse():
        raise ValueError("x is too large")

    with pytest.warns(EagerDensityWarning, match="looks at a random value"):
        density = compile_density(read_program(model))
    assert np.isfinite(density.value_and_grad(np.array([0.0]))[0])
    with pytest.raises(ValueError, match="x is too large"):
        density.value_and_grad(np.array([3.0]))
