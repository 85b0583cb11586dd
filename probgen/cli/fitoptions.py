"""Options of `probgen fit`, and of `probgen resume` of a training, one alias each."""

from typing import Annotated

import typer

from probgen.cli.options import OUTPUT

TRAINING = "Training of programs"
METHODS = {
    "svi": "SVI",
    "adversarial": "Adversarial",
    "energy-distance": "EnergyDistance",
    "mmd": "MMD",
    "cd": "CD",
    "pcd": "PCD",
    "exact-gradient": "ExactGradient",
    "greedy": "GreedyLayers",
    "up-down": "UpDown",
    "fine-tune": "FineTune",
    "maximum-likelihood": "MaximumLikelihood",
    "bayesian-estimate": "BayesianEstimate",
    "em": "EM",
    "gradient-mle": "GradientMLE",
    "pseudo-likelihood": "PseudoLikelihood",
    "hill-climb": "HillClimb",
    "ges": "GES",
    "pc": "PC",
    "structure-mcmc": "StructureMCMC",
}

Learned = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="Zoo name, file.py, file.py:name, a network (file.bif, alarm ...), or `none` to "
        "learn a structure.",
    ),
]
TrainingData = Annotated[
    list[str] | None,
    typer.Option(
        "--data",
        "-d",
        metavar="FILE|NAME=FILE|SET",
        help="Data instead of the model's own (.npy, .npz, .csv, .json, .nc), or those of one "
        "argument; or a small set: digits, binary-digits, ring, grid, moons. Repeatable.",
        show_default=False,
    ),
]
Learner = Annotated[
    str | None, typer.Option(help=f"{', '.join(METHODS)}.", show_default="the model's")
]
LearnerOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--method-option",
        "--set",
        metavar="NAME=VALUE",
        help="Option of the method, like learning_rate=0.01, or guide=file.py:name for what a "
        "file defines. Repeatable.",
        show_default=False,
    ),
]
Epochs = Annotated[
    int | None,
    typer.Option(
        help="Times through the data.", show_default="the method's", rich_help_panel=TRAINING
    ),
]
BatchSize = Annotated[
    int | None,
    typer.Option(help="Rows of a step.", show_default="the method's", rich_help_panel=TRAINING),
]
Validation = Annotated[
    float | None,
    typer.Option(
        help="Fraction of the rows to hold out.", show_default="none", rich_help_panel=TRAINING
    ),
]
Patience = Annotated[
    int | None,
    typer.Option(
        help="Epochs without improvement until training stops.",
        show_default="never",
        rich_help_panel=TRAINING,
    ),
]
Ema = Annotated[
    float | None,
    typer.Option(
        help="Decay of averaged weights, like 0.999.",
        show_default="none",
        rich_help_panel=TRAINING,
    ),
]
Clip = Annotated[
    float | None,
    typer.Option(help="Largest norm of a gradient.", show_default="any", rich_help_panel=TRAINING),
]
Device = Annotated[
    str | None, typer.Option(help="cpu, cuda.", show_default="cpu", rich_help_panel=TRAINING)
]
Devices = Annotated[
    int | None,
    typer.Option(
        help="Processes that share the rows.", show_default="1", rich_help_panel=TRAINING
    ),
]
TrainingThreads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        help="Threads of torch.",
        show_default="one for small products, else all cores",
        rich_help_panel=TRAINING,
    ),
]
TrainingPrecision = Annotated[
    str | None,
    typer.Option(
        "--precision",
        help="32, 64, bf16 or bf16-mixed.",
        show_default="the model's",
        rich_help_panel=TRAINING,
    ),
]
Watched = Annotated[
    bool | None,
    typer.Option(
        "--watch/--no-watch",
        help="Draw from the program in training; keep and measure the draws.",
        show_default="the method's",
        rich_help_panel=TRAINING,
    ),
]
WatchEvery = Annotated[
    float | None,
    typer.Option(
        help="Epochs between such looks; includes --watch.",
        show_default="1",
        rich_help_panel=TRAINING,
    ),
]
WatchSamples = Annotated[
    int | None,
    typer.Option(
        help="Draws kept of each; includes --watch.", show_default="64", rich_help_panel=TRAINING
    ),
]
TrainingSeed = Annotated[
    int | None,
    typer.Option(
        "--seed", help="Same seed, same weights.", show_default=False, rich_help_panel=TRAINING
    ),
]
TrainingStorePath = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="PATH",
        help="Directory for checkpoints; goes on with `probgen resume PATH --model MODEL`.",
        show_default=False,
        rich_help_panel=OUTPUT,
    ),
]
CheckpointSeconds = Annotated[
    float | None,
    typer.Option(
        help="Longest time between checkpoints in --store.",
        show_default="60",
        rich_help_panel=OUTPUT,
    ),
]
CheckpointSteps = Annotated[
    int | None,
    typer.Option(
        help="Most steps between checkpoints in --store.",
        show_default="any",
        rich_help_panel=OUTPUT,
    ),
]
Save = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Write what was learned (.safetensors; .bif or .uai for a network).",
        show_default=False,
        rich_help_panel=OUTPUT,
    ),
]
Page = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE.html",
        help="Write a page of what a program learned: curves, the likelihood and draws; "
        "of Boltzmann machines filters and inpainting, of models with a guide "
        "reconstructions and traversals, of flows and adversarial ones interpolations, "
        "quality and nearest rows.",
        show_default=False,
        rich_help_panel=OUTPUT,
    ),
]
