"""Layers that answer a repeated call from memory."""

import torch
from torch import nn

from probgen.learn.adversarial.once import Once, calls, outermost
from tests.learn.adversarial.drive import counted


def test_the_same_values_are_computed_once():
    layer, x = nn.Linear(3, 2), torch.randn(4, 3)
    with counted(layer) as outside:
        with Once([layer]):
            first = layer(x)
            assert layer(x.flatten(1)) is first
            assert layer(x.clone()) is not first
            x.add_(1.0)
            assert layer(x) is not first  # another version of the same memory
            with torch.no_grad():
                assert not layer(x).requires_grad
        assert layer(x) is not layer(x)
    assert outside == [4] * 7
    assert "forward" not in vars(layer)


def test_gradients_of_both_uses_add_up():
    layer, x = nn.Linear(3, 1), torch.randn(4, 3)
    with Once([layer]):
        (layer(x).sum() + 2 * layer(x).sum()).backward()
    torch.testing.assert_close(layer.weight.grad, 3 * x.sum(0, keepdim=True))


def test_values_with_and_without_gradients_are_kept_apart():
    layer, x = nn.Linear(3, 1), torch.randn(4, 3)
    with Once([layer]):
        cut = layer(x)
        leaf = x.detach().requires_grad_()
        assert torch.autograd.grad(layer(leaf).sum(), leaf)[0].shape == x.shape
        assert layer(x) is cut


def test_memory_that_is_free_is_not_taken_for_what_was_in_it():
    """A tensor that is kept in memory keeps its address from others."""
    layer, addresses = nn.Linear(3, 1), set()
    with Once([layer]), torch.no_grad():
        for _ in range(50):
            x = torch.randn(4, 3)
            addresses.add(x.data_ptr())
            torch.testing.assert_close(layer(x), nn.functional.linear(x, layer.weight, layer.bias))
    assert len(addresses) == 50


def test_a_forward_that_had_been_replaced_comes_back():
    layer = nn.Linear(3, 1)
    layer.forward = replaced = lambda x: x
    with Once([layer]):
        layer(torch.zeros(1, 3))
    assert layer.forward is replaced


def test_an_error_leaves_the_layers_as_they_were():
    layer = nn.Linear(3, 1)
    try:
        with Once([layer]):
            layer(torch.randn(4, 5))
    except RuntimeError:
        pass
    assert "forward" not in vars(layer)


def test_what_was_called_and_is_in_nothing_else():
    inner = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    model = nn.ModuleDict({"inner": inner, "other": nn.Linear(2, 1)})
    with calls() as called:
        inner(torch.zeros(1, 2))
    assert called == {inner, *inner}
    assert outermost(called) == [inner]
    assert model["other"] not in called
