"""Distributions of Pyro, observed and latent, through the density compiler.

Several distributions make one program, since starting the C++ compiler is what takes time. Each
has its own parameters: a latent vector `NAME_a` of standard normals.
"""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import pytest
import torch
from torch.distributions import transforms

from probgen.declare.program import read_program
from probgen.targets.density import EagerDensityWarning, compile_density
from tests.targets.agreement import assert_agrees, native

torch.manual_seed(0)
f64 = torch.float64
Y = torch.randn(7, dtype=f64)
P = Y.exp()
U = torch.rand(7, dtype=f64)
C = torch.poisson(torch.full((7,), 3.0)).double()
B = (U < 0.5).double()
K = torch.arange(7) % 3
X3 = torch.randn(5, 3, dtype=f64)
X2 = torch.randn(5, 2, dtype=f64)
SIMPLEX = torch.tensor([0.2, 0.3, 0.5], dtype=f64)
COUNTS = torch.tensor([2.0, 3.0, 5.0], dtype=f64)
MATRIX = torch.eye(3, dtype=f64) * 0.5 + 0.5
EYE = torch.eye(3, dtype=f64)


def _exp(a, i):
    return a[i].clamp(-4, 4).exp()


def _tril(a):
    return torch.tril(torch.ones(3, 3, dtype=f64), -1) * a[1] + EYE * _exp(a, 0)


# name: (number of parameters, distribution of them, observed value)
DISTRIBUTIONS = {
    "Normal": (2, lambda a: dist.Normal(a[0], _exp(a, 1)), Y),
    "LogNormal": (2, lambda a: dist.LogNormal(a[0], _exp(a, 1)), P),
    "StudentT": (3, lambda a: dist.StudentT(_exp(a, 2), a[0], _exp(a, 1)), Y),
    "Cauchy": (2, lambda a: dist.Cauchy(a[0], _exp(a, 1)), Y),
    "HalfCauchy": (1, lambda a: dist.HalfCauchy(_exp(a, 0)), P),
    "HalfNormal": (1, lambda a: dist.HalfNormal(_exp(a, 0)), P),
    "Exponential": (1, lambda a: dist.Exponential(_exp(a, 0)), P),
    "Gamma": (2, lambda a: dist.Gamma(_exp(a, 0), _exp(a, 1)), P),
    "InverseGamma": (2, lambda a: dist.InverseGamma(_exp(a, 0), _exp(a, 1)), P),
    "Chi2": (1, lambda a: dist.Chi2(_exp(a, 0)), P),
    "FisherSnedecor": (2, lambda a: dist.FisherSnedecor(_exp(a, 0), _exp(a, 1)), P),
    "Beta": (2, lambda a: dist.Beta(_exp(a, 0), _exp(a, 1)), U),
    "Kumaraswamy": (2, lambda a: dist.Kumaraswamy(_exp(a, 0), _exp(a, 1)), U),
    "ContinuousBernoulli": (1, lambda a: dist.ContinuousBernoulli(logits=a[0]), U),
    "RelaxedBernoulli": (1, lambda a: dist.RelaxedBernoulli(torch.tensor(0.5), logits=a[0]), U),
    "Laplace": (2, lambda a: dist.Laplace(a[0], _exp(a, 1)), Y),
    "AsymmetricLaplace": (
        3, lambda a: dist.AsymmetricLaplace(a[0], _exp(a, 1), _exp(a, 2)), Y),
    "SoftAsymmetricLaplace": (
        3, lambda a: dist.SoftAsymmetricLaplace(a[0], _exp(a, 1), _exp(a, 2)), Y),
    "Gumbel": (2, lambda a: dist.Gumbel(a[0], _exp(a, 1)), Y),
    "Weibull": (2, lambda a: dist.Weibull(_exp(a, 0), _exp(a, 1)), P),
    "Pareto": (1, lambda a: dist.Pareto(0.01, _exp(a, 0)), P),
    "Uniform": (2, lambda a: dist.Uniform(-_exp(a, 0) - 9, _exp(a, 1) + 9), Y),
    "Logistic": (2, lambda a: dist.Logistic(a[0], _exp(a, 1)), Y),
    "SkewLogistic": (3, lambda a: dist.SkewLogistic(a[0], _exp(a, 1), _exp(a, 2)), Y),
    "VonMises": (2, lambda a: dist.VonMises(a[0], _exp(a, 1)), Y),
    "Folded": (1, lambda a: dist.FoldedDistribution(dist.StudentT(3.0, 0.0, _exp(a, 0))), P),
    "LogUniform": (1, lambda a: dist.TransformedDistribution(
        dist.Uniform(-5 - _exp(a, 0), 5.0), [transforms.ExpTransform()]), P),
    "TruncatedPolyaGamma": (1, lambda a: dist.TruncatedPolyaGamma(_exp(a, 0)), U),
    "LogisticNormal": (2, lambda a: dist.LogisticNormal(a[0].expand(2), _exp(a, 1)), SIMPLEX),
    "Dirichlet": (3, lambda a: dist.Dirichlet(a.clamp(-4, 4).exp()), SIMPLEX),
    "Bernoulli": (1, lambda a: dist.Bernoulli(torch.sigmoid(a[0])), B),
    "BernoulliLogits": (1, lambda a: dist.Bernoulli(logits=a[0]), B),
    "Binomial": (1, lambda a: dist.Binomial(10, torch.sigmoid(a[0])), C),
    "BinomialLogits": (1, lambda a: dist.Binomial(10, logits=a[0]), C),
    "ExtendedBinomial": (1, lambda a: dist.ExtendedBinomial(10, logits=a[0]), C),
    "BetaBinomial": (2, lambda a: dist.BetaBinomial(_exp(a, 0), _exp(a, 1), 10), C),
    "ExtendedBetaBinomial": (
        2, lambda a: dist.ExtendedBetaBinomial(_exp(a, 0), _exp(a, 1), 10), C),
    "Poisson": (1, lambda a: dist.Poisson(_exp(a, 0)), C),
    "GammaPoisson": (2, lambda a: dist.GammaPoisson(_exp(a, 0), _exp(a, 1)), C),
    "NegativeBinomial": (2, lambda a: dist.NegativeBinomial(_exp(a, 0), logits=a[1]), C),
    "LogNormalNegativeBinomial": (
        2, lambda a: dist.LogNormalNegativeBinomial(_exp(a, 0), a[1], torch.tensor(0.5)), C),
    "ZeroInflatedPoisson": (2, lambda a: dist.ZeroInflatedPoisson(
        _exp(a, 0), gate=torch.sigmoid(a[1])), C),
    "ZeroInflatedPoissonLogits": (
        2, lambda a: dist.ZeroInflatedPoisson(_exp(a, 0), gate_logits=a[1]), C),
    "ZeroInflatedNegativeBinomial": (2, lambda a: dist.ZeroInflatedNegativeBinomial(
        _exp(a, 0), logits=a[1], gate=torch.tensor(0.3)), C),
    "Geometric": (1, lambda a: dist.Geometric(torch.sigmoid(a[0])), C),
    "GeometricLogits": (1, lambda a: dist.Geometric(logits=a[0]), C),
    "Categorical": (3, lambda a: dist.Categorical(a.exp()), K),
    "CategoricalLogits": (3, lambda a: dist.Categorical(logits=a), K),
    "OneHotCategorical": (3, lambda a: dist.OneHotCategorical(logits=a), EYE[K]),
    "OrderedLogistic": (3, lambda a: dist.OrderedLogistic(
        a[0].expand(7), torch.cumsum(a[1:].clamp(-4, 4).exp(), 0)), K),
    "Multinomial": (3, lambda a: dist.Multinomial(10, logits=a), COUNTS),
    "DirichletMultinomial": (
        3, lambda a: dist.DirichletMultinomial(a.clamp(-4, 4).exp(), 10), COUNTS),
    "MultivariateNormalFactor": (
        3, lambda a: dist.MultivariateNormal(a, scale_tril=_tril(a)), X3),
    "MultivariateNormalCovariance": (
        3, lambda a: dist.MultivariateNormal(a, EYE * _exp(a, 0) + 0.1), X3),
    "MultivariateNormalPrecision": (
        3, lambda a: dist.MultivariateNormal(a, precision_matrix=EYE * _exp(a, 0) + 0.1), X3),
    "LowRankMultivariateNormal": (3, lambda a: dist.LowRankMultivariateNormal(
        a, a[:, None] * torch.tensor([[1.0, 2.0]], dtype=f64), a.clamp(-4, 4).exp()), X3),
    "MultivariateStudentT": (3, lambda a: dist.MultivariateStudentT(_exp(a, 0), a, EYE), X3),
    "OMTMultivariateNormal": (3, lambda a: dist.OMTMultivariateNormal(a, EYE * _exp(a, 0)), X3),
    "LKJCholesky": (1, lambda a: dist.LKJCholesky(3, _exp(a, 0)), torch.linalg.cholesky(MATRIX)),
    "MixtureSameFamily": (6, lambda a: dist.MixtureSameFamily(
        dist.Categorical(logits=a[:2]), dist.Normal(a[2:4], a[4:].clamp(-4, 4).exp())), Y),
    "AffineBeta": (2, lambda a: dist.AffineBeta(_exp(a, 0), _exp(a, 1), -0.5, 3.0), U),
    "SineSkewed": (2, lambda a: dist.SineSkewed(
        dist.VonMises(a, 1.0).to_event(1), torch.tanh(a) * 0.4), X2.tanh()),
    "VonMises3D": (3, lambda a: dist.VonMises3D(a), torch.nn.functional.normalize(X3, dim=-1)),
    "Wishart": (1, lambda a: dist.Wishart(5 + _exp(a, 0), scale_tril=EYE), MATRIX),
    "MixtureOfLogNormals": (4, lambda a: dist.MixtureSameFamily(
        dist.Categorical(logits=a[:2]), dist.LogNormal(a[2:], 0.5)), P),
    "IndependentHMM": (1, lambda a: dist.IndependentHMM(dist.GaussianHMM(
        dist.Normal(a.expand(2, 1), 1.0).to_event(1), torch.ones(2, 1, 1, 1),
        dist.Normal(torch.zeros(2, 1, 1), 1.0).to_event(1), torch.ones(2, 1, 1, 1),
        dist.Normal(torch.zeros(2, 1, 1), 1.0).to_event(1), duration=4)), X2[:4]),
    "CoalescentTimes": (1, lambda a: dist.CoalescentTimes(
        torch.tensor([0.0, 0.5, 1.0]), _exp(a, 0)), torch.tensor([-0.2, 0.3])),
    "MaskedMixture": (2, lambda a: dist.MaskedMixture(
        Y > 0, dist.Normal(a[0], 1.0).expand([7]), dist.Normal(a[1], 2.0).expand([7])), Y),
    "MixtureOfDiagNormals": (6, lambda a: dist.MixtureOfDiagNormals(
        a.reshape(2, 3), a.reshape(2, 3).clamp(-4, 4).exp(), a[:2]), X3),
    "MixtureOfDiagNormalsSharedCovariance": (
        6, lambda a: dist.MixtureOfDiagNormalsSharedCovariance(
            a.reshape(2, 3), a[:3].clamp(-4, 4).exp(), a[:2]), X3),
    "ProjectedNormal": (
        3, lambda a: dist.ProjectedNormal(a), torch.nn.functional.normalize(X3, dim=-1)),
    "DiscreteHMM": (8, lambda a: dist.DiscreteHMM(
        a[:2], a[2:6].reshape(2, 2), dist.Normal(a[6:8], 1.0)), Y),
    "GaussianHMM": (2, lambda a: dist.GaussianHMM(
        dist.Normal(a, 1.0).to_event(1), torch.eye(2, dtype=f64) * a[0],
        dist.Normal(torch.zeros(2, dtype=f64), _exp(a, 1)).to_event(1),
        torch.eye(2, dtype=f64), dist.Normal(torch.zeros(2, dtype=f64), 1.0).to_event(1)), X2),
}  # fmt: skip

LATENT = {
    name: DISTRIBUTIONS[name]
    for name in (
        "Normal", "LogNormal", "StudentT", "Cauchy", "HalfCauchy", "HalfNormal", "Exponential",
        "Gamma", "InverseGamma", "Chi2", "FisherSnedecor", "Beta", "Kumaraswamy", "Laplace",
        "AsymmetricLaplace", "SoftAsymmetricLaplace", "Gumbel", "Weibull", "Pareto", "Uniform",
        "Logistic", "SkewLogistic", "VonMises", "LogUniform", "Dirichlet",
        "MultivariateNormalFactor", "MultivariateNormalCovariance", "LowRankMultivariateNormal",
        "MultivariateStudentT", "LKJCholesky", "MixtureSameFamily", "LogisticNormal",
        "AffineBeta", "SineSkewed", "MixtureOfLogNormals", "IndependentHMM",
        "GaussianHMM", "Folded",
    )
}  # fmt: skip


def _program(names: list[str], latent: bool):
    def model():
        for name in names:
            count, make, observed = DISTRIBUTIONS[name]
            prior = dist.Normal(0.0, 1.0).expand([count]).to_event(1)
            parameters = pyro.sample(f"{name}_a", prior)
            pyro.sample(name, make(parameters), obs=None if latent else observed)

    return model


def _groups(names) -> list[list[str]]:
    names = list(names)
    return [names[i : i + 6] for i in range(0, len(names), 6)]


@pytest.mark.parametrize("names", _groups(DISTRIBUTIONS), ids="-".join)
def test_observed(names):
    assert_agrees(native(_program(names, latent=False)))


@pytest.mark.parametrize("names", _groups(LATENT), ids="-".join)
def test_latent(names):
    assert_agrees(native(_program(names, latent=True)))


def test_truncated_normal_by_its_distribution_function():
    def model():
        loc = pyro.sample("loc", dist.Normal(0.0, 1.0))
        scale = pyro.sample("scale", dist.HalfNormal(1.0))
        kernel = dist.Normal(loc, scale)
        pyro.factor("inside", -Y.numel() * torch.log(kernel.cdf(torch.tensor(2.5)) + 1e-30))
        pyro.factor("tail", torch.special.log_ndtr((loc - 1.0) / scale))
        pyro.sample("y", kernel.expand([7]).to_event(1), obs=Y)

    assert_agrees(native(model))


def test_masks_scales_and_factors():
    def model():
        loc = pyro.sample("loc", dist.Normal(0.0, 1.0))
        with pyro.plate("n", 7), pyro.poutine.mask(mask=Y > 0), pyro.poutine.scale(scale=2.5):
            pyro.sample("y", dist.Normal(loc, 1.0), obs=Y)
        pyro.deterministic("twice", loc * 2)
        pyro.factor("quartic", -(loc**4))
        pyro.sample("off", dist.Normal(loc, 1.0).mask(False))

    assert_agrees(native(model))


def test_a_random_walk_and_a_list_of_states():
    def model():
        scale = pyro.sample("scale", dist.HalfNormal(1.0))
        steps = pyro.sample("steps", dist.Normal(0.0, 1.0).expand([7]).to_event(1))
        walk = pyro.deterministic("walk", torch.cumsum(scale * steps, -1))
        state, states = torch.zeros(()), []
        for t in range(7):
            state = 0.9 * state + steps[t]
            states.append(state)
        pyro.sample("y", dist.Normal(walk + torch.stack(states), 1.0).to_event(1), obs=Y)

    assert_agrees(native(model))


def test_a_gaussian_process_and_a_neural_network():
    x = torch.linspace(0, 1, 7, dtype=f64)

    def model():
        length = pyro.sample("length", dist.LogNormal(0.0, 0.3))
        kernel = torch.exp(-0.5 * ((x[:, None] - x) / length) ** 2) + 0.1 * torch.eye(7)
        pyro.sample("y", dist.MultivariateNormal(torch.zeros(7), kernel), obs=Y)
        first = pyro.sample("first", dist.Normal(0.0, 1.0).expand([3, 8]).to_event(2))
        second = pyro.sample("second", dist.Normal(0.0, 1.0).expand([8]).to_event(1))
        hidden = torch.relu(X3 @ first) + torch.tanh(X3 @ first)
        pyro.sample("z", dist.Normal(hidden @ second, 0.5).to_event(1), obs=Y[:5])

    assert_agrees(native(model), scales=(0.5, 1.0, 2.0))


@pytest.mark.parametrize(
    ("make", "observed", "reason"),
    [
        (lambda a: dist.Stable(1.5, 0.0, a.exp(), a), Y, "log density of site 'y'"),
        (lambda a: dist.SineBivariateVonMises(a, a, a.exp(), a.exp(), torch.tensor(0.1)), X2,
         "log density of site 'y'"),
    ],
    ids=["Stable", "SineBivariateVonMises"],
)  # fmt: skip
def test_what_is_left_to_the_program_itself(make, observed, reason):
    def model():
        a = pyro.sample("a", dist.Normal(0.0, 1.0))
        pyro.sample("y", make(a), obs=observed)

    with pytest.warns(EagerDensityWarning, match=reason):
        density = compile_density(read_program(model))
    assert density.backend == "eager"
