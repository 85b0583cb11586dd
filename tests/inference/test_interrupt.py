"""Ctrl-C: finished draws are handed back; before the first one it is a KeyboardInterrupt.

The signal comes from a timer thread once enough draws are done, as it would from a terminal:
at a moment the sampler did not choose.
"""

from __future__ import annotations

import os
import signal
import threading
import time

import numpy as np
import pytest

from probgen.inference.hmc import HMC
from probgen.inference.nuts import NUTS
from tests.inference.conformance import run
from tests.inference.densities import TestDensity, native_density

SLOW = """
    const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(1000);
    while (std::chrono::steady_clock::now() < end) {}
    double value = 0;
    for (size_t i = 0; i < dim; ++i) {
        grad[i] = -q[i];
        value -= 0.5 * q[i] * q[i];
    }
    return value;"""

PLENTY = 20_000
"""Draws that take longer than the test, and end it all the same if the signal is lost."""


def slow_native() -> TestDensity:
    return native_density(2, SLOW)


def slow_python() -> TestDensity:
    def value_and_grad(q: np.ndarray) -> tuple[float, np.ndarray]:
        time.sleep(0.001)
        return -0.5 * float(q @ q), -q

    return TestDensity(2, value_and_grad)


both_engines = pytest.mark.parametrize("make", [slow_native, slow_python])


class Interrupt:
    """Progress callback that has SIGINT sent once `enough(progress)` says so."""

    def __init__(self, enough):
        self.enough = enough
        self.timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
        self.started = False

    def __call__(self, progress) -> None:
        if not self.started and self.enough(progress):
            self.started = True
            self.timer.start()

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self.timer.cancel()


@both_engines
def test_finished_draws_are_returned(make):
    warmup = 5
    with Interrupt(lambda progress: min(progress.iterations[:1]) > warmup + 3) as interrupt:
        result = run(
            HMC(num_steps=1, step_size=0.5), make(), chains=2, draws=PLENTY, warmup=warmup,
            threads=2, keep_warmup=True, progress=interrupt,
        )  # fmt: skip
    chains, draws, dim = result.unconstrained.shape
    assert result.summary["interrupted"] is True
    assert chains >= 1
    assert 3 < draws < PLENTY
    assert dim == 2
    assert np.isfinite(result.unconstrained).all()
    np.testing.assert_allclose(
        result.stats["lp"], -0.5 * (result.unconstrained**2).sum(axis=-1), atol=1e-12
    )
    assert all(stat.shape == (chains, draws) for stat in result.stats.values())
    assert result.warmup_unconstrained is not None
    assert result.warmup_unconstrained.shape == (chains, warmup, 2)


@both_engines
def test_before_the_first_draw(make):
    with (
        Interrupt(lambda progress: progress.iterations[0] > 0) as interrupt,
        pytest.raises(KeyboardInterrupt),
    ):
        run(NUTS(), make(), chains=2, draws=5, warmup=PLENTY, threads=2, progress=interrupt)


@both_engines
def test_a_run_after_an_interrupted_one_is_as_any_other(make):
    with Interrupt(lambda progress: progress.iterations[0] > 3) as interrupt:
        run(HMC(num_steps=1), make(), draws=PLENTY, warmup=0, chains=1, progress=interrupt)
    result = run(HMC(num_steps=1), make(), draws=10, warmup=0, chains=1)
    assert result.summary["interrupted"] is False
    assert result.unconstrained.shape == (1, 10, 2)


@both_engines
def test_an_interrupted_run_knows_its_seconds_and_step_sizes(make):
    with Interrupt(lambda progress: progress.iterations[0] > 10) as interrupt:
        result = run(
            HMC(num_steps=1, step_size=0.5), make(), draws=PLENTY, warmup=5, chains=1,
            progress=interrupt,
        )  # fmt: skip
    assert result.summary["step_size"] == [0.5]
    assert result.summary["seconds_warmup"] > 0
    assert result.summary["seconds_sampling"] > 0
