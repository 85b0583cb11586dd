"""A program evaluated at flat vectors by running it: what all backends must equal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from probgen.declare.program import Evaluation, Program, Site

__all__ = ["flatten", "leaves_of", "size", "value_and_grad"]


def size(shape: Sequence[int]) -> int:
    """Number of elements of a shape."""
    return int(np.prod(shape, dtype=int))


def leaves_of(latents: list[Site], q: np.ndarray, gradient: bool = True) -> list[torch.Tensor]:
    """The unconstrained value of every latent site, cut out of `q` (dim,)."""
    flat = torch.from_numpy(np.array(q, dtype=np.float64))
    sizes = [size(site.unconstrained_shape) for site in latents]
    pieces = torch.split(flat, sizes) if sizes else ()
    return [
        piece.reshape(site.unconstrained_shape).detach().requires_grad_(gradient)
        for piece, site in zip(pieces, latents, strict=True)
    ]


def value_and_grad(
    program: Program, latents: list[Site], q: np.ndarray
) -> tuple[float, np.ndarray]:
    """Log density and gradient by autograd; a failed factorisation gives NaN."""
    leaves = leaves_of(latents, q)
    named: Mapping[str, torch.Tensor] = {
        site.name: leaf for site, leaf in zip(latents, leaves, strict=True)
    }
    try:
        with torch.enable_grad():
            value = program.evaluate(named).log_density
        if not value.requires_grad:
            return value.item(), np.zeros(q.shape[-1])
        gradients = torch.autograd.grad(value, leaves, allow_unused=True, materialize_grads=True)
    except torch.linalg.LinAlgError:
        return float("nan"), np.full(q.shape[-1], np.nan)
    return value.item(), np.concatenate([g.reshape(-1).numpy(force=True) for g in gradients])


def flatten(evaluation: Evaluation) -> dict[str, torch.Tensor]:
    """The parts of an evaluation under the names that `Density.outputs` gives them."""
    groups: dict[str, dict[str, torch.Tensor]] = {
        "latent": evaluation.latent,
        "deterministic": evaluation.deterministic,
        "log_likelihood": evaluation.log_likelihood,
        "log_prior": evaluation.log_prior,
    }
    return {
        f"{group}:{name}": value if value.dtype == torch.float64 else value.double()
        for group, sites in groups.items()
        for name, value in sites.items()
    }
