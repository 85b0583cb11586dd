"""The images of each picture, as arrays (row, column, height, width)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from probgen.errors import ModelError
from probgen.studies.latents.runs import decoded, drawn_cases, latent_values, reconstructed
from probgen.studies.latents.sites import Latent, image_of, latents_of

__all__ = ["Sheet", "reconstruction_sheet", "sample_sheet", "traversal_sheet"]

MOST_LATENTS = 12
SPAN = 2.5


@dataclass(frozen=True)
class Sheet:
    """Images in rows, with a name for each row, or none."""

    images: np.ndarray
    rows: tuple[str, ...] = ()


def sample_sheet(model: nn.Module, rows: int, columns: int, seed: int) -> Sheet:
    """Means of cases whose latents are drawn from the program. Raises `ModelError`."""
    image = image_of(model)
    found = drawn_cases(model, image.site, rows * columns, seed)
    return Sheet(_array(found).reshape(rows, columns, *image.shape))


def reconstruction_sheet(model: nn.Module, data: Mapping[str, Tensor], columns: int) -> Sheet:
    """Cases, and what comes of their latents, below each other. Raises `ModelError`."""
    image = image_of(model, data)
    some = {name: value[:columns] for name, value in data.items()}
    found = reconstructed(model, some, image.site)
    cases = np.stack([_array(some[image.site]), _array(found)])
    return Sheet(cases.reshape(2, -1, *image.shape), ("case", "reconstructed"))


def traversal_sheet(model: Any, data: Mapping[str, Tensor], case: int, columns: int) -> Sheet:
    """A case decoded with one latent at a time going from -2.5 to 2.5, or through its states.

    Of many real latents those come first that differ most from case to case. Raises `ModelError`.
    """
    image = image_of(model, data)
    latents = latents_of(model, data)
    if not latents:
        raise ModelError(f"{type(model).__name__} has no latents of one case to go through.")
    means = latent_values(model, data)
    here = {latent.site: means[latent.site][case : case + 1] for latent in latents}
    rows: list[Tensor] = []
    names: list[str] = []
    for latent in latents[:1] if not latents[0].states else latents:
        for entry in _liveliest(latent, means[latent.site]):
            images = [
                decoded(model, image.site, {**here, latent.site: value})
                for value in _values(latent, entry, here[latent.site], columns)
            ]
            wide = max(columns, *(found.states for found in latents))
            blank = torch.full_like(images[0], torch.nan)
            rows.append(torch.cat([*images, *[blank] * (wide - len(images))]))
            names.append(latent.site if latent.states else f"{latent.site}[{entry}]")
    sheet = np.stack([_array(row) for row in rows])
    return Sheet(sheet.reshape(len(rows), -1, *image.shape), tuple(names))


def _liveliest(latent: Latent, means: Tensor) -> list[int]:
    if latent.states:
        return [0]
    return means.var(0).argsort(descending=True)[:MOST_LATENTS].tolist()


def _values(latent: Latent, entry: int, here: Tensor, columns: int) -> list[Tensor]:
    if latent.states:
        return [torch.full_like(here, state) for state in range(latent.states)]
    values = []
    for number in torch.linspace(-SPAN, SPAN, columns).tolist():
        value = here.clone()
        value[:, entry] = number
        values.append(value)
    return values


def _array(values: Tensor) -> np.ndarray:
    return values.detach().cpu().double().numpy()
