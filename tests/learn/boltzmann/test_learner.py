"""Steps of learning: what each setting does, on every kind of machine."""

import copy
from types import SimpleNamespace

import pytest
import torch

from probgen.errors import DataError, ModelError, OptionError
from probgen.learn.boltzmann.enumeration import exact_log_partition
from probgen.learn.boltzmann.learner import BoltzmannLearner
from probgen.learn.boltzmann.methods import CD, PCD, ExactGradient
from probgen.learn.boltzmann.monitors import pseudo_likelihood
from probgen.learn.boltzmann.start import moments, start_from
from probgen.learn.training.schedules import Cosine
from probgen.nets.boltzmann.conditional import log_conditional
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.boltzmann.native.descent import descends
from probgen.nets.boltzmann.units import Units
from probgen.nets.stream import Stream
from tests.learn.boltzmann.drive import decoded, learn
from tests.nets.boltzmann.machines import machine_of, states_of, values_of


def patterns(cases=200, seed=0):
    """Six binary units in three equal pairs."""
    random = torch.Generator().manual_seed(seed)
    return torch.randint(2, (cases, 3), generator=random).float().repeat(1, 2)


def binary(seed=0):
    return BoltzmannMachine([Units("x", 6), Units("h", 5)], seed=seed)


def log_likelihood(machine, data):
    return -machine.free_energy(data).mean().item() - exact_log_partition(machine)


METHODS = {
    "cd": CD(k=2, learning_rate=Cosine(0.5)),
    "pcd": PCD(k=2, learning_rate=Cosine(0.5)),
    "tempered": PCD(temperatures=3, learning_rate=Cosine(0.5)),
    "exact": ExactGradient(learning_rate=Cosine(0.5)),
    "plain": PCD(k=2, learning_rate=Cosine(1.5), centring=False, momentum=0.0),
    "adam": ExactGradient(learning_rate=Cosine(0.06), optimiser="Adam", momentum=0.5),
    "sparse": PCD(k=2, learning_rate=Cosine(0.5), sparsity=0.3, sparsity_weight=0.01),
}


@pytest.mark.parametrize("name", METHODS)
def test_every_method_learns_dependences(name):
    """Units alone have -6 log 2 = -4.16 nats; the truth has -3 log 2 = -2.08.

    Rates fall to 0, so that the noise of few chains dies out: over seeds of machine and
    chains results lie between -2.6 and -2.1, with a standard deviation below 0.1.
    """
    data, machine = patterns(), binary()
    learn(machine, METHODS[name], data, epochs=120, batch=50)
    assert log_likelihood(machine, data) > -2.6


@pytest.mark.parametrize("sign", [1, -1])
def test_the_gradient_points_downhill(monkeypatch, sign):
    data, machine = patterns(), binary()
    own = BoltzmannLearner.gradient

    def turned(self, visible, stream):
        found, metrics = own(self, visible, stream)
        return {name: sign * part for name, part in found.items()}, metrics

    monkeypatch.setattr(BoltzmannLearner, "gradient", turned)
    learn(machine, ExactGradient(learning_rate=0.3), data, epochs=60, batch=50)
    assert (log_likelihood(machine, data) > -3.0) == (sign == 1)


KINDS = {
    "gaussian": lambda: BoltzmannMachine([Units("x", 2, "gaussian"), Units("h", 3)], 0.3),
    "categorical": lambda: BoltzmannMachine([Units("x", 2, "categorical", 3), Units("h", 4)]),
    "mixed": lambda: BoltzmannMachine(
        [[Units("r", 1, "gaussian"), Units("y", 1, "categorical", 3)], Units("h", 3)], 0.3
    ),
    "softmax hidden": lambda: BoltzmannMachine([Units("x", 6), Units("h", 2, "categorical", 4)]),
}


def data_of(kind, cases=300):
    random = torch.Generator().manual_seed(4)
    cause = torch.randint(3, (cases, 1), generator=random)
    noise = 0.4 * torch.randn(cases, 2, generator=random)
    values = {
        "gaussian": {"x": torch.cat([cause, -cause], 1) * 2.0 + noise},
        "categorical": {"x": cause.expand(cases, 2)},
        "mixed": {"r": cause * 2.0 + noise[:, :1], "y": cause},
        "softmax hidden": {"x": patterns(cases)},
    }[kind]
    return KINDS[kind]().encode(0, values)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["pcd", pytest.param("cd", marks=pytest.mark.slow)])
def test_every_kind_of_machine_learns(kind, method):
    data, machine = data_of(kind), KINDS[kind]()
    start_from(machine, *moments(machine, [decoded(machine, data)]))
    before = log_likelihood(machine, data)
    rate = 0.05 if kind in ("gaussian", "mixed") else 0.2
    chosen = {"pcd": PCD(learning_rate=rate), "cd": CD(k=3, learning_rate=rate)}[method]
    learn(machine, chosen, data, epochs=40, batch=50)
    assert log_likelihood(machine, data) > before + 0.25


@pytest.mark.slow
def test_variances_are_learned():
    data, machine = data_of("gaussian"), KINDS["gaussian"]()
    start_from(machine, *moments(machine, [decoded(machine, data)]))
    learn(machine, PCD(learning_rate=0.05, chains=100), data, epochs=120, batch=50)
    assert (machine.log_variance.exp() < 0.6 * data.var(0)).all()


def test_visible_biases_start_from_the_data():
    kind = BoltzmannMachine(
        [
            [Units("x", 1), Units("r", 1, "gaussian"), Units("y", 1, "categorical", 3)],
            Units("h", 2),
        ],
        weight_scale=0.0,
    )
    random = torch.Generator().manual_seed(1)
    values = {
        "x": (torch.rand(999, 1, generator=random) < 0.2).float(),
        "r": 3 + 2 * torch.randn(999, 1, generator=random),
        "y": torch.arange(999)[:, None] % 3 // 2,
    }
    start_from(kind, *moments(kind, [values]))
    means = kind.mean(0, kind.activation(0, [None, torch.zeros(1, 2)]))[0]
    wanted = [values["x"].mean(), values["r"].mean(), 2 / 3, 1 / 3, 0.0]
    torch.testing.assert_close(means, torch.tensor(wanted), atol=2e-3, rtol=0)
    assert kind.log_variance.exp().item() == pytest.approx(float(values["r"].var()), rel=0.01)


def stepped(method, gradient, steps, machine=None):
    """Parameters after steps along a fixed gradient."""
    machine = binary() if machine is None else machine
    learner = BoltzmannLearner(machine, method, 10)
    optimiser = learner.players["machine"].optimiser
    for group in optimiser.param_groups:
        group["lr"] = 0.1
    for _ in range(steps):
        for parameter in learner._parameters.values():
            parameter.grad = torch.full_like(parameter, gradient)
        optimiser.step()
    return machine


def test_momentum_is_that_of_the_heavy_ball():
    start = binary()
    twice = stepped(PCD(momentum=0.5, weight_decay=0.0), 1.0, 2)
    moved = twice.biases[0] - start.biases[0]
    torch.testing.assert_close(moved.detach(), torch.full_like(moved, -0.1 * (1 + 1.5)))


def test_weights_decay_and_biases_do_not():
    start = binary()
    with torch.no_grad():
        start.biases[0].fill_(1.0)
    after = stepped(PCD(momentum=0.0, weight_decay=0.2), 0.0, 1, copy.deepcopy(start))
    torch.testing.assert_close(after.weights[0].detach(), start.weights[0].detach() * 0.98)
    assert torch.equal(after.biases[0], start.biases[0])


@pytest.mark.parametrize("centring", [True, False])
def test_flipping_all_units_changes_nothing_when_centred(centring):
    """The centred gradient sees x and 1 - x alike (Melchior et al. 2016)."""
    data = (torch.rand(400, 6, generator=torch.Generator().manual_seed(2)) < 0.1).float()
    data[:, 1] = data[:, 0]
    scores = []
    for values in (data, 1 - data):
        machine = BoltzmannMachine([Units("x", 6), Units("h", 5)], weight_scale=0.0)
        with torch.no_grad():
            sign = 1.0 if values is data else -1.0
            machine.weights[0].add_(sign * 0.3 * torch.eye(6, 5))
            if sign < 0:
                machine.biases[1].copy_(-machine.weights[0].sum(0))
        method = ExactGradient(learning_rate=0.1, centring=centring, momentum=0.0)
        learn(machine, method, values, epochs=5, batch=400)
        scores.append(log_likelihood(machine, values))
    assert (abs(scores[0] - scores[1]) < 1e-4) == centring


def test_sparsity_pulls_hidden_units_down():
    activity = []
    for target in (None, 0.05):
        data, machine = patterns(), binary()
        method = PCD(learning_rate=0.1, sparsity=target, sparsity_weight=2.0)
        learn(machine, method, data, epochs=30, batch=50)
        activity.append(machine.mean(1, machine.activation(1, [data, None])).mean().item())
    assert activity[1] < 0.15 < activity[0]


def labelled():
    random = torch.Generator().manual_seed(3)
    y = torch.randint(3, (300, 1), generator=random)
    x = (torch.rand(300, 6, generator=random) < 0.3 + 0.5 * (torch.arange(6) % 3 == y)).float()
    machine = BoltzmannMachine([[Units("x", 6), Units("y", 1, "categorical", 3)], Units("h", 6)])
    return machine, machine.encode(0, {"x": x, "y": y})


@pytest.mark.parametrize("generative", [0.0, 0.1])
def test_a_target_is_told_from_the_rest(generative):
    machine, data = labelled()
    method = CD(target="y", generative=generative, learning_rate=0.3)
    learner = learn(machine, method, data, epochs=30, batch=50)
    loop = SimpleNamespace(stream=Stream(1), clock=5)
    found = learner.validate(decoded(machine, data), loop)
    assert found["accuracy"] > 0.6
    assert learner.criterion == "-accuracy"


def test_ratings_that_are_missing_take_no_part():
    rating = Units("rating", 4, "categorical", 3, optional=True)
    machine = BoltzmannMachine([rating, Units("h", 5)])
    random = torch.Generator().manual_seed(2)
    taste = torch.randint(3, (300, 1), generator=random).expand(300, 4).float()
    gone = torch.rand(300, 4, generator=random) < 0.4
    data = machine.encode(0, {"rating": taste.masked_fill(gone, torch.nan)})
    learn(machine, CD(learning_rate=0.2), data, epochs=40, batch=50)
    # One rating of each taste tells the others.
    asked = torch.full((3, 4), torch.nan)
    asked[:, 0] = torch.arange(3)
    asked = machine.encode(0, {"rating": asked})
    for unit in (1, 2, 3):
        told = log_conditional(machine, asked, "rating", unit).argmax(-1)
        assert told.tolist() == [0, 1, 2]
    with pytest.raises(DataError, match=r"pg\.CD"):
        learn(machine, PCD(), data, epochs=1, batch=50)


def test_missing_values_of_other_units_are_refused():
    x = patterns()
    x[3, 2] = torch.nan
    with pytest.raises(DataError, match="'x': 1 of 1200 values NaN"):
        moments(binary(), [{"x": x}])


@pytest.mark.parametrize(
    "method",
    [PCD(), CD(), PCD(temperatures=3), PCD(matmul="bfloat16"), PCD(optimiser="adam")],
    ids=["pcd", "cd", "tempered", "bfloat16", "adam"],
)
@pytest.mark.parametrize("forget", [False, True])
def test_a_learner_goes_on_from_its_state(method, forget):
    data, machine = patterns(), binary()
    learner = learn(machine, method, data, epochs=2, batch=50)
    copied = copy.deepcopy(machine)
    again = BoltzmannLearner(copied, method, 50)
    again.players["machine"].optimiser.load_state_dict(
        copy.deepcopy(learner.players["machine"].optimiser.state_dict())
    )
    if not forget:
        again.load_state({name: t.clone() for name, t in learner.state().items()})
    for one in (learner, again):
        loop = SimpleNamespace(stream=Stream(3), clock=0, plain=True)
        loop.update = lambda name, one=one: one.players[name].optimiser.step()
        for _ in range(5):
            one.step({"x": data[:50]}, loop)
    same = all(
        torch.equal(a, b) for a, b in zip(machine.parameters(), copied.parameters(), strict=True)
    )
    assert same != forget


@pytest.mark.parametrize("kind", ["bernoulli", "categorical", "composite"])
def test_the_pseudo_likelihood_is_a_sum_of_conditionals(kind):
    machine = machine_of(kind)
    visible = states_of(machine, values_of(machine, 5))[0]
    found = pseudo_likelihood(machine, visible, Stream(1), most=100)
    wanted, start = 0.0, 0
    for units in machine.layers[0]:
        step = units.width // units.size
        for first in range(start, start + units.width * units.discrete, step):
            codes = torch.eye(step) if step > 1 else torch.tensor([[0.0], [1.0]])
            others = []
            for code in codes.double():
                other = visible.clone()
                other[:, first : first + step] = code
                others.append(-machine.free_energy(other))
            own = -machine.free_energy(visible) - torch.stack(others).logsumexp(0)
            wanted += own.mean().item()
        start += units.width
    assert found == pytest.approx(wanted, abs=1e-9)


def test_monitors_are_never_called_likelihoods():
    learner = learn(binary(), PCD(), patterns(), epochs=1, batch=50)
    loop = SimpleNamespace(stream=Stream(1), clock=8)
    found = learner.validate({"x": patterns()}, loop)
    data = patterns()
    assert found["log_likelihood"] == pytest.approx(
        log_likelihood(learner.machine, data), abs=1e-5
    )
    for name in set(found) - {"log_likelihood"}:
        assert "not a likelihood" in learner.monitors[name]


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: CD(k=0), "k=0"),
        (lambda: PCD(chains=0), "chains=0"),
        (lambda: PCD(temperatures=(0.9, 0.5)), "temperatures"),
        (lambda: PCD(temperatures=(1.0, 1.0)), "temperatures"),
        (lambda: PCD(momentum=1.0), "momentum"),
        (lambda: CD(weight_decay=-1.0), "weight_decay"),
        (lambda: CD(sparsity=1.5), "sparsity"),
        (lambda: CD(start="zero"), "start"),
        (lambda: CD(matmul="int8"), "matmul"),
        (lambda: BoltzmannLearner(binary(), CD(optimiser="sdg"), 10), "sdg"),
        (lambda: BoltzmannLearner(binary(), CD(target="z"), 10), "'z'"),
    ],
)
def test_bad_settings_are_named(make, word):
    with pytest.raises(OptionError, match=word):
        make()


def test_what_cannot_be_learned_is_refused():
    with pytest.raises(ModelError, match="two layers"):
        BoltzmannLearner(machine_of("deep"), CD(), 10)
    with pytest.raises(ModelError, match="Linear"):
        PCD().learner(torch.nn.Linear(2, 2), None, None)


@pytest.mark.parametrize("matmul", ["float32", "bfloat16"])
def test_one_pass_and_separate_gradients_learn_the_same(matmul):
    """But for rounding: by `learn` in one pass, and by `gradient` where others look at it."""
    start, machines = BoltzmannMachine([Units("x", 6), Units("h", 5)], weight_scale=1.0), []
    for plain in (True, False):
        machine = copy.deepcopy(start)
        method = PCD(learning_rate=0.2, weight_decay=0.01, matmul=matmul)
        learner = BoltzmannLearner(machine, method, 100)
        optimiser = learner.players["machine"].optimiser
        loop = SimpleNamespace(stream=Stream(3), clock=0, plain=plain)
        loop.update = lambda name, own=optimiser: (own.step(), own.zero_grad())
        for group in optimiser.param_groups:
            group["lr"] = 0.2
        for _ in range(4):
            learner.step({"x": patterns()[:100]}, loop)
        machines.append(machine)
    assert (machines[0].weights[0] - start.weights[0]).abs().max() > 0.05
    tolerance = {"rtol": 0, "atol": 1e-6 if matmul == "float32" else 1e-3}
    for one, other in zip(*(m.parameters() for m in machines), strict=True):
        torch.testing.assert_close(one, other, **tolerance)


@pytest.mark.skipif(not descends(torch.zeros(1)), reason="no C++ compiler")
def test_products_are_made_with_the_weights_as_they_are():
    data, machine = patterns(), binary()
    learner = learn(machine, PCD(matmul="bfloat16"), data, epochs=1, batch=50)
    copied = learner.binary._rounded
    assert torch.equal(copied.values, machine.weights[0].bfloat16())  # by the step itself
    machine.load_state_dict(binary(seed=5).state_dict())
    assert not torch.equal(copied.values, machine.weights[0].bfloat16())
    assert torch.equal(copied.current(), machine.weights[0].bfloat16())


@pytest.mark.parametrize("matmul", ["float32", "auto"])
def test_persistent_chains_start_at_the_data(matmul):
    machine = binary()
    with torch.no_grad():
        machine.weights[0].fill_(4.0)  # both layers are on or off together
        machine.biases[0].fill_(-10.0)
        machine.biases[1].fill_(-12.0)
    for cases in (torch.ones(20, 6), torch.zeros(20, 6)):
        learner = BoltzmannLearner(machine, PCD(chains=50, matmul=matmul), 20)
        learner.binary = learner.binary if matmul == "auto" else None  # the way of all machines
        found, _ = learner.gradient(cases, Stream(1))
        assert found["biases.0"].abs().max() < 0.05
