"""Bayesian networks, Gaussian processes, forecasting models and flows through the compiler."""

from __future__ import annotations

import pyro
import pyro.contrib.gp as gp
import pyro.distributions as dist
import pytest
import torch
from pyro.contrib.forecast import ForecastingModel
from pyro.contrib.timeseries import IndependentMaternGP
from pyro.nn import PyroModule, PyroParam, PyroSample
from pyro.nn.module import to_pyro_module_
from torch import nn

from tests.targets.agreement import assert_agrees, native
from tests.targets.grouped import groups, together

f64 = torch.float64
GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(6, 3, dtype=f64, generator=GENERATOR)
Y = torch.randn(6, dtype=f64, generator=GENERATOR)
SIGNALS = torch.randn(3, 1, 6, dtype=f64, generator=GENERATOR)
SEQUENCES = torch.randn(2, 3, 4, dtype=f64, generator=GENERATOR)
TIMES = torch.linspace(0, 1, 6, dtype=f64)[:, None]


# --- networks ----------------------------------------------------------------------------------


def _bayesian(network: nn.Module, inputs: torch.Tensor):
    """A regression on a network all of whose weights are latent."""
    network = network.double().eval()
    to_pyro_module_(network)
    for module in list(network.modules()):
        for name, value in list(module.named_parameters(recurse=False)):
            prior = dist.Normal(0.0, 0.5).expand(value.shape).to_event(value.dim())
            setattr(module, name, PyroSample(prior))

    def model():
        output = network(inputs)
        output = output[0] if isinstance(output, tuple) else output
        mean = output.reshape(len(output), -1).sum(-1)
        with pyro.plate("n", len(mean)):
            pyro.sample("y", dist.Normal(mean, 1.0), obs=Y[: len(mean)])

    return model


class _Pairs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.pairs = nn.Bilinear(3, 3, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.pairs(x, x)


LAYERS = {
    "linear": (nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)), X),
    "normalised": (nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.GELU()), X),
    "grouped": (nn.Sequential(nn.Linear(3, 4), nn.GroupNorm(2, 4), nn.SiLU()), X),
    "batch normalised": (nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.PReLU()), X),
    "bilinear": (_Pairs(), X),
    "embedding": (nn.Sequential(nn.Embedding(3, 4), nn.ReLU()), torch.tensor([0, 2, 1, 2])),
    "conv1d": (nn.Sequential(nn.Conv1d(1, 2, 3), nn.ReLU(), nn.AvgPool1d(2)), SIGNALS),
    "conv2d": (
        nn.Sequential(nn.Conv2d(1, 2, 2), nn.ReLU(), nn.MaxPool2d(2)),
        SIGNALS.reshape(1, 1, 3, 6),
    ),
    "RNN": (nn.RNN(4, 2), SEQUENCES),
    "LSTM cell": (nn.LSTMCell(3, 2), X),
    "GRU cell": (nn.GRUCell(3, 2), X),
    "LSTM": (nn.LSTM(4, 2, batch_first=True), SEQUENCES),
    "GRU": (nn.GRU(4, 2), SEQUENCES),
    "encoder": (nn.TransformerEncoderLayer(4, 2, 6, dropout=0.0, batch_first=True), SEQUENCES),
}  # fmt: skip
LARGE = ("LSTM", "GRU", "encoder")


@pytest.mark.parametrize("names", groups((n for n in LAYERS if n not in LARGE), 6), ids="-".join)
def test_networks_with_latent_weights(names):
    programs = {name: _bayesian(*LAYERS[name]) for name in names}
    assert_agrees(native(together(programs)), scales=(0.5, 1.0, 2.0), rtol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_large_networks_with_latent_weights(name):
    assert_agrees(native(_bayesian(*LAYERS[name])), scales=(0.5, 1.0), rtol=1e-7)


class _Regression(PyroModule):
    """Sites, a parameter, and a prior that depends on another site."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = PyroModule[nn.Linear](3, 1)
        self.linear.weight = PyroSample(dist.Normal(0.0, 1.0).expand([1, 3]).to_event(2))
        self.sigma = PyroSample(dist.Uniform(0.0, 10.0))
        self.offset = PyroSample(lambda self: dist.HalfNormal(self.sigma))
        self.slope = PyroParam(torch.tensor(1.5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean = self.linear(x).squeeze(-1) * self.slope + self.offset
        with pyro.plate("n", len(x)):
            return pyro.sample("y", dist.Normal(mean, self.sigma), obs=Y)


def test_a_pyro_module_is_a_program():
    assert_agrees(native(_Regression(), {"x": X}), scales=(0.5, 1.0, 2.0))


# --- Gaussian processes ------------------------------------------------------------------------


def _process(kind: str):
    kernel = getattr(gp.kernels, kind)(1)
    for name in ("variance", "lengthscale"):
        if hasattr(kernel, name):
            setattr(kernel, name, PyroSample(dist.LogNormal(torch.tensor(0.0), torch.tensor(0.5))))
    return gp.models.GPRegression(TIMES, Y, kernel, noise=torch.tensor(0.1)).double().model


KERNELS = [
    ["RBF", "Periodic", "Linear"],
    pytest.param(["Matern32", "Matern52", "Exponential", "RationalQuadratic"],
                 marks=pytest.mark.slow),
    pytest.param(["Cosine", "Polynomial", "Brownian"], marks=pytest.mark.slow),
]  # fmt: skip


@pytest.mark.parametrize("kinds", KERNELS, ids="-".join)
def test_gaussian_processes(kinds):
    density = native(together({kind: _process(kind) for kind in kinds}))
    assert_agrees(density, scales=(0.5, 1.0), rtol=1e-7)


@pytest.mark.slow
def test_a_sparse_gaussian_process():
    kernel = gp.kernels.RBF(1)
    kernel.lengthscale = PyroSample(dist.LogNormal(0.0, 1.0))
    sparse = gp.models.SparseGPRegression(TIMES, Y, kernel, Xu=TIMES[::2].clone())
    assert_agrees(native(sparse.double().model), scales=(0.5, 1.0), rtol=1e-7)


# --- time series -------------------------------------------------------------------------------


class _Drift(ForecastingModel):
    def model(self, zero_data, covariates):
        scale = pyro.sample("scale", dist.LogNormal(-1.0, 1.0))
        bias = pyro.sample("bias", dist.Normal(0.0, 1.0).expand([1]).to_event(1))
        with self.time_plate:
            drift = pyro.sample("drift", dist.Normal(0.0, scale))
        mean = drift.cumsum(-1).unsqueeze(-1) + bias
        self.predict(dist.Normal(torch.zeros(1), 1.0).to_event(1), mean)


def test_a_forecasting_model():
    forecaster = _Drift()
    density = native(lambda: forecaster(Y[:, None], torch.zeros(6, 0)))
    assert_agrees(density, scales=(0.5, 1.0))


@pytest.mark.slow
def test_a_process_as_a_state_space_model():
    series = IndependentMaternGP(nu=1.5, dt=1.0, obs_dim=1).double()

    def model():
        weight = pyro.sample("weight", dist.LogNormal(0.0, 1.0))
        pyro.factor("series", series.log_prob(Y[:, None] * weight).sum())

    assert_agrees(native(model), scales=(0.5, 1.0), rtol=1e-7)


# --- flows -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", ["MAF", "NICE", "GF", pytest.param("NSF", marks=pytest.mark.slow)]
)
def test_flows_of_zuko_as_prior_and_as_likelihood(kind):
    zuko = pytest.importorskip("zuko")
    from pyro.contrib.zuko import ZukoToPyro

    torch.manual_seed(0)
    flow = getattr(zuko.flows, kind)(3, 0, hidden_features=[6]).double().requires_grad_(False)

    def model():
        z = pyro.sample("z", ZukoToPyro(flow()))
        with pyro.plate("n", 4):
            pyro.sample("y", ZukoToPyro(flow()), obs=X[:4] * 0.3 + z)

    assert_agrees(native(model), scales=(0.3, 0.6), rtol=1e-7)
