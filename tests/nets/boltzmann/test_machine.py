"""The machine's energy is its Pyro program's density, and its conditionals follow from it."""

from __future__ import annotations

import itertools

import pyro
import pytest
import torch
from pyro import poutine

from probgen.errors import ModelError
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.boltzmann.units import Units
from probgen.nets.stream import Stream
from tests.nets.boltzmann.machines import (
    LAYERS,
    RESTRICTED,
    energy_by_hand,
    every_state,
    five_sigma,
    machine_of,
    states_of,
    values_of,
)


@pytest.fixture(params=LAYERS)
def machine(request) -> BoltzmannMachine:
    return machine_of(request.param)


def log_density(machine: BoltzmannMachine, values) -> torch.Tensor:
    """What Pyro's trace of the program makes of every case."""
    latent = {name: value for name, value in values.items() if name not in ("x", "r")}
    observed = {name: value for name, value in values.items() if name not in latent}
    with torch.no_grad():
        model = poutine.condition(machine, latent) if observed else machine
        trace = poutine.trace(model).get_trace(**(observed or values))
        trace.compute_log_prob()
    return sum(site["log_prob"] for site in trace.nodes.values() if site["type"] == "sample")


def test_the_trace_has_minus_the_energy(machine):
    values = values_of(machine)
    expected = torch.tensor(
        [-energy_by_hand(machine, values, case) for case in range(4)], dtype=torch.float64
    )
    found = log_density(machine, values)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    energy = machine.energy(states_of(machine, values))
    torch.testing.assert_close(found, -energy.detach(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("kind", "mutation"),
    [(kind, {"sign": -1.0}) for kind in LAYERS]
    + [(kind, {"bias": False}) for kind in LAYERS]
    + [(kind, {"over_variance": False}) for kind in ("gaussian", "composite", "deep_composite")],
)
def test_a_wrong_energy_is_noticed(kind, mutation):
    machine = machine_of(kind)
    values = values_of(machine)
    wrong = torch.tensor([-energy_by_hand(machine, values, n, **mutation) for n in range(4)])
    assert (log_density(machine, values) - wrong).abs().max() > 0.1


def test_every_block_is_a_site_in_a_plate_of_cases(machine):
    values = values_of(machine, cases=5)
    trace = poutine.trace(machine).get_trace(**values)
    for units in itertools.chain(*machine.layers):
        site = trace.nodes[units.name]
        assert site["value"].shape == (5, units.size)
        assert site["is_observed"]
        assert [frame.name for frame in site["cond_indep_stack"]] == ["case"]
        assert units.kind.capitalize() in repr(site["fn"].base_dist) or units.kind == "gaussian"


def test_without_values_the_sites_are_latent(machine):
    trace = poutine.trace(machine).get_trace()
    for units in itertools.chain(*machine.layers):
        assert not trace.nodes[units.name]["is_observed"]
        assert trace.nodes[units.name]["value"].shape == (1, units.size)


def test_decoding_inverts_encoding(machine):
    values = values_of(machine)
    for layer in range(len(machine.layers)):
        state = machine.encode(layer, values)
        assert state.dtype == torch.float64
        assert state.shape == (4, machine.widths[layer])
        for name, value in machine.decode(layer, state).items():
            torch.testing.assert_close(value, values[name])


@pytest.mark.parametrize("kind", RESTRICTED)
def test_the_free_energy_sums_the_hidden_layer_out(kind):
    machine = machine_of(kind)
    visible = machine.encode(0, values_of(machine))
    hidden = every_state(machine, 1)
    each = [-machine.energy([visible, state.expand(4, -1)]) for state in hidden]
    expected = -torch.stack(each).logsumexp(0)
    torch.testing.assert_close(machine.free_energy(visible), expected)


def test_deep_machines_have_no_free_energy():
    with pytest.raises(ModelError, match="3 layers has no closed form"):
        machine_of("deep").free_energy(torch.zeros(1, 3).double())


def test_means_and_sums_of_a_layer_follow_from_the_energy(machine):
    """Against the sum over all states of the layer, the others fixed."""
    states = states_of(machine, values_of(machine, cases=1))
    for layer, blocks in enumerate(machine.layers):
        if not all(units.discrete for units in blocks):
            continue
        every = every_state(machine, layer)
        others = [state.expand(len(every), -1) for state in states]
        weights = -machine.energy([*others[:layer], every, *others[layer + 1 :]])
        activation = machine.activation(layer, states)
        mean = weights.softmax(0) @ every
        torch.testing.assert_close(machine.mean(layer, activation)[0], mean)
        silent = [*states[:layer], torch.zeros_like(states[layer]), *states[layer + 1 :]]
        expected = weights.logsumexp(0) + machine.energy(silent)[0]
        torch.testing.assert_close(machine.log_partition(layer, activation)[0], expected)


@pytest.mark.parametrize("kind", ["gaussian", "composite", "deep_composite"])
def test_gaussian_units_have_the_mean_and_variance_of_the_energy(kind):
    """Of a quadratic energy: where its slope is 0, and one over its curvature."""
    machine = machine_of(kind)
    states = states_of(machine, values_of(machine, cases=1))
    mean = machine.mean(0, machine.activation(0, states)).detach()
    start = 0
    for units in machine.layers[0]:
        if units.kind == "gaussian":
            place = slice(start, start + units.size)

            def energy(part, place=place):
                visible = states[0].clone()
                visible[0, place] = part
                return machine.energy([visible, *states[1:]])[0]

            slope = torch.autograd.functional.jacobian(energy, mean[0, place])
            curvature = torch.autograd.functional.hessian(energy, mean[0, place])
            assert slope.abs().max() < 1e-10
            torch.testing.assert_close(curvature.inverse().diagonal(), machine.log_variance.exp())
        start += units.width


def test_draws_have_the_mean_and_the_spread(machine):
    """20000 draws of every layer given the others, five standard errors."""
    states = states_of(machine, values_of(machine, cases=1))
    rows = [state.expand(20000, -1) for state in states]
    for layer in range(len(machine.layers)):
        with torch.no_grad():
            activation = machine.activation(layer, rows)
            drawn = machine.draw(layer, activation, Stream(7))
            mean = machine.mean(layer, activation)[0]
            variances = machine.variances(layer)
        gaussian = variances is not None and torch.cat(
            [torch.full((u.width,), float(u.kind == "gaussian")) for u in machine.layers[layer]]
        )
        for column, share in enumerate(mean.tolist()):
            if variances is not None and gaussian[column]:
                spread = float(variances[column]) ** 0.5
                assert abs(drawn[:, column].mean() - share) < 5 * spread / 20000**0.5
                assert abs(drawn[:, column].std() / spread - 1) < 5 / 40000**0.5
            else:
                assert abs(drawn[:, column].mean() - share) < five_sigma(share, 20000)


def test_states_without_probability_are_never_drawn():
    """Also where the uniform number is exactly 0, or the last one below 1."""
    units = Units("y", 1, "categorical", 4)
    activation = torch.tensor([-torch.inf, 0.0, 0.0, -torch.inf]).expand(200_000, -1)
    drawn = units.decode(units.draw(activation, Stream(0)))
    assert drawn.unique().tolist() == [1, 2]


def test_extreme_activations_give_sure_draws():
    units = Units("x", 2)
    drawn = units.draw(torch.tensor([[-1e4, 1e4]]).expand(1000, -1), Stream(0))
    assert drawn.unique(dim=0).tolist() == [[0.0, 1.0]]
    assert torch.isfinite(units.log_partition(torch.tensor([[-1e4, 1e4]])))


@pytest.mark.parametrize("kind", RESTRICTED)
def test_gradients_agree_with_finite_differences(kind):
    """Of the free energy by every parameter, log variances included."""
    machine = machine_of(kind)
    visible = machine.encode(0, values_of(machine))
    machine.free_energy(visible).sum().backward()
    for name, parameter in machine.named_parameters():
        flat = parameter.data.view(-1)
        for place in range(len(flat)):
            before, ends = float(flat[place]), []
            for step in (1e-5, -1e-5):
                flat[place] = before + step
                ends.append(float(machine.free_energy(visible).sum().detach()))
            flat[place] = before
            slope = (ends[0] - ends[1]) / 2e-5
            assert float(parameter.grad.view(-1)[place]) == pytest.approx(slope, abs=1e-7), name


def test_the_first_weights_depend_on_the_seed_alone():
    torch.manual_seed(0)
    one = BoltzmannMachine(LAYERS["deep"], seed=3)
    torch.manual_seed(1)
    other = BoltzmannMachine(LAYERS["deep"], seed=3)
    third = BoltzmannMachine(LAYERS["deep"], seed=4)
    for mine, same, changed in zip(one.weights, other.weights, third.weights, strict=True):
        assert torch.equal(mine, same)
        assert not torch.equal(mine, changed)
    assert 0.003 < one.weights[0].std() < 0.03


def test_a_state_dict_carries_the_whole_machine(machine):
    copy = BoltzmannMachine(machine.layers).double()
    copy.load_state_dict(machine.state_dict())
    states = states_of(machine, values_of(machine))
    assert torch.equal(copy.energy(states), machine.energy(states))
    assert set(machine.state_dict()) == {
        "log_variance",
        *(f"biases.{layer}" for layer in range(len(machine.layers))),
        *(f"weights.{layer}" for layer in range(len(machine.layers) - 1)),
    }


@pytest.mark.parametrize("kind", LAYERS)
def test_with_local_parameters_running_the_program_leaves_none_behind(kind):
    pyro.clear_param_store()
    with pyro.settings.context(module_local_params=True):
        machine = machine_of(kind)
        poutine.trace(machine).get_trace(**values_of(machine))
    assert not list(pyro.get_param_store().keys())


def test_single_precision_agrees(machine):
    values = values_of(machine)
    expected = machine.energy(states_of(machine, values))
    single = machine.float()
    found = single.energy(states_of(single, values))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), expected.double(), rtol=1e-5, atol=1e-4)


def test_the_arithmetic_stays_on_the_device_of_the_machine(machine):
    """On torch's device without memory, which refuses to meet another one."""
    states = [state.to("meta") for state in states_of(machine, values_of(machine))]
    machine = machine.to("meta")
    found = [machine.energy(states)]
    for layer in range(len(machine.layers)):
        activation = machine.activation(layer, states)
        found += [machine.mean(layer, activation), machine.own_energy(layer, states[layer])]
    if len(machine.layers) == 2:
        found.append(machine.free_energy(states[0]))
    assert all(value.device.type == "meta" for value in found)


def test_the_repr_names_the_layers(machine):
    text = repr(machine)
    assert text.startswith("BoltzmannMachine(")
    assert all(f"{u.name}: {u.size} {u.kind}" in text for u in itertools.chain(*machine.layers))


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([Units("x", 3)], "two or more layers"),
        ([Units("x", 3), ()], "two or more layers"),
        ([Units("x", 3), Units("x", 2)], "Two blocks of units are called 'x'"),
        ([Units("x", 3), Units("h", 2, "gaussian")], r"Gaussian units 'h' .*hidden layer"),
        (
            [Units("x", 3), Units("h", 2, "categorical", optional=True)],
            r"optional units 'h' .*hidden layer",
        ),
    ],
)
def test_impossible_layers_are_refused(layers, message):
    with pytest.raises(ModelError, match=message):
        BoltzmannMachine(layers)
