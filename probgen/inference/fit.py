"""Learning from data: programs by training, networks by their learners.

Wires the learners of `probgen.learn`, which know no engine, to the engines that compute what
they need, and chooses a learner of networks where none is named.
"""

from __future__ import annotations

import os
from inspect import isfunction
from typing import TYPE_CHECKING, Any

from probgen.declare.modelfile import ModelFile
from probgen.declare.networks.kinds import is_continuous
from probgen.errors import ModelError, OptionError
from probgen.inference.arguments import check_method, seed_of
from probgen.inference.graphical.oracle import marginal_oracle
from probgen.learn.columns import read_table
from probgen.learn.fit import Fit, Learner, fit_network
from probgen.learn.networks.em import EM
from probgen.learn.networks.gradient_mle import GradientMLE
from probgen.learn.networks.maximum_likelihood import MaximumLikelihood
from probgen.learn.networks.read_skeleton import read_skeleton
from probgen.learn.networks.structure_search import HillClimb
from probgen.progress import ProgressDisplay

if TYPE_CHECKING:
    from probgen.learn.program_fit import ProgramFit

__all__ = ["fit", "learns_program"]

_MODULE = "torch.nn.modules.module.Module"


def fit(
    model: Any,
    method: Any = None,
    *,
    data: Any = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    validation: Any = None,
    seed: int | None = None,
    device: str | None = None,
    precision: str | None = None,
    devices: int | None = None,
    strategy: str | None = None,
    ema: float | None = None,
    clip: Any = None,
    patience: int | None = None,
    checkpoint_seconds: float | None = None,
    checkpoint_steps: int | None = None,
    threads: int | None = None,
    watch: Any = None,
    store: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> Fit | ProgramFit:
    """Learn a program's parameters, or a network's parameters or structure, from data.

    Parameters
    ----------
    model
        A program: a module (`pyro.nn.PyroModule`, a machine of `probgen.models` ...), its class,
        or a loaded model file. The module itself is left as it is: a copy is trained.
        Or what is known of a network: a pgmpy model (its tables, if any, are starting values), a
        `Network`, a networkx graph or a list of edges; None or a list of variables when the
        structure is to be learned.
    method
        A learner. Programs: `SVI()`, `MaximumLikelihood()`, `CD()` ...; when left out, the one
        that the model's file names. Networks: `MaximumLikelihood()`, `BayesianEstimate()`, `EM()`
        for Bayesian networks, `GradientMLE()`, `PseudoLikelihood()` for Markov networks,
        `HillClimb()`, `StructureMCMC()` for structures; when left out, maximum likelihood, with
        EM where values are missing or variables latent; hill climbing where there is no
        structure.
    data
        Programs: a tensor, array (also memory-mapped), data frame, xarray object or torch
        Dataset with a row for each case, or a mapping of such by the names of the program's
        arguments; those of the model's file when left out. Networks: a table (DataFrame, mapping
        of columns, list of mappings, xarray Dataset) of state names, or numbers of states;
        missing values are None or NaN.
    epochs, batch_size
        Programs: how often to go through the data, and rows of a step over all processes; when
        left out, what the method declares.
    validation
        Programs: data of the same form, or the fraction of rows to hold out; metrics of every
        epoch are taken on them.
    seed
        Any integer; drawn at random, and noted in the result, when left out.
    device, precision, devices, strategy
        Programs: "cpu", "cuda"; "32", "64", "bf16", or "bf16-mixed", which leaves the parameters
        in the type they have, as None does; how many processes share the rows, and "ddp", the
        one way to (Lightning Fabric launches them, and a script is run once by each). Under
        `torchrun` or `fabric run` the processes are those that were launched.
    ema
        Programs: decay of an exponential average of the weights, such as 0.999.
    clip
        Programs: the largest norm of a gradient, or `ClipValue(...)`.
    patience
        Programs: epochs without improvement on the validation data after which training stops;
        the weights of the best epoch are the result.
    store, overwrite
        Programs: a directory for checkpoints, from which a training that was killed or stopped
        goes on with `resume(path, model, data=...)`, bit for bit; whether one there is replaced.
    checkpoint_seconds, checkpoint_steps
        Programs: at most so long between checkpoints (60 s), and after so many steps.
    threads
        Programs: of torch. When left out one for small products, which threads would only wait
        for, else those that torch is set to. Sums of large products may be rounded otherwise
        with another number.
    watch
        Programs: `Watch(...)` draws from the program at set times, keeps and measures the draws,
        and notes a collapse; True for the usual `Watch()`, False for none. When left out what
        the method declares: adversarial ones are watched, sparingly.
    progress
        Whether to show progress (on standard error, after half a second).

    Returns
    -------
    Programs: `ProgramFit` with `.model`, `.tree` (history as a DataTree), `.average`,
    `.summary`, `.save(path)`. After Ctrl-C: what was learned so far (noted).
    Networks: `Fit` with `.network` (for `infer`), `.tree` (history or posterior draws as a
    DataTree), `.summary`, `.to_pgmpy()`, `.save(path)`.

    Raises
    ------
    DataError, ModelError, OptionError, TooLargeError
        Naming the site, column, variable or option at fault.
    StoreError
        The store exists, is damaged, or cannot be written.
    TrainingError
        Losses or parameters became infinite or undefined; its `fit` holds the last good weights.
    """
    options = {
        "epochs": epochs,
        "batch_size": batch_size,
        "device": device,
        "precision": precision,
        "devices": devices,
        "strategy": strategy,
        "ema": ema,
        "clip": clip,
        "patience": patience,
        "checkpoint_seconds": checkpoint_seconds,
        "checkpoint_steps": checkpoint_steps,
        "threads": threads,
        "watch": watch,
    }
    if learns_program(model):
        from probgen.inference.fit_modules import fit_module

        where = {"validation": validation, "store": store, "overwrite": overwrite}
        return fit_module(model, method, data, {**options, "seed": seed}, progress, **where)
    model = model.program if isinstance(model, ModelFile) else model
    if isfunction(model):
        raise ModelError(
            f"{model.__name__} is a function, and a function has no parameters to learn: declare "
            "the program as a module, class Model(PyroModule) with `forward`."
        )
    options |= {"validation": validation, "store": store, "overwrite": overwrite or None}
    for name, value in options.items():
        if value is not None:
            raise OptionError(f"{name} is an option of programs, and this is a network.")
    return _fit_network(model, method, data, seed_of(seed), progress)


def _fit_network(model: Any, method: Any, data: Any, seed: int, progress: bool) -> Fit:
    if is_continuous(model):
        raise ModelError(
            f"fit learns discrete networks; this is a {type(model).__name__}: fit it with pgmpy, "
            "model.fit(data)."
        )
    method = _default(model, data) if method is None else method
    check_method(method, "learn")
    engine = getattr(method, "engine", None)
    oracle = marginal_oracle(engine) if method.needs_oracle and engine else None
    with ProgressDisplay(method.name, progress) as display:
        return fit_network(model, method, data, oracle=oracle, seed=seed, progress=display.step)


def learns_program(model: Any) -> bool:
    """Whether a model is fitted as a program: a module, its class, or a file that holds one."""
    program = model.program if isinstance(model, ModelFile) else model
    kind = program if isinstance(program, type) else type(program)
    return any(f"{c.__module__}.{c.__name__}" == _MODULE for c in kind.__mro__)


def _default(model: Any, data: Any) -> Learner:
    if model is None or (isinstance(model, list) and not any(map(_is_edge, model))):
        return HillClimb()
    skeleton = read_skeleton(model)
    if not skeleton.directed:
        return GradientMLE()
    hidden = {skeleton.names[v] for v in skeleton.latents}
    table = read_table(data, skeleton.names, skeleton.known_states, hidden)
    return EM() if (table.codes < 0).any() else MaximumLikelihood()


def _is_edge(entry: Any) -> bool:
    return isinstance(entry, (tuple, list))
