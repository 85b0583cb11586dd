"""Streams of random numbers: two integers are all that there is to them."""

from __future__ import annotations

import pytest
import torch

from probgen.nets.stream import Stream


def test_a_stream_goes_on_from_seed_and_position():
    stream = Stream(5)
    keys = [stream.key() for _ in range(10)]
    resumed = Stream(stream.seed, 4)
    assert [resumed.key() for _ in range(6)] == keys[4:]
    assert (stream.seed, stream.position) == (5, 10)


def test_keys_are_distinct_64_bit_numbers():
    streams = [Stream(seed) for seed in (0, 1, 2, -1, 2**40)]
    keys = [stream.key() for stream in streams for _ in range(2000)]
    assert len(set(keys)) == len(keys)
    assert all(0 <= key < 2**64 for key in keys)
    assert sum(key >> 63 for key in keys) == pytest.approx(5000, abs=5 * 50)


def test_draws_of_a_key_depend_on_nothing_else():
    first = torch.rand(3, generator=Stream(1).generator())
    torch.manual_seed(0)
    other = Stream(1)
    assert torch.equal(torch.rand(3, generator=other.generator()), first)
    assert not torch.equal(torch.rand(3, generator=other.generator()), first)


def test_uniform_numbers_of_successive_keys_are_uncorrelated():
    stream = Stream(3)
    draws = torch.stack([torch.rand(20, generator=stream.generator()) for _ in range(2000)])
    assert abs(float(draws.mean()) - 0.5) < 5 / (12 * 40_000) ** 0.5
    together = torch.corrcoef(torch.stack([draws[:-1].flatten(), draws[1:].flatten()]))[0, 1]
    assert abs(float(together)) < 5 / 40_000**0.5
