"""The zoo: classic statistical models as short Pyro programs, each with its data and source.

A zoo model is an ordinary model file: a function named like the file (a class, where parameters
are learned by `fit`), `data`, and optionally `method` and `reference`. `names()` lists them,
`load(name)` imports one:

    model = probgen.models.load("eight_schools")
    tree = probgen.infer(model.program, data=model.data)

A user's own file works the same way; nothing here is registered anywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from probgen.declare.modelfile import ModelFile

__all__ = ["descriptions", "load", "names"]


def names(learned: bool | None = None) -> list[str]:
    """Names of all zoo models, in alphabetical order; no model file is imported for it.

    `learned=True`: only models whose parameters `fit` learns; False: only those for `infer`.
    """
    from probgen.declare.modelfile import zoo_learned, zoo_names

    if learned is None:
        return zoo_names()
    known = set(zoo_learned())
    return [name for name in zoo_names() if (name in known) is learned]


def descriptions() -> dict[str, str]:
    """Each name with the first line of the model's docstring; no model file is imported."""
    from probgen.declare.modelfile import zoo_descriptions

    return zoo_descriptions()


def load(name: str) -> ModelFile:
    """Import the zoo model `name`: its `program`, `data`, `description` and the rest.

    Raises `probgen.errors.ModelError`, with the closest names, when there is no such model.
    """
    from probgen.declare.modelfile import load_zoo_model

    return load_zoo_model(name)
