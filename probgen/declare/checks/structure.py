"""Faults in the structure of a program: subsampling, shapes that do not fit, missing transforms.

They are read off the messages of one run, without evaluating a density, and cheap enough to be
looked for whenever a program is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch

from probgen.declare.bijections import has_bijection
from probgen.declare.checks.problem import Problem, error, warning
from probgen.declare.sites import is_statement, plates_of, sample_sites, site_kind
from probgen.declare.supports import is_discrete, label, support_of, support_words

__all__ = ["structure_problems", "unusable_support"]


def structure_problems(trace: Any) -> list[Problem]:
    """Errors in the structure of a traced program, and repeated observations as warnings."""
    problems = [*_subsampled(trace), *_reserved(trace)]
    for name, message in sample_sites(trace):
        kind = site_kind(message)
        if kind == "observed":
            problems += _observed_shape(name, message)
        elif kind == "latent":
            problems += _latent_support(name, message["fn"])
    return problems


def _subsampled(trace: Any) -> Iterator[Problem]:
    for name, message in trace.nodes.items():
        if message["type"] != "sample" or is_statement(message):
            continue
        full, part = message["fn"].size, len(message["value"])
        if part != full:
            yield error(
                name,
                f"Plate {name!r} is subsampled: {part} of {full} elements. A density over a "
                "random part of the data is noisy, and HMC and NUTS on it are not valid.",
                "Remove subsample_size (or subsample) from the plate.",
            )


def _reserved(trace: Any) -> Iterator[Problem]:
    for name, message in trace.nodes.items():
        if message["type"] != "sample":
            continue
        what = "site" if is_statement(message) else "plate"
        if name in ("chain", "draw"):
            yield error(
                name,
                f"A {what} is named {name!r}, which is a dimension of every result.",
                "Give it another name.",
            )
        elif "/" in name:
            yield error(
                name,
                f"A {what} is named {name!r}; in a result, a slash leads to another group.",
                f"Give it another name, such as {name.replace('/', '.')!r}.",
            )


def _latent_support(name: str, distribution: Any) -> Iterator[Problem]:
    support = support_of(distribution)
    if is_discrete(support) or has_bijection(support):
        return
    has = "declares no support" if support is None else f"has support {support_words(support)!r}"
    yield error(
        name,
        f"Latent site {name!r}: {label(distribution)} {has}, so its values cannot be mapped to "
        "the real line.",
        _REPARAM.get(support_words(support), _OWN_SUPPORT).format(name=name),
    )


_OWN_SUPPORT = (
    "For a distribution of your own, give its class a `support` that "
    "torch.distributions.biject_to knows, such as constraints.real or .positive."
)
_REPARAM = {
    "unit vector": (
        "Wrap the program: pyro.poutine.reparam(model, config={{{name!r}: "
        "pyro.infer.reparam.ProjectedNormalReparam()}}), or sample a normal vector and divide it "
        "by its length."
    ),
}


def unusable_support(name: str, distribution: Any, raised: Exception) -> Problem:
    """The fault of a latent site whose support's own map fails on its values."""
    return error(
        name,
        f"Latent site {name!r}: the values of {label(distribution)} cannot be mapped to the real "
        f"line and back ({type(raised).__name__}: {raised}).",
        "Declare the parts of a joined support as sites of their own; give a transform its "
        "inverse.",
    )


def _observed_shape(name: str, message: Mapping[str, Any]) -> Iterator[Problem]:
    distribution, value = message["fn"], message["value"]
    event = tuple(distribution.event_shape)
    shape = tuple(value.shape)
    split = len(shape) - len(event)
    if split < 0 or not _same_event(event, shape[split:]):
        yield error(
            name,
            f"Observed site {name!r}: the value has shape {shape}, but one event of "
            f"{label(distribution)} has shape {event}, which should be its last dimensions.",
            "Transpose or reshape the observed value, or change the parameters of the "
            "distribution (and the number in .to_event) to match.",
        )
        return
    yield from _observed_batch(name, message, tuple(distribution.batch_shape), shape[:split])


def _same_event(expected: tuple[int, ...], actual: tuple[int, ...]) -> bool:
    # Pyro's time series declare one step and take any number of them.
    return all(have == want or want == 1 for want, have in zip(expected, actual, strict=True))


def _observed_batch(
    name: str, message: Mapping[str, Any], batch: tuple[int, ...], observed: tuple[int, ...]
) -> Iterator[Problem]:
    rank = max(len(batch), len(observed))
    wide, seen = _padded(batch, rank), _padded(observed, rank)
    dims = range(-rank, 0)
    around = plates_of(message)
    clash = [d for d in dims if wide[d] != seen[d] and 1 not in (wide[d], seen[d])]
    if clash:
        yield _does_not_fit(name, batch, observed, clash[-1], around)
        return
    repeated = [d for d in dims if seen[d] < wide[d]]
    stretched = [d for d in dims if wide[d] < seen[d]]
    beyond = [d for d in repeated if d not in around]
    if repeated and (stretched or (beyond and _count(observed) > 1)):
        result = tuple(max(pair) for pair in zip(wide, seen, strict=True))
        yield error(
            name,
            f"Observed site {name!r}: a value of batch shape {observed} against a distribution "
            f"of batch shape {batch} gives log densities of shape {result}: every observed value "
            f"is compared with every parameter.",
            "Give both the same shape: squeeze the value or the parameters, x.squeeze(-1). If "
            "all combinations are meant, expand the observed value to that shape.",
        )
    elif repeated:
        times = _count(tuple(wide[d] for d in repeated))
        yield warning(
            name,
            f"Observed site {name!r}: a value of shape {observed} is observed {times} times, once "
            f"for each element of batch shape {batch}.",
            "If that is not meant, move the site out of the plate, or pass all observed values.",
        )


def _does_not_fit(
    name: str, batch: tuple[int, ...], observed: tuple[int, ...], dim: int, around: dict[int, Any]
) -> Problem:
    size = observed[dim]
    if dim in around:
        plate = around[dim]
        cure = (
            f"Make the plate as long as the data, pyro.plate({plate.name!r}, {size}), or pass "
            f"{plate.size} values."
        )
        where = f"plate {plate.name!r} of size {plate.size}"
    else:
        cure = f"Make the parameters and the observed value agree in dimension {dim}."
        where = f"{batch[dim]} in the distribution"
    return error(
        name,
        f"Observed site {name!r}: the value of batch shape {observed} does not fit batch shape "
        f"{batch} of its distribution: {size} values in dimension {dim} against {where}.",
        cure,
    )


def _padded(shape: tuple[int, ...], rank: int) -> tuple[int, ...]:
    return (1,) * (rank - len(shape)) + shape


def _count(shape: tuple[int, ...]) -> int:
    return torch.Size(shape).numel()
