"""`probgen run`: sample a posterior, save it, say whether it can be trusted."""

from pathlib import Path
from typing import Any

import typer

from probgen.cli.arguments import chosen_method, given_data, writable
from probgen.cli.options import (
    Backend,
    Chains,
    Data,
    DrawCount,
    MethodName,
    MethodOptions,
    Model,
    Output,
    Overwrite,
    Picture,
    Precision,
    Quiet,
    Seed,
    Start,
    StorePath,
    Thin,
    Threads,
    Traceback,
    Warmup,
)
from probgen.cli.terminal import INTERRUPTED, NOT_TRUSTWORTHY, console, reported
from probgen.errors import OptionError

TREE_ENDINGS = (".nc",)
PICTURE_ENDINGS = (".png", ".pdf", ".svg", ".jpg", ".webp")


@reported
def run(
    model: Model,
    data: Data = None,
    method: MethodName = None,
    method_option: MethodOptions = None,
    chains: Chains = None,
    draws: DrawCount = None,
    warmup: Warmup = None,
    seed: Seed = None,
    threads: Threads = None,
    init: Start = None,
    thin: Thin = None,
    backend: Backend = None,
    precision: Precision = None,
    store: StorePath = None,
    overwrite: Overwrite = False,
    output: Output = None,
    picture: Picture = None,
    quiet: Quiet = False,
    traceback: Traceback = False,
) -> None:
    """Sample the posterior of MODEL; print its summary and whether it can be trusted."""
    tree_path = writable(output, "--output", TREE_ENDINGS)
    picture_path = writable(picture, "--picture", PICTURE_ENDINGS)
    given = {
        "chains": chains,
        "draws": draws,
        "warmup": warmup,
        "seed": seed,
        "threads": threads,
        "init": init,
        "thin": thin,
        "backend": backend,
        "precision": precision,
        "store": store,
        "overwrite": overwrite or None,
    }
    try:
        tree = sample(model, data, method, method_option, quiet, given)
    except KeyboardInterrupt:
        there = store is not None and Path(store).exists()
        cure = f" Go on with: probgen resume {store}" if there else ""
        said = f"Interrupted: there were no draws to save.{cure}"
        console(errors=True).print(said, style="yellow", markup=False)
        raise typer.Exit(INTERRUPTED) from None
    if tree_path is not None:
        from probgen.results.store.export import save

        save(tree, tree_path)
    code = report(tree, tree_path, picture_path, quiet)
    if store is not None and was_interrupted(tree):
        said = f"Interrupted. Go on with: probgen resume {store}"
        console(errors=True).print(said, style="yellow", markup=False, soft_wrap=True)
    raise typer.Exit(INTERRUPTED if was_interrupted(tree) else code)


def sample(
    model: str,
    data: list[str] | None,
    method: str | None,
    method_option: list[str] | None,
    quiet: bool,
    given: dict[str, Any],
) -> Any:
    """Load the model and its data, and run the method: a DataTree."""
    import probgen as pg

    loaded = pg.load_model(model)
    learned = hasattr(loaded.method, "learner") and not hasattr(loaded.method, "run")
    if method is None and learned:
        raise OptionError(
            f"{loaded.name} is learned from data before it is sampled: probgen fit {model}. To "
            "sample it as it stands, name a method: --method gibbs."
        )
    return pg.infer(
        loaded.program,
        chosen_method(loaded.method, method, method_option or ()),
        data=given_data(loaded, data),
        progress=not quiet,
        **{name: value for name, value in given.items() if value is not None},
    )


def report(tree: Any, tree_path: Path | None, picture_path: Path | None, quiet: bool) -> int:
    """Print the verdict and draw the picture; returns the exit code of the verdict."""
    import probgen as pg

    out = console()
    verdict = pg.diagnose(tree)
    if not quiet and tree.attrs.get("method_reason"):
        said = f"{tree.attrs['method']}: {tree.attrs['method_reason']}."
        out.print(said, style="dim", markup=False, highlight=False)
    if quiet:
        out.print(verdict.headline, markup=False)
    else:
        out.print(verdict)
    if picture_path is not None:
        pg.save_picture(tree, picture_path, verdict=verdict)
    if not quiet:
        for what, path in (("Draws", tree_path), ("Picture", picture_path)):
            if path is not None:
                out.print(f"{what}: {path}", markup=False, soft_wrap=True)
    return 0 if verdict.trustworthy else NOT_TRUSTWORTHY


def was_interrupted(tree: Any) -> bool:
    """Whether the run was stopped before its end."""
    return bool(tree.attrs.get("interrupted"))
