"""A DataTree as the checks see it: scalar parameters, per-draw statistics, attributes.

First step of a diagnosis. Accepts any ArviZ DataTree (and whatever `arviz_base` converts to
one), whichever library made it; names of sampler statistics, which differ between libraries, are
brought to one vocabulary by `sampler_statistics`. What is missing or left out is remembered as a
remark, so that the verdict can say what it has not looked at.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from probgen.diagnose.draw_statistics import T, by_block
from probgen.diagnose.reading import are_files, read_files
from probgen.diagnose.sampler_statistics import has, read_losses, read_stats, without_statistics
from probgen.diagnose.scalars import constant_rows, scalar_blocks
from probgen.errors import DataError

MOST_SCALARS = 20_000  # R-hat and ESS cost about 1 ms a scalar at 4 x 1000 draws
MOST_BYTES = 1 << 30  # of all draws that are looked at
LEAST_SCALARS = 50  # are looked at, however long the chains


@dataclass(frozen=True)
class Record:
    """What the checks see of one sampling run.

    Attributes
    ----------
    values: draws, float64, shape (parameter, chain, draw).
    names: of the scalar parameters, like ``theta[Choate]``.
    sites: the site each scalar belongs to.
    latent: which scalars the sampler moved itself (the others are deterministic).
    constant: which scalars have one and the same value in every draw of every chain.
    stats: per-draw sampler statistics by the names of `sampler_statistics`, each (chain, draw).
    attrs: attributes of the tree and of its groups, merged.
    remarks: what was missing, or left out for size.
    superchains: which chains were started together, one number per chain, or None.
    losses: of the steps of training, of a variational fit: negative ELBO (nats), or None.

    """

    values: np.ndarray
    names: tuple[str, ...]
    sites: tuple[str, ...]
    latent: np.ndarray
    constant: np.ndarray
    stats: Mapping[str, np.ndarray]
    attrs: Mapping[str, Any]
    remarks: tuple[str, ...] = ()
    superchains: np.ndarray | None = None
    losses: np.ndarray | None = None

    @property
    def chains(self) -> int:
        """Number of chains."""
        return self.values.shape[1]

    @property
    def draws(self) -> int:
        """Number of draws per chain."""
        return self.values.shape[2]

    @cached_property
    def finite(self) -> np.ndarray:
        """Mask (parameter,): every draw is a finite number."""
        every = np.arange(len(self.values))
        return np.concatenate(
            self.by_block(every, lambda _, values: np.isfinite(values).all(axis=(1, 2)))
        )

    @cached_property
    def moving(self) -> np.ndarray:
        """Mask (parameter,): finite and not constant, so that statistics make sense."""
        return self.finite & ~self.constant

    @cached_property
    def sampled(self) -> set[str]:
        """Names of the scalars that the sampler moved itself."""
        return {name for name, own in zip(self.names, self.latent, strict=True) if own}

    def by_block(
        self, chosen: np.ndarray, function: Callable[[np.ndarray, np.ndarray], T]
    ) -> list[T]:
        """`function(positions, draws)` of a few chosen scalars at a time, in threads."""
        return by_block(self.values, chosen, function)

    def of_site(self, site: str) -> np.ndarray:
        """Positions of the scalars of a site."""
        return np.flatnonzero(np.asarray(self.sites, dtype=object) == site)


def read_record(tree: Any, most_scalars: int = MOST_SCALARS) -> Record:
    """Read a DataTree; DataError when it holds no posterior draws."""
    tree = as_datatree(tree)
    posterior, inside = without_statistics(with_sample_dims(tree["posterior"].to_dataset()))
    remarks: list[str] = []
    draws = posterior.sizes["chain"] * posterior.sizes["draw"]
    fitting = max(LEAST_SCALARS, MOST_BYTES // (8 * max(1, draws)))
    found = list(scalar_blocks(posterior, min(most_scalars, fitting), remarks))
    if not found:
        raise DataError("The posterior group holds no numeric site: nothing to diagnose.")
    names = distinct([name for block in found for name in block.names])
    sites = tuple(block.site for block in found for _ in block.names)
    latents = (
        set(tree["unconstrained_posterior"].data_vars)
        if has(tree, "unconstrained_posterior")
        else set(posterior.data_vars)
    )
    stats, missing = read_stats(tree, posterior, inside)
    return Record(
        values=np.concatenate([block.values for block in found]),
        names=names,
        sites=sites,
        latent=np.array([site in latents for site in sites]),
        constant=np.concatenate([constant_rows(block.values, block.epsilon) for block in found]),
        stats=stats,
        attrs=merged_attrs(tree),
        remarks=(*remarks, *missing),
        losses=read_losses(tree),
    )


def distinct(names: list[str]) -> tuple[str, ...]:
    """The names, those that come again with a number: labels of coordinates may repeat."""
    if len(set(names)) == len(names):
        return tuple(names)
    taken, made = set(names), []
    seen: dict[str, int] = {}
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        new = name
        while seen[name] > 1 and new in taken:
            new = f"{name} #{seen[name]}"
            seen[name] += new in taken
        taken.add(new)
        made.append(new)
    return tuple(made)


def as_datatree(tree: Any) -> xr.DataTree:
    """Anything ArviZ can read as a DataTree with a posterior; DataError otherwise."""
    if are_files(tree):
        tree = read_files(tree)
    if not isinstance(tree, xr.DataTree):
        from arviz_base import convert_to_datatree

        try:
            tree = convert_to_datatree(tree)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise DataError(
                f"diagnose reads an xarray.DataTree with a `posterior` group, "
                f"not a {type(tree).__name__}."
            ) from error
    if not has(tree, "posterior"):
        groups = ", ".join(tree.children) or "none"
        raise DataError(
            f"This DataTree has no `posterior` group with draws in it (groups: {groups})."
        )
    return tree


def with_sample_dims(posterior: xr.Dataset) -> xr.Dataset:
    """Posterior with `chain` and `draw` dimensions; a missing chain becomes one chain."""
    if "draw" not in posterior.dims and "sample" in posterior.dims:
        # `sample` may be stacked from chain and draw; only then can it be taken apart
        try:
            posterior = posterior.unstack("sample")
        except ValueError:
            posterior = posterior.rename(sample="draw")
    if "draw" not in posterior.dims:
        dims = ", ".join(str(dim) for dim in posterior.dims)
        raise DataError(f"The posterior group has no `draw` dimension (dimensions: {dims}).")
    if posterior.sizes["draw"] == 0:
        raise DataError("The posterior group holds 0 draws: nothing to diagnose.")
    if "chain" not in posterior.dims:
        posterior = posterior.expand_dims("chain")
    return posterior


def merged_attrs(tree: xr.DataTree) -> dict[str, Any]:
    """Attributes of sample_stats, posterior and root; the root has the last word."""
    merged: dict[Any, Any] = {}
    for group in ("sample_stats", "posterior"):
        if group in tree.children:
            merged.update(tree[group].attrs)
    merged.update(tree.attrs)
    return {str(name): value for name, value in merged.items()}
