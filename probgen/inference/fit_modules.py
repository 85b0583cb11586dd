"""`fit` and `resume` of programs: modules found, defaults of model files, progress shown."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from probgen.declare.modelfile import ModelFile
from probgen.errors import DataError, ModelError, OptionError
from probgen.inference.arguments import check_method, seed_of
from probgen.learn.fit_program import fit_program, resume_program
from probgen.learn.program_fit import ProgramFit
from probgen.learn.training.store import TrainingStore
from probgen.progress import ProgressDisplay

__all__ = ["declared", "fit_module", "resume_fit"]

_FILES = ("probgen.models.", "probgen_model_")


def fit_module(
    model: Any,
    method: Any,
    data: Any,
    options: Mapping[str, Any],
    progress: bool,
    **where: Any,
) -> ProgramFit:
    """Learn a program; see `probgen.fit`. `where` are validation, store and overwrite."""
    options = {**options, "seed": seed_of(options["seed"])}
    method = declared(model, "method") if method is None else method
    if method is None:
        raise OptionError(
            "No method is named, and the model's file declares none: say how to learn, as in "
            "fit(model, PCD(k=1), data=x)."
        )
    check_method(method, "learner")
    data = _own_data(model) if data is None else data
    module = module_of(model, options["seed"])
    with ProgressDisplay(method.name, progress) as display:
        return fit_program(module, method, data, show=display.step, **where, **options)


def resume_fit(
    path: str | os.PathLike[str],
    model: Any,
    data: Any,
    *,
    method: Any = None,
    validation: Any = None,
    epochs: int | None = None,
    watch: Any = None,
    progress: bool = True,
) -> ProgramFit:
    """Go on with a training that `fit(..., store=path)` began; see `probgen.resume`."""
    if model is None:
        raise ModelError(
            f"{path} is a training: pass the model that it trains, resume(path, model, data=...)."
        )
    data = _own_data(model) if data is None else data
    if method is None and TrainingStore.read_manifest(path)["method"]["value"] is None:
        method = declared(model, "method")
    with ProgressDisplay("fit", progress) as display:
        return resume_program(
            path,
            module_of(model, 0),
            data,
            method=method,
            validation=validation,
            epochs=epochs,
            watch=watch,
            show=display.step,
        )


def module_of(model: Any, seed: int) -> nn.Module:
    """The module that a model stands for; a class is called without arguments.

    Random first weights of a class come from the seed.
    """
    program = model.program if isinstance(model, ModelFile) else model
    if not isinstance(program, type):
        return program
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed % (1 << 63))
        try:
            return program()
        except TypeError as error:
            raise ModelError(
                f"{program.__name__} cannot be made without arguments ({error}): pass a module, "
                f"{program.__name__}(...)."
            ) from error


def _own_data(model: Any) -> Any:
    """The data of the model's file. Raises `DataError` when it has none."""
    data = model.data if isinstance(model, ModelFile) else declared(model, "data")
    data = data() if callable(data) else data
    if data is None or (isinstance(data, Mapping) and not data):
        raise DataError("fit needs data: pass data=x, a row for each case.")
    return data


def declared(model: Any, what: str) -> Any:
    """What the file of a model declares beside it; None for models that are in no such file."""
    if isinstance(model, ModelFile):
        return getattr(model, what)
    kind = model if isinstance(model, type) else type(model)
    home = kind.__module__
    return getattr(sys.modules.get(home), what, None) if home.startswith(_FILES) else None
