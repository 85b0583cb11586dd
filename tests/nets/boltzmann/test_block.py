"""Block Gibbs sweeps leave the machine's law as it is, and draw whole layers in order."""

import copy

import pytest
import torch

from probgen.nets.boltzmann.block import rounded, sweep
from probgen.nets.stream import Stream
from tests.nets.boltzmann.machines import DISCRETE, exact_law, machine_of

CHAINS = 10_000


def chi_square(machine, beta, wrong=False, **options):
    """How far sweeps carry exact draws off the law, in standard deviations of chi-square."""
    states, log_p, _ = exact_law(copy.deepcopy(machine).double())
    log_p = (beta * log_p).log_softmax(0)
    random = torch.Generator().manual_seed(4)
    rows = torch.multinomial(log_p.exp(), CHAINS, replacement=True, generator=random)
    chains, stream = [layer[rows].to(machine.dtype) for layer in states], Stream(2)
    for _ in range(4):
        chains = sweep(machine, chains, stream, beta=1.5 if wrong else beta, **options)
    codes = {tuple(row): i for i, row in enumerate(torch.cat(states, -1).tolist())}
    found = torch.tensor([codes[tuple(row)] for row in torch.cat(chains, -1).tolist()])
    counts = torch.bincount(found, minlength=len(log_p)).double()
    wanted = CHAINS * log_p.exp()
    usable = wanted > 5
    total = ((counts - wanted) ** 2 / wanted)[usable].sum()
    freedom = int(usable.sum()) - 1
    return float((total - freedom) / (2 * freedom) ** 0.5)


@pytest.mark.parametrize("kind", DISCRETE)
@pytest.mark.parametrize("beta", [1.0, 0.5])
def test_a_sweep_leaves_the_law_invariant(kind, beta):
    assert chi_square(machine_of(kind), beta) < 5
    assert chi_square(machine_of(kind), beta, wrong=True) > 5


def test_single_precision_and_rounded_weights_have_the_same_law():
    machine = machine_of("bernoulli").float()
    assert chi_square(machine, 1.0) < 5
    assert chi_square(machine, 1.0, weights=rounded(machine)) < 5


def test_temperatures_of_rows_are_their_own():
    machine = machine_of("composite")
    states = [torch.zeros(4000, width, dtype=torch.float64) for width in machine.widths]
    beta = torch.full((4000,), 0.25, dtype=torch.float64)
    beta[2000:] = 1.0
    drawn = sweep(machine, states, Stream(1), beta=beta)
    residual = (drawn[0] - machine.activation(0, drawn))[:, 2:4]
    variance = machine.log_variance.exp().detach()
    for rows, share in ((slice(0, 2000), 4.0), (slice(2000, 4000), 1.0)):
        ratio = residual[rows].var(0) / (variance * share)
        assert ((ratio - 1).abs() < 5 * (2 / 2000) ** 0.5).all()


def test_clamped_numbers_stay_and_the_rest_follows_them():
    machine = machine_of("bernoulli")
    states, log_p, _ = exact_law(machine)
    values = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64).expand(CHAINS, 3)
    mask = torch.tensor([True, True, False]).expand(CHAINS, 3)
    chains, stream = [values, torch.zeros(CHAINS, 2, dtype=torch.float64)], Stream(3)
    for _ in range(30):
        chains = sweep(machine, chains, stream, clamp={0: (mask, values)})
    assert torch.equal(chains[0][:, :2], values[:, :2])
    given = (states[0][:, 0] == 1) & (states[0][:, 1] == 0)
    p = log_p[given].exp() / log_p[given].exp().sum()
    wanted = float(p @ states[0][given, 2])
    assert abs(float(chains[0][:, 2].mean()) - wanted) < 5 * (0.25 / CHAINS) ** 0.5


def test_sweeps_change_nothing_they_were_given_and_repeat():
    machine = machine_of("deep_composite")
    states = [torch.zeros(3, width, dtype=torch.float64) for width in machine.widths]
    first, second = (sweep(machine, states, Stream(9)) for _ in range(2))
    assert all(not state.any() for state in states)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
