"""Starting points that know of the posterior: from a mode, an approximation or an earlier result.

Each function takes plain starts (chain, dim) and returns better ones with notes for the user; a
chain for which it fails keeps its plain start, and a note says so.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from probgen.errors import OptionError, SamplingError
from probgen.inference.laplace import find_peak
from probgen.inference.method import DensityLike, Method, Plan
from probgen.inference.optimise.lbfgs import Ascent
from probgen.inference.optimise.normal import LowRankNormal, Normal
from probgen.inference.optimise.objective import Objective
from probgen.inference.optimise.paths import find_path

__all__ = [
    "INFORMED",
    "from_approximation",
    "from_modes",
    "from_paths",
    "from_peak",
    "is_approximate",
    "last_draws",
]

_ITERATIONS = 500
_TRIES = 20
_NEAR = 0.1
"""Standard deviations around a mode: chains that all start on it could not disagree."""
_LARGEST_HESSIAN = 2000


def from_modes(density: DensityLike, plain: np.ndarray, seed: int) -> tuple[np.ndarray, list[str]]:
    """Near the mode that a climb from each plain start reaches (`init="map"`)."""
    objective = Objective(density)

    def better(start: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
        climb = Ascent(objective, start, iterations=_ITERATIONS, tolerance=1e-6).run()
        if climb.outcome != "converged":
            return None
        normal = LowRankNormal.at(climb.place, climb.curvature)
        return climb.place.position if normal is None else _drawn(objective, normal, rng, _NEAR)

    return _each(plain, seed, better, "met no mode")


def from_paths(density: DensityLike, plain: np.ndarray, seed: int) -> tuple[np.ndarray, list[str]]:
    """A draw of the best normal on each start's Pathfinder path (`init="pathfinder"`)."""
    objective = Objective(density)

    def better(start: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
        path = find_path(objective, start, rng, pairs=6, bound_draws=5, iterations=_ITERATIONS)
        return None if path.normal is None else _drawn(objective, path.normal, rng)

    return _each(plain, seed, better, "met no approximation")


def from_peak(density: DensityLike, plain: np.ndarray, seed: int) -> tuple[np.ndarray, list[str]]:
    """Draws of Laplace's approximation at the highest mode found (`init="laplace"`)."""
    if plain.shape[1] > _LARGEST_HESSIAN:
        return plain, [_kept(len(plain), len(plain), "have too many coordinates for a Hessian")]
    try:
        with np.errstate(all="ignore"):
            normal = find_peak(density, plain, _ITERATIONS).normal
    except SamplingError:
        return plain, [_kept(len(plain), len(plain), "met no mode")]
    objective = Objective(density)
    return _each(
        plain, seed, lambda start, rng: _drawn(objective, normal, rng), "met no finite density"
    )


def is_approximate(init: Any) -> bool:
    """Whether `init` is a method whose draws are cheap and independent, such as `Pathfinder()`."""
    if isinstance(init, type) or not callable(getattr(init, "run", None)):
        return False
    serves = "density" in getattr(init, "serves", ())
    return serves and getattr(init, "defaults", {}).get("warmup") == 0


def from_approximation(
    density: DensityLike, plain: np.ndarray, seed: int, method: Method
) -> tuple[np.ndarray, list[str]]:
    """A draw of an approximation for each chain: of `Pathfinder()`, from all its paths together,
    resampled by their importance weights.

    Chains whose draw has no finite density keep their plain start.
    """
    plan = Plan(chains=len(plain), draws=1, warmup=0, seed=seed, initial=plain)
    try:
        drawn = method.run(density, plan).unconstrained[:, 0]
    except SamplingError as error:
        return plain, [f"init: {method.name} failed, and chains began at uniform starts: {error}"]
    objective, rows = Objective(density), iter(drawn)

    def better(start: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
        draw = next(rows)
        return draw if objective(draw).finite else None

    return _each(plain, seed, better, f"got a draw of {method.name} without a finite density")


INFORMED = {"map": from_modes, "laplace": from_peak, "pathfinder": from_paths}


def _each(plain: np.ndarray, seed: int, better: Any, failing: str) -> tuple[np.ndarray, list[str]]:
    starts, failed = plain.copy(), 0
    with np.errstate(all="ignore"):
        for chain, start in enumerate(plain):
            found = better(start, np.random.default_rng([seed % 2**64, chain, 0x57A7]))
            failed += found is None
            starts[chain] = start if found is None else found
    return starts, [_kept(failed, len(plain), failing)] if failed else []


def _kept(failed: int, chains: int, failing: str) -> str:
    return f"init: {failed} of {chains} chains {failing} and began at their uniform start instead."


def _drawn(
    objective: Objective, normal: Normal, rng: np.random.Generator, share: float = 1.0
) -> np.ndarray | None:
    """A draw of `normal` where the density is finite, its deviations times `share`."""
    for _ in range(_TRIES):
        draw = normal.coloured(share * rng.standard_normal((1, normal.mean.size)))[0]
        if objective(draw).finite:
            return draw
    return None


def last_draws(density: Any, tree: Any, plain: np.ndarray, seed: int) -> np.ndarray:
    """Where the chains of an earlier result ended; further chains take other draws of it.

    Sites that the result lacks keep their plain start. Raises `OptionError` when it has none of
    the sites, or one of another shape.
    """
    if "unconstrained_posterior" not in tree.children:
        raise OptionError(
            "init: this result has no group `unconstrained_posterior`; give the result of `infer` "
            "on a program, or a mapping of site names to values."
        )
    group = tree["unconstrained_posterior"]
    starts, known = plain.copy(), 0
    rng = np.random.default_rng([seed % 2**64, 0x1A57])
    parts = density.split(starts)
    chains, draws = group.sizes.get("chain", 0), group.sizes.get("draw", 0)
    if chains * draws == 0:
        raise OptionError("init: this result holds no draws.")
    rows = [(c, draws - 1) if c < chains else (c % chains, int(rng.integers(draws)))
            for c in range(len(plain))]  # fmt: skip
    for site in density.latents:
        if site.name not in group:
            continue
        values = group[site.name].values
        if values.shape[2:] != site.unconstrained_shape:
            raise OptionError(
                f"init: {site.name!r} has unconstrained shape {values.shape[2:]} in that result "
                f"and {site.unconstrained_shape} in this program."
            )
        known += 1
        for chain, (c, d) in enumerate(rows):
            parts[site.name][chain] = values[c, d]
    if not known:
        raise OptionError("init: that result has none of this program's latent sites.")
    return starts
