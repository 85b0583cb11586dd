"""Simulation-based calibration of a method on a model.

Parameters and data are drawn from the model, the method infers the parameters from the data, and
the truth is ranked among the method's draws: whatever the model, these ranks are uniform if the
method is right (Talts, Betancourt, Simpson, Vehtari & Gelman 2018, arXiv:1804.06788). Beside the
parameters the log likelihood is ranked, since some wrong posteriors pass for every parameter
(Modrák et al. 2023, Bayesian Analysis). With `posterior=True` the truths are draws of the
posterior given the real data, and each inference sees both the real and the drawn data: the
method is tested where it is used (Säilynoja, Schmitt, Bürkner & Vehtari 2025, arXiv:2502.03279).
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Collection, Mapping
from contextlib import nullcontext
from typing import Any

from probgen.declare.data import name_of
from probgen.declare.network import Network
from probgen.declare.networks.kinds import is_continuous, slices_of
from probgen.declare.networks.recognise import is_network
from probgen.errors import OptionError
from probgen.inference.arguments import check_counts, check_method, seed_of
from probgen.progress import ProgressDisplay
from probgen.studies.calibration import Calibration
from probgen.studies.sbc.collect import collect
from probgen.studies.sbc.fan_out import replications as run_replications
from probgen.studies.sbc.fingerprint import fingerprint
from probgen.studies.sbc.ledger import Ledger
from probgen.studies.sbc.replication import Replication, Study

__all__ = ["calibrate"]

FEWEST = 20
_PROGRAM_DEFAULTS = {"chains": 2, "draws": 500, "warmup": 500}


def calibrate(
    model: Any,
    method: Any = None,
    *,
    data: Mapping[Any, Any] | None = None,
    observed: Collection[Any] | None = None,
    replications: int = 200,
    seed: int | None = None,
    posterior: bool = False,
    ranks: int = 119,
    chains: int | None = None,
    draws: int | None = None,
    warmup: int | None = None,
    simulator: Callable[..., Any] | None = None,
    quantities: Mapping[str, Callable[[Mapping[str, Any]], Any]] | None = None,
    store: str | os.PathLike[str] | None = None,
    jobs: int | None = None,
    progress: bool = True,
) -> Calibration:
    """Whether `method` draws from the posterior of `model`, by simulation-based calibration.

    Parameters
    ----------
    model, method, data
        As in `infer`. Of the data only the shapes matter: the values of the observed sites are
        drawn anew in every replication (all other arguments stay as they are). Of a network's
        evidence only the names matter.
    observed
        Names of the sites or variables to draw and observe; those that `data` observes when left
        out.
    replications
        How many inferences; the more, the smaller the faults that show.
    seed
        The same seed gives the same result, whatever the number of jobs and interruptions.
    posterior
        Programs: draw the truths from the posterior given `data`, and infer from the real and the
        drawn data together.
    ranks
        Number of draws that the truth is ranked among, after thinning; 119 divides into equal
        bins and intervals. A run whose effective sample size is smaller is made again, longer.
    chains, draws, warmup
        Of each inference. Programs: 2, 500, 500 unless the method declares others.
    simulator
        Programs: another program with the same sites that draws parameters and data, to see what
        a wrong model does.
    quantities
        Programs: further quantities by name, functions of a mapping of arrays (draw, ...) by site
        that return an array (draw,).
    store
        A folder where finished replications are kept: a killed study goes on from there, and a
        finished one can be extended with more `replications`.
    jobs
        Replications at the same time (joblib's `n_jobs`); a surrounding `joblib.parallel_config`
        decides when left out.
    progress
        Whether to show progress on standard error.

    Returns
    -------
    Calibration: `verdict`, `passed`, `ranks`, `table`, `coverage`, `plot()`, `save(path)`.

    Raises
    ------
    ModelError, DataError
        A site cannot be drawn (improper prior, factor), or the data do not fit; names it.
    OptionError
        An option is out of range, nothing is observed, or the store belongs to another study.
    KeyboardInterrupt
        Interrupted before the first replication; later, the finished ones are returned.
    """
    counts = {"chains": chains, "draws": draws, "warmup": warmup}
    check_counts({**counts, "replications": replications, "ranks": ranks})
    if jobs == 0:
        raise OptionError("jobs=0: at least 1, or -1 for all cores.")
    if replications < FEWEST:
        raise OptionError(f"replications={replications}: at least {FEWEST} are needed.")
    if ranks < 19:
        raise OptionError(f"ranks={ranks}: at least 19 draws are needed to rank the truth among.")
    if method is not None:
        check_method(method, "run")
    shared = {"seed": seed_of(seed), "ranks": ranks}
    if is_network(model) and not is_continuous(model):
        given = {"simulator": simulator, "quantities": quantities, "posterior": posterior or None}
        for name, value in given.items():
            if value:
                raise OptionError(f"{name}= is for Pyro programs; a network has no use for it.")
        study = _network_study(model, method, data, observed, replications, counts, shared)
    else:
        study = _program_study(model, method, data, observed, counts, shared)
        study = dataclasses.replace(study, simulator=simulator, quantities=dict(quantities or {}))
        if posterior:
            from probgen.studies.sbc.program import posterior_truths

            study = dataclasses.replace(study, truths=posterior_truths(study, replications))
    settings = fingerprint(study, posterior=replications if posterior else 0)
    rows, interrupted = _run(study, replications, store, settings, jobs, progress)
    return Calibration(collect(rows, settings, interrupted))


def _program_study(
    model: Any, method: Any, data: Any, observed: Any, counts: dict[str, Any], shared: dict
) -> Any:
    from probgen.inference.nuts import NUTS
    from probgen.studies.sbc.program import ProgramStudy, sites_to_observe

    if is_network(model):
        from probgen.declare.networks.continuous import continuous_program

        model, data = continuous_program(model, {} if data is None else data)
    method = NUTS() if method is None else method
    if "simulator" in getattr(method, "serves", ()):
        raise OptionError(
            f"{method.name} simulates, and calibrate ranks the log likelihood, too: take a method "
            "that knows the density."
        )
    if "density" not in getattr(method, "serves", ("density",)):
        raise OptionError(f"{method.name} works on discrete networks, and this is a Pyro program.")
    data = {} if data is None else data
    usual = {**_PROGRAM_DEFAULTS, **getattr(method, "defaults", {})}
    chosen = {k: usual[k] if v is None else v for k, v in counts.items()}
    sites = sites_to_observe(model, data, observed)
    return ProgramStudy(model, method, data, sites, **shared, **chosen)


def _network_study(
    model: Any, method: Any, data: Any, observed: Any, count: int, counts: Any, shared: Any
) -> Study:
    from probgen.studies.sbc.network import NetworkStudy, evidence_variables, joint_draws

    if method is not None and "factors" not in getattr(method, "serves", ()):
        raise OptionError(f"{method.name} works on Pyro programs, and this is a discrete network.")
    if not isinstance(model, Network):
        from probgen.declare.networks.pgmpy_models import read_network

        model = read_network(model, slices=slices_of(model, data or {}))
    variables = evidence_variables(model, data, observed)
    truths = joint_draws(model, count, shared["seed"])
    draws = counts.pop("draws") or getattr(method, "defaults", {}).get("draws") or 1000
    return NetworkStudy(model, method, variables, truths, **shared, **counts, draws=draws)


def _run(
    study: Any, count: int, store: Any, settings: Any, jobs: int | None, progress: bool
) -> tuple[list[Replication], bool]:
    """All replications in order, those of an earlier call too, and whether some are missing."""
    ledger = Ledger(store, settings) if store is not None else None
    with ledger or nullcontext(), ProgressDisplay(f"calibrate {_title(study)}", progress) as bar:
        done = dict(ledger.done) if ledger else {}
        done = {index: row for index, row in done.items() if index < count}
        left = [index for index in range(count) if index not in done]
        interrupted = False
        try:
            for row in run_replications(study, left, jobs):
                done[row.index] = row
                if ledger:
                    ledger.append(row)
                bar.step(len(done), count, _state(done))
        except KeyboardInterrupt:
            if not done:
                raise
            interrupted = True
    return [done[index] for index in sorted(done)], interrupted


def _state(done: dict[int, Replication]) -> str:
    failed = sum(row.error is not None for row in done.values())
    return f"{len(done)} replications" + (f", {failed} failed" if failed else "")


def _title(study: Any) -> str:
    return getattr(study.model, "title", None) or name_of(study.model)
