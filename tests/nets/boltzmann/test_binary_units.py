"""The fused pass over binary units: right probabilities, and numbers that depend on the key."""

import pytest
import torch

from probgen.nets.boltzmann.native import binary_units as module
from probgen.nets.boltzmann.native.binary_units import binary_units, compiled
from probgen.nets.stream import Stream

KINDS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "by torch": torch.float64}


def inputs(dtype, rows=40, columns=33):
    random = torch.Generator().manual_seed(3)
    real = torch.float64 if dtype == torch.float64 else torch.float32
    activation = (4 * torch.randn(rows, columns, generator=random)).to(dtype)
    return activation, torch.randn(columns, generator=random).to(real)


@pytest.mark.parametrize("kind", KINDS)
def test_means_are_logistic_functions_of_log_odds(kind):
    activation, bias = inputs(KINDS[kind])
    beta = torch.linspace(0, 2, len(activation)).to(bias.dtype)
    mean, total = torch.empty_like(activation), torch.ones_like(bias)
    binary_units(activation, bias, 1, mean=mean, beta=beta, scale=-2.0, total=total)
    wanted = -2 * torch.sigmoid(beta[:, None] * (activation.to(bias.dtype) + bias))
    tolerance = 2**-8 if kind == "bfloat16" else 1e-6
    torch.testing.assert_close(mean.to(bias.dtype), wanted, rtol=tolerance, atol=1e-7)
    torch.testing.assert_close(total, 1 + wanted.sum(0), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("slip", [0.0, 0.1])
def test_units_are_on_as_often_as_they_should_be(kind, slip):
    activation, bias = inputs(KINDS[kind])
    stream, draws, total = Stream(5), 1000, torch.zeros(activation.shape, dtype=torch.float64)
    drawn, counted = torch.empty_like(activation), torch.zeros_like(bias)
    for _ in range(draws):
        binary_units(activation, bias + slip, stream.key(), drawn=drawn, total=counted)
        total += drawn
    assert counted.tolist() == total.sum(0).tolist()
    p = torch.sigmoid(activation.double() + bias.double())
    usable = (draws * p * (1 - p)) > 20
    z = ((total / draws - p) / (p * (1 - p) / draws).sqrt())[usable]
    chi_square = (z.square().sum() - len(z)) / (2 * len(z)) ** 0.5
    assert (abs(float(chi_square)) < 5) == (slip == 0.0)


@pytest.mark.skipif(not compiled(torch.zeros(1)), reason="no C++ compiler")
@pytest.mark.parametrize("columns", [1, 2, 33])
def test_draws_do_not_depend_on_threads_or_blocks(monkeypatch, columns):
    activation, bias = inputs(torch.float32, columns=columns)
    whole, cut, other = (torch.empty_like(activation) for _ in range(3))
    binary_units(activation, bias, 7, drawn=whole)
    monkeypatch.setattr(module, "_LARGE", 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    binary_units(activation, bias, 7, drawn=cut)
    binary_units(activation, bias, 8, drawn=other)
    assert torch.equal(whole, cut)
    assert not torch.equal(whole, other)


def test_without_a_compiler_torch_draws(monkeypatch):
    activation, bias = inputs(torch.float32)
    monkeypatch.setattr(module, "library", lambda: None)
    first, second, mean = (torch.empty_like(activation) for _ in range(3))
    binary_units(activation, bias, 7, drawn=first, mean=mean)
    binary_units(activation, bias, 7, drawn=second)
    assert torch.equal(first, second)
    torch.testing.assert_close(mean, torch.sigmoid(activation + bias))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_draws_by_torch():
    activation, bias = inputs(torch.bfloat16)
    activation, bias = activation.cuda(), bias.cuda()
    mean, drawn = torch.empty_like(activation), torch.empty_like(activation)
    binary_units(activation, bias, 7, drawn=drawn, mean=mean)
    wanted = torch.sigmoid(activation.float() + bias)
    torch.testing.assert_close(mean.float(), wanted, rtol=2**-8, atol=1e-7)
    assert set(drawn.unique().tolist()) <= {0.0, 1.0}
