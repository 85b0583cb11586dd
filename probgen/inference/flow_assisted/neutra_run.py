"""A run of NeuTra: fit the guide, judge it, sample in its space, map the draws back."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from probgen.errors import SamplingError
from probgen.inference.batched.ledger import Ledger
from probgen.inference.chains import check_plan
from probgen.inference.flow_assisted.guard import judge
from probgen.inference.flow_assisted.neutra_training import Training, Watch, charged, check_starts
from probgen.inference.flow_assisted.pullback import PulledBack
from probgen.inference.flow_assisted.weights import FLOW, rebuilt, weights_of
from probgen.inference.method import DensityLike, Draws, Plan
from probgen.inference.notes import Seen, notes_of
from probgen.inference.variational.fit import fit_guide
from probgen.inference.variational.guides.whitened import Whitened
from probgen.nets.threads import torch_threads
from probgen.results.store.state import Piece

if TYPE_CHECKING:
    from probgen.inference.flow_assisted.neutra import NeuTra

__all__ = ["run"]

_TRIES = 100


def run(method: NeuTra, density: DensityLike, plan: Plan) -> Draws:
    """Draw from `density` with the settings of `method`; raises as `NeuTra.run` says."""
    check_plan(density, plan)
    with torch_threads(1):  # one thread rounds alike everywhere, and flows are small
        given = _given(plan)
        if given is not None:
            guide = rebuilt(method.fit, density.dim, given)
            return _Through(method, density, plan, guide, Training()).draws()
        if plan.adaptation is not None or plan.state is not None:
            return _plain(method, density, plan, Training(), "the earlier run gave up its flow")
        return _learnt(method, density, plan)


def _given(plan: Plan) -> np.ndarray | None:
    """The weights of a flow that an earlier run has fitted."""
    if plan.state is not None:
        spread = plan.state.adaptation.get(FLOW)
        size = plan.state.adaptation.get(_SIZE)
        return None if spread is None or size is None else spread.ravel()[: int(size[0])]
    rows = None if plan.adaptation is None else plan.adaptation.get(FLOW)
    return None if rows is None else np.asarray(rows)[0]


_SIZE = "flow_size"


def _learnt(method: NeuTra, density: DensityLike, plan: Plan) -> Draws:
    """Fit, judge, and sample through the flow or without it."""
    check_starts(density, plan)
    began, training = time.perf_counter(), Training()
    seed = np.random.SeedSequence([plan.seed % 2**64, 0xF17]).generate_state(1)
    try:
        fitted = fit_guide(
            density, method.fit, plan.initial, seed=int(seed[0]), threads=plan.threads,
            watch=Watch(plan),
        )  # fmt: skip
    except SamplingError as error:
        training.seconds = time.perf_counter() - began
        return _plain(method, density, plan, training, f"the flow could not be fitted: {error}")
    if fitted.interrupted:
        raise KeyboardInterrupt
    guide = fitted.guide.requires_grad_(False)
    last = fitted.losses[-100:]
    training.evaluations = fitted.evaluations
    training.summary = {
        "training_steps": len(fitted.losses),
        "evidence_lower_bound": -float(np.mean(last)),
    }
    if not (np.isfinite(last).all() and np.isfinite(weights_of(guide)).all()):
        training.seconds = time.perf_counter() - began
        return _plain(method, density, plan, training, "the training of the flow diverged")
    through = _Through(method, density, plan, guide, training)
    verdict = judge(method.inner, density, through.pulled, plan, through.starts())
    training.evaluations += verdict.evaluations
    training.summary |= {"pareto_k": verdict.k}
    training.seconds = time.perf_counter() - began
    if verdict.reason and method.fall_back:
        return _plain(method, density, plan, training, verdict.reason)
    return through.draws()


class _Through:
    """Sampling in the space of a flow."""

    def __init__(
        self, method: NeuTra, density: DensityLike, plan: Plan, guide: Whitened,
        training: Training,
    ) -> None:  # fmt: skip
        self.method, self.density, self.plan, self.guide = method, density, plan, guide
        self.training = training
        self.weights = weights_of(guide)
        self.pulled = PulledBack(density, guide)
        self.seen = plan.seen or Seen()

    def draws(self) -> Draws:
        """The inner method's draws, as coordinates of the model."""
        plan, training = self.plan, self.training
        result = self.method.inner.run(self.pulled, self._inner_plan())
        result.unconstrained, result.stats = self._mapped(result.unconstrained, result.stats)
        if result.warmup_unconstrained is not None:
            result.warmup_unconstrained, result.warmup_stats = self._mapped(
                result.warmup_unconstrained, result.warmup_stats or {}
            )
        if plan.keep is None:
            self.seen.add(result.unconstrained, result.stats)
        if "position" in result.adaptation:
            position = result.adaptation["position"][:, None]
            result.adaptation |= {"position": self.pulled.mapped(position)[0][:, 0]}
        result.adaptation[FLOW] = np.tile(self.weights, (plan.chains, 1))
        notes = list(result.summary.get("notes", []))
        notes += [n for n in notes_of(self.seen, self.density.coordinate_names) if n not in notes]
        how = "native" if self.pulled.native is not None else "torch"
        result.summary |= {"notes": notes, "fell_back": False, "transport": how}
        if self.pulled.reason:
            result.summary["transport_reason"] = self.pulled.reason
        return charged(result, self.method, training)

    def starts(self) -> np.ndarray:
        """The chains' starts as noise (chain, dim), or draws of the flow where that is not finite.

        Draws of the flow alone would hide a mode that the flow misses from R-hat, too.
        """
        return np.stack([self._start(chain) for chain in range(self.plan.chains)])

    def _start(self, chain: int) -> np.ndarray:
        rng = np.random.default_rng([self.plan.seed % 2**64, chain, 0x57A])
        noise = self._noise_of(self.plan.initial[chain][None])[0]
        for _ in range(_TRIES):
            value, gradient = self.pulled.value_and_grad(noise)
            if np.isfinite(value) and np.isfinite(gradient).all():
                break
            noise = rng.standard_normal(self.density.dim)
        return noise

    def _noise_of(self, positions: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            rows = torch.from_numpy(np.array(positions, dtype=np.float64)).split(1)
            return torch.cat([self.guide.inverse_map(row)[0] for row in rows]).numpy()

    def _inner_plan(self) -> Plan:
        plan = replace(self.plan, seen=None)
        if plan.state is not None:
            rest = {n: v for n, v in plan.state.adaptation.items() if n not in (FLOW, _SIZE)}
            plan = replace(plan, state=replace(plan.state, adaptation=rest))
        if plan.adaptation is not None:
            learnt = {n: v for n, v in plan.adaptation.items() if n != FLOW}
            noise = self._noise_of(np.asarray(learnt["position"]))
            plan = replace(plan, adaptation=learnt | {"position": noise}, initial=noise)
        elif plan.state is None:
            plan = replace(plan, initial=self.starts())
        return plan if plan.keep is None else replace(plan, keep=self._keep)

    def _keep(self, piece: Piece) -> None:
        """Hand over a piece in coordinates of the model; its state brings the flow along."""
        draws, stats = self._mapped(piece.draws, piece.stats)
        if not piece.warm:
            self.seen.add(draws, stats)
        ledger, weights = Ledger(self.plan.chains), torch.from_numpy(self.weights)
        ledger.shared(FLOW, weights, weights)
        ledger.arrays[_SIZE] = np.full(self.plan.chains, len(weights))
        state = replace(piece.state, adaptation={**piece.state.adaptation, **ledger.arrays})
        assert self.plan.keep is not None
        self.plan.keep(replace(piece, draws=draws, stats=stats, state=state))

    def _mapped(
        self, noise: np.ndarray, stats: Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        draws, log_det = self.pulled.mapped(noise)
        return draws, {**stats, "lp": stats["lp"] - log_det}


def _plain(
    method: NeuTra, density: DensityLike, plan: Plan, training: Training, reason: str
) -> Draws:
    """Draws of the inner method from the density itself, with a note why."""
    result = method.inner.run(density, plan)
    note = f"NeuTra sampled with {method.inner.name} alone, without its flow, since {reason}."
    result.summary["notes"] = [*result.summary.get("notes", []), note.replace("..", ".")]
    result.summary["fell_back"] = True
    return charged(result, method, training)
