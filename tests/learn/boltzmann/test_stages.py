"""Whose turn it is where machines learn one after the other."""

from types import SimpleNamespace

import pytest

from probgen.learn.boltzmann.stages import stage_at


def turns(shares, epochs, per_epoch):
    loop = SimpleNamespace(total=epochs * per_epoch, steps_per_epoch=per_epoch)
    return [stage_at(shares, loop, clock) for clock in range(loop.total)]


@pytest.mark.parametrize("per_epoch", [1, 4])
def test_epochs_are_shared(per_epoch):
    """Steps of an epoch are those of all processes together, not one of them."""
    assert turns((2, 1), 3, per_epoch) == [0] * 2 * per_epoch + [1] * per_epoch
    assert turns((1.0, 1.0, 1.0), 3, per_epoch)[::per_epoch] == [0, 1, 2]


def test_the_last_machine_learns_to_the_end():
    assert turns((1, 3), 3, 2)[-1] == 1
    assert turns((1,), 3, 2) == [0] * 6
