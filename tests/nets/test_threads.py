"""Threads of torch: how many for which work, and that they are put back."""

import pytest
import torch

from probgen.nets.threads import SMALL, threads_for, torch_threads


@pytest.fixture(autouse=True)
def three():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_small_products_have_one_thread():
    assert (threads_for(SMALL / 2), threads_for(SMALL * 2)) == (1, 3)


def test_the_number_is_put_back_even_after_an_error():
    def fails():
        with torch_threads(2):
            assert torch.get_num_threads() == 2
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert torch.get_num_threads() == 3
