"""Objectives against Pyro's own losses, exact sums, and their definitions."""

from __future__ import annotations

import math

import pyro
import pyro.contrib.gp.kernels as kernels
import pyro.distributions as dist
import pytest
import torch
from pyro import infer
from pyro.infer.trace_mmd import _compute_mmd

from probgen.errors import ModelError, OptionError
from probgen.learn.training.schedules import Linear
from probgen.learn.variational.direct import DirectELBO
from probgen.learn.variational.discrepancy import discrepancy
from probgen.learn.variational.objectives import (
    ELBO,
    MMD,
    EnergyDistance,
    RenyiELBO,
    WakeSleep,
)
from probgen.learn.variational.pyro_elbo import PyroELBO
from tests.learn.variational.make import gradients, learner_of
from tests.learn.variational.programs import VAE, Mixture, binary_data

X = {"x": binary_data(40).double()}
ROWS = 40


def vae(seed: int = 0) -> VAE:
    torch.manual_seed(seed)
    return VAE().double()


class Hierarchical(VAE):
    """Its guide draws from the data up, and the program from the top down."""

    def forward(self, x=None):
        with pyro.plate("rows", 1 if x is None else len(x)):
            origin = self.decoder[0].weight.new_zeros(self.latents)
            top = pyro.sample("top", dist.Normal(origin, 1.0).to_event(1))
            z = pyro.sample("z", dist.Normal(top, 0.5).to_event(1))
            pyro.sample("x", dist.Bernoulli(logits=self.decoder(z)).to_event(1), obs=x)

    def guide(self, x):
        with pyro.plate("rows", len(x)):
            mean, log_scale = self.encoder(x).chunk(2, -1)
            z = pyro.sample("z", dist.Normal(mean, log_scale.exp()).to_event(1))
            pyro.sample("top", dist.Normal(0.8 * z, 0.4).to_event(1))


class Conditioned(VAE):
    """A normal likelihood, which can be differentiated."""

    def forward(self, x=None):
        with pyro.plate("rows", 1 if x is None else len(x)):
            origin = self.decoder[0].weight.new_zeros(self.latents)
            z = pyro.sample("z", dist.Normal(origin, 1.0).to_event(1))
            pyro.sample("x", dist.Normal(self.decoder(z), 0.5).to_event(1), obs=x)


def pyro_loss(loss, model, rows=ROWS, data=X):
    """Pyro's own loss and gradient, per row."""
    model.zero_grad(set_to_none=True)
    torch.manual_seed(0)
    with pyro.get_param_store().scope():
        value = loss.loss_and_grads(model, model.guide, **data)
    slopes = torch.cat([p.grad.flatten() for p in model.parameters()])
    return value / rows, slopes / rows


@pytest.mark.parametrize("model", [VAE, Hierarchical])
@pytest.mark.parametrize("kind", ["trace", "mean_field"])
@pytest.mark.parametrize("particles", [1, 3])
def test_the_direct_sum_is_pyros_loss_at_the_same_random_numbers(model, kind, particles):
    if (model, kind) == (Hierarchical, "mean_field"):
        pytest.skip("no mean field")
    torch.manual_seed(1)
    program = model().double()
    learner = learner_of(program, X, objective=ELBO(particles, kind))
    assert isinstance(learner.estimator, DirectELBO)
    name = {"trace": "Trace_ELBO", "mean_field": "TraceMeanField_ELBO"}[kind]
    theirs = getattr(infer, name)(
        num_particles=particles, vectorize_particles=particles > 1, max_plate_nesting=1
    )
    loss, slopes = gradients(learner, X)
    value, expected = pyro_loss(theirs, program)
    assert loss == pytest.approx(value, rel=1e-12)
    torch.testing.assert_close(slopes, expected, rtol=1e-9, atol=1e-12)


def test_the_direct_sum_is_held_against_pyros_before_training(monkeypatch):
    """The broken variant: a direct sum that forgets a tenth of a nat, or has another gradient."""
    honest = DirectELBO.total
    monkeypatch.setattr(DirectELBO, "total", lambda s, m, b: honest(s, m, b) + 0.1)
    broken = learner_of(vae(), X).estimator
    assert isinstance(broken, PyroELBO)
    assert "a direct sum gives" in broken.notes[0]
    monkeypatch.setattr(
        DirectELBO, "total", lambda s, m, b: (v := honest(s, m, b)).detach() * 2 - v
    )
    assert "gradients" in learner_of(vae(), X).estimator.notes[0]
    monkeypatch.undo()
    assert not learner_of(vae(), X).estimator.notes


@pytest.mark.parametrize("kind", ["graph", "enum"])
def test_modules_without_a_statement_of_pyro_param_are_trained(kind):
    """Pyro itself takes no gradient of them, and says nothing."""

    class Plain(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.at = torch.nn.Parameter(torch.tensor(0.5))

        def forward(self, x):
            with pyro.plate("rows", len(x)):
                k = pyro.sample("k", dist.Bernoulli(0.4), infer={"enumerate": "parallel"})
                pyro.sample("x", dist.Normal(self.at + k, 1.0), obs=x)

        def guide(self, x):
            with pyro.plate("rows", len(x)):
                pyro.sample("k", dist.Bernoulli(0.3), infer={"enumerate": "parallel"})

    data = {"x": torch.randn(ROWS)}
    _, slopes = gradients(learner_of(Plain(), data, objective=ELBO(kind=kind)), data)
    assert slopes.abs().item() > 0


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        (VAE(), "mean_field"),
        (Hierarchical(), "trace"),
        (Mixture(), "enum"),
        (Mixture(marked=True, guided=True), "enum"),
        (Mixture(marked=False, guided=True), "graph"),
    ],
)
def test_auto_takes_what_the_program_needs(model, kind):
    data = X if isinstance(model, VAE) else {"x": torch.randn(ROWS).double()}
    learner = learner_of(model.double(), data)
    assert learner.summary["estimator"] == kind


def test_sites_summed_out_give_the_exact_likelihood():
    x = torch.linspace(-2, 2, ROWS).double()
    model = Mixture().double()
    loss, slopes = gradients(learner_of(model, {"x": x}, 10), {"x": x})
    mixture = torch.stack([dist.Normal(m, 0.5).log_prob(x) for m in model.means]) - math.log(2)
    exact = -mixture.logsumexp(0).mean()
    assert loss == pytest.approx(exact.item(), rel=1e-6)
    (by_hand,) = torch.autograd.grad(exact, model.means)
    torch.testing.assert_close(slopes[:2], by_hand, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("alpha", [0.0, 0.5, -1.0])
def test_renyis_bound_is_pyros(alpha):
    model = vae()
    theirs = infer.RenyiELBO(alpha, 4, vectorize_particles=True, max_plate_nesting=1)
    loss, slopes = gradients(learner_of(model, X, 10, objective=RenyiELBO(alpha, 4)), X)
    value, expected = pyro_loss(theirs, model)
    assert loss == pytest.approx(float(value), rel=1e-12)
    torch.testing.assert_close(slopes, expected, rtol=1e-9, atol=1e-12)


def test_more_particles_give_a_tighter_bound():
    model = vae()
    bounds = []
    for objective in (ELBO(kind="trace"), RenyiELBO(particles=4), RenyiELBO(particles=40)):
        learner = learner_of(model, X, objective=objective)
        torch.manual_seed(0)
        bounds.append(sum(-learner.estimator.evaluate(X)["loss"].item() for _ in range(60)) / 60)
    assert bounds[0] < bounds[1] < bounds[2]


def test_wake_sleep_is_pyros_for_one_row():
    """Pyro weighs whole minibatches; one row is the same."""
    model, one = vae(), {"x": X["x"][:1]}
    theirs = infer.ReweightedWakeSleep(5, max_plate_nesting=1)
    learner = learner_of(model, one, objective=WakeSleep(5))
    _, slopes = gradients(learner, one)
    torch.manual_seed(0)
    model.zero_grad(set_to_none=True)
    with pyro.get_param_store().scope():
        theta, phi = theirs.loss_and_grads(model, model.guide, **one)
    expected = torch.cat([p.grad.flatten() for p in model.parameters()])
    torch.testing.assert_close(slopes, expected, rtol=1e-9, atol=1e-12)
    torch.manual_seed(0)
    found = learner.estimator(one)
    assert found["loss"].item() == pytest.approx(theta, rel=1e-12)
    assert found["guide_loss"].item() == pytest.approx(phi, rel=1e-12)


def test_the_sleep_phase_shows_the_guide_what_the_program_dreams():
    """At the optimum of the sleep phase the guide is the posterior of dreamt data."""

    class Twice(VAE):
        """x = z + noise of the same size: the posterior mean is x / 2."""

        def __init__(self):
            super().__init__(1, 1)
            self.slope = torch.nn.Parameter(torch.tensor(0.0))

        def forward(self, x=None):
            with pyro.plate("rows", 1 if x is None else len(x)):
                z = pyro.sample("z", dist.Normal(torch.zeros(1), 1.0).to_event(1))
                pyro.sample("x", dist.Normal(z, 1.0).to_event(1), obs=x)

        def guide(self, x):
            with pyro.plate("rows", len(x)):
                pyro.sample("z", dist.Normal(self.slope * x, 0.5**0.5).to_event(1))

    far = {"x": torch.full((500, 1), 30.0)}  # where the guide never has to look
    model = Twice()
    learner = learner_of(model, far, objective=WakeSleep(2, sleep=1.0))
    optimiser = torch.optim.SGD([model.slope], lr=0.3)
    torch.manual_seed(0)
    slopes = []
    for _ in range(60):
        model.zero_grad(set_to_none=True)
        learner.estimator.backward(far)
        optimiser.step()
        slopes.append(model.slope.item())
    assert sum(slopes[30:]) / 30 == pytest.approx(0.5, abs=0.02)


def test_energy_distance_is_pyros_for_one_row():
    """Pyro takes a minibatch as one long vector; one row is the same."""
    torch.manual_seed(0)
    model, data = Conditioned().double(), {"x": torch.randn(1, 6).double()}
    for beta in (1.0, 0.5):
        learner = learner_of(model, data, objective=EnergyDistance(beta, particles=3))
        loss, slopes = gradients(learner, data)
        theirs = infer.EnergyDistance(beta, num_particles=3, max_plate_nesting=2)
        model.zero_grad(set_to_none=True)
        torch.manual_seed(0)
        with pyro.get_param_store().scope():
            value = theirs(model, model.guide, **data)
        value.backward()
        expected = torch.cat([p.grad.flatten() for p in model.parameters()])
        assert loss == pytest.approx(value.item(), rel=1e-10)
        torch.testing.assert_close(slopes, expected, rtol=1e-8, atol=1e-10)


def test_the_discrepancy_is_pyros():
    torch.manual_seed(0)
    first, second = torch.randn(30, 4), torch.randn(50, 4) + 0.5
    kernel = kernels.RBF(4, torch.tensor(1.0), torch.tensor(0.7))
    theirs = _compute_mmd(first, second, kernel).item()
    assert discrepancy(first, second, 0.7).item() == pytest.approx(theirs, rel=1e-4)
    same = discrepancy(first, torch.randn(3000, 4)).item()
    assert same < discrepancy(first, second).item()


def test_mmd_pulls_codes_together_to_the_prior():
    model = vae()
    learner = learner_of(model, X, objective=MMD(scale=1000.0))
    optimiser = torch.optim.Adam(model.parameters(), lr=0.02)
    torch.manual_seed(0)
    before = learner.estimator.evaluate(X)["discrepancy"].item()
    for _ in range(60):
        model.zero_grad(set_to_none=True)
        learner.estimator.backward(X)
        optimiser.step()
    assert learner.estimator.evaluate(X)["discrepancy"].item() < before / 2


@pytest.mark.parametrize("kind", ["trace", "graph"])
def test_the_weight_of_the_divergence(kind):
    learner = learner_of(vae(), X, objective=ELBO(kind=kind))
    whole, none, half = (gradients(learner, X, kl_weight=w) for w in (1.0, 0.0, 0.5))
    assert half[0] == pytest.approx((whole[0] + none[0]) / 2, rel=1e-12)
    torch.testing.assert_close(half[1], (whole[1] + none[1]) / 2, rtol=1e-8, atol=1e-10)
    assert (whole[1] - none[1]).abs().max() > 1e-2


def test_programs_that_take_one_draw_at_a_time_are_run_once_per_particle():
    class Rows(VAE):
        """As a convolution: it takes (row, ...) and nothing before it."""

        def forward(self, x=None):
            with pyro.plate("rows", 1 if x is None else len(x)):
                origin = self.decoder[0].weight.new_zeros(self.latents)
                z = pyro.sample("z", dist.Normal(origin, 1.0).to_event(1))
                logits = self.decoder(z.reshape(1 if x is None else len(x), self.latents))
                pyro.sample("x", dist.Bernoulli(logits=logits).to_event(1), obs=x)

    torch.manual_seed(0)
    apart, together = Rows().double(), vae()
    apart.load_state_dict(together.state_dict())
    found = []
    for model in (apart, together):
        learner = learner_of(model, X, objective=RenyiELBO(particles=50))
        found.append(learner)
    assert not found[0].estimator.runs.together
    assert "one draw of its latent sites at a time" in found[0].notes[0]
    assert found[1].estimator.runs.together
    one, other = (each.estimator.evaluate(X)["loss"].item() for each in found)
    assert one == pytest.approx(other, rel=0.02)


def test_bad_settings_are_named():
    for make, words in [
        (lambda: ELBO(kind="full"), "kind='full'"),
        (lambda: ELBO(particles=0), "particles=0"),
        (lambda: ELBO(kl_weight=-1.0), "kl_weight=-1.0"),
        (lambda: RenyiELBO(alpha=1.0), "is the ELBO"),
        (lambda: RenyiELBO(particles=1), "particles=1"),
        (lambda: WakeSleep(sleep=2.0), "sleep=2.0"),
        (lambda: MMD(scale=-1.0), "scale=-1.0"),
        (lambda: EnergyDistance(beta=2.5), "beta=2.5"),
    ]:
        with pytest.raises(OptionError, match=words.replace("(", r"\(")):
            make()
    assert ELBO(kl_weight=Linear(0.0, 1.0, steps=10)).kl_weight.at(5, 100) == 0.5


def test_objectives_that_cannot_be_are_refused_with_a_cure():
    discrete = {"x": torch.randn(ROWS).double()}
    drawn = Mixture(marked=False, guided=True).double()
    for objective, words in [
        (RenyiELBO(), r"RenyiELBO needs draws.*'k' of the guide is Bernoulli.*WakeSleep"),
        (ELBO(kind="mean_field"), r"mean_field'\) needs draws.*'k'.*kind='graph'"),
        (MMD(), r"MMD needs draws.*'k'"),
        (EnergyDistance(), r"EnergyDistance needs draws.*'k'"),
    ]:
        with pytest.raises(ModelError, match=words):
            learner_of(drawn, discrete, objective=objective)
    with pytest.raises(ModelError, match="another order"):
        learner_of(Hierarchical().double(), X, objective=ELBO(kind="mean_field"))
    with pytest.raises(ModelError, match=r"'k'\] are to be summed out: take kind='enum'"):
        learner_of(Mixture().double(), discrete, objective=ELBO(kind="trace"))
    with pytest.raises(OptionError, match="no divergence to weigh"):
        learner_of(Mixture().double(), discrete, objective=ELBO(kl_weight=2.0))
    with pytest.raises(ModelError, match=r"EnergyDistance.*'x' of the program is Bernoulli"):
        learner_of(vae(), X, objective=EnergyDistance())
