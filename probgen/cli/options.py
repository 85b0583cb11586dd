"""Options of the commands: their type, name and help text, one alias each."""

from typing import Annotated

import typer

SAMPLING = "Sampling"
OUTPUT = "Output"

Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="Zoo name, file.py, file.py:function, or a network (file.bif, file.uai ..., alarm).",
    ),
]
Data = Annotated[
    list[str] | None,
    typer.Option(
        "--data",
        "--evidence",
        "--set",
        "-d",
        metavar="FILE|NAME=VALUE",
        help="Data instead of the model's own (.json, .csv, .npz, .nc; .evid or .json for a "
        "network), or one argument of the program or one observed variable. Repeatable.",
        show_default=False,
    ),
]
Traceback = Annotated[
    bool, typer.Option("--traceback", help="Show the Python traceback of an error.")
]
MethodName = Annotated[
    str | None,
    typer.Option(
        help="nuts, hmc, chees, mams, mclmc, neutra, flow-metropolis, tempered-smc, svi, "
        "pathfinder, laplace, map; for networks exact, gibbs, parallel-tempering, swendsen-wang, "
        "ais, belief-propagation, mean-field, svi, map.",
        show_default="the model's, else what suits it",
    ),
]
MethodOptions = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE",
        help="Option of the method, like target_accept=0.9, or guide=file.py:name for what a "
        "file defines. Repeatable.",
        show_default=False,
    ),
]
Chains = Annotated[
    int | None, typer.Option(help="Chains.", show_default="the method's", rich_help_panel=SAMPLING)
]
DrawCount = Annotated[
    int | None,
    typer.Option(help="Draws per chain.", show_default="the method's", rich_help_panel=SAMPLING),
]
Warmup = Annotated[
    int | None,
    typer.Option(
        help="Warm-up draws per chain.", show_default="the method's", rich_help_panel=SAMPLING
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(help="Same seed, same draws.", show_default=False, rich_help_panel=SAMPLING),
]
Threads = Annotated[
    int | None,
    typer.Option(help="Chains run at once.", show_default="all cores", rich_help_panel=SAMPLING),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        help="Inferences at once; more than 1 disturbs timings.",
        show_default="1",
        rich_help_panel=SAMPLING,
    ),
]
Start = Annotated[
    str | None,
    typer.Option(
        help="Where chains start: uniform, prior, map, laplace or pathfinder.",
        show_default="uniform",
        rich_help_panel=SAMPLING,
    ),
]
Thin = Annotated[
    int | None,
    typer.Option(help="Keep one of so many draws.", show_default="1", rich_help_panel=SAMPLING),
]
Backend = Annotated[
    str | None,
    typer.Option(
        help="native, torch or eager.",
        show_default="the first that serves",
        rich_help_panel=SAMPLING,
    ),
]
Precision = Annotated[
    str | None,
    typer.Option(
        help="float64, or float32 for gradients in single precision.",
        show_default="float64",
        rich_help_panel=SAMPLING,
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE.nc",
        help="Write all draws and statistics (NetCDF, for ArviZ).",
        show_default=False,
        rich_help_panel=OUTPUT,
    ),
]
StorePath = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="PATH",
        help="Directory to stream the draws to (Zarr); goes on with `probgen resume PATH`.",
        show_default=False,
        rich_help_panel=OUTPUT,
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite", help="Replace a run that --store holds already.", rich_help_panel=OUTPUT
    ),
]
Picture = Annotated[
    str | None,
    typer.Option(
        metavar="FILE.png",
        help="Write a picture of the posterior.",
        show_default=False,
        rich_help_panel=OUTPUT,
    ),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="One line only.", rich_help_panel=OUTPUT)
]
