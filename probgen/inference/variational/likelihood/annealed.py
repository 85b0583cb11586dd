"""Log-likelihoods by annealed importance sampling over the latent sites of each case.

Wu, Burda, Salakhutdinov & Grosse (2017), "On the quantitative analysis of decoder-based generative
models": a walk from the prior (or the guide) to the posterior of every case, by Hamiltonian
transitions, gives weights whose mean is p(x) (Neal 2001), so that the log of their mean is below
log p(x) on average. On data of the model itself, of which an exact draw of the posterior is known,
walks back give a bound from above (BDMC; Grosse, Ghahramani & Adams 2015), and so the error.
"""

from __future__ import annotations

import time
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from probgen.declare.environment import isolated
from probgen.errors import ModelError, OptionError
from probgen.inference.graphical.annealed_importance import AnnealedImportance
from probgen.inference.graphical.tempering.positions import fixed_positions
from probgen.inference.variational.likelihood.cases import Cases
from probgen.inference.variational.likelihood.importance import log_mean_rows
from probgen.inference.variational.likelihood.moves import Course, tuned
from probgen.inference.variational.likelihood.placed import Latents
from probgen.inference.variational.likelihood.result import CaseLikelihood
from probgen.learn.training.protocol import Batch

__all__ = ["annealed_likelihood"]

CHAINS = 16
_ROWS = 1 << 12
"""Walks at a time."""
_CHECKED = 50
"""Cases of the model's own on which both bounds are found."""


def annealed_likelihood(
    cases: Cases, method: AnnealedImportance, chains: int | None, seed: int
) -> CaseLikelihood:
    """The bound from below of every case, and how far the bounds are apart on simulated ones.

    `chains` walks for each case. Raises `OptionError` and `ModelError` for settings or programs
    that cannot be.
    """
    if method.base not in ("auto", "prior", "guide"):
        raise OptionError(
            f"AnnealedImportance(base={method.base!r}): over the latent sites of a program it is "
            "'prior' or 'guide'."
        )
    walks = CHAINS if chains is None else chains
    if walks < 2:
        raise OptionError("AnnealedImportance needs at least two walks for each case (chains).")
    started, count, notes = time.perf_counter(), len(cases), []
    weights = np.empty((count, walks))
    per_block = max(1, _ROWS // walks)
    gap = gap_error = None
    with cases.running(), isolated(seed % 2**32):
        for start in range(0, count, per_block):
            numbers = torch.arange(start, min(start + per_block, count))
            walk = _Walk(cases, method, cases.batch(numbers), walks)
            weights[start : start + len(numbers)] = walk.forward()
        if method.reverse:
            try:
                gap, gap_error = _gap(cases, method, walks)
            except ModelError as error:
                notes.append(f"No walks back were made: {error}")
    log_means, errors, ess = log_mean_rows(weights)
    settings = {
        "chains": walks,
        "betas": method.betas,
        "schedule": method.schedule,
        "base": "guide" if method.base == "guide" else "prior",
        "sweeps": method.sweeps,
    }
    if gap is not None and gap_error is not None and abs(gap) > 1 + 4 * gap_error:
        notes.append(
            f"On data of the model itself the bounds from below and above are {gap:.2f} nats "
            "apart: take more betas."
        )
    return CaseLikelihood(
        log_means, method.name, "below on average", errors, ess,
        gap=gap, gap_error=gap_error, settings=settings,
        seconds=time.perf_counter() - started, notes=tuple(notes),
    )  # fmt: skip


def _gap(cases: Cases, method: AnnealedImportance, walks: int) -> tuple[float, float]:
    """Mean difference of the bounds on data of the model itself, and its standard error."""
    count = min(len(cases), _CHECKED)
    with torch.no_grad():
        drawn, batch = cases.simulated(count, cases.batch(torch.arange(count)))
    walk = _Walk(cases, method, batch, walks)
    below = log_mean_rows(walk.forward())[0]
    with torch.no_grad():
        exact = walk.latents.read(drawn).repeat(walks, 1)
    above = -log_mean_rows(walk.backward(exact))[0]
    apart = above - below
    return float(apart.mean()), float(apart.std(ddof=1) / np.sqrt(count))


class _Walk:
    """Walks of some cases between base and posterior, steps tuned by a short walk before."""

    def __init__(self, cases: Cases, method: AnnealedImportance, batch: Batch, walks: int) -> None:
        self.rows = len(next(iter(batch.values())))
        self.walks, self.cases = walks, cases
        self.batch = {n: v.repeat(walks, *(1,) * (v.dim() - 1)) for n, v in batch.items()}
        with torch.no_grad():
            self.latents = Latents(cases, {n: v[:2] for n, v in self.batch.items()})
        self.guide = method.base == "guide"
        self.course = Course(self.latents, self.batch, self.guide, self.rows)
        pilot = tuned(self.course, self._start())
        self.steps = pilot.step_sizes
        adaptive = method.schedule == "adaptive"
        self.positions = (
            pilot.positions(method.betas)
            if adaptive
            else fixed_positions(method.schedule, method.betas)
        )
        self.sweeps = method.sweeps

    def forward(self) -> np.ndarray:
        """Log weights (case, walk) of walks from the base."""
        x = self._start()
        log = torch.zeros(len(x), dtype=torch.float64, device=x.device)
        for start, stop in pairwise(self.positions):
            log = log + (stop - start) * self.course.slope(x)
            for _ in range(self.sweeps if stop < 1 else 0):
                x, _ = self.course.move(x, stop, self.steps(stop))
        return self._by_case(log)

    def backward(self, x: Tensor) -> np.ndarray:
        """Log weights (case, walk) of walks from draws of the posterior to the base."""
        log = torch.zeros(len(x), dtype=torch.float64, device=x.device)
        for stop, start in pairwise(self.positions[::-1]):
            for _ in range(self.sweeps if stop < 1 else 0):
                x, _ = self.course.move(x, stop, self.steps(stop))
            log = log - (stop - start) * self.course.slope(x)
        return self._by_case(log)

    def _start(self) -> Tensor:
        """Draws of the base for all walks."""
        pair = self.cases.pair
        with torch.no_grad():
            run = pair.run(self.batch) if self.guide else None
            if run is not None:
                return self.latents.read(run.model)
            from probgen.learn.variational.run import Collect

            return self.latents.read(pair.run_model(self.batch, Collect()).sites)

    def _by_case(self, log: Tensor) -> np.ndarray:
        return log.reshape(self.walks, self.rows).T.cpu().numpy()
