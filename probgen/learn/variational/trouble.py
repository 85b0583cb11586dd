"""Why a loss is not finite: the first site whose density is not, and the rows at fault."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyro
import torch
from torch import Tensor

from probgen.learn.training.protocol import Batch
from probgen.learn.variational.layout import Layout, rows_of
from probgen.learn.variational.pair import Pair
from probgen.learn.variational.run import Collect, Message, log_prob

__all__ = ["explained"]

_MOST = 10  # rows named


def explained(pair: Pair, layout: Layout, batch: Batch, rows: Tensor | None = None) -> str:
    """What is not finite when guide and program are run again on a batch.

    `rows` are the numbers of its rows in the data. The generators must be as they were before
    the step, so that the draws are the same.
    """
    for name, parameter in pair.module.named_parameters():
        if not torch.isfinite(parameter).all():
            return f"the parameter {name!r} is not finite"
    guide = Collect()
    with torch.no_grad(), pyro.validation_enabled(False):
        found = _tried(lambda: pair.run_guide(batch, guide), guide, "guide")
        if not found:
            found = _first(guide, "guide", layout, rows_of(batch), rows)
        if not found:
            model = Collect({**guide.sites, **guide.plates})
            found = _tried(lambda: pair.run_model(batch, model), model, "program")
            if not found:
                found = _first(model, "program", layout, rows_of(batch), rows)
    if found:
        return found
    batch_rows = _named(rows, torch.ones(rows_of(batch), dtype=torch.bool))
    return f"the loss is not finite, though every site is{batch_rows}"


def _tried(run: Callable[[], Any], collect: Collect, what: str) -> str:
    """What a run raises, after which site; nothing where it ends."""
    try:
        run()
    except (RuntimeError, ValueError) as raised:
        last = next(reversed(collect.sites), "")
        after = f"after the site {last!r}" if last else "before its first site"
        words = str(raised).splitlines()[0] if str(raised) else type(raised).__name__
        cure = ""
        if "cholesky" in words or "positive-definite" in words or "singular" in words:
            cure = " (a covariance is singular: add a small number to its diagonal)"
        return f"the {what} failed {after}: {words}{cure}"
    return ""


def _first(collect: Collect, what: str, layout: Layout, count: int, rows: Tensor | None) -> str:
    """The first site with a value or a density that is not finite."""
    for name, site in collect.sites.items():
        value = site["value"]
        if isinstance(value, Tensor) and value.is_floating_point():
            bad = ~torch.isfinite(value)
            if bad.any():
                event = site["fn"].event_dim
                batch = bad.flatten(bad.dim() - event).any(-1) if event else bad
                where = _rows(batch, layout.row_dim(site), count, rows)
                return f"the {what}'s site {name!r} ({_family(site)}) draws NaN or infinity{where}"
        try:
            density = log_prob(site)
        except (RuntimeError, ValueError) as error:
            return f"the density of the {what}'s site {name!r} fails: {error}".splitlines()[0]
        bad = ~torch.isfinite(density)
        if bad.any():
            where = _rows(bad, layout.row_dim(site), count, rows)
            value = density[bad][0].item()
            return (
                f"the log density of the {what}'s site {name!r} ({_family(site)}) is "
                f"{value:g}{where}"
            )
    return ""


def _rows(bad: Tensor, dim: int | None, count: int, rows: Tensor | None) -> str:
    """Rows of the data where a batch of entries is bad, in words."""
    if dim is None or bad.dim() < -dim or bad.shape[dim] != count:
        return ""
    flat = bad.movedim(dim, 0).reshape(count, -1).any(1)
    return _named(rows, flat)


def _named(rows: Tensor | None, bad: Tensor) -> str:
    numbers = bad.nonzero().flatten().cpu()
    chosen = numbers if rows is None else rows[numbers]
    listed = ", ".join(str(int(number)) for number in chosen[:_MOST])
    more = f" and {len(chosen) - _MOST} more" if len(chosen) > _MOST else ""
    where = "the batch" if rows is None else "the data"
    return f" in row{'s' if len(chosen) > 1 else ''} {listed}{more} of {where}"


def _family(site: Message) -> str:
    fn = site["fn"]
    while type(fn).__name__ in ("Independent", "ExpandedDistribution", "MaskedDistribution"):
        fn = fn.base_dist
    return type(fn).__name__
