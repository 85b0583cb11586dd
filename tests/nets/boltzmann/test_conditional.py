"""The exact law of one visible unit given the others, against enumeration."""

from __future__ import annotations

import pytest
import torch

from probgen.errors import OptionError
from probgen.nets.boltzmann.conditional import log_conditional
from tests.nets.boltzmann.machines import exact_law, machine_of, visible_values


@pytest.mark.parametrize(("kind", "unit"), [("bernoulli", 1), ("categorical", 1)])
def test_the_law_of_a_unit_given_the_other_visible_ones(kind, unit):
    machine = machine_of(kind)
    visible = machine.encode(0, visible_values(machine))
    found = log_conditional(machine, visible, "x", unit)
    states, log_law, _ = exact_law(machine)
    step = machine.layers[0][0].width // machine.layers[0][0].size
    own = torch.zeros(visible.shape[1], dtype=torch.bool)
    own[unit * step : (unit + 1) * step] = True
    for case in range(4):
        others = (states[0] == visible[case])[:, ~own].all(-1)
        numbers = machine.layers[0][0].decode(states[0][others])[:, unit].long()
        expected = torch.zeros(found.shape[1]).double()
        expected.index_add_(0, numbers, log_law[others].softmax(0))
        torch.testing.assert_close(found[case].exp(), expected)


@pytest.mark.parametrize(("site", "unit"), [("r", 0), ("x", 2), ("h", 0), ("x", -1)])
def test_only_discrete_visible_units_have_such_a_law(site, unit):
    machine = machine_of("composite")
    visible = machine.encode(0, visible_values(machine))
    with pytest.raises(OptionError, match=r"no discrete visible unit .*\{'x': 2, 'y': 1\}"):
        log_conditional(machine, visible, site, unit)
