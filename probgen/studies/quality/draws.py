"""Draws of a program for its data, many at a time, and its output as a function of its latents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from probgen.declare.environment import isolated
from probgen.diagnose.metrics.features import as_array
from probgen.diagnose.metrics.settings import check_seed, check_whole
from probgen.errors import DataError, ModelError
from probgen.learn.draws import draw_many, placed
from probgen.learn.evaluating import evaluating
from probgen.learn.program_fit import ProgramFit
from probgen.learn.variational.run import Collect

__all__ = ["draws_of", "module_of", "output_of_latents"]

_PATHS = 256  # that the formula of path lengths walks along at a time


def module_of(program: Any) -> nn.Module | None:
    """The module of a fit (with averaged weights, where there are) or of a program, else None."""
    if isinstance(program, ProgramFit):
        return program.average or program.model
    return program if isinstance(program, nn.Module) else None


def draws_of(
    program: Any, data: Mapping[str, Any], site: str, n: int | None = None, seed: int = 0
) -> Tensor:
    """`n` draws of the data site `site`, (n, ...), on the CPU, by a program, fit or machine.

    The module is in its mode for evaluation. `data` give the plates their rows, and the program
    what it does not draw; None draws as many as there are. Raises `ModelError` where the program
    has no such site of data, `DataError` for data without rows.
    """
    check_seed(seed)
    module, count = _checked(program), check_rows(data)
    wanted = count if n is None else n
    check_whole(1, n=wanted)
    found = draw_many(module, data, wanted, seed)
    if site not in found:
        known = ", ".join(map(repr, found)) or "none"
        raise ModelError(f"The program draws no data {site!r}; it draws: {known}.")
    return found[site].cpu()


def check_rows(data: Any) -> int:
    """How many rows data by name have; raises `DataError` where they are none, or unequal."""
    if not isinstance(data, Mapping) or not data:
        told = "nothing" if isinstance(data, Mapping) else type(data).__name__
        raise DataError(f"data: rows by name, such as {{'x': x}}, were expected, not {told}.")
    counts = {name: len(as_array(rows, f"data[{name!r}]")) for name, rows in data.items()}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{count} of {name!r}" for name, count in counts.items())
        raise DataError(f"data: as many rows of each were expected, not {told}.")
    return next(iter(counts.values()))


def output_of_latents(
    program: Any, data: Mapping[str, Any], site: str, n: int, seed: int = 0
) -> tuple[Callable[[Tensor], Tensor], Tensor]:
    """What `site` is given normal latents, and `n` draws of these, (n, latent).

    The function takes latents, (row, latent) with 256 rows at most; other latents, and those that
    all rows share, stay where they were drawn, other data as they are. It gives the mean of the
    site's law, or its value where that law is implicit. Raises `ModelError` where no row has
    normal latents of its own.
    """
    module = _checked(program)
    rows = placed(module, data)
    kept = torch.as_tensor(np.resize(np.arange(len(next(iter(rows.values())))), _PATHS))
    rows = {name: value[kept] for name, value in rows.items()}
    drawn = []
    with evaluating(module), isolated(seed):
        for _ in range(-(-n // _PATHS)):
            with Collect() as run:
                module(**rows)
            drawn.append(run.sites)
        with Collect() as few:
            module(**{name: value[:-1] for name, value in rows.items()})
    latents = {m: s for m, s in drawn[0].items() if not s["is_observed"] and m != site}
    own = {m for m in latents if m in few.sites and _is_of_rows(latents[m], few.sites[m])}
    normal = [name for name in latents if name in own and _is_normal(latents[name]["fn"])]
    if not normal:
        told = [f"{m!r}" if m in own else f"{m!r} (shared by all rows)" for m in latents]
        raise ModelError(
            f"{type(module).__name__} has no normal latents of each row to walk along; its "
            f"latents are: {', '.join(told) or 'none'}."
        )
    shapes = {name: latents[name]["value"].shape[1:] for name in normal}
    z = torch.cat(
        [torch.cat([s[name]["value"].reshape(_PATHS, -1) for name in normal], 1) for s in drawn]
    )[:n]
    device = z.device

    def generate(points: Tensor) -> Tensor:
        count = len(points)
        values = {
            name: {"value": s["value"][:count] if name in own else s["value"]}
            for name, s in latents.items()
        }
        parts = points.to(device).split([shapes[name].numel() for name in normal], dim=1)
        for name, part in zip(normal, parts, strict=True):
            values[name] = {"value": part.reshape(count, *shapes[name])}
        with evaluating(module), isolated(seed), Collect(values) as run:
            module(**{name: value[:count] for name, value in rows.items()})
        return _output(_site(run, site)["fn"])

    return generate, z.cpu()


def _checked(program: Any) -> nn.Module:
    if (module := module_of(program)) is None:
        kind = type(program).__name__
        raise ModelError(f"A program (a module) or its fit is needed, not {kind}.")
    return module


def _site(run: Collect, site: str) -> Any:
    if site not in run.sites:
        known = ", ".join(map(repr, run.sites)) or "none"
        raise ModelError(f"The program has no site {site!r}; it has: {known}.")
    return run.sites[site]


def _is_of_rows(message: Any, fewer: Any) -> bool:
    """Whether a latent has an entry for every row, and one less in a run on one row less."""
    shapes = message["value"].shape, fewer["value"].shape
    return shapes[0][:1] == (_PATHS,) and shapes[1][:1] == (_PATHS - 1,)


def _output(law: Any) -> Tensor:
    try:
        return law.mean
    except (NotImplementedError, AttributeError):
        return law.sample()


def _is_normal(law: Any) -> bool:
    while hasattr(law, "base_dist"):
        law = law.base_dist
    return type(law).__name__ in ("Normal", "MultivariateNormal", "LowRankMultivariateNormal")
