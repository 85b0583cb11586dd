"""Every kind of flow: invertible, with the right Jacobian, and a density that integrates to 1."""

import subprocess
import sys

import pytest
import torch
from zuko.lazy import Flow
from zuko.transforms import ComposedTransform, MonotonicAffineTransform

from probgen.errors import ModelError, OptionError
from probgen.nets.flows.factory import KINDS, build_flow

TRANSPORTS = [kind for kind in KINDS if kind != "gmm"]


def flow_of(kind, features=2, context=0, **settings):
    """A flow in double precision whose weights are those of no start."""
    torch.manual_seed(1)
    flow = build_flow(kind, features, context=context, hidden=(16, 16), **settings).double()
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
            if kind == "gmm":
                parameter.mul_(0.4)  # its random start is wide
    return flow.eval()


def rows(count, features, seed=0):
    return torch.randn(count, features, generator=torch.Generator().manual_seed(seed)).double()


def jacobians(function, x):
    return torch.stack([torch.autograd.functional.jacobian(function, row) for row in x])


def worst_log_det(transform, x):
    """The largest difference between a transform's log-determinant and autograd's."""
    found = transform.call_and_ladj(x)[1].detach()
    expected = torch.linalg.slogdet(jacobians(transform, x))[1]
    return float((found - expected).abs().max())


@pytest.mark.parametrize("context", [0, 2])
@pytest.mark.parametrize("kind", TRANSPORTS)
def test_round_trip_and_log_determinant(kind, context):
    flow, x = flow_of(kind, 3, context), rows(8, 3)
    transform = flow.transform(rows(1, 2)[0] if context else None)
    with torch.no_grad():
        assert (transform.inv(transform(x)) - x).abs().max() < 1e-5
        assert (transform(transform.inv(x)) - x).abs().max() < 1e-5
    assert worst_log_det(transform, x[:3]) < 1e-4
    found = transform.call_and_ladj(x)[1].detach()
    if kind != "nice":  # whose last scales stand apart
        assert found.abs().max() > 1e-4


def test_a_wrong_log_determinant_is_caught():
    class Forgetful(MonotonicAffineTransform):
        def log_abs_det_jacobian(self, x, y):
            return torch.zeros_like(x)

    wrong = ComposedTransform(Forgetful(torch.zeros(3), torch.full((3,), 0.3)))

    class Rows(ComposedTransform):
        def call_and_ladj(self, x):
            y, ladj = super().call_and_ladj(x)
            return y, ladj.sum(-1)

    assert worst_log_det(Rows(*wrong.transforms), rows(3, 3).float()) > 0.5


def integral(log_density, half=12.0, points=301):
    """Of a density over a square of the plane, by the trapezoidal rule."""
    axis = torch.linspace(-half, half, points, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    with torch.no_grad():
        values = log_density(grid).exp().reshape(points, points)
    return float(torch.trapezoid(torch.trapezoid(values, axis), axis))


@pytest.mark.parametrize("kind", KINDS)
def test_the_density_integrates_to_one(kind):
    points = 81 if kind == "cnf" else 301  # smooth: few points are enough, and each is dear
    whole = integral(flow_of(kind)(None).log_prob, 8.0 if kind == "cnf" else 12.0, points)
    assert whole == pytest.approx(1.0, abs=1e-3)
    assert whole * 1.002 != pytest.approx(1.0, abs=1e-3)  # a log density 0.002 nats too high


@pytest.mark.parametrize("kind", KINDS)
def test_draws_follow_the_density(kind):
    """E p(x)^(-1) q(x) = 1 over draws of p, for a normal q inside of it."""
    law = flow_of(kind, context=2)(rows(1, 2)[0])
    with torch.no_grad():
        x = law.sample((10_000 if kind != "cnf" else 500,))
        inner = torch.distributions.MultivariateNormal(x.mean(0), 0.25 * x.T.cov())
        weights = (inner.log_prob(x) - law.log_prob(x)).exp()
    error = float(weights.std() / len(x) ** 0.5)
    assert error < 0.1
    assert abs(float(weights.mean()) - 1) < 4 * error


@pytest.mark.parametrize("kind", TRANSPORTS)
def test_the_identity_is_a_start(kind):
    flow, x = build_flow(kind, 3, identity=True).double().eval(), rows(5, 3)
    z, ladj = flow.transform(None).call_and_ladj(x)
    torch.testing.assert_close(z, x)
    torch.testing.assert_close(ladj, torch.zeros(5).double())


@pytest.mark.parametrize("kind", TRANSPORTS)
def test_one_feature_is_a_flow_too(kind):
    flow = flow_of(kind, 1)
    assert isinstance(flow, Flow)
    assert flow(None).log_prob(rows(4, 1)).shape == (4,)


@pytest.mark.parametrize("features", [2, 3, 6])
def test_couplings_join_every_pair_of_features(features):
    """After a pair of layers for every bit each output depends on each input."""
    layers = 2 * (features - 1).bit_length() + 2
    flow = flow_of("realnvp", features, transforms=layers, activation=torch.nn.Tanh)
    found = jacobians(flow.transform(None), rows(1, features))[0]
    assert (found != 0).all()


def test_the_graph_is_exactly_the_jacobian():
    chain = torch.tensor([[0, 0, 0], [1, 0, 0], [0, 1, 0]])
    for kind in ("maf", "nsf"):
        flow = flow_of(kind, 3, adjacency=chain, activation=torch.nn.Tanh)
        found = jacobians(flow.transform(None), rows(5, 3))
        expected = (chain.bool() | torch.eye(3, dtype=torch.bool)).expand(5, -1, -1)
        assert torch.equal(found != 0, expected)
    flow = flow_of("maf", 3, activation=torch.nn.Tanh)  # without a graph
    assert (jacobians(flow.transform(None), rows(5, 3))[:, 2, 0] != 0).all()


def test_a_graph_without_edges_is_independence():
    flow = flow_of("nsf", 3, adjacency=torch.zeros(3, 3))
    found = jacobians(flow.transform(None), rows(2, 3))
    assert torch.equal(found != 0, torch.eye(3, dtype=torch.bool).expand(2, -1, -1))


def test_the_order_is_that_of_the_dependence():
    flow = flow_of("maf", 3, order=[2, 0, 1], transforms=1, activation=torch.nn.Tanh)
    found = jacobians(flow.transform(None), rows(1, 3))[0] != 0
    assert found.tolist() == [[True, True, True], [False, True, False], [False, True, True]]


def test_validation_stays_as_it_was():
    """zuko turns it off for all of torch when it is imported."""
    flag = "torch.distributions.Distribution._validate_args"
    for first, expected in (("probgen.nets.flows", "True"), ("zuko", "False")):
        code = f"import {first}, torch; print({flag})"
        told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert told.stdout.strip() == expected, told.stderr


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (("spline", 2, {}), OptionError, "choose one of gaussian"),
        (("nsf", 0, {}), OptionError, "features=0"),
        (("nsf", 2, {"bins": 1}), OptionError, "bins=1"),
        (("nsf", 2, {"transforms": 0}), OptionError, "transforms=0"),
        (("cnf", 2, {"transforms": 3}), OptionError, "has one"),
        (("realnvp", 2, {"order": [1, 0]}), OptionError, "neither adjacency nor order"),
        (("maf", 2, {"order": [1, 1]}), OptionError, "permutation"),
        (("maf", 2, {"adjacency": torch.ones(3, 3)}), OptionError, "a row and a column"),
        (("maf", 2, {"adjacency": torch.ones(2, 2)}), ModelError, "cycle"),
        (("maf", 2, {"adjacency": torch.eye(2), "transforms": 2}), OptionError, "chain of layers"),
    ],
)
def test_what_cannot_be_built_is_refused(arguments, error, words):
    kind, features, settings = arguments
    with pytest.raises(error, match=words):
        build_flow(kind, features, **settings)
