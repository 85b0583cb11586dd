"""Compiled densities against the program itself, at ordinary points and at far-out ones."""

from __future__ import annotations

import numpy as np

from probgen.declare.program import read_program
from probgen.targets.density import Density, compile_density, flatten

SCALES = (0.5, 1.0, 2.0, 5.0, 12.0)


def native(model, data=None) -> Density:
    """The compiled density; fails where the program cannot be compiled."""
    return compile_density(read_program(model, data), backend="native")


def assert_agrees(density: Density, scales=SCALES, rtol: float = 1e-8) -> None:
    """Value, gradient and outputs equal those of the program wherever these are finite."""
    compared = 0
    for seed, scale in enumerate(scales):
        q = np.random.default_rng(seed).normal(size=density.dim) * scale
        value, gradient = density.value_and_grad(q)
        expected, expected_gradient = density.eager_value_and_grad(q)
        outputs = {name: array[0] for name, array in density.outputs(q[None]).items()}
        expected_outputs = {n: t.numpy() for n, t in flatten(density.evaluate(q)).items()}
        assert outputs.keys() == expected_outputs.keys()
        pairs = [("log density", value, expected), ("gradient", gradient, expected_gradient)]
        pairs += [(name, outputs[name], array) for name, array in expected_outputs.items()]
        for name, actual, wanted in pairs:
            compared += _assert_close(f"{name} at scale {scale}", actual, wanted, rtol)
    assert compared > 0


def _assert_close(name: str, actual, wanted, rtol: float) -> int:
    """Compare where the program's own answer is finite; how many numbers that were."""
    actual, wanted = np.asarray(actual, dtype=float), np.asarray(wanted, dtype=float)
    assert actual.shape == wanted.shape, name
    finite = np.isfinite(wanted)
    scale = np.abs(wanted[finite]).max(initial=0.0)
    np.testing.assert_allclose(
        actual[finite], wanted[finite], rtol=rtol, atol=rtol * (1 + scale), err_msg=name
    )
    return int(finite.sum())
