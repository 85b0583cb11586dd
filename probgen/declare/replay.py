"""Running a program forward at given latent values: what predictive groups are made of.

Rows run together under `torch.vmap` where the program allows, otherwise one after another; in
both ways in blocks, into arrays for the wanted sites alone, so that memory is bounded by what is
kept and one block.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from probgen.declare.batched_draws import rows_apart, rows_at_once
from probgen.declare.checks.failure import failure
from probgen.declare.discrete.scalars import index_by_scalars
from probgen.declare.environment import double_precision, isolated, tracing
from probgen.declare.placing import PlacePrior
from probgen.declare.program import Program
from probgen.declare.sites import (
    Site,
    describe_site,
    is_latent,
    is_statement,
    sample_sites,
    site_kind,
)
from probgen.declare.supports import label
from probgen.errors import ModelError, ProbgenError

__all__ = ["ForwardRun", "in_blocks", "run_forward", "simulate"]

_SEEDS = 2**32  # as many as NumPy's global generator takes

_Values = Mapping[str, torch.Tensor]
_Run = Callable[[_Values], dict[str, torch.Tensor]]


class _Forward(PlacePrior):
    """Sets latent sites to given values and draws the others and what was observed anew.

    With `fitting` a given value is only taken for a site of its shape.
    """

    def __init__(self, values: _Values, fitting: bool = False) -> None:
        super().__init__()
        self.values = values
        self.fitting = fitting
        self.observed: dict[str, torch.Tensor] = {}

    def _pyro_sample(self, msg: dict[str, Any]) -> None:
        if is_statement(msg) and site_kind(msg) == "observed":
            self.observed[msg["name"]] = msg["value"]
            msg["value"], msg["is_observed"], msg["done"] = None, False, False
        if not is_latent(msg):
            return
        value = self.values.get(msg["name"])
        if value is None or (self.fitting and value.shape != msg["fn"].shape()):
            value = _drawn(msg)
        msg["value"], msg["done"] = value, True


def _drawn(msg: Mapping[str, Any]) -> torch.Tensor:
    try:
        # Pyro's wrapper for zuko can be called, but has no `sample`.
        return getattr(msg["fn"], "sample", msg["fn"])().detach()
    except NotImplementedError as raised:
        raise ModelError(
            f"Site {msg['name']!r} cannot be simulated: {label(msg['fn'])} has no sampler (an "
            "improper prior has none either). Give it a distribution that can be sampled, or "
            "values of the site."
        ) from raised


@dataclass(frozen=True)
class ForwardRun:
    """One forward run: its sites in order (factors left out), their values, and the data's.

    A site that the data observe has the kind "observed", and its value is drawn anew;
    `observed` holds what the data say.
    """

    sites: dict[str, Site]
    values: dict[str, torch.Tensor]
    observed: dict[str, torch.Tensor]


def run_forward(
    program: Program, given: Mapping[str, np.ndarray] | None = None, seed: int = 0
) -> ForwardRun:
    """Run a program forward once.

    `given` maps names of latent sites to the values of one draw, which count for sites of their
    shape. Raises `ModelError` where the run fails or a site has no sampler.
    """
    values = {name: torch.from_numpy(np.asarray(value)) for name, value in (given or {}).items()}
    with (
        tracing(),
        double_precision(),
        isolated(seed % _SEEDS),
        torch.no_grad(),
        index_by_scalars(),
    ):
        return _run(program, _Forward(values, fitting=True))


def simulate(
    program: Program,
    given: Mapping[str, np.ndarray],
    count: int,
    seed: int,
    wanted: Collection[str],
) -> dict[str, np.ndarray]:
    """Values of the sites named in `wanted` in `count` forward runs, (count, *shape of the site).

    `given` maps names of latent sites to constrained values of shape (count, *shape); sites that
    it does not name are drawn, observed ones too, deterministic ones are computed. The same seed
    gives the same draws. Raises `ModelError` naming a site that has no sampler, or for a program
    that fails.
    """
    rows = {name: torch.from_numpy(np.ascontiguousarray(v)) for name, v in given.items()}
    kept = list(dict.fromkeys(wanted))
    results: dict[str, np.ndarray] = {}

    def run(values: _Values) -> dict[str, torch.Tensor]:
        trace = program.trace_with(_Forward({n: v for n, v in values.items() if n != ""}))
        return {n: trace.nodes[n]["value"].detach() for n in kept if n in trace.nodes}

    with (
        tracing(),
        double_precision(),
        isolated(seed % _SEEDS),
        torch.no_grad(),
        index_by_scalars(),
    ):
        first = {name: value[0] for name, value in rows.items()} if count else {}
        step = rows_at_once(lambda: _run(program, _Forward(first)))
        start = 0
        for block in in_blocks(program, run, rows, count, step):
            for name, values in block.items():
                if name not in results:
                    results[name] = np.empty((count, *values.shape[1:]), values.numpy().dtype)
                results[name][start : start + len(values)] = values.numpy()
            start += len(next(iter(block.values()), ()))
    return results


def _run(program: Program, handler: _Forward) -> ForwardRun:
    try:
        trace = program.trace_with(handler)
    except ProbgenError:
        raise
    except Exception as raised:
        raise ModelError(str(failure(program.model, raised))) from raised
    run = ForwardRun({}, {}, {})
    for name, message in sample_sites(trace):
        if site_kind(message) == "factor":
            continue
        message["is_observed"] = name in handler.observed
        run.sites[name] = describe_site(name, message)
        run.values[name] = message["value"].detach()
    observed = handler.observed.items()
    return replace(run, observed={n: torch.as_tensor(v).detach() for n, v in observed})


def in_blocks(
    program: Program, run: _Run, rows: _Values, count: int, step: int, together: bool = True
) -> Iterator[dict[str, torch.Tensor]]:
    """The rows block after block; one by one from where the program cannot be batched.

    `run` makes one row of `rows`, and is given its number under the name "". Call it inside the
    environment of `simulate`; `together` says whether to try several rows at once.
    """
    for start in range(0, count, step):
        stop = min(start + step, count)
        part = {name: value[start:stop] for name, value in rows.items()}
        if together:
            # Without a latent site there would be nothing to map over: the number of the row.
            numbered = {**part, "": torch.arange(start, stop)}
            try:
                with rows_apart():
                    found = torch.vmap(run, randomness="different")(numbered)
                yield found
                continue
            except (RuntimeError, ValueError, NotImplementedError, TypeError):
                together = False
        try:
            single = [run({n: v[i] for n, v in part.items()}) for i in range(stop - start)]
        except ProbgenError:
            raise
        except Exception as raised:
            raise ModelError(str(failure(program.model, raised))) from raised
        yield {name: torch.stack([row[name] for row in single]) for name in single[0]}
