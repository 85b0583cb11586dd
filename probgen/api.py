"""The public calls: a declared model and data in, a diagnosed DataTree out.

This module only tells declarations apart and hands them on: Pyro programs to
`inference.infer_program`, discrete networks to `inference.infer_network`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from probgen.declare.network import Network
from probgen.declare.networks.kinds import is_continuous, slices_of
from probgen.declare.networks.recognise import is_network
from probgen.errors import DataError, ModelError, OptionError
from probgen.inference.arguments import check_choices, check_counts, check_method, seed_of

if TYPE_CHECKING:
    import networkx as nx
    import xarray as xr

    from probgen.declare.check import CheckReport
    from probgen.declare.program import Program

__all__ = ["check", "describe", "draw", "graph", "infer", "resume"]

_PROGRAM_DEFAULTS = {"chains": 4, "draws": 1000, "warmup": 1000}


def infer(
    model: Any,
    method: Any = None,
    *,
    data: Mapping[Any, Any] | None = None,
    chains: int | None = None,
    draws: int | None = None,
    warmup: int | None = None,
    seed: int | None = None,
    init: Any = "uniform",
    threads: int | None = None,
    keep_warmup: bool = False,
    log_likelihood: bool | None = None,
    progress: bool = True,
    backend: str = "auto",
    precision: str = "float64",
    device: str = "cpu",
    thin: int = 1,
    adapted: xr.DataTree | None = None,
    dims: Mapping[str, Sequence[str]] | None = None,
    coords: Mapping[str, Sequence[Any]] | None = None,
    store: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    background: bool = False,
) -> Any:
    """The posterior of a Pyro program or of a network, as an ArviZ DataTree.

    Parameters
    ----------
    model
        A Pyro program (any callable that Pyro can trace; parameters and modules stay fixed), a
        pgmpy network, or a `Network` from `load_network`.
    method
        The algorithm with its settings. When left out: `NUTS()` for programs; for networks the
        engine that suits width, zeros and size, which the attributes of the result name.
    data
        Keyword arguments of the program (arrays, tensors, lists, pandas or xarray objects; a
        data frame stands for its columns), or the evidence of the network: state names by
        variable name. A mapping or list of likelihoods of the states of a variable is soft
        (virtual) evidence.
    chains, draws, warmup
        Number of chains, and of kept and warm-up draws per chain. Programs: 4, 1000, 1000;
        networks: what the method declares (`Gibbs.defaults`).
    seed
        Any integer; the same seed gives the same draws on the same machine, whatever the
        number of threads. Drawn at random, and noted in the result, when left out.
    init
        Programs: "uniform", "prior", "map", "laplace", "pathfinder", a mapping of site names
        to constrained starting values, or an earlier result (its draws are the starts).
    threads
        How many run at once; the number of usable cores when left out.
    keep_warmup
        Programs: whether the warm-up draws are kept, in groups named `warmup_...`.
    log_likelihood
        Programs: whether the log likelihood of every observation is computed; when left out,
        unless it would take more than 1 GB (a note says so).
    progress
        Whether to show progress (on standard error, after half a second).
    backend
        Programs: "native" (compiled C++), "torch" (the traced graph, batched over chains),
        "eager" (the program as written), each an error if impossible; "auto" takes the first
        that is possible.
    precision
        Programs: "float64", or "float32" for density and gradient in single precision, which is
        faster and serves well-scaled posteriors; positions and draws stay double.
    device
        Programs: where the torch backend works: "cpu", "cuda", "cuda:1" ...; another device than
        "cpu" chooses that backend.
    thin
        Programs: one of so many transitions is kept; `draws` counts the kept ones.
    adapted
        Programs: the result of an earlier run with the same method; warm-up starts from what
        that run learnt and where its chains ended, and `warmup=0` uses it as it is.
    dims, coords
        Programs: names of dimensions that have no plate, by site; labels of dimensions.
    store
        A directory to make, such as "run.zarr", to which draws are written while they are made
        (Zarr v3, for `open_tree` or `xarray.open_datatree`): memory does not grow with the
        number of draws, and a run that was killed or stopped goes on with `resume`, bit for bit.
    overwrite
        Whether a run that is stored there already is replaced.
    background
        Whether to sample on a thread and return at once, after the model has been compiled, with
        a handle: `tree()`, `progress`, `stop()`, `wait()`, `result()`.

    Returns
    -------
    DataTree, read lazily when it is stored; with `background` the handle. Of programs:
    `posterior` (constrained scale, deterministic sites included), `sample_stats`,
    `log_likelihood`, `log_prior`, `observed_data`, `constant_data` and
    `unconstrained_posterior`. Of networks: `posterior` (state numbers, with the states' names as
    coordinates; not from engines that do not sample), `marginals`, `sample_stats` and
    `observed_data`; log evidence (nats) among the attributes. Attributes name the method, the
    seed, versions, seconds, and counts of work.

    Raises
    ------
    ModelError, DataError
        The model or its data cannot be used; the message names the site or variable.
    EvidenceError
        The evidence has probability zero under the network.
    TooLargeError
        Exact inference, or the draws, would need more memory than there is or is allowed.
    OptionError
        A method, seed or number that cannot be used; names it.
    StoreError
        The store exists, cannot be written, or is written by another process.
    InitialisationError
        No finite starting point; names the site at fault.
    KeyboardInterrupt
        Interrupted before the first kept draw; later, the finished draws are returned.
    """
    from probgen.inference.launch import finished, launch, store_result
    from probgen.inference.storing import Storage

    counts = {"chains": chains, "draws": draws, "warmup": warmup}
    check_counts({**counts, "threads": threads, "thin": thin})
    seed = seed_of(seed)
    if method is not None:
        check_method(method, "run")
    storage = None if store is None else Storage(store, overwrite)
    continuous = is_network(model) and is_continuous(model)
    if is_network(model):
        if continuous:
            from probgen.inference.infer_gaussian import infer_gaussian, is_exactly_gaussian

            if is_exactly_gaussian(model, method, data):
                tree = infer_gaussian(model, data, chains, draws, seed)
                tree = tree if storage is None else store_result(tree, storage)
                return finished(tree) if background else tree
        model, data = _read(model, data)
    if isinstance(model, Network):
        _refuse_for_networks(
            init=init != "uniform",
            keep_warmup=keep_warmup,
            backend=backend != "auto",
            precision=precision != "float64",
            device=device != "cpu",
            thin=thin != 1,
            adapted=adapted is not None,
            dims=bool(dims),
            coords=bool(coords),
        )
        from probgen.inference.infer_network import NetworkOptions, prepare_network

        options = NetworkOptions(**counts, seed=seed, threads=threads, progress=progress)
        prepared = prepare_network(model, method, data, options)
        return launch(prepared, model, data, storage, background)
    from probgen.inference.infer_program import ProgramOptions, prepare_program
    from probgen.inference.nuts import NUTS
    from probgen.results.tree import Labels

    method = NUTS() if method is None else method
    check_choices(backend=backend, precision=precision)
    if "density" not in getattr(method, "serves", ("density",)):
        kind = "a network of continuous variables" if continuous else "a Pyro program"
        raise OptionError(
            f"{method.name} works on discrete networks, and this is {kind}. Use "
            "NUTS() or HMC(), or declare the model as a discrete pgmpy network."
        )
    usual = {**_PROGRAM_DEFAULTS, **getattr(method, "defaults", {})}
    chosen = {k: usual[k] if v is None else v for k, v in counts.items()}
    run = prepare_program(
        model,
        method,
        data,
        ProgramOptions(
            **chosen,
            seed=seed,
            init=init,
            threads=threads,
            keep_warmup=keep_warmup,
            log_likelihood=log_likelihood,
            progress=progress,
            backend=backend,
            precision=precision,
            device=device,
            thin=thin,
            adapted=adapted,
        ),
        Labels(dims or {}, coords or {}),
    )
    return launch(run, model, data, storage, background)


def resume(
    path: str | os.PathLike[str],
    model: Any = None,
    *,
    data: Mapping[Any, Any] | None = None,
    method: Any = None,
    draws: int | None = None,
    threads: int | None = None,
    progress: bool = True,
    background: bool = False,
) -> Any:
    """Go on with a run that was stored by `infer(..., store=path)`, in warm-up too.

    The draws are, bit for bit, those of a run that was never broken off. `draws` larger than
    before extends the run, finished or not.

    Parameters
    ----------
    path
        The store.
    model, data, method
        Those of the run; refused when they differ from it. Each may be left out: data, method
        and networks are kept in the store. The program is looked up as a zoo model, in its model
        file or in the module it was imported from, which runs that file or module, but only
        while its source is what it was. For a store that others made, pass the model.
    draws
        Draws per chain in all; as many as were asked for when left out.
    threads, progress, background
        As in `infer`.

    Returns
    -------
    DataTree, read lazily, or with `background` a handle as from `infer`. Of a finished run: what
    is stored.

    Raises
    ------
    StoreError
        No store, a damaged one, or one that another process writes.
    ModelError, DataError, OptionError
        Model, data or method are not those of the run; names the difference.

    A `DifferentMachineWarning` says when versions, processor or compiler are not what they were.
    """
    from probgen.inference.launch import resume_run
    from probgen.inference.storing import Request

    check_counts({"draws": draws, "threads": threads})
    if model is not None and is_network(model):
        model, given = _read(model, data)
        data = None if data is None else given  # else those of the store
    request = Request(model, data, method, draws, threads, progress)
    return resume_run(path, request, background)


def _refuse_for_networks(**given: bool) -> None:
    for name, is_given in given.items():
        if is_given:
            raise OptionError(f"{name}= is for Pyro programs; a network has no use for it.")


def check(model: Any, data: Mapping[Any, Any] | None = None, *, seed: int = 0) -> CheckReport:
    """Dry run of a program or a network with its data: what is wrong, where, and the cure.

    `data` are the keyword arguments of the program or the evidence of the network; `seed`
    chooses the prior draws at which a program is evaluated. Faults of the model or the data
    never raise here: the report lists them, each with its severity ("error" or "warning"), site,
    message and cure, and `raise_if_failed` raises them. For networks the report also says which
    engine `infer` would choose, and why.
    """
    if is_network(model) and not is_continuous(model):
        from probgen.inference.check_network import check_network

        return check_network(model, data)
    from probgen.declare.check import check as check_program
    from probgen.declare.logdensity import LogDensity

    if is_network(model):
        try:
            model, data = _read(model, data)
        except (ModelError, DataError) as raised:
            from probgen.declare.checks.problem import Problem
            from probgen.declare.checks.report import CheckReport

            return CheckReport(type(model).__name__, [Problem("error", None, str(raised), "")])
    if isinstance(model, LogDensity) and model.gradient != "torch":
        from probgen.inference.check_callable import check_callable

        return check_callable(model, data, seed=seed)
    return check_program(model, data, seed=seed)


def describe(model: Any, data: Mapping[Any, Any] | None = None) -> Program | Network:
    """The sites and plates of a Pyro program, from one run with `data`; of a network, its form.

    Raises `ModelError` or `DataError` as `infer` does.
    """
    if is_network(model):
        model, data = _read(model, data)
    if isinstance(model, Network):
        return model
    from probgen.declare.program import read_program

    return read_program(model, data)


def graph(model: Any, data: Mapping[Any, Any] | None = None) -> nx.Graph:
    """What depends on what in a program or a network, as a networkx graph.

    Programs: a directed graph of the sites with kind, plates and distribution as attributes,
    united over several runs and checked numerically. Networks: see
    `probgen.declare.dependencies.graph`.
    """
    from probgen.declare.dependencies.graph import graph_of

    return graph_of(model, data)


def draw(model: Any, path: Any = None, *, data: Mapping[Any, Any] | None = None) -> Any:
    """Draw the graph of a program or network (or a graph from `graph`); returns the figure.

    With `path` the figure is also written there; the ending chooses the format.
    """
    from probgen.declare.drawing.draw import draw as draw_graph

    return draw_graph(model, path, data=data)


def _read(model: Any, data: Mapping[Any, Any] | None) -> tuple[Any, Mapping[Any, Any]]:
    """A pgmpy model in the form that inference takes: a `Network`, or a program."""
    data = {} if data is None else data
    if isinstance(model, Network):
        return model, data
    if is_continuous(model):
        from probgen.declare.networks.continuous import continuous_program

        return continuous_program(model, data)
    from probgen.declare.networks.pgmpy_models import read_network

    return read_network(model, slices=slices_of(model, data)), data
