"""Pathfinder: normal approximations met on the way to a mode, and draws corrected by their ratios.

Zhang, Carpenter, Gelman & Vehtari (2022), "Pathfinder: parallel quasi-Newton variational
inference", JMLR 23(306). Hundreds of gradients instead of tens of thousands; good for a first
look, for starting points, and, where Pareto k is below 0.7, as a posterior.
"""

from __future__ import annotations

import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from probgen.errors import InitialisationError, OptionError, SamplingError
from probgen.inference.chains import check_plan
from probgen.inference.method import DensityLike, Draws, Plan, Progress
from probgen.inference.optimise.candidates import draw_candidates
from probgen.inference.optimise.importance import log_mean, notes_on_k, weighted_rows
from probgen.inference.optimise.modes import SAME_HEIGHT
from probgen.inference.optimise.objective import Objective
from probgen.inference.optimise.paths import Path, find_path

__all__ = ["Pathfinder"]

_POLL_SECONDS = 0.2
_TRIES = 100
_CANDIDATES = 1000
_HOPELESS = 1.0
"""Pareto k from which importance ratios have no mean."""


@dataclass(frozen=True)
class Pathfinder:
    """Variational inference along quasi-Newton paths; approximate, with Pareto k to judge it.

    Every path climbs from its own start to a mode by L-BFGS, and of the normal approximations on
    its way the one of the largest evidence lower bound is kept. The draws come from all paths in
    equal parts, and are resampled by Pareto-smoothed importance weights against the mixture of
    their normals, which weighs draws of several paths with the least variance (Veach & Guibas
    1995). From Pareto k 1 on, where those weights mean nothing, the draws are those of the path
    of the largest bound. All draws are independent: `chains` only lays them out.

    Args:
        paths: how many climbs; starts beyond those of the chains are uniform on (-2, 2).
        pairs: how many of the latest steps shape a normal beside its diagonal (J).
        bound_draws: draws behind every evidence lower bound (K).
        path_draws: draws per path to resample from; None for 1000, or as many
            as the draws asked for need.
        max_iterations: of every climb.
        resample: False hands out the draws of the mixture as they are.

    Raises `OptionError` for values out of range.

    Example:
        >>> Pathfinder(paths=8)
        Pathfinder(paths=8, pairs=6, bound_draws=10, path_draws=None, max_iterations=1000, \
resample=True)
    """

    paths: int = 4
    pairs: int = 6
    bound_draws: int = 10
    path_draws: int | None = None
    max_iterations: int = 1000
    resample: bool = True
    name: ClassVar[str] = "Pathfinder"
    serves: ClassVar[tuple[str, ...]] = ("density",)
    defaults: ClassVar[dict[str, int]] = {"chains": 4, "draws": 1000, "warmup": 0}

    def __post_init__(self) -> None:
        """Validate the settings."""
        for option in ("paths", "pairs", "bound_draws", "path_draws", "max_iterations"):
            value = getattr(self, option)
            if option == "path_draws" and value is None:
                continue
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise OptionError(f"Pathfinder({option}={value!r}): it must be an integer >= 1.")
        if not isinstance(self.resample, bool):
            raise OptionError(f"Pathfinder(resample={self.resample!r}): it must be True or False.")

    def run(self, density: DensityLike, plan: Plan) -> Draws:
        """Approximate `density` and draw; `warmup` and `thin` of the plan do not matter.

        Raises `OptionError` or `ModelError` for plans that cannot be carried out,
        `InitialisationError` when a start has no finite density, `SamplingError` when no path
        met an approximation.
        """
        check_plan(density, plan)
        started = time.perf_counter()
        crew = _Crew(self, density, plan)
        interrupted = crew.run()
        paths = [path for path in crew.paths if path is not None and path.normal is not None]
        if not paths:
            if interrupted:
                raise KeyboardInterrupt
            raise SamplingError(_why_nothing(crew.paths))
        climbed = time.perf_counter()
        result = _draw(self, density, plan, paths)
        result.summary |= {
            "engine": "numpy",
            "approximation": True,
            "gradient_evaluations_warmup": sum(o.evaluations for o in crew.objectives),
            "seconds_warmup": climbed - started,
            "seconds_sampling": time.perf_counter() - climbed,
            "interrupted": interrupted,
        }
        result.summary["notes"] += _notes(crew.paths)
        return result


class _Crew:
    """All paths of a run, climbed on threads; each depends on (seed, path) alone."""

    def __init__(self, method: Pathfinder, density: DensityLike, plan: Plan):
        self.method, self.density, self.plan = method, density, plan
        self.stop = threading.Event()
        self.objectives = [Objective(density, self.stop) for _ in range(method.paths)]
        self.paths: list[Path | None] = [None] * method.paths

    def run(self) -> bool:
        """Climb them all; whether Ctrl-C ended it early."""
        # Without native code the density is a program in Python, which has global state.
        threads = self.plan.threads if self.density.native is not None else 1
        pool = ThreadPoolExecutor(min(threads, self.method.paths))
        tasks = [pool.submit(self._climb, index) for index in range(self.method.paths)]
        try:
            while wait(tasks, _POLL_SECONDS).not_done:
                self._tell()
        except KeyboardInterrupt:
            self.stop.set()
        finally:
            pool.shutdown()
        self._tell()
        for task in tasks:
            if not self.stop.is_set():
                task.result()
        return self.stop.is_set()

    def _climb(self, index: int) -> None:
        method, rng = self.method, path_generator(self.plan.seed, index)
        objective = self.objectives[index]
        start = self._start(objective, index, rng)
        with np.errstate(over="ignore", invalid="ignore"):
            self.paths[index] = find_path(
                objective, start, rng, pairs=method.pairs, bound_draws=method.bound_draws,
                iterations=method.max_iterations,
            )  # fmt: skip

    def _start(self, objective: Objective, index: int, rng: np.random.Generator) -> np.ndarray:
        if index < self.plan.chains:
            start = np.array(self.plan.initial[index], dtype=np.float64)
            if objective(start).finite:
                return start
        else:
            for _ in range(_TRIES):
                start = rng.uniform(-2.0, 2.0, self.density.dim)
                if objective(start).finite:
                    return start
        raise InitialisationError(
            f"Path {index} starts where the log density or its gradient is not finite. Give "
            "other starting values (init), or run `check` on the model."
        )

    def _tell(self) -> None:
        if self.plan.progress:
            done = tuple(int(path is not None) for path in self.paths)
            gradients = tuple(objective.evaluations for objective in self.objectives)
            self.plan.progress(Progress(done, 1, 1, (0,) * len(done), gradients))


def path_generator(seed: int, path: int) -> np.random.Generator:
    """The random numbers of one path, or of the draws (path -1)."""
    return np.random.default_rng([seed % 2**64, path + 1, 0x9A7F])


def _draw(method: Pathfinder, density: DensityLike, plan: Plan, paths: list[Path]) -> Draws:
    """Candidates from every path, and the draws chosen among them by importance weights."""
    objective, rng = Objective(density), path_generator(plan.seed, -1)
    normals = [path.normal for path in paths if path.normal is not None]
    count, shape = plan.chains * plan.draws, (plan.chains, plan.draws)
    needed = math.ceil(count / len(normals))
    each = method.path_draws or _CANDIDATES
    if not (method.resample and method.path_draws):
        each = max(each, needed)
    found = draw_candidates(objective, normals, each, rng)
    notes = notes_on_k(found.k, "Pathfinder")
    if method.resample and found.k >= _HOPELESS:
        best = int(np.argmax([path.bound for path in paths]))
        x = normals[best].coloured(rng.standard_normal((count, density.dim)))
        columns = (objective.values(x), normals[best].log_density(x), np.full(count, best))
        notes.append(
            "With Pareto k at 1 or above a handful of draws would bear all importance weight: "
            f"the draws are those of path {best}, of the largest lower bound, not resampled."
        )
    else:
        rows = weighted_rows(found.weights, count, rng) if method.resample else np.arange(count)
        x = found.x[rows]
        columns = (found.lp[rows], found.log_q[rows], found.source[rows])
    return Draws(
        unconstrained=x.reshape(*shape, density.dim),
        stats={
            name: column.reshape(shape)
            for name, column in zip(("lp", "log_q", "path_number"), columns, strict=True)
        },
        summary={
            "gradient_evaluations": objective.evaluations,
            "pareto_k": found.k,
            "pareto_k_paths": found.k_by_source,
            "importance_ess": float(1 / np.sum(found.weights**2)),
            "log_evidence": log_mean(found.lp - found.log_q),
            "log_evidence_is": "an estimate by importance sampling",
            "evidence_lower_bounds": [path.bound for path in paths],
            "iterations": [path.iterations for path in paths],
            "notes": notes,
        },
    )


def _notes(paths: list[Path | None]) -> list[str]:
    notes = []
    finished = [path for path in paths if path is not None]
    empty = sum(path.normal is None for path in finished)
    if empty:
        notes.append(
            f"{empty} of {len(paths)} paths met no usable approximation and were left out: "
            "their starts lie where the log density is too curved or not finite."
        )
    away = sum(path.outcome == "ran away" for path in finished)
    if away:
        notes.append(
            f"{away} of {len(paths)} paths ran away: the log density grows without bound in some "
            "direction. The draws come from places on the way; check the priors."
        )
    ends = np.array([p.end.value for p in finished if p.outcome == "converged"])
    if ends.size > 1 and np.ptp(ends) > SAME_HEIGHT:
        notes.append(
            f"The paths ended at maxima of different height (log densities {ends.min():.6g} to "
            f"{ends.max():.6g}): the posterior has several modes, and all of them may not be "
            "found."
        )
    return notes


def _why_nothing(paths: list[Path | None]) -> str:
    outcomes = {path.outcome for path in paths if path is not None}
    return (
        f"No path met a normal approximation (the climbs ended {', '.join(sorted(outcomes))}). "
        "The log density may be flat, improper or not smooth; run `check`, or sample it with "
        "NUTS()."
    )
