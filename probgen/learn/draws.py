"""Rows drawn from a trained module: its data sites simulated, all else as the program says.

A program is run once on as many rows as are wanted, with its observed sites drawn anew; arguments
that it does not observe, such as a context, are those of the rows. A program whose draws depend on
the values it observes (one that adds noise to its data, say) is run row by row without them.
Boltzmann machines are drawn by short chains of block Gibbs from a random start.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyro
import torch
from torch import Tensor, nn

from probgen.declare.environment import isolated
from probgen.errors import ModelError
from probgen.learn.evaluating import evaluating
from probgen.learn.variational.run import Collect
from probgen.nets.boltzmann.belief import BeliefNetwork
from probgen.nets.boltzmann.layers import Layered
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.boltzmann.visible import inpaint
from probgen.nets.stream import Stream

__all__ = [
    "SWEEPS",
    "draw_many",
    "draw_rows",
    "draws_together",
    "placed",
    "simulated",
]

SWEEPS = 100
"""Of block Gibbs, that a machine's draws are made by."""
_AT_ONCE = 500
_TRIED = 200


def draw_rows(
    model: nn.Module, batch: Mapping[str, Tensor], seed: int, together: bool | None = None
) -> dict[str, Tensor]:
    """A draw of the data sites for every row of `batch`, by name, (row, ...), without gradients.

    `batch` holds rows of data, on the model's device; `together` is what `draws_together` said,
    None to ask it. The generators are left as they were. Raises `ModelError` for a program that
    cannot be drawn from.
    """
    if together is None:
        together = draws_together(model, batch)
    with evaluating(model), isolated(seed), pyro.validation_enabled(False):
        if isinstance(model, Layered):
            return _of_machine(model, len(next(iter(batch.values()))), seed)
        return simulated(model, batch)[0] if together else _row_by_row(model, batch)


def draw_many(
    model: nn.Module,
    rows: Mapping[str, Tensor],
    count: int,
    seed: int,
    together: bool | None = None,
) -> dict[str, Tensor]:
    """`count` draws of the data sites by name, 500 at a time; see `draw_rows`.

    `rows` of data, wherever they are, are taken again from the first where there are too few.
    """
    rows = placed(model, rows)
    if together is None:
        together = draws_together(model, rows)
    numbers = torch.arange(count) % len(next(iter(rows.values())))
    parts = [
        draw_rows(model, {n: v[some] for n, v in rows.items()}, seed * 100_003 + part, together)
        for part, some in enumerate(numbers.split(_AT_ONCE))
    ]
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def placed(model: nn.Module, rows: Mapping[str, Any]) -> dict[str, Tensor]:
    """Rows of data on a model's device, real numbers in its arithmetic."""
    given = {name: torch.as_tensor(value) for name, value in rows.items()}
    first = next((p for p in model.parameters() if p.is_floating_point()), None)
    if first is None:
        return given
    return {
        name: value.to(first if value.is_floating_point() else first.device)
        for name, value in given.items()
    }


def draws_together(model: nn.Module, batch: Mapping[str, Tensor]) -> bool:
    """Whether the program's draws do not depend on the values it observes.

    It is run twice on the first 200 rows from one seed, with the observed values in another order.
    """
    if isinstance(model, Layered):
        return True
    batch = {name: value[:_TRIED] for name, value in batch.items()}
    try:
        with evaluating(model), isolated(0), pyro.validation_enabled(False):
            first, _ = simulated(model, batch)
        moved = {n: v.roll(1, 0) if n in first else v for n, v in batch.items()}
        with evaluating(model), isolated(0), pyro.validation_enabled(False):
            second, _ = simulated(model, moved)
    except (ValueError, RuntimeError, KeyError, TypeError, IndexError):
        return False  # row by row, without data, a failure is told
    rows = len(next(iter(batch.values())))
    return first.keys() == second.keys() and all(
        value.shape == second[name].shape
        and value.shape[:1] == (rows,)
        and torch.allclose(value.double(), second[name].double(), 1e-3, 1e-4, equal_nan=True)
        for name, value in first.items()
    )


def simulated(
    model: nn.Module,
    batch: Mapping[str, Tensor],
    values: Mapping[str, Tensor] | None = None,
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Draws of the observed sites in one run on `batch`, and the messages of all sites.

    `values` are of sites, observed ones too, that are held.
    """
    held = {name: {"value": value} for name, value in (values or {}).items()}
    with _Held(held, simulate=True) as run:
        model(**batch)
    found = {name: m["value"] for name, m in run.sites.items() if m["infer"].get("was_observed")}
    return found, run.sites


class _Held(Collect):
    """Holds observed sites, too."""

    def _process_message(self, msg: Any) -> None:
        super()._process_message(msg)
        if msg["type"] == "sample" and msg["name"] in self._values:
            msg["value"], msg["done"] = self._values[msg["name"]]["value"], True


def _row_by_row(model: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Runs without the data that are observed."""
    sites = set(batch)
    rows: list[dict[str, Tensor]] = []
    try:
        for _ in range(len(next(iter(batch.values())))):
            with Collect() as run:
                model()
            rows.append({n: m["value"] for n, m in run.sites.items() if n in sites})
        return {name: torch.cat([row[name] for row in rows]) for name in rows[0]}
    except (ValueError, RuntimeError, KeyError, TypeError, IndexError) as error:
        raise ModelError(
            f"No rows can be drawn from {type(model).__name__}: its draws depend on the data that "
            f"it is given, and without data it fails ({type(error).__name__}: {error})."
        ) from error


def _of_machine(machine: Layered, count: int, seed: int) -> dict[str, Tensor]:
    top = machine.top if isinstance(machine, BeliefNetwork) else machine
    assert isinstance(top, BoltzmannMachine)
    first = top.layers[0][0]
    unknown = torch.full((count, first.size), torch.nan, device=machine.device)
    values = inpaint(top, {first.name: unknown}, sweeps=SWEEPS, seed=seed)
    if not isinstance(machine, BeliefNetwork):
        return values
    return machine.decode(0, machine.descend(top.encode(0, values), Stream(seed + 1))[0])
