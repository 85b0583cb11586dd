"""`probgen sample`: draws of a program or a network, as learned or before it has seen data."""

from pathlib import Path
from typing import Annotated, Any

import typer

from probgen.cli.arguments import given_data, writable
from probgen.cli.fitdata import training_data
from probgen.cli.options import OUTPUT, Data, Model, Quiet, Traceback
from probgen.cli.terminal import console, reported
from probgen.errors import OptionError

ENDINGS = (".npz", ".nc")


@reported
def sample(
    model: Model,
    draws: Annotated[int, typer.Option("--draws", "-n", help="How many.")] = 1000,
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.safetensors",
            help="What `probgen fit --save` wrote; averaged weights where it has them.",
            show_default=False,
        ),
    ] = None,
    data: Data = None,
    seed: Annotated[int, typer.Option(help="Same seed, same draws.")] = 0,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write the draws: arrays by name (.npz), or a tree (.nc, for ArviZ).",
            show_default=False,
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    quiet: Quiet = False,
    traceback: Traceback = False,
) -> None:
    """Draw from MODEL: rows of data of what was learned, else prior and data under the prior.

    Data say how many rows the plates have, and hold what MODEL does not draw, such as covariates.
    """
    import torch

    import probgen as pg
    from probgen.inference.arguments import seed_of
    from probgen.inference.fit import learns_program

    path = writable(output, "--output", ENDINGS)
    if draws < 1:
        raise OptionError(f"--draws {draws}: draw one or more.")
    torch.manual_seed(seed_of(seed) % (1 << 63))  # a module of a file is made while it is loaded
    loaded = pg.load_model(model)
    if learns_program(loaded):
        tree = _rows(loaded, weights, training_data(data, True, loaded), draws, seed)
    elif weights is not None:
        raise OptionError(f"--weights: {loaded.name} is no module, and has none.")
    else:
        tree = pg.prior(loaded.program, given_data(loaded, data), draws=draws, seed=seed)
    if path is not None:
        _write(tree, path)
    if not quiet:
        out = console()
        out.print(_table(tree))
        if weights is None and learns_program(loaded):
            out.print("Weights as they begin: give those of a fit, by --weights.", style="dim")
        if path is not None:
            out.print(f"Draws: {path}", markup=False, soft_wrap=True)


def _rows(loaded: Any, weights: str | None, data: Any, draws: int, seed: int) -> Any:
    """Draws of the data sites of a module, in the group `prior_predictive`."""
    from collections.abc import Mapping

    import probgen as pg
    from probgen.inference.arguments import seed_of
    from probgen.inference.fit_modules import module_of
    from probgen.learn.draws import draw_many
    from probgen.learn.training.probe import arguments_of
    from probgen.results.attributes import library_attributes
    from probgen.results.tree import Variable, build_tree

    module = module_of(loaded, seed_of(seed))
    rows = dict(loaded.data) if data is None else data
    if not isinstance(rows, Mapping):
        rows = {arguments_of(module)[0]: rows}
    if not rows:
        raise OptionError(f"--data: rows of data tell {loaded.name} how its plates are filled.")
    if weights is not None:
        fit = pg.load_fit(weights, module)
        module = fit.average or fit.model
    found = draw_many(module, rows, draws, seed_of(seed))
    drawn = {name: Variable(value.cpu().numpy()[None]) for name, value in found.items()}
    attrs = {**library_attributes(), "model": loaded.name, "sampling": "data", "seed": seed}
    return build_tree({"prior_predictive": drawn}, attrs=attrs)


def _write(tree: Any, path: Path) -> None:
    if path.suffix == ".nc":
        from probgen.results.store.export import save

        save(tree, path)
        return
    import numpy as np

    arrays = {name: variable.values[0] for _, name, variable in _variables(tree)}
    if "file" in arrays:  # the name of its own argument
        raise OptionError("--output: a site is named 'file', which .npz cannot hold; write .nc.")
    np.savez_compressed(path, **arrays)


def _variables(tree: Any) -> list[tuple[str, str, Any]]:
    groups = ("prior", "prior_predictive")
    return [
        (group, str(name), variable)
        for group in groups
        if group in tree.children
        for name, variable in tree[group].data_vars.items()
    ]


def _table(tree: Any) -> Any:
    """The sites: shape of a draw, and how the numbers are spread or which states there are."""
    from rich.table import Table

    table = Table("site", "group", "shape of a draw", "draws", box=None)
    for group, name, variable in _variables(tree):
        shape = "x".join(map(str, variable.shape[2:])) or "1"
        states = tree[group].coords.get(variable.attrs.get("states"))
        table.add_row(name, group, shape, _said(variable.values, states))
    return table


def _said(values: Any, states: Any) -> str:
    import numpy as np

    if states is None:
        numbers = values.astype(float)  # of a comparison, too
        spread = f"mean {numbers.mean():.4g}, sd {numbers.std():.4g}"
        return f"{spread}, from {numbers.min():.4g} to {numbers.max():.4g}"
    shares = np.bincount(values.ravel(), minlength=len(states)) / values.size
    named = zip(states.values, shares, strict=True)
    return ", ".join(f"{state} {share:.1%}" for state, share in named)
