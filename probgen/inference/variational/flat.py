"""`SVI` with a guide by name, as a sampler: fitted to a density, drawn from and judged."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from probgen.errors import OptionError
from probgen.inference.chains import check_plan
from probgen.inference.method import DensityLike, Draws, Plan, Progress
from probgen.inference.variational.fit import Fitting
from probgen.inference.variational.judge import draw_and_judge
from probgen.inference.variational.start import find_start, plain_start
from probgen.inference.variational.state import load_state, state_of
from probgen.results.store.state import Piece

if TYPE_CHECKING:
    from probgen.inference.variational.svi import SVI

__all__ = ["run_flat"]

_SECONDS, _KEEP_SECONDS = 0.2, 1.0
"""Between looks at the progress, and between states that are kept in a store."""
_LATELY = 100
"""Steps of which the ELBO is told."""


def run_flat(method: SVI, density: DensityLike, plan: Plan) -> Draws:
    """Fit the guide that `method` names to `density`, and draw from it; see `SVI.run`."""
    if method.guide in ("laplace", "pathfinder"):
        return _other(method).run(density, plan)
    if not (method.guide is None or isinstance(method.guide, str)) or method.guide == "structured":
        raise OptionError(
            f"SVI(guide={method.guide!r}): this guide is a program, and a compiled density has "
            f"none. Name one over the unconstrained space, such as 'multivariate'."
        )
    check_plan(density, replace(plan, state=None))  # which counts steps, not transitions
    began = time.perf_counter()
    if plan.state is None:
        start = find_start(density, plan.initial, plan.seed)
    else:
        start = plain_start(plan.initial[0])  # only its shape matters
    fitting = Fitting(density, method, start, plan.seed, plan.threads)
    if plan.state is not None:
        load_state(fitting, plan.state)
    fitted = fitting.run(_Watch(plan))
    if fitted.interrupted and plan.keep is not None:
        raise KeyboardInterrupt  # the store holds where it stood
    trained = time.perf_counter()
    judged = draw_and_judge(
        fitted.guide, fitting.batch, plan.chains * plan.draws, plan.seed, method.resample
    )
    shape = (plan.chains, plan.draws)
    notes = [*fitted.notes, *judged.notes]
    if not fitted.converged and not fitted.interrupted and method.tolerance is not None:
        notes.append(
            f"The ELBO had not come to a standstill after {method.steps} steps: make more of "
            "them (steps=...), or take a guide with fewer parameters."
        )
    summary: dict[str, Any] = {
        "engine": fitting.batch.engine,
        "approximation": True,
        "guide": method.guide or "mean_field",
        "steps": fitting.step_number,
        "converged": fitted.converged,
        "gradient_evaluations_warmup": fitted.evaluations,
        "gradient_evaluations": len(judged.x),
        "seconds_warmup": trained - began,
        "seconds_sampling": time.perf_counter() - trained,
        "interrupted": fitted.interrupted,
        "notes": notes,
        **judged.summary,
    }
    draws = judged.x.reshape(*shape, density.dim)
    stats = {"lp": judged.lp.reshape(shape), "log_q": judged.log_q.reshape(shape)}
    if plan.keep is not None:
        plan.keep(Piece(0, False, draws, stats, state_of(fitting, plan.initial)))
        draws, stats = draws[:, :0], {name: values[:, :0] for name, values in stats.items()}
    return Draws(draws, stats, summary=summary, history={"loss": fitted.losses})


def _other(method: SVI) -> Any:
    """`Laplace` or `Pathfinder`, which are methods of their own."""
    from probgen.inference.laplace import Laplace
    from probgen.inference.pathfinder import Pathfinder

    kind = Laplace if method.guide == "laplace" else Pathfinder
    return replace(kind(), resample=method.resample or kind().resample)


class _Watch:
    """Tells the plan how far training is, and where it stands, now and then."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.due = time.monotonic() + _SECONDS
        self.keep_at = time.monotonic() + _KEEP_SECONDS

    def __call__(self, fitting: Fitting) -> None:
        now = time.monotonic()
        if self.plan.keep is not None and now >= self.keep_at:
            nothing = np.empty((self.plan.chains, 0, fitting.guide.dim))
            state = state_of(fitting, self.plan.initial)
            self.plan.keep(Piece(0, True, nothing, {}, state))
            self.keep_at = time.monotonic() + _KEEP_SECONDS
        if self.plan.progress is None or now < self.due:
            return
        self.due = now + _SECONDS
        chains, steps, done = self.plan.chains, fitting.method.steps, fitting.step_number
        lately = np.median(fitting.losses[max(done - _LATELY, 0) : done])
        self.plan.progress(
            Progress(
                (done,) * chains, steps, steps, (0,) * chains,
                (fitting.evaluations // chains,) * chains, doing=f"ELBO {-lately:.6g}",
            )
        )  # fmt: skip
