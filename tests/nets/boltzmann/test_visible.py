"""Features, reconstructions and missing values of small machines against enumeration."""

from __future__ import annotations

import pytest
import torch

from probgen.errors import DataError
from probgen.nets.boltzmann.visible import inpaint, reconstruct, transform
from tests.nets.boltzmann.machines import (
    RESTRICTED,
    exact_law,
    five_sigma,
    machine_of,
    visible_values,
)

NAN = float("nan")


@pytest.mark.parametrize("kind", ["bernoulli", "categorical", "softmax_hidden"])
def test_features_are_the_exact_means_of_the_hidden_units(kind):
    machine = machine_of(kind)
    values = visible_values(machine)
    visible, found = machine.encode(0, values), transform(machine, values)
    states, log_law, _ = exact_law(machine)
    for case in range(4):
        fits = (states[0] == visible[case]).all(-1)
        law = log_law[fits].softmax(0)
        torch.testing.assert_close(found[case], law @ states[1][fits])


@pytest.mark.parametrize("kind", RESTRICTED)
def test_reconstructions_are_means_of_the_visible_sites(kind):
    machine = machine_of(kind)
    values = visible_values(machine)
    found = reconstruct(machine, values)
    assert set(found) == set(values)
    for units in machine.layers[0]:
        mean = found[units.name]
        assert not mean.requires_grad
        if units.kind == "categorical":
            assert mean.shape == (4, units.size, units.states)
            torch.testing.assert_close(mean.sum(-1), torch.ones(4, units.size).double())
        else:
            assert mean.shape == (4, units.size)


@pytest.mark.parametrize("kind", ["bernoulli", "categorical", "deep"])
def test_filled_in_values_have_the_exact_conditional_law(kind):
    """p(missing | observed) of the visible units by enumeration, against 20000 draws."""
    machine = machine_of(kind)
    cases = 5000
    x = torch.full((cases, machine.layers[0][0].size), NAN)
    x[:, 0] = 1.0
    drawn = machine.encode(0, inpaint(machine, {"x": x}, sweeps=15, seed=3))
    states, log_law, _ = exact_law(machine)
    fits = (states[0] == drawn[0])[:, : len(drawn[0]) // x.shape[1]].all(-1)
    law = log_law[fits].softmax(0)
    every, places = states[0][fits].unique(dim=0, return_inverse=True)
    expected = torch.zeros(len(every)).double().index_add(0, places, law)
    for state, share in zip(every, expected.tolist(), strict=True):
        found = (drawn == state).all(-1).double().mean()
        assert abs(found - share) < five_sigma(share, cases)
    # Without the evidence the law is another one.
    free = inpaint(machine, {"x": torch.full_like(x, NAN)}, sweeps=15, seed=3)["x"]
    assert (free[:, 0] != 1).double().mean() > 0.1


def test_known_values_stay_as_they_are():
    machine = machine_of("composite")
    values = visible_values(machine)
    values["r"][0, 1] = NAN
    filled = inpaint(machine, {"r": values["r"], "x": values["x"]}, sweeps=2)
    assert torch.equal(filled["x"], values["x"])
    known = ~values["r"].isnan()
    assert torch.equal(filled["r"][known], values["r"][known])
    assert torch.isfinite(filled["r"]).all()
    assert filled["y"].shape == (4, 1)


def test_the_same_seed_fills_in_the_same_values():
    machine = machine_of("gaussian")
    data = {"x": [[NAN, 0.5, NAN]]}
    one, same, other = (inpaint(machine, data, sweeps=3, seed=seed)["x"] for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("scale", [0.2, 3.0])
def test_features_of_deep_machines_are_near_the_means_where_couplings_are_weak(scale):
    machine = machine_of("deep")
    with torch.no_grad():
        for weight in machine.weights:
            weight *= scale * 0.5 / weight.abs().max()
    values = visible_values(machine)
    found, back = transform(machine, values), reconstruct(machine, values)
    assert found.shape == (4, machine.widths[-1])
    assert back["x"].shape == values["x"].shape
    visible = machine.encode(0, values)
    states, log_law, _ = exact_law(machine)
    wanted = []
    for case in visible:
        fits = (states[0] == case).all(-1)
        wanted.append(log_law[fits].softmax(0) @ states[-1][fits])
    assert ((found - torch.stack(wanted)).abs().max() < 1e-3) == (scale < 1)


def test_features_of_values_outside_the_domain_are_refused():
    with pytest.raises(DataError, match="'x': 3 of 3 values are not 0 or 1"):
        transform(machine_of("bernoulli"), {"x": torch.full((1, 3), 0.5)})
