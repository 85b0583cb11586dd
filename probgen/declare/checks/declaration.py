"""What a program leaves undeclared or declares in a way that HMC cannot use.

Latent values without a density, batch dimensions without a plate, programs with nothing to
infer or nothing observed: read off the messages of one run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch

from probgen.declare.checks.problem import Problem, error, warning
from probgen.declare.placing import is_imputed, mask_of
from probgen.declare.sites import plates_of, sample_sites, site_kind
from probgen.declare.supports import is_discrete, support_of

__all__ = ["declaration_problems"]


def declaration_problems(name: str, trace: Any, known: set[str | None]) -> list[Problem]:
    """Faults in what the program `name` declares, by the messages of one run.

    Sites in `known` have an error already, which matters more than what is said here.
    """
    problems = list(_nothing_there(name, trace))
    for site, message in sample_sites(trace):
        kind = site_kind(message) if site not in known else ""
        if kind == "latent":
            discrete = is_discrete(support_of(message["fn"]))
            if not discrete and not is_imputed(message, trace.nodes):
                problems += _half_masked(site, message)
        if kind in ("latent", "observed"):
            problems += _unplated(site, message)
    return problems


def _nothing_there(program: str, trace: Any) -> Iterator[Problem]:
    kinds = [site_kind(message) for _, message in sample_sites(trace)]
    learned = any(message["type"] == "param" for message in trace.nodes.values())
    if "latent" not in kinds and not learned:  # parameters are for `fit`
        yield error(
            None,
            f"The program {program!r} has no latent site: there is nothing to infer.",
            "Declare the unknowns with pyro.sample(name, distribution), without obs=.",
        )
    if "observed" not in kinds and "factor" not in kinds:
        yield warning(
            None,
            f"The program {program!r} observes nothing: the posterior will be the prior.",
            "Pass the data, and observe them with pyro.sample(name, distribution, obs=value).",
        )


def _half_masked(name: str, message: Mapping[str, Any]) -> Iterator[Problem]:
    mask = mask_of(message)
    if isinstance(mask, torch.Tensor) and not bool(mask.all()):
        out, total = int((~mask).sum()), mask.numel()
        yield warning(
            name,
            f"Latent site {name!r}: a mask takes {out} of its {total} values out of the density, "
            "which is flat in them: chains wander there without end.",
            "Declare a latent site for the other values alone, and put it in place by indexing.",
        )


def _unplated(name: str, message: Mapping[str, Any]) -> Iterator[Problem]:
    shape = tuple(message["value"].shape)
    batch = shape[: len(shape) - len(message["fn"].event_shape)]
    around = plates_of(message)
    free = [dim for dim in range(-len(batch), 0) if batch[dim] > 1 and dim not in around]
    if not free:
        return
    dims = f"dimension{'s' if len(free) > 1 else ''} {', '.join(map(str, free))}"
    plates = " and ".join(f'pyro.plate("...", {batch[dim]}, dim={dim})' for dim in free)
    event = (
        ""
        if any(dim > free[0] for dim in around)
        else (f", or call .to_event({-free[0]}) on the distribution to make them one event")
    )
    verb = "are" if len(free) > 1 else "is"
    yield warning(
        name,
        f"Site {name!r} has batch shape {batch}, of which {dims} {verb} covered by no plate. The "
        "density is right, but the values are not declared independent and the dimension has no "
        "name.",
        f"Wrap the site in {plates}{event}.",
    )
