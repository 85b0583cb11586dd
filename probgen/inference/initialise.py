"""Starting points: uniform, from the prior, near modes, from earlier results, or given.

A start is accepted when the log density and its gradient are finite there; each chain makes
several tries, and the error names the site at fault with its values.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from probgen.errors import InitialisationError, ModelError, OptionError, ProbgenError
from probgen.inference.informed_starts import (
    INFORMED,
    from_approximation,
    is_approximate,
    last_draws,
)
from probgen.targets.density import Density

__all__ = ["find_starts", "initialise"]

_TRIES = 100
_RADIUS = 2.0


def initialise(density: Density, chains: int, seed: int, init: Any = "uniform") -> np.ndarray:
    """The points of `find_starts`, its notes as warnings."""
    points, notes = find_starts(density, chains, seed, init)
    for note in notes:
        warnings.warn(note, stacklevel=2)
    return points


def find_starts(
    density: Density, chains: int, seed: int, init: Any = "uniform"
) -> tuple[np.ndarray, list[str]]:
    """Unconstrained starting points of shape (chains, dim), and notes for the user.

    `init` is "uniform" (each coordinate uniform on (-2, 2), as Stan does), "prior", or a
    mapping of latent site names to constrained values (for sites left out: uniform); a value
    with a leading dimension of length `chains` beyond its site's shape gives one per chain.
    From uniform starts lead further: "map" near the mode that L-BFGS climbs to, "laplace" to
    draws of the normal approximation at the highest mode, "pathfinder" to a draw of the best
    normal approximation on each way up; a chain for which that fails keeps its uniform start.
    A method that approximates, such as `Pathfinder(paths=8)`, gives a draw for each chain. An
    earlier result (DataTree) gives the last draw of each of its chains.
    Raises `InitialisationError` naming the sites whose log density is not finite.
    """
    informed = INFORMED.get(init) if isinstance(init, str) else None
    earlier = hasattr(init, "children")  # a DataTree, which is a mapping too
    known = init in ("uniform", "prior") if isinstance(init, str) else isinstance(init, Mapping)
    approximate = is_approximate(init)
    if not known and not informed and not approximate:
        raise OptionError(
            f"init={init!r}: use 'uniform', 'prior' or a mapping of site names to values, 'map', "
            "'laplace', 'pathfinder', an approximation such as Pathfinder(paths=8), or an earlier "
            "result."
        )
    plain = "uniform" if informed or earlier or approximate else init
    points = np.stack([_start(density, chain, chains, seed, plain) for chain in range(chains)])
    if informed:
        return informed(density, points, seed)
    if approximate:
        return from_approximation(density, points, seed, init)
    if earlier:
        points = last_draws(density, init, points, seed)
        _check_finite(density, points)
    return points, []


def _check_finite(density: Density, points: np.ndarray) -> None:
    for point in points:
        value, gradient = density.value_and_grad(point)
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            raise InitialisationError(_explain(density, point))


def _start(density: Density, chain: int, chains: int, seed: int, init: Any) -> np.ndarray:
    generator = np.random.default_rng([seed, chain, 0x1417])
    radius, last = _RADIUS, np.zeros(density.dim)
    for attempt in range(_TRIES):
        try:
            last = _proposal(density, chain, chains, init, radius, generator)
            value, gradient = density.value_and_grad(last)
        except ProbgenError:
            raise
        except (ArithmeticError, ValueError, RuntimeError):
            value, gradient = np.nan, np.zeros(0)  # the program fails there: try elsewhere
        if np.isfinite(value) and np.isfinite(gradient).all():
            return last
        if attempt % 10 == 9:
            radius *= 0.5  # narrower, in case the density overflows far from the origin
    raise InitialisationError(_explain(density, last))


def _proposal(
    density: Density,
    chain: int,
    chains: int,
    init: Any,
    radius: float,
    generator: np.random.Generator,
) -> np.ndarray:
    q = generator.uniform(-radius, radius, density.dim)
    if not isinstance(init, str):
        _place(density, q, _of_chain(density, init, chain, chains))
    elif init == "prior":
        return density.join(density.program.unconstrain(seed=int(generator.integers(2**31))))
    return q


def _of_chain(
    density: Density, init: Mapping[str, Any], chain: int, chains: int
) -> dict[str, Any]:
    shapes = {site.name: site.shape for site in density.latents}
    values = {}
    for name, value in init.items():
        array = np.asarray(value, dtype=np.float64)
        per_chain = name in shapes and array.ndim == len(shapes[name]) + 1
        if per_chain and array.shape[0] != chains:
            raise OptionError(
                f"init[{name!r}] has shape {array.shape}: its first dimension should be the "
                f"number of chains, {chains}."
            )
        values[name] = array[chain] if per_chain else array
    return values


def _place(density: Density, q: np.ndarray, values: Mapping[str, Any]) -> None:
    try:
        unconstrained = density.program.unconstrain(values)
    except ModelError as error:
        raise InitialisationError(str(error)) from error
    for name, part in density.split(q).items():
        if name in values:
            part[...] = unconstrained[name].numpy()


def _explain(density: Density, q: np.ndarray) -> str:
    """Log density per site at a failing start, in PyMC's manner."""
    try:
        evaluation = density.evaluate(q)
    except Exception as error:
        return (
            f"No starting point was found in {_TRIES} tries: the program "
            f"{density.program.name!r} raises {type(error).__name__}: {error}"
        )
    lines, culprits = [], []
    terms = {**evaluation.log_prior, **evaluation.log_likelihood}
    for name, term in terms.items():
        total = float(term.sum())
        lines.append(f"  {name}: log density {total:.6g}")
        if not np.isfinite(total):
            culprits.append(name)
    values = ", ".join(
        f"{name}={np.array2string(value.numpy(), precision=3, threshold=6)}"
        for name, value in evaluation.latent.items()
    )
    where = (
        f"the log density of {', '.join(map(repr, culprits))} is not finite"
        if culprits
        else _bad_gradient(density, q)
    )
    return (
        f"No starting point was found in {_TRIES} tries per chain: {where}.\n"
        f"Last starting values: {values}\nLog density per site:\n" + "\n".join(lines) + "\n"
        "Check that the observed values lie in the support of their site (pg.check(model, data) "
        "says so), or give starting values with init={...}."
    )


def _bad_gradient(density: Density, q: np.ndarray) -> str:
    _, gradient = density.value_and_grad(q)
    wrong = np.flatnonzero(~np.isfinite(gradient))
    names = [density.coordinate_names[i] for i in wrong[:5]]
    if not names:
        return "the log density or its gradient is not finite"
    more = f" and {len(wrong) - len(names)} more" if len(wrong) > len(names) else ""
    return f"the gradient with respect to {', '.join(names)}{more} is not finite"
