"""Data that change nothing: names that match the program by accident, or forgotten terms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from probgen.declare.checks.points import Point
from probgen.declare.checks.problem import Problem
from probgen.declare.evaluation import Program
from probgen.declare.sites import sample_sites

__all__ = ["unused_problems"]


def unused_problems(program: Program, point: Point) -> list[Problem]:
    """Data whose change moves no site's value or log density, nor makes the program fail."""
    before = _fingerprint(program, point, {})
    problems = []
    for name, value in program.data.items():
        others = list(_perturbed(value))
        if others and all(
            _same(before, _fingerprint(program, point, {name: other})) for other in others
        ):
            problems.append(
                Problem(
                    "warning",
                    name,
                    f"data[{name!r}] is not used: neither the log density nor a deterministic "
                    "site "
                    "changes with it.",
                    "Remove it, or use it in the program.",
                    "data",
                )
            )
    return problems


def _perturbed(value: Any) -> Iterator[Any]:
    """Other values of a data entry, none for what cannot be varied."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield value + 1
    elif isinstance(value, float):
        yield 1.5 * value + 0.7
    elif isinstance(value, torch.Tensor):
        yield from _perturbed_tensors(value)


def _perturbed_tensors(value: torch.Tensor) -> Iterator[torch.Tensor]:
    if value.dtype == torch.bool:
        yield ~value
    elif value.is_floating_point():
        yield 1.5 * value + 0.7
    else:
        yield value + 1
        yield value.flip(tuple(range(value.dim())))
    if value.dim() and len(value) > 1:
        yield value[:-1]  # perhaps only its length is used


def _fingerprint(program: Program, point: Point, change: dict[str, Any]) -> Any:
    """Values and log densities of all sites with some data changed; None where it fails."""
    changed = Program(program.model, {**program.data, **change})
    try:
        with torch.no_grad(), changed.environment():
            trace, total = changed.trace_at(point.unconstrained)
    except Exception:
        return None
    parts = {"": total}
    for name, message in sample_sites(trace):
        parts[f"value:{name}"], parts[f"density:{name}"] = message["value"], message["log_prob"]
        # latent values stay as they are: a size shows in the shape of the distribution alone
        parts[f"shape:{name}"] = torch.tensor(tuple(message["fn"].shape()))
    return parts


def _same(before: Any, after: Any) -> bool:
    if before is None or after is None:
        return False
    return before.keys() == after.keys() and all(
        before[name].shape == after[name].shape
        and torch.allclose(before[name], after[name], rtol=1e-12, atol=0.0, equal_nan=True)
        for name in before
    )
