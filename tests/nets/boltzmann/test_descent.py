"""The step of descent in one pass: that of torch's optimiser, centring by its own function."""

import pytest
import torch

from probgen.learn.boltzmann.centring import centre
from probgen.nets.boltzmann.native.descent import descend, descends

pytestmark = pytest.mark.skipif(not descends(torch.zeros(1)), reason="no C++ compiler")

SHAPE = (7, 21)


def numbers(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("momentum", "decay"), [(0.0, 0.0), (0.7, 0.0), (0.0, 0.1), (0.7, 0.1)])
@pytest.mark.parametrize("slip", [0.0, 1e-3])
def test_a_step_is_that_of_stochastic_gradient_descent(kind, momentum, decay, slip):
    wanted = torch.nn.Parameter(numbers(*SHAPE))
    optimiser = torch.optim.SGD([wanted], lr=0.1, momentum=momentum, weight_decay=decay)
    found = wanted.detach().clone()
    velocity = torch.zeros(SHAPE) if momentum else None
    rounded = torch.empty(SHAPE, dtype=kind) if kind == torch.bfloat16 else None
    for seed in range(3):
        gradient = numbers(*SHAPE, seed=seed).to(kind)
        wanted.grad = gradient.float() + slip
        optimiser.step()
        descend(
            found, gradient, 0.1, momentum=momentum, decay=decay, velocity=velocity,
            rounded=rounded,
        )  # fmt: skip
    assert torch.allclose(found, wanted.detach(), rtol=1e-5, atol=1e-6) == (slip == 0.0)
    assert rounded is None or torch.equal(rounded, found.to(kind))


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("uncentred", [False, True])
def test_centring_on_the_way_is_centring(kind, uncentred):
    gradient = numbers(*SHAPE).to(kind)
    slopes = [numbers(SHAPE[0], seed=2), numbers(SHAPE[1], seed=3)]
    means = [numbers(SHAPE[0], seed=4).sigmoid(), numbers(SHAPE[1], seed=5).sigmoid()]
    names = {"biases.0": slopes[0].clone(), "biases.1": slopes[1].clone()}
    wanted = {"weights.0": gradient.float().clone(), **names}
    if not uncentred:
        centre(wanted, means)
    found = torch.zeros(SHAPE)
    rounded = torch.empty(SHAPE, dtype=kind) if kind == torch.bfloat16 else None
    descend(found, gradient, 1.0, rounded=rounded, means=means, slopes=slopes)
    pairs = [(-found, wanted["weights.0"]), *zip(slopes, names.values(), strict=True)]
    close = [torch.allclose(a, b, rtol=1e-4, atol=1e-5) for a, b in pairs]
    assert all(close) != uncentred


def test_a_vector_is_a_matrix_of_one_row():
    vector = torch.ones(5)
    descend(vector, torch.arange(5.0), 0.5)
    assert vector.tolist() == [1.0, 0.5, 0.0, -0.5, -1.0]


def test_others_notice_that_a_parameter_has_changed():
    parameter = torch.ones(3)
    before = parameter._version
    descend(parameter, torch.ones(3), 0.5)
    assert parameter._version > before


def test_other_types_are_not_served():
    assert not descends(torch.zeros(2, dtype=torch.float64))
    assert not descends(torch.zeros(4, 3).T)
