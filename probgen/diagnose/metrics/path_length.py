"""Perceptual path length: how far the output moves for a small step of the latents.

E d(G(s(t)), G(s(t + e))) / e^2, where s is the path from one latent to another, t uniform, and d
a squared distance of features (Karras, Laine and Aila 2019). Latents of a normal law are joined by
slerp, along which they keep to the shell where that law has its mass (White 2016).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from probgen.diagnose.metrics.features import (
    Extractor,
    Features,
    as_array,
    check_finite,
    check_least,
    featured,
)
from probgen.diagnose.metrics.score import Score, score
from probgen.diagnose.metrics.settings import check_positive, check_seed
from probgen.errors import DataError, OptionError, ProbgenError

__all__ = ["path_length", "slerp"]

_BATCH = 256


def path_length(
    generate: Callable[[Tensor], Any],
    latents: Any,
    extractor: Extractor | None = None,
    path: Literal["slerp", "line"] = "slerp",
    epsilon: float = 1e-4,
    crop: tuple[float, float] = (1.0, 99.0),
    seed: int = 0,
) -> Score:
    """Perceptual path length with the squared distance of features.

    Args:
        generate: latents (row, latent) -> cases (row, ...), without randomness of its own.
        latents: draws from their law, (row, latent); the first half is joined to the second.
        extractor: makes the features whose distance counts; None takes the cases' values.
        path: "slerp" for normal latents, "line" for others.
        epsilon: the step, as a share of the path.
        crop: percentiles between which lengths are kept for the mean.
        seed: of the places on the paths.

    Raises `DataError` for fewer than 200 latents, whose tails would not be cropped.
    """
    check_seed(seed)
    check_positive(epsilon=epsilon)
    if path not in ("slerp", "line") or not epsilon < 0.5 or not _are_percentiles(crop):
        raise OptionError(
            f'path={path!r}, epsilon={epsilon}, crop={crop}: "slerp" or "line", a small positive '
            "step, and two percentiles in their order."
        )
    if not callable(generate):
        raise OptionError(
            f"generate={generate!r}: a function from latents (row, latent) to cases (row, ...)."
        )
    given = as_array(latents, "latents")
    check_finite(given, "latents")
    z = (latents if isinstance(latents, Tensor) else torch.as_tensor(given)).detach()
    if z.ndim != 2 or not z.is_floating_point():
        raise DataError(
            f"latents are {tuple(z.shape)}, {z.dtype}; real numbers (row, latent) were expected."
        )
    check_least(len(z), 200, "path length: latents")
    pairs = len(z) // 2
    first, second = z[:pairs].double(), z[pairs : 2 * pairs].double()
    places = torch.rand(pairs, 1, generator=torch.Generator().manual_seed(seed)).double()
    places = places.to(z.device) * (1 - epsilon)
    along = slerp if path == "slerp" else torch.lerp
    lengths = []
    batches = (part.split(_BATCH) for part in (first, second, places))
    for a, b, t in zip(*batches, strict=True):
        ends = (along(a, b, t), along(a, b, t + epsilon))
        here, there = (_features(generate, end.to(z.dtype), extractor) for end in ends)
        lengths.append(np.square(here.values - there.values).sum(axis=1))
    found = np.concatenate(lengths) / epsilon**2
    low, high = np.percentile(found, crop)
    kept = found[(found >= low) & (found <= high)]
    error = (kept.std(ddof=1) / len(kept) ** 0.5, "s.e. over paths")
    settings = {"path": path, "epsilon": epsilon, "crop": crop, "seed": seed}
    rows = Features(np.empty((pairs, here.values.shape[1])), here.extractor, here.hash)
    return score("path length", kept.mean(), "lower", None, rows, settings, error=error)


def _are_percentiles(crop: Any) -> bool:
    try:
        low, high = map(float, crop)
    except (TypeError, ValueError):
        return False
    return 0 <= low < high <= 100


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """The way from a to b, (row, latent), on the arc between them; lengths go along with it."""
    cosine = torch.nn.functional.cosine_similarity(a, b, dim=-1).clamp(-1, 1)[..., None]
    angle = cosine.arccos()
    sine = angle.sin()
    arc = ((1 - t) * angle).sin() / sine * a + (t * angle).sin() / sine * b
    return torch.where(sine < 1e-7, torch.lerp(a, b, t), arc)


def _features(
    generate: Callable[[Tensor], Any], z: Tensor, extractor: Extractor | None
) -> Features:
    try:
        with torch.no_grad():
            cases = generate(z)
    except ProbgenError:
        raise
    except Exception as error:
        raise DataError(
            f"generate failed on latents of shape {tuple(z.shape)}: "
            f"{type(error).__name__}: {error}"
        ) from error
    if len(as_array(cases, "generate")) != len(z):
        raise DataError(f"generate gave {len(cases)} cases for {len(z)} latents.")
    return featured(cases, extractor, "generate")
