"""Ordinary differential equations by Runge and Kutta's method of order four, fixed steps."""

from __future__ import annotations

from collections.abc import Callable

import torch


def solve(
    slope: Callable[[torch.Tensor], torch.Tensor],
    start: torch.Tensor,
    times: torch.Tensor,
    steps: int,
) -> torch.Tensor:
    """States (time, ...) at `times`, from `start` at 0, so many steps from each to the next."""
    state, states, before = start, [], 0.0
    for now in times.tolist():
        h = (now - before) / steps
        for _ in range(steps):
            k1 = slope(state)
            k2 = slope(state + h / 2.0 * k1)
            k3 = slope(state + h / 2.0 * k2)
            state = state + h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + slope(state + h * k3))
        states.append(state)
        before = now
    return torch.stack(states)
