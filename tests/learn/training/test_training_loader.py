"""Batches depend on seed, epoch and position alone, and cover every row once an epoch."""

from __future__ import annotations

from itertools import chain

import pytest
import torch

from probgen.learn.training.loader import Loader, split_rows
from probgen.learn.training.source import read_rows


def rows_of(count: int):
    return read_rows(torch.arange(float(count)), ["x"], {})


def numbers(loader: Loader, epoch: int, position: int = 0) -> list[list[float]]:
    return [batch["x"].tolist() for batch, _, _ in loader.epoch(epoch, position)]


def test_every_row_comes_once_an_epoch_in_an_order_of_its_own():
    loader = Loader(rows_of(103), 10, seed=1)
    first, second = numbers(loader, 0), numbers(loader, 1)
    assert [len(batch) for batch in first] == [10] * 10 + [3]
    assert sorted(chain(*first)) == list(range(103)) == sorted(chain(*second))
    assert first != second
    assert numbers(Loader(rows_of(103), 10, seed=2), 0) != first


@pytest.mark.parametrize("position", [0, 1, 5, 10])
def test_an_epoch_is_gone_on_with_anywhere(position):
    whole = numbers(Loader(rows_of(103), 10, seed=1), 3)
    assert numbers(Loader(rows_of(103), 10, seed=1), 3, position) == whole[position:]


def test_without_shuffling_rows_keep_their_order():
    assert list(chain(*numbers(Loader(rows_of(7), 3, seed=1, shuffle=False), 4))) == list(range(7))


@pytest.mark.parametrize(("count", "batch"), [(100, 10), (103, 10), (101, 10), (3, 3)])
def test_processes_share_each_batch(count, batch):
    world = 4
    whole = numbers(Loader(rows_of(count), batch, seed=1), 2)
    shares = [
        list(Loader(rows_of(count), batch, 1, rank, world).epoch(2)) for rank in range(world)
    ]
    for step, expected in enumerate(whole):
        parts = [share[step] for share in shares]
        found = chain(*(b["x"].tolist() for b, weight, _ in parts if weight))
        assert sorted(found) == sorted(expected)
        # means over parts, weighted, are the mean over the batch
        mean = sum(b["x"].mean() * weight for b, weight, _ in parts) / world
        assert float(mean) == pytest.approx(sum(expected) / len(expected), rel=1e-6)


def test_numbers_say_where_rows_are_from():
    for batch, _, where in Loader(rows_of(50), 8, seed=3).epoch(0):
        assert batch["x"].tolist() == where.tolist()


def test_a_split_is_one_of_all_rows():
    train, held_out = split_rows(rows_of(50), 0.2, seed=1)
    assert (len(train), len(held_out)) == (40, 10)
    both = [r.raw(torch.arange(len(r)))["x"].tolist() for r in (train, held_out)]
    assert sorted(both[0] + both[1]) == list(range(50))
    again = split_rows(rows_of(50), 0.2, seed=1)[1]
    assert again.raw(torch.arange(10))["x"].tolist() == both[1]
    assert split_rows(rows_of(50), 0.2, seed=2)[1].raw(torch.arange(10))["x"].tolist() != both[1]
