"""What each kind of engine must satisfy on a network whose answers are known.

An engine is run as users run it, through `infer`; a check raises AssertionError.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import probgen as pg
from tests.inference.graphical.conformance_networks import FORESTS, Answers, Case

SIGMAS = 5
BETHE_BOUND = 0.1
"""Of the error of a probability by belief propagation on the networks with loops used here."""
REVERSE_EXCESS = 0.15
"""By which the estimate of AIS from above, a bound, may exceed log Z: its walks start from
resampled particles, and a rare start with a small weight forward raises it."""
EVIDENCE_ERROR = "log_evidence_error"
BATCHES = 32
"""Pieces that a long chain is cut into, for the error of frequencies of pairs."""


@dataclass(frozen=True)
class Engine:
    """A method, how long it runs, and the check that it must pass."""

    method: Any
    check: Callable[[Found, Case], None]
    options: dict[str, int] = field(default_factory=dict)

    def run(self, case: Case, **options: int) -> Found:
        chosen = {"seed": 1, "threads": 1} | self.options | options
        tree = pg.infer(case.network, self.method, data=case.data, progress=False, **chosen)
        return Found(tree)


class Found:
    """What a tree holds, as plain arrays in the order of free variables."""

    def __init__(self, tree: Any):
        self.attrs = tree.attrs
        marginals = tree["marginals"].to_dataset()
        self.probabilities = marginals["probability"].values
        self.errors = marginals["mcse"].values if "mcse" in marginals else None
        self.states = self.log_joint = None
        if "posterior" in tree.children:
            posterior = tree["posterior"].to_dataset()
            shape = (posterior.sizes["chain"], posterior.sizes["draw"], 0)
            columns = [posterior[name].values for name in posterior.data_vars]
            self.states = np.stack(columns, -1) if columns else np.zeros(shape, np.int8)
            self.log_joint = tree["sample_stats"]["log_joint"].values

    def near_evidence(self, case: Case) -> None:
        """The estimate of log Z is within its error bar."""
        off, error = self.attrs["log_evidence"] - case.answers.log_z, self.attrs[EVIDENCE_ERROR]
        bound = SIGMAS * error + 1e-9 * (1 + abs(case.answers.log_z))
        assert abs(off) <= bound, f"{case}: log evidence off by {off:.4g}, +- {error:.2g}"


def check_exact(found: Found, case: Case) -> None:
    """Marginals and log Z to 1e-9, and independent draws of the joint distribution."""
    check_probabilities(found, case, 1e-9)
    check_evidence(found, case)
    check_draws(found, case, independent=True)


def check_most_probable(found: Found, case: Case) -> None:
    """The one draw is a state of the highest log joint."""
    highest = case.answers.highest
    assert found.states.shape[:2] == (1, 1)
    np.testing.assert_allclose(found.log_joint[0, 0], highest, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(log_joint_of(found, case)[0, 0], highest, rtol=1e-9, atol=1e-9)


def check_maximum(found: Found, case: Case) -> None:
    """MAP: besides, its log evidence and the probability of what it found."""
    check_most_probable(found, case)
    check_evidence(found, case)
    told = found.attrs["log_probability"]
    assert abs(told - (case.answers.highest - case.answers.log_z)) < 1e-8


def check_sampler(found: Found, case: Case) -> None:
    """Marginals and pairs within their Monte Carlo errors, and no impossible draw."""
    check_marginals(found, case)
    check_draws(found, case)


def check_tempered(found: Found, case: Case) -> None:
    check_sampler(found, case)
    found.near_evidence(case)


def check_annealed(found: Found, case: Case) -> None:
    """As for samplers; draws are worth no more than the effective particles."""
    found.near_evidence(case)
    above = found.attrs["log_evidence_reverse"] - case.answers.log_z
    assert above > -SIGMAS * found.attrs["log_evidence_reverse_error"] - 1e-9
    assert above < SIGMAS * found.attrs["log_evidence_reverse_error"] + REVERSE_EXCESS
    check_marginals(found, case)
    check_draws(found, case, worth=found.attrs["ess_weights"])


def check_lower_bound(found: Found, case: Case) -> None:
    """Mean field: distributions, and a bound."""
    assert found.attrs["log_evidence"] <= case.answers.log_z + 1e-7 * (1 + abs(case.answers.log_z))
    check_normalised(found, case)


def check_propagated(found: Found, case: Case) -> None:
    """Belief propagation: exact on forests, within a stated bound elsewhere."""
    assert found.attrs["converged"]
    assert found.attrs["exact"] or case.network.title not in FORESTS
    check_normalised(found, case)
    if found.attrs["exact"]:
        check_probabilities(found, case, 1e-6)
        off = found.attrs["log_evidence"] - case.answers.log_z
        assert abs(off) < 1e-6 * (1 + abs(case.answers.log_z)), f"{case}: log Z off by {off}"
    else:
        check_probabilities(found, case, BETHE_BOUND)


def check_normalised(found: Found, case: Case) -> None:
    at = 0
    for exact in case.answers.marginals:
        share = found.probabilities[at : at + len(exact)]
        assert (share >= 0).all()
        assert abs(share.sum() - 1) < 1e-9
        at += len(exact)


def check_probabilities(found: Found, case: Case, within: float) -> None:
    exact = all_states(case.answers)
    assert found.probabilities.shape == exact.shape
    if exact.size:
        off = np.abs(found.probabilities - exact).max()
        assert off <= within, f"{case}: a probability is off by {off:.3g}"


def check_evidence(found: Found, case: Case) -> None:
    np.testing.assert_allclose(
        found.attrs["log_evidence"], case.answers.log_z, rtol=1e-9, atol=1e-9
    )


def check_marginals(found: Found, case: Case) -> None:
    """Within five standard errors as told; rare states within those of independent draws."""
    exact = all_states(case.answers)
    assert found.probabilities.shape == exact.shape
    off = np.abs(found.probabilities - exact)
    bound = SIGMAS * found.errors + rare(exact, draws_of(found))
    worst = int(np.argmax(off - bound)) if off.size else 0
    assert (off <= bound).all(), (
        f"{case}: state {worst} has probability {found.probabilities[worst]:.5f} +- "
        f"{found.errors[worst]:.2g}, not {exact[worst]:.5f}"
    )


def evidence_score(found: Found, case: Case) -> float:
    """Error of the log evidence in units of what the engine says it is; 0 for rounding."""
    error = found.attrs[EVIDENCE_ERROR]
    return (found.attrs["log_evidence"] - case.answers.log_z) / error if error > 1e-6 else 0.0


def z_scores(found: Found, case: Case) -> np.ndarray:
    """Errors of probabilities in units of what the sampler says they are, rare states apart."""
    exact = all_states(case.answers)
    common = np.minimum(exact, 1 - exact) * draws_of(found) > 200
    common &= found.errors > 0
    return (found.probabilities - exact)[common] / found.errors[common]


def check_draws(
    found: Found, case: Case, *, independent: bool = False, worth: float | None = None
) -> None:
    """Every draw is possible, and pairs of variables have the right joint frequencies.

    Errors come from the spread between chains, and are no less than those of as many independent
    draws; or from `independent` draws; `worth`, where chains are not independent, is how many
    draws all of them together count for.
    """
    states = found.states
    assert states.shape[2] == len(case.factors.cards)
    np.testing.assert_allclose(found.log_joint, log_joint_of(found, case), rtol=1e-9, atol=1e-6)
    assert np.isfinite(found.log_joint).all(), f"{case}: drew an impossible state"
    for (a, b), exact in case.answers.pairs.items():
        columns = states[..., a].astype(np.int64) * exact.shape[1] + states[..., b]
        share, error = frequencies(pieces(columns), exact.size)
        count = columns.size if worth is None else worth
        least = np.sqrt(np.maximum(exact.ravel() * (1 - exact.ravel()), 0) / count)
        error = least if independent or worth is not None else np.maximum(error, least)
        off = np.abs(share - exact.ravel())
        bound = SIGMAS * error + rare(exact.ravel(), columns.size)
        assert (off <= bound).all(), f"{case}: joint frequencies of variables {a} and {b} are off"


def pieces(columns: np.ndarray) -> np.ndarray:
    """Chains as they are, or few of them cut into batches, (piece, draw)."""
    chains, draws = columns.shape
    if chains >= BATCHES:
        return columns
    each = max(1, BATCHES // chains)
    length = max(1, draws // each)
    return columns[:, : draws // length * length].reshape(-1, length)


def frequencies(columns: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean over pieces of the share of each value below `size`, and its standard error."""
    many, length = columns.shape
    flat = (columns + np.arange(many)[:, None] * size).ravel()
    shares = np.bincount(flat, minlength=many * size).reshape(many, size) / length
    return shares.mean(axis=0), shares.std(axis=0, ddof=1) / np.sqrt(many)


def rare(exact: np.ndarray, draws: int) -> np.ndarray:
    """What a state may be off by that is seen a few times or never."""
    seldom = np.minimum(exact, 1 - exact) * draws < 100
    spread = np.sqrt(np.maximum(exact * (1 - exact), 0) / draws)
    return np.where(seldom, SIGMAS * spread + 8 / draws, 0.0) * (exact > 1e-300) + 1e-12


def draws_of(found: Found) -> int:
    return int(found.states.shape[0] * found.states.shape[1])


def log_joint_of(found: Found, case: Case) -> np.ndarray:
    return case.factors.log_joint(found.states.astype(np.int64))


def all_states(known: Answers) -> np.ndarray:
    return np.concatenate([*known.marginals, np.zeros(0)])
