"""`probgen compare`: the same model under many methods and seeds, side by side."""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer

from probgen.cli.arguments import METHODS, chosen_method, given_data, writable
from probgen.cli.options import (
    OUTPUT,
    SAMPLING,
    Chains,
    Data,
    Jobs,
    Model,
    Quiet,
    Traceback,
    Warmup,
)
from probgen.cli.terminal import NOT_TRUSTWORTHY, console, reported
from probgen.errors import OptionError

ENDINGS = (".json", ".nc", ".csv", ".html")


@reported
def compare(
    model: Model,
    methods: Annotated[
        str,
        typer.Option(
            metavar="NAME,NAME(option=value),...",
            help="Such as NUTS,MCLMC or 'NUTS,NUTS(target_accept=0.95)'; the names of "
            "`probgen run --method`.",
        ),
    ],
    data: Data = None,
    reference: Annotated[
        str | None,
        typer.Option(
            metavar="exact|long|none|FILE",
            help="What is taken for the truth: exact inference (networks), a long run, or draws "
            "in a file (.nc, .npz, .json).",
            show_default="the model's, else exact where that is cheap",
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each method.")] = 3,
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="DRAWS,DRAWS,...",
            help="Draws per chain; of several, each is a run of its own.",
            show_default="the method's",
            rich_help_panel=SAMPLING,
        ),
    ] = None,
    chains: Chains = None,
    warmup: Warmup = None,
    timeout: Annotated[
        float, typer.Option(help="Seconds that a run may take.", rich_help_panel=SAMPLING)
    ] = 600.0,
    jobs: Jobs = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write all results: .html (a page), .json, .nc, or .csv (the table).",
            show_default=False,
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    quiet: Quiet = False,
    traceback: Traceback = False,
) -> None:
    """Compare METHODS on MODEL. Exit code 3: no method gave an answer to be trusted."""
    path = writable(output, "--output", ENDINGS)
    chosen = [method_named(text) for text in split_methods(methods)]
    budgets = numbers(budget)
    import probgen as pg
    from probgen.studies.compare.study import compare as compare_methods

    loaded = pg.load_model(model)
    result = compare_methods(
        loaded.program,
        chosen,
        data=given_data(loaded, data),
        reference=truth_of(loaded, reference, own_data=not data),
        seeds=seeds,
        budget=budgets,
        chains=chains,
        warmup=warmup,
        timeout=timeout,
        jobs=jobs,
        progress=not quiet,
    )
    out = console()
    if path is not None:
        result.save(path)
    if quiet:
        out.print(result.verdict, markup=False, highlight=False)
    else:
        out.print(result)
        if path is not None:
            out.print(f"Comparison: {path}", markup=False, soft_wrap=True)
    raise typer.Exit(0 if result.best else NOT_TRUSTWORTHY)


def truth_of(loaded: Any, given: str | None, own_data: bool) -> Any:
    """The reference asked for; the model's own holds for the model's own data only."""
    if given == "none":
        return None
    return given or (loaded.reference if own_data else None)


def split_methods(text: str) -> list[str]:
    """Parts between commas outside of brackets."""
    parts = [part.strip() for part in re.split(r",(?![^()]*\))", text)]
    if not all(parts):
        raise OptionError(f"--methods {text!r}: give names between commas, such as NUTS,HMC.")
    return parts


def method_named(text: str) -> Any:
    """A method from `NUTS` or `NUTS(target_accept=0.9)`."""
    found = re.fullmatch(r"([\w-]+)\s*(?:\((.*)\))?", text, re.DOTALL)
    if found is None:
        raise OptionError(f"--methods {text!r}: write it as NUTS or NUTS(target_accept=0.9).")
    word = found[1].lower().replace("_", "-")
    by_class = {public.lower(): known for known, public in METHODS.items()}
    options = [pair for pair in (found[2] or "").split(",") if pair.strip()]
    return chosen_method(None, by_class.get(word, word), options)


def numbers(text: str | None) -> list[int] | None:
    """Whole numbers between commas."""
    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise OptionError(f"--budget {text!r}: whole numbers between commas.") from None
