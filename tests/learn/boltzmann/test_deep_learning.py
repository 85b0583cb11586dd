"""Deep machines learned in mean field, against sums over every state of small ones."""

import copy

import pytest
import torch

import probgen as pg
from probgen import models
from probgen.errors import ModelError
from probgen.inference.boltzmann.likelihood.exact import exact_log_partition, log_sum_hidden
from probgen.inference.log_likelihood import log_likelihood
from probgen.learn.boltzmann import learner as learning
from probgen.learn.boltzmann.gradient import energy_gradient
from probgen.learn.boltzmann.learner import BoltzmannLearner
from probgen.learn.boltzmann.methods import CD, PCD
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.boltzmann.mean_field import (
    entropy,
    log_sum_bound,
    mean_field,
    variational_free_energy,
)
from probgen.nets.boltzmann.units import Units
from probgen.nets.stream import Stream
from tests.inference.boltzmann.agreement import SURELY_WRONG, errors, listed
from tests.inference.boltzmann.likelihood.machines import bars_and_stripes, randomised
from tests.nets.boltzmann.machines import every_state, exact_law

LAYERS = {
    "binary": [Units("x", 6), Units("h", 4), Units("g", 3)],
    "four layers": [Units("x", 5), Units("h", 4), Units("g", 3), Units("f", 2)],
    "categories": [
        Units("x", 2, "categorical", 3), Units("h", 2, "categorical", 3), Units("g", 2)
    ],
}  # fmt: skip


def deep(kind="binary", scale=0.7, seed=0):
    return randomised(BoltzmannMachine(LAYERS[kind]), seed, scale).double()


def tight(machine, visible):
    return mean_field(machine, visible, tolerance=1e-12, rounds=1000)


def sampled_hidden(machine, visible, **_):
    """Broken: the states of one Gibbs draw in place of means."""
    means, stream = tight(machine, visible), Stream(1)
    return [visible] + [
        machine.draw(i, machine.activation(i, means), stream) for i in range(1, len(means))
    ]


def without_feedback(machine, visible, **_):
    """Broken: a pass upwards in which no layer hears of the one above."""
    means = [visible]
    for layer in range(1, len(machine.layers)):
        below = machine.signal(layer - 1, means[-1]) @ machine.weights[layer - 1]
        means.append(machine.mean(layer, machine.biases[layer] + below))
    return [mean.detach() for mean in means]


def doubled_inputs(machine, visible, **_):
    """Broken: the start of mean field, with doubled inputs, for its end."""
    return mean_field(machine, visible, rounds=0)


BROKEN = [sampled_hidden, without_feedback, doubled_inputs]


@pytest.mark.parametrize("kind", LAYERS)
def test_the_bound_is_below_the_likelihood_of_every_case(kind):
    machine = deep(kind)
    visible = every_state(machine, 0)
    found = log_likelihood(machine, machine.decode(0, visible))
    assert found.bound == "exact"
    assert sum(torch.tensor(found.cases).exp()) == pytest.approx(1)
    assert (found.variational < found.cases).all()
    sums = log_sum_hidden(machine, visible)
    for means in (doubled_inputs(machine, visible), without_feedback(machine, visible)):
        bound = log_sum_bound(machine, means)
        assert (bound < sums).all()
        assert (bound.detach().numpy() < found.variational + found.log_z.value + 1e-9).all()
    means = tight(machine, visible)
    counted_twice = log_sum_bound(machine, means) + entropy(machine, 1, means[1])
    assert (counted_twice > sums).any()


@pytest.mark.parametrize("kind", LAYERS)
def test_the_bound_is_close_where_layers_are_weakly_coupled(kind):
    gaps = []
    for scale in (0.4, 0.2, 0.1):
        machine = deep(kind, scale)
        visible = every_state(machine, 0)
        bound = log_sum_bound(machine, tight(machine, visible))
        gaps.append(float((log_sum_hidden(machine, visible) - bound.detach()).max()))
    assert 0 < gaps[2] < 1e-2
    assert gaps[0] > 3 * gaps[1] > 9 * gaps[2]  # of the order of the square of the weights


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("broken", [None, *BROKEN])
def test_the_bound_is_stationary_at_the_fixed_point(kind, broken):
    """Its gradient in the logits of every unit of q is zero, and no unit's change raises it."""
    machine = deep(kind)
    visible = every_state(machine, 0)[::7]
    means = (broken or tight)(machine, visible)
    logits = [logits_of(machine, layer, mean) for layer, mean in enumerate(means) if layer]
    q = [machine.mean(layer, logit) for layer, logit in enumerate(logits, start=1)]
    slopes = torch.autograd.grad(log_sum_bound(machine, [visible, *q]).sum(), logits)
    steepest = max(float(slope.abs().max()) for slope in slopes)
    assert (steepest < 1e-10) == (broken is None)


def logits_of(machine, layer, means):
    """Activations with these means, within (0.01, 0.99)."""
    means = means.detach() if means.unique().numel() > 2 else means.clamp(0.01, 0.99)
    parts = [
        part.logit() if units.kind == "bernoulli" else part.log()
        for units, part in machine.parts(layer, means)
    ]
    return torch.cat(parts, -1).requires_grad_()


class Enumerated:
    """A negative phase without noise: the mean over every state."""

    def expectation(self, machine, positive, absent, stream):
        states, log_p, _ = exact_law(machine)
        return energy_gradient(machine, states, log_p.exp())


@torch.no_grad()
def loss(machine, visible):
    """Minus the bound on log p(visible), nats per case."""
    bound = log_sum_bound(machine, tight(machine, visible)).mean()
    return exact_log_partition(machine).value - float(bound)


@pytest.mark.parametrize(
    ("kind", "broken"), [*((kind, None) for kind in LAYERS), *(("binary", b) for b in BROKEN)]
)
def test_the_gradient_is_that_of_the_bound(monkeypatch, kind, broken):
    """With mean field at its usual tolerance, against differences of the exact bound."""
    machine = deep(kind)
    visible = every_state(machine, 0)[::9]
    if broken is not None:
        monkeypatch.setattr(learning, "mean_field", broken)
    learner = BoltzmannLearner(machine, PCD(centring=False), 10)
    learner.negative = Enumerated()
    found, _ = learner.gradient(visible, Stream(0))
    step, worst = 1e-4, 0.0
    for name, parameter in machine.named_parameters():
        for place in range(min(parameter.numel(), 3)):
            losses = []
            for shift in (step, -2 * step, step):
                with torch.no_grad():
                    parameter.view(-1)[place] += shift
                losses.append(loss(machine, visible))
            slope = (losses[0] - losses[1]) / (2 * step)
            worst = max(worst, abs(float(found[name].reshape(-1)[place]) - slope))
    assert worst < 2e-4 if broken is None else worst > 0.01


def test_mean_field_of_a_restricted_machine_is_its_posterior():
    machine = randomised(BoltzmannMachine([Units("x", 5), Units("h", 4)]), 0, 1.0).double()
    visible = every_state(machine, 0)
    means = mean_field(machine, visible)
    torch.testing.assert_close(means[1], machine.mean(1, machine.activation(1, [visible, None])))
    torch.testing.assert_close(-log_sum_bound(machine, means), machine.free_energy(visible))
    torch.testing.assert_close(
        variational_free_energy(machine, visible), machine.free_energy(visible)
    )


def test_every_round_raises_the_bound():
    machine = deep("four layers", scale=2.0)
    visible, bound = every_state(machine, 0), None
    for rounds in range(6):
        means = mean_field(machine, visible, tolerance=0.0, rounds=rounds)
        found = log_sum_bound(machine, means)
        assert bound is None or (found > bound - 1e-12).all()
        bound = found


def learned(layers, data, method, **options):
    return pg.fit(BoltzmannMachine(layers), method, data=data, seed=1, progress=False, **options)


@pytest.fixture(scope="module")
def pairs():
    """Six binary units in three equal pairs, and a machine that has learned them."""
    random = torch.Generator().manual_seed(0)
    x = torch.randint(2, (200, 3), generator=random).float().repeat(1, 2)
    method = PCD(learning_rate=0.2, k=2)
    return x, learned(LAYERS["binary"], x, method, epochs=60, batch_size=50, validation=x)


def test_learning_raises_the_bound_over_independent_units(pairs):
    x, fit = pairs
    rates = x.mean(0)
    alone = float(torch.distributions.Bernoulli(rates).log_prob(x).sum(-1).mean())
    found = log_likelihood(fit.model, x)
    assert alone < -4.1
    assert found.variational.mean() > alone + 0.5
    assert "validation_reconstruction_error" in fit.tree["history"].data_vars


@pytest.mark.parametrize("forget", [False, True])
def test_a_training_that_was_stopped_goes_on_to_the_same_bits(
    tmp_path, monkeypatch, pairs, forget
):
    """Also with several temperatures; without the chains' states it comes to other ones."""
    method = PCD(learning_rate=0.2, temperatures=2)
    options = {"epochs": 4, "batch_size": 50}
    whole, steps = learned(LAYERS["binary"], pairs[0], method, **options), []
    step = BoltzmannLearner.step

    class Stop(Exception):
        pass

    def broken(self, batch, loop):
        steps.append(loop.clock)
        if len(steps) == 7:
            raise Stop
        return step(self, batch, loop)

    monkeypatch.setattr(BoltzmannLearner, "step", broken)
    store = tmp_path / "run"
    with pytest.raises(Stop):
        learned(LAYERS["binary"], pairs[0], method, store=store, checkpoint_steps=1, **options)
    monkeypatch.undo()
    if forget:
        monkeypatch.setattr(BoltzmannLearner, "load_state", lambda self, state: None)
    resumed = pg.resume(store, BoltzmannMachine(LAYERS["binary"]), data=pairs[0], progress=False)
    pairwise = zip(resumed.model.parameters(), whole.model.parameters(), strict=True)
    same = [torch.equal(one, other) for one, other in pairwise]
    assert all(same) != forget


def test_draws_of_a_learned_machine_have_its_law(pairs):
    model = pairs[1].model
    size = {"chains": 64, "draws": 500, "warmup": 100, "seed": 4, "progress": False}
    truth = listed(copy.deepcopy(model))
    assert errors(pg.infer(model, pg.Gibbs(), **size), truth) < SURELY_WRONG
    coupled = deep(scale=1.0).float()
    deaf = copy.deepcopy(coupled)
    with torch.no_grad():
        deaf.weights[1].zero_()  # layer 1 hears nothing of layer 2
    assert errors(pg.infer(deaf, pg.Gibbs(), **size), listed(coupled)) > SURELY_WRONG


@pytest.mark.slow
def test_bars_and_stripes_are_learned():
    """Independent units have 11.09 nats; all that can be known leaves 3.40."""
    x = bars_and_stripes(4).repeat(20, 1)
    layers = [Units("x", 16), Units("h", 12), Units("g", 6)]
    method = PCD(learning_rate=0.1, k=5, chains=100)
    fit = learned(layers, x, method, epochs=150, batch_size=100)
    found = log_likelihood(fit.model, bars_and_stripes(4))
    assert found.variational.mean() > -4.4
    assert found.mean >= found.variational.mean()


@pytest.mark.slow
def test_digits_are_learned():
    model = models.load("dbm")
    order = torch.randperm(1797, generator=torch.Generator().manual_seed(0))
    train, test = model.data["x"][order[:1500]], model.data["x"][order[1500:]]
    fit = pg.fit(model.program, model.method, data=train, seed=1, progress=False)
    rates = (train.sum(0) + 1) / (len(train) + 2)
    alone = float(torch.distributions.Bernoulli(rates).log_prob(test).sum(-1).mean())
    found = log_likelihood(fit.model, test, pg.AnnealedImportance(betas=300), seed=1)
    assert found.bound.startswith("below")
    assert found.mean == found.variational.mean() > alone + 4
    assert found.reliable


def test_what_learns_restricted_machines_only_says_so():
    for method in (CD(), PCD(target="y")):
        layers = [[Units("x", 3), Units("y", 1, "categorical", 3)], Units("h", 2), Units("g", 2)]
        with pytest.raises(ModelError, match=r"two layers.*PCD"):
            BoltzmannLearner(BoltzmannMachine(layers), method, 10)
