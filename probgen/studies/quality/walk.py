"""Perceptual path length of a generator, or of a program along its normal latents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from probgen.diagnose.metrics import Extractor, Score
from probgen.diagnose.metrics.path_length import path_length as of_function
from probgen.diagnose.metrics.settings import check_seed, check_whole
from probgen.errors import OptionError
from probgen.studies.quality.draws import check_rows, module_of, output_of_latents

__all__ = ["path_length"]


def path_length(
    generator: Any,
    latents: Any = None,
    extractor: Extractor | None = None,
    data: Mapping[str, Any] | None = None,
    site: str | None = None,
    n: int = 2000,
    seed: int = 0,
    **options: Any,
) -> Score:
    """Perceptual path length; lower is smoother.

    Args:
        generator: a function from latents (row, latent) to cases (row, ...), with `latents`; or a
            program or its fit, with `data`.
        latents: draws from the law of the latents, joined in pairs.
        extractor: makes the features whose squared distance counts; None takes the values.
        data: rows of the program's data, which say how it is called; labels in them are kept.
        site: of the program's output; None for the first of the data.
        n: latents drawn of a program.
        seed: of the draws and places on the paths.
        options: `path`, `epsilon` and `crop` of the formula.

    Raises `OptionError` and `DataError` for what cannot be used, `ModelError` for a program
    without normal latents.
    """
    check_seed(seed)
    if data is not None and module_of(generator) is not None:
        check_whole(1, n=n)
        check_rows(data)
        generator, latents = output_of_latents(generator, data, site or next(iter(data)), n, seed)
    elif latents is None:
        raise OptionError("path_length needs latents with a function, or data with a program.")
    return of_function(generator, latents, extractor, seed=seed, **options)
