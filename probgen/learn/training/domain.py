"""Data held against the supports of the program's sites, before and while it is trained.

Data in memory are gone through before the first step; what is read when needed (a memory-mapped
file, a Dataset) is looked at in a sample first, and then batch by batch during the first epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import torch
from torch import Tensor
from torch.distributions import constraints

from probgen.declare.supports import continuous_support, support_words
from probgen.errors import DataError
from probgen.learn.training.probe import Observed, arguments_of, observed_sites, prior_shapes
from probgen.learn.training.rows import Rows

__all__ = ["Domain", "read_domain"]

_FIRST = 2  # rows that the program is run on to see its sites
_SAMPLE = 512  # rows of lazy data looked at before the first step
_CHUNK = 1 << 22  # numbers at a time


class Domain:
    """What the sites of a program take.

    `missing` says whether NaN stands for values that are not there; `unlabelled` are sites where
    NaN does, and -1 in whole numbers.
    """

    def __init__(
        self, model: Any, sites: list[Observed], missing: bool, unlabelled: tuple[str, ...] = ()
    ) -> None:
        self._model, self._missing, self._unlabelled = model, missing, unlabelled
        self.sites = [site for site in sites if site.argument is not None]
        self._computed = [site for site in sites if site.argument is None]

    def check_rows(self, rows: Rows, device: torch.device) -> None:
        """Check data before training, all or a sample; `DataError` for the first bad value."""
        for site in self._computed:
            self._check(site, site.value, None)
        count = min(len(rows), _SAMPLE) if rows.lazy else len(rows)
        first = rows.raw(torch.zeros(1, dtype=torch.long))
        width = max(sum(value[0].numel() for value in first.values()), 1)
        for start in range(0, count, max(_CHUNK // width, 1)):
            numbers = torch.arange(start, min(start + max(_CHUNK // width, 1), count))
            numbers = numbers * len(rows) // count
            self.check(rows.raw(numbers), numbers, rows, device)

    def check(
        self, raw: Mapping[str, Tensor], numbers: Tensor, rows: Rows, device: torch.device
    ) -> None:
        """Check rows as they are stored, `numbers` being where they come from."""
        for site in self.sites:
            if site.site in self._unlabelled and site.argument != site.site:
                _refuse_missing(site, raw[site.argument or ""])
        moving = [site for site in self.sites if not site.fixed]
        if moving:
            batch = {n: v.to(device) for n, v in rows.typed(raw).items()}
            batch = _labelled(batch, self._unlabelled)
            again = {s.site: s for s in observed_sites(self._model, batch)}
            for site in moving:
                self._check(again[site.site], batch[site.argument or ""], numbers)
        for site in self.sites:
            if site.fixed:
                self._check(site, raw[site.argument or ""], numbers)

    def _check(self, site: Observed, value: Tensor, numbers: Tensor | None) -> None:
        if site.site in self._unlabelled:
            value = value[~_is_missing(value)]
            numbers = None
        missing = value.isnan() if value.is_floating_point() else None
        if missing is not None and not self._missing and missing.any():
            _refuse(site, value, missing, numbers, _missing_words)
        if value.is_floating_point() and value.isinf().any():
            _refuse(site, value, value.isinf(), numbers, _infinite_words)
        inside = _inside(site.support, value)
        if self._missing and missing is not None and inside is not None:
            inside = inside | (missing if inside.shape == missing.shape else True)
        if inside is not None and not inside.all():
            _refuse(site, value, ~inside, numbers, _outside_words)


def read_domain(
    model: Any,
    rows: Rows,
    dtype: torch.dtype,
    missing: bool,
    device: Any,
    unlabelled: tuple[str, ...] = (),
) -> Domain:
    """Run the program on the first rows; sets the types of `rows` to those that sites take.

    Raises `DataError` for shapes that do not fit.
    """
    first = rows.raw(torch.arange(min(_FIRST, len(rows))))
    _check_shapes(first, prior_shapes(model), arguments_of(model))
    rows.types.update({n: dtype for n, value in first.items() if value.dtype.is_floating_point})
    rows.types.update({n: dtype for n, value in first.items() if value.dtype == torch.bool})
    rows.types.update(
        {n: torch.int64 for n, value in first.items() if n not in rows.types}
    )  # what has no site of its own, such as indices, stays whole
    known = {n: v.nan_to_num().to(device) for n, v in rows.typed(first).items()}
    # by which argument a label comes is not known yet
    whole = [n for n, v in known.items() if unlabelled and not v.is_floating_point()]
    sites = observed_sites(model, _labelled(known, (*unlabelled, *whole)))
    for site in sites:
        name = site.argument
        if name is None or site.dtype is None:
            continue
        may = missing or site.site in unlabelled
        holes = may and first[name].is_floating_point()  # which only floats can hold
        rows.types[name] = dtype if holes or site.dtype.is_floating_point else site.dtype
    return Domain(model, sites, missing, unlabelled)


def _labelled(batch: Mapping[str, Tensor], unlabelled: tuple[str, ...]) -> dict[str, Tensor]:
    """A batch with 0 for labels that are not there, which a program may look things up by."""
    return {
        name: value.nan_to_num().clamp(min=0) if name in unlabelled else value
        for name, value in batch.items()
    }


def _is_missing(value: Tensor) -> Tensor:
    return value.isnan() if value.is_floating_point() else value == -1


def _refuse_missing(site: Observed, value: Tensor) -> None:
    """Raise `DataError` for missing labels that come by another name than their site's."""
    missing = _is_missing(value)
    if missing.any():
        raise DataError(
            f"data[{site.argument!r}] has no value (-1 or NaN) in {int(missing.sum())} of "
            f"{missing.numel()} rows looked at, and the program observes it at the site "
            f"{site.site!r}: labels that some rows lack must have their site's name. Call the "
            f"argument {site.site!r}, too, in the program, its guide and the data."
        )


def _check_shapes(
    first: Mapping[str, Tensor], known: Mapping[str, tuple[int, ...]], names: list[str]
) -> None:
    for name, value in first.items():
        shape = tuple(value.shape[1:])
        if name not in names or name not in known or shape == known[name]:
            continue
        size = torch.Size(known[name]).numel()
        wanted = ", ".join(map(str, known[name]))
        cure = (
            f"{'flatten' if len(known[name]) == 1 else 'reshape'} the rows, "
            f"x.reshape(len(x), {wanted})"
            if value[0].numel() == size
            else "give the program as many units, or the data as many columns"
        )
        raise DataError(
            f"data[{name!r}] has rows of shape {shape}, and the site {name!r} takes "
            f"{known[name]}: {cure}."
        )


def _inside(support: Any, value: Tensor) -> Tensor | None:
    """Which entries, or whole events, a support holds; None where it cannot say."""
    if support is None:
        return None
    inner = continuous_support(support)
    while isinstance(inner, constraints.independent):
        inner = inner.base_constraint
    try:
        return inner.check(value)
    except (NotImplementedError, AttributeError, RuntimeError):
        return None


def _refuse(
    site: Observed,
    value: Tensor,
    wrong: Tensor,
    numbers: Tensor | None,
    words: Callable[[Observed, Tensor, Tensor], str],
) -> NoReturn:
    """Raise the `DataError` for the first entry that is wrong."""
    place = wrong.nonzero()[0].tolist()
    found = value[tuple(place)]
    if place and numbers is not None:
        place[0] = int(numbers[place[0]])
    of = f"data[{site.argument!r}]" if site.argument else f"the value observed at {site.site!r}"
    index = f" (row {place[0]}{f', entry {place[1:]}' if place[1:] else ''})" if place else ""
    called = "" if site.argument == site.site else f" Site {site.site!r}."
    said = f"{found.item():g}" if found.ndim == 0 else f"{found.tolist()}"
    share = f"{int(wrong.sum())} of {wrong.numel()}"
    raise DataError(
        f"{of} holds {said}{index}, {share} values looked at.{called} " + words(site, value, wrong)
    )


def _missing_words(site: Observed, value: Tensor, wrong: Tensor) -> str:
    return (
        f"The site {site.site!r} cannot be learned from missing values: leave those rows out, or "
        "fill them in (infer on a trained model draws missing values given the others)."
    )


def _infinite_words(site: Observed, value: Tensor, wrong: Tensor) -> str:
    return "Look for where the data become infinite: the logarithm of 0, or division by 0."


def _outside_words(site: Observed, value: Tensor, wrong: Tensor) -> str:
    words = support_words(site.support)
    return f"The site {site.site!r} takes values that are {words}: {_cure(site.support, value)}."


def _cure(support: Any, value: Tensor) -> str:
    inner = continuous_support(support)
    while isinstance(inner, constraints.independent):
        inner = inner.base_constraint
    low, high = value.min().item(), value.max().item()
    if isinstance(inner, type(constraints.boolean)):
        if low >= 0 and 1 < high <= 255:
            return "divide by 255 and binarise, as in (x / 255 > 0.5)"
        if low >= 0 and high <= 1:
            return "binarise, as in (x > 0.5), or torch.bernoulli(x) where x are probabilities"
        return "code the two values as 0 and 1"
    if getattr(inner, "is_discrete", False):
        if low < 0:
            return "counts and codes are not negative; look for a code such as -1 for missing"
        if value.is_floating_point() and (value != value.round()).any():
            return "values must be whole; round them, or use a continuous likelihood"
        return "count codes from 0, and give the site as many states as there are values"
    return "transform the data to that range, or use a likelihood that takes them"
