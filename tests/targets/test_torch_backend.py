"""The torch backend: traced graphs evaluated by torch, one point or many, against the program."""

from __future__ import annotations

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch

import probgen as pg
from probgen import models
from probgen.compile.trace import trace_with_gradient
from probgen.declare.program import read_program
from probgen.errors import OptionError
from probgen.targets import traced as traced_module
from probgen.targets.batched_graph import batched
from probgen.targets.density import EagerDensityWarning, compile_density
from probgen.targets.graph_module import density_module, outputs_module
from probgen.targets.traced import TracedDensity
from tests.compile import elementwise_cases, place_cases, shape_cases
from tests.targets.agreement import assert_agrees

CASES = [*elementwise_cases.CASES, *shape_cases.CASES, *place_cases.CASES]
SOME_AND_REST = [
    case if i % 5 == 0 else pytest.param(case, marks=pytest.mark.slow)
    for i, case in enumerate(CASES)
]
Y = torch.linspace(-1, 2, 8, dtype=torch.float64)

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


def simple():
    loc = pyro.sample("loc", dist.Normal(0.0, 1.0))
    scale = pyro.sample("scale", dist.HalfNormal(1.0))
    with pyro.plate("n", 8):
        pyro.sample("y", dist.Normal(loc, scale), obs=Y)


def sorting():
    x = pyro.sample("x", dist.Normal(0.0, 1.0).expand([8]).to_event(1))
    pyro.sample("y", dist.Normal(x.sort()[0], 1.0).to_event(1), obs=Y)


def by_torch(model, data=None, **options):
    return compile_density(read_program(model, data), backend="torch", **options)


QUICK = ("eight_schools", "varying_slopes", "stochastic_volatility", "weibull_survival", "funnel")
ZOO = [
    n if n in QUICK else pytest.param(n, marks=pytest.mark.slow)
    for n in models.names(learned=False)
]


@pytest.mark.parametrize("name", ZOO)
def test_every_zoo_model_alone_and_in_batches(name):
    """Against the program, as native code is in `test_density`, to the same tolerance."""
    model = models.load(name)
    density = by_torch(model.program, model.data)
    assert density.backend == "torch"
    assert density.operations > 0
    assert "def forward" in density.source
    assert_agrees(density, scales=(0.3, 1.0))
    points = torch.from_numpy(np.random.default_rng(3).normal(size=(5, density.dim)) * 0.5)
    batch = density.traced.batch(chunk_size=3)  # a remainder, too
    values, gradients = batch.value_and_grad(points)
    assert batch.how == "recorded"
    for point, value, gradient in zip(points, values, gradients, strict=True):
        expected, expected_gradient = density.value_and_grad(point.numpy())
        assert value == pytest.approx(expected, rel=1e-12)
        scale = 1 + np.abs(expected_gradient).max()
        np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-9, atol=1e-11 * scale)


@pytest.mark.filterwarnings("ignore:torch.triangular_solve is deprecated")
@pytest.mark.parametrize("case", SOME_AND_REST, ids=lambda case: case.name)
def test_every_recorded_operation_can_be_batched(case):
    """Three points at once: value, gradient and outputs are those of torch, point by point."""
    with torch.no_grad():
        traced = trace_with_gradient(case.evaluate, case.inputs(0))
    inputs = [case.inputs(seed) for seed in range(3)]
    empty = [torch.zeros(0, dtype=torch.float64)]
    points = torch.stack([torch.cat([*empty, *(i.reshape(-1) for i in row)]) for row in inputs])
    function, how = batched(density_module(traced), points)
    assert how == "recorded"
    module, names = outputs_module(traced)
    others, _ = batched(module, points)
    with torch.no_grad():
        (values, gradients), outputs = function(points), others(points)
    for r, row in enumerate(inputs):
        expected = case.expected(row)
        gradient = [expected[f"grad:{i}"].reshape(-1) for i in range(len(row))]
        wanted = {
            "value": expected["value"],
            "gradient": np.concatenate(gradient or [np.zeros(0)]),
            **{name: expected[name] for name in names},
        }
        found = {"value": values[r], "gradient": gradients[r]}
        found |= {name: output[r] for name, output in zip(names, outputs, strict=True)}
        for name, array in wanted.items():
            scale = np.abs(array[np.isfinite(array)]).max(initial=1e-3)
            tolerance = {"rtol": 10 * case.rtol, "atol": 10 * case.rtol * scale}
            np.testing.assert_allclose(found[name], array, **tolerance, err_msg=name)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:torch.triangular_solve is deprecated")
def test_a_wrong_batching_form_is_caught(monkeypatch):
    """The same sweep fails when strided reads start at the wrong place."""
    from probgen.targets import graph_module

    right = graph_module._positions
    monkeypatch.setattr(graph_module, "_positions", lambda *args: right(*args).roll(1))
    failed = 0
    for case in place_cases.CASES:
        with torch.no_grad():
            traced = trace_with_gradient(case.evaluate, case.inputs(0))
        if any("as_strided" in str(node.target) for node in traced.graph.nodes):
            with pytest.raises(AssertionError):
                test_every_recorded_operation_can_be_batched(case)
            failed += 1
    assert failed > 2


def test_an_operation_without_batching_runs_point_by_point():
    def model():
        x = pyro.sample("x", dist.Normal(torch.zeros(4), 1.0).to_event(1))
        counts = torch.histc(x.detach(), bins=4, min=-2.0, max=2.0)
        pyro.factor("f", -(counts * x).sum())

    density = by_torch(model)
    points = torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    batch = density.traced.batch()
    values, gradients = batch.value_and_grad(points)
    assert batch.how == "point by point"
    for point, value, gradient in zip(points, values, gradients, strict=True):
        expected, expected_gradient = density.eager_value_and_grad(point.numpy())
        assert value == pytest.approx(expected)
        np.testing.assert_allclose(gradient, expected_gradient)


def test_too_much_data_to_copy_runs_under_vmap(monkeypatch):
    monkeypatch.setattr("probgen.targets.batched_graph.LARGEST_COPIED", 1)
    density = by_torch(simple)
    batch = density.traced.batch()
    values, _ = batch.value_and_grad(torch.zeros(3, 2, dtype=torch.float64))
    assert batch.how == "vmap"
    assert values.tolist() == pytest.approx([density.value_and_grad(np.zeros(2))[0]] * 3)


def test_chunks_follow_the_sizes_of_intermediate_results(monkeypatch):
    density = by_torch(simple)
    example = torch.zeros(2, dtype=torch.float64)
    assert traced_module.points_at_once(density.traced.module, example, 100) == 100
    monkeypatch.setattr(traced_module, "_CACHE_ELEMENTS", 8 * 20)
    assert traced_module.points_at_once(density.traced.module, example, 100) == 20
    monkeypatch.setattr(traced_module, "_CACHE_ELEMENTS", 8)
    monkeypatch.setattr(traced_module, "_MOST_ELEMENTS", 8 * 4)
    assert traced_module.points_at_once(density.traced.module, example, 100) == 4


def test_outputs_are_those_of_the_program():
    model = models.load("eight_schools")
    density, program = by_torch(model.program, model.data), read_program(model.program, model.data)
    eager = compile_density(program, "eager")
    draws = np.random.default_rng(0).normal(size=(7, density.dim))
    outputs = density.outputs(draws)
    for name, expected in eager.outputs(draws).items():
        np.testing.assert_allclose(outputs[name], expected, rtol=1e-10, atol=1e-12)
    fewer = density.outputs(draws, without=("log_",))
    assert {name.split(":")[0] for name in fewer} == {"latent", "deterministic"}
    assert all(len(v) == 0 for v in density.outputs(np.zeros((0, density.dim))).values())


def test_a_failed_factorisation_is_nan_for_its_point_alone():
    def model():
        x = pyro.sample("x", dist.Normal(0.0, 1.0))
        covariance = torch.eye(2) + torch.tensor([[0.0, 1.0], [1.0, 0.0]]) * x
        pyro.sample("y", dist.MultivariateNormal(torch.zeros(2), covariance), obs=Y[:2])

    density = by_torch(model)
    points = torch.tensor([[0.5], [3.0]], dtype=torch.float64)
    values, gradients = density.traced.batch().value_and_grad(points)
    assert torch.isfinite(values).tolist() == [True, False]
    assert torch.isfinite(gradients).all(1).tolist() == [True, False]
    assert np.isnan(density.value_and_grad(np.array([3.0]))[0])


def test_single_precision_is_close_and_says_so():
    model = models.load("logistic_regression")
    density = by_torch(model.program, model.data, precision="float32")
    assert density.precision == "float32"
    q = np.full(density.dim, 0.1)
    (value, gradient), (expected, wanted) = (
        density.value_and_grad(q),
        density.eager_value_and_grad(q),
    )
    assert value != expected
    assert value == pytest.approx(expected, rel=1e-4)
    np.testing.assert_allclose(gradient, wanted, rtol=1e-3, atol=1e-3 * np.abs(wanted).max())
    assert density.outputs(q[None])["log_likelihood:y"].dtype == np.float64


def test_too_coarse_a_precision_gives_way_to_double(monkeypatch):
    def model():
        x = pyro.sample("x", dist.Normal(0.0, 1.0))
        pyro.factor("f", (x + 1e6) - 1e6)

    monkeypatch.setenv("PROBGEN_CXX", "none")  # C++ compilers see through it
    density = compile_density(read_program(model), precision="float32")
    assert density.precision == "float64"
    assert "single precision" in density.reason
    assert density.backend != "eager"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backend": "jax"}, r"backend='jax': use 'auto', 'native', 'torch', 'eager'"),
        ({"precision": "half"}, r"precision='half': use 'float64', 'float32'"),
        ({"device": "abacus"}, r"device='abacus' cannot be used"),
        ({"backend": "native", "device": "meta"}, "runs on the CPU"),
    ],
)
def test_unknown_options_are_named(options, message):
    with pytest.raises(OptionError, match=message):
        compile_density(read_program(simple), **options)


def test_a_traced_density_that_disagrees_is_not_used():
    seen = []

    def model():
        x = pyro.sample("x", dist.Normal(0.0, 1.0))
        seen.append(1.0)
        pyro.factor("f", float(len(seen)) * x)

    with pytest.warns(EagerDensityWarning, match="disagrees with the program"):
        assert compile_density(read_program_of_hidden_state(model)).backend == "eager"


def read_program_of_hidden_state(model):
    """The program as read, without the check that finds its hidden state."""
    from probgen.declare.program import Program, read

    return read(Program(model, {})).program


def test_without_a_compiler_everything_works(monkeypatch):
    monkeypatch.setenv("PROBGEN_CXX", "none")
    model = models.load("eight_schools")
    plan = {"chains": 1, "draws": 60, "warmup": 60, "seed": 3, "progress": False}
    tree = pg.infer(model.program, pg.NUTS(), data=model.data, **plan)
    assert tree.attrs["backend"] == "torch"
    assert tree.attrs["engine"] == "numpy"
    assert abs(float(tree["posterior"]["mu"].mean()) - 4.4) < 5


@pytest.mark.slow
def test_torchs_own_compiler_may_fuse_a_batch():
    density = by_torch(simple)
    points = torch.randn(6, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    fused, plain = density.traced.batch(compiled=True), density.traced.batch()
    for found, wanted in zip(
        fused.value_and_grad(points), plain.value_and_grad(points), strict=True
    ):
        np.testing.assert_allclose(found, wanted, rtol=1e-12)
    assert fused.how == "fused"


@needs_cuda
@pytest.mark.parametrize("name", ["eight_schools", "stochastic_volatility"])
def test_on_a_gpu_as_on_the_cpu(name):
    model = models.load(name)
    density = by_torch(model.program, model.data, device="cuda")
    batch = density.traced.batch()
    points = torch.randn(64, density.dim, dtype=torch.float64, device="cuda") * 0.3
    for _ in range(2):  # the second time a captured graph is replayed
        values, gradients = batch.value_and_grad(points)
        assert values.device.type == "cuda"
        for r in (0, 63):
            expected, expected_gradient = density.eager_value_and_grad(points[r].cpu().numpy())
            assert float(values[r]) == pytest.approx(expected, rel=1e-9)
            np.testing.assert_allclose(gradients[r].cpu(), expected_gradient, rtol=1e-7, atol=1e-8)
        points = points * 0.5


def test_a_traced_density_knows_its_dimension():
    traced = compile_density(read_program(simple), "eager").trace()
    assert TracedDensity(traced).dim == 2


def test_sorting_is_done_in_torch():
    assert_agrees(by_torch(sorting))
