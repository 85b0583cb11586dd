"""Forward draws of a program's sites as variables of a DataTree, and what they cost."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

import numpy as np

from probgen.declare.implicit import Implicit
from probgen.declare.program import Program
from probgen.declare.replay import simulate
from probgen.declare.sites import Site
from probgen.errors import OptionError
from probgen.inference.groups import whole, without_masked
from probgen.inference.room import check_room
from probgen.results.tree import Variable

__all__ = ["bytes_of", "chosen_sites", "forward_variables"]


def chosen_sites(
    sites: Mapping[str, Site], given: Collection[str], names: Collection[str] | None
) -> list[str]:
    """The sites to draw: those named, else all that are sampled; never those in `given`.

    Raises `OptionError` for a name that is no site to draw.
    """
    drawn = [name for name in sites if name not in given]
    unknown = sorted(set(names or ()) - set(drawn))
    if unknown:
        raise OptionError(
            f"sites: the program draws no {unknown[0]!r}; it draws {', '.join(drawn)}."
        )
    if names is not None:
        return [name for name in drawn if name in names]
    computed = [name for name in drawn if sites[name].kind == "deterministic"]
    implicit = [name for name in computed if sites[name].distribution == Implicit.__name__]
    return [name for name in drawn if name not in computed or name in implicit]


def bytes_of(sites: Mapping[str, Site], names: Collection[str], count: int) -> int:
    """What `count` draws of the sites named in `names` take."""
    return 8 * count * sum(math.prod(sites[name].shape) for name in names)


def forward_variables(
    program: Program,
    sites: Mapping[str, Site],
    names: Collection[str],
    given: Mapping[str, np.ndarray],
    shape: tuple[int, int],
    seed: int,
    masked: bool = True,
) -> dict[str, Variable]:
    """Draws of the sites named in `names`, shape (chain, draw, *shape of the site).

    `given` holds values of other sites for every draw, (chain * draw, *shape). With `masked`
    the observations that a mask leaves out of the density are left out here, too. Raises
    `TooLargeError` when the draws do not fit in memory, and `ModelError` as `simulate` does.
    """
    count = shape[0] * shape[1]
    masks = program.masks if masked else {}
    check_room(
        bytes_of(sites, names, count),
        f"{count} draws of {', '.join(names)}",
        "name fewer sites, or take fewer draws, as in tree.isel(draw=slice(None, None, 10))",
    )
    values = simulate(program, given, count, seed, names)
    made = {}
    for name in names:
        if name in values:
            drawn = whole(sites[name], values[name])
            variable = Variable(drawn.reshape(*shape, *drawn.shape[1:]), sites[name].plates)
            made[name] = without_masked(variable, masks.get(name))
    return made
