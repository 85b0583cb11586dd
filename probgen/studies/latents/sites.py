"""Which site of a program is an image, and which are its latents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt, prod
from typing import Any

from torch import Tensor, nn

from probgen.declare.environment import isolated
from probgen.errors import ModelError
from probgen.learn.training.probe import prior_shapes
from probgen.studies.latents.runs import run

__all__ = ["Image", "Latent", "has_latents", "image_of", "latents_of"]

_SMALLEST_SIDE = 4


@dataclass(frozen=True)
class Image:
    """A site whose entries are the pixels of an image of `shape` (height, width)."""

    site: str
    shape: tuple[int, int]


@dataclass(frozen=True)
class Latent:
    """A latent site of one case: `size` real numbers, or one of `states`."""

    site: str
    size: int
    states: int = 0


def has_latents(model: Any) -> bool:
    """Whether a module is a program with a guide of its own."""
    return isinstance(model, nn.Module) and callable(getattr(model, "guide", None))


def image_of(model: nn.Module, data: Mapping[str, Any] | None = None) -> Image:
    """The site that is an image.

    The model's `image_shape` (height, width) says so; else it is a site of (1, height, width) or
    with a square number of entries, from 4x4. Sites that are data come first. Raises `ModelError`
    where there is none.
    """
    declared = getattr(model, "image_shape", None)
    sizes = prior_shapes(model) | {name: tuple(v.shape[1:]) for name, v in (data or {}).items()}
    names = sorted(sizes, key=lambda name: name not in (data or {"x": None}))
    for name in names:
        size = prod(sizes[name])
        side = isqrt(size)
        square = len(sizes[name]) == 1 and side >= _SMALLEST_SIDE and side * side == size
        plane = sizes[name][1:] if len(sizes[name]) == 3 and sizes[name][0] == 1 else None
        shape = declared if declared is not None else (side, side) if square else plane
        if shape is not None and prod(shape) == size and sizes[name]:
            return Image(name, (int(shape[0]), int(shape[1])))
    raise ModelError(
        f"No site of {type(model).__name__} is an image: say image_shape = (height, width) in the "
        "model, of pixels that are one row."
    )


def latents_of(model: Any, data: Mapping[str, Tensor]) -> list[Latent]:
    """The sites that the guide draws for each case and the program decodes, in its order."""
    first = {name: value[:1] for name, value in data.items()}
    with isolated(0):
        guide = run(model.guide, first)
        program = run(model, first)
    found = []
    for name, message in program.items():
        if name not in guide or message["is_observed"]:
            continue
        law, value = message["fn"], message["value"]
        shape = tuple(value.shape)
        if len(shape) == 2 and shape[0] == 1 and not getattr(law.support, "is_discrete", False):
            found.append(Latent(name, shape[1]))
        elif shape == (1,) and hasattr(law, "enumerate_support"):
            found.append(Latent(name, 1, states=len(law.enumerate_support(expand=False))))
    return found
