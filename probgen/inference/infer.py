"""`infer` and `resume`: any model, any method, one way to the DataTree.

`prepare` tells declarations apart and makes a run of them; `launch` samples it, in memory, into
a store or on a thread. Linear-Gaussian posteriors are exact and made at once.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from probgen.declare.networks.kinds import is_continuous
from probgen.declare.networks.recognise import is_network
from probgen.errors import OptionError
from probgen.inference.arguments import check_counts, check_method, seed_of, simulates
from probgen.inference.boltzmann.recognise import is_belief_network, is_machine
from probgen.inference.prepare import machine_options, prepare, read_model

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["infer", "resume"]


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
    hidden: bool | None = None,
) -> Any:
    """The posterior of a Pyro program, a network or a Boltzmann machine, as an ArviZ DataTree.

    Parameters
    ----------
    model
        A Pyro program (any callable that Pyro can trace; parameters and modules stay fixed), a
        pgmpy network, a `Network` from `load_network`, or a `BoltzmannMachine`.
    method
        The algorithm with its settings. When left out: `NUTS()` for programs; for networks the
        engine that suits width, zeros and size, which the attributes of the result name.
    data
        Keyword arguments of the program (arrays, tensors, lists, pandas or xarray objects; a
        data frame stands for its columns), or the evidence of the network: state names by
        variable name. A mapping or list of likelihoods of the states of a variable is soft
        (virtual) evidence. Boltzmann machines: values of units by site, NaN where they are to be
        sampled; several rows are several cases, side by side.
    chains, draws, warmup
        Number of chains, and of kept and warm-up draws per chain. Programs: 4, 1000, 1000;
        networks: what the method declares (`Gibbs.defaults`).
    seed
        Any integer; the same seed gives the same draws on the same machine, whatever the
        number of threads. Drawn at random, and noted in the result, when left out.
    init
        Programs: "uniform", "prior", "map", "laplace", "pathfinder" (a path for each chain), a
        mapping of site names to constrained starting values, an approximation with its settings
        (`Pathfinder(paths=8)`, `SVI("low_rank")` ...: a draw for each chain, resampled by their
        importance weights where it does so), or an earlier result (its draws are the starts).
    threads
        How many run at once; the number of usable cores when left out. Boltzmann machines are
        drawn by one: the last bits of large products depend on the number, and so would draws.
    keep_warmup
        Programs: whether the warm-up draws are kept, in groups named `warmup_...`.
    log_likelihood
        Programs: whether the log likelihood of every observation is computed; when left out,
        unless it would take more than 1 GB (a note says so). Of more than 100,000
        draws a store does not hold log likelihoods and log priors above 32 MB unasked: they
        follow from the draws, and `complete` makes them.
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
        a handle: `tree()`, `progress`, `stop()`, `wait()`, `result()`. What runs the program
        itself (`RejectionABC`, `SMCABC`, the eager backend) takes turns with other calls of
        probgen; leave random states and the default dtype of torch, and Pyro, alone meanwhile.
    hidden
        Boltzmann machines: whether the posterior holds the hidden units too; when left out,
        where their draws take no more than 64 MiB.

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
    from probgen.results.tree import Labels

    counts = {"chains": chains, "draws": draws, "warmup": warmup}
    check_counts({**counts, "threads": threads, "thin": thin})
    seed = seed_of(seed)
    if method is not None:
        check_method(method, "run")
    storage = None if store is None else Storage(store, overwrite)
    common = {**counts, "seed": seed, "threads": threads, "progress": progress}
    only_programs = {
        "init": init,
        "keep_warmup": keep_warmup,
        "log_likelihood": log_likelihood,
        "backend": backend,
        "precision": precision,
        "device": device,
        "thin": thin,
        "adapted": adapted,
    }
    labels = {"dims": dims or {}, "coords": coords or {}}
    at_once = None
    if is_network(model) and is_continuous(model):
        from probgen.inference.infer_gaussian import infer_gaussian, is_exactly_gaussian

        if is_exactly_gaussian(model, method, data):
            at_once = infer_gaussian(model, data, chains, draws, seed)
    elif is_belief_network(model):
        from probgen.inference.infer_belief import infer_belief

        asked = machine_options(common, only_programs, hidden)
        at_once = infer_belief(model, method, data, asked, Labels(**labels))
    if at_once is not None:
        tree = at_once if storage is None else store_result(at_once, storage)
        return finished(tree) if background else tree
    if callable(model) and simulates(method) and not is_machine(model):
        from probgen.inference.likelihood_free.prepare import (
            prepare_simulation,
            simulation_options,
        )

        wanted = simulation_options(method, common, only_programs)
        simulation = prepare_simulation(model, method, data, wanted, Labels(**labels))
        return launch(simulation, model, data, storage, background)
    derived = True if storage is None else None
    run, model, data = prepare(model, method, data, common, only_programs, labels, hidden, derived)
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
    validation: Any = None,
    epochs: int | None = None,
    watch: Any = None,
) -> Any:
    """Go on with a run that was stored by `infer(..., store=path)`, in warm-up too, or by `fit`.

    The draws are, bit for bit, those of a run that was never broken off. `draws` larger than
    before extends the run, finished or not. So are the weights of a training, and `epochs`.

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
    validation
        Of a training with validation data of their own: these. A training needs model and data.
    epochs
        Of a training: epochs in all. With more than before it goes on, finished or not, unless
        patience had stopped it; schedules over the whole training then stand for the longer one.
    watch
        Of a training that is watched by a function of yours: the same `Watch` again.

    Returns
    -------
    DataTree, read lazily, or with `background` a handle as from `infer`. Of a finished run: what
    is stored. Of a training: a `ProgramFit`, as from `fit`.

    Raises
    ------
    StoreError
        No store, a damaged one, or one that another process writes.
    ModelError, DataError, OptionError
        Model, data or method are not those of the run; names the difference.

    A `DifferentMachineWarning` says when versions, processor or compiler are not what they were.
    """
    from probgen.learn.training.store import is_training_store

    if is_training_store(path):
        from probgen.inference.fit_modules import resume_fit

        return resume_fit(
            path, model, data,
            method=method, validation=validation, epochs=epochs, watch=watch, progress=progress,
        )  # fmt: skip
    if epochs is not None or validation is not None or watch is not None:
        raise OptionError(
            "epochs, validation and watch are options of trainings, and this is a run."
        )
    from probgen.inference.launch import resume_run
    from probgen.inference.storing import Request

    check_counts({"draws": draws, "threads": threads})
    if model is not None and is_network(model):
        model, given = read_model(model, data)
        data = None if data is None else given  # else those of the store
    request = Request(model, data, method, draws, threads, progress)
    return resume_run(path, request, background)
