"""Samplers broken on purpose fail the conformance checks; the same runs unbroken pass them.

Every mutation replaces one expression of the samplers' C++. Were one of them not noticed, the
checks could not be trusted to notice the same mistake made by accident.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from probgen.inference.adapt.settings import HMC_ALGORITHM, make_settings
from probgen.inference.native import library
from probgen.inference.native.threads import run_native
from probgen.inference.nuts import NUTS
from tests.inference.conformance import check_moments, make_plan, run
from tests.inference.densities import native_density
from tests.inference.targets import (
    BETA_BODY,
    BOUNDED,
    CORRELATED,
    GAUSSIAN,
    HEAVY_TAILED,
    SKEWED,
    Target,
)

DRAWS, WARMUP = 20_000, 1000


@dataclass(frozen=True)
class Mutation:
    """One expression of the sampler source replaced, and a target on which that shows."""

    name: str
    old: str
    new: str
    target: Target
    settings: dict[str, Any] = field(default_factory=dict)


DEFAULT = (
    Mutation(
        "biased weight between doublings",
        "rng.uniform() * weight_ < subtree_weight_",
        "rng.uniform() * weight_ < 2 * subtree_weight_",
        BOUNDED,
    ),
    Mutation(
        "a subtree that turned back is drawn from",
        "if (!extend(side, result.depth, side ? step : -step, rng, result, stop)) break;",
        """if (!extend(side, result.depth, side ? step : -step, rng, result, stop)) {
            if (rng.uniform() * weight_ < subtree_weight_) std::swap(current, proposal_);
            break;
        }""",
        CORRELATED,
    ),
    Mutation(
        "the U-turn of two leaves is looked for at their later end only",
        "return total(along_a) > 0 && total(along_b) > 0;",
        "return total(along_b) > 0;",
        BOUNDED,
    ),
)

OTHERS = (
    Mutation(
        "momenta drawn in the space of the positions, not of the metric",
        "rng.normals(momentum, dim);",
        """rng.normals(momentum, dim);
        for (size_t i = 0; i < dim; ++i) momentum[i] *= metric.scale()[i];""",
        GAUSSIAN,
        {"step_size": 0.5, "max_tree_depth": 6},
    ),
    Mutation(
        "later leaves of a subtree are preferred",
        "rng.uniform() * subtree_weight_ < weight",
        "rng.uniform() < 0.5",
        BOUNDED,
    ),
    Mutation(
        "all leaves weigh the same",
        "const double weight = std::exp(gain - reference_);",
        "const double weight = 1;",
        HEAVY_TAILED,
        {"step_size": 1.0, "max_tree_depth": 6},
    ),
    Mutation(
        "the energy error has the wrong sign",
        "const double gain = initial_energy_ - energy;",
        "const double gain = energy - initial_energy_;",
        HEAVY_TAILED,
        {"step_size": 1.0, "max_tree_depth": 6},
    ),
    Mutation(
        "no U-turn check between two leaves",
        "if (!join_leaves(piece)) return false;",
        "join_leaves(piece);",
        BOUNDED,
    ),
    Mutation(
        "no U-turn checks inside a subtree",
        "if (!join(left.begin, left.end, right.begin, right.end, left.sum, right.sum))",
        "if (join(left.begin, left.end, right.begin, right.end, left.sum, right.sum), false)",
        CORRELATED,
    ),
    Mutation(
        "the first half step of the momentum is a whole one",
        "m[i] = p[i] + half * f[i];\n                q[i] +=",
        "m[i] = p[i] + step * f[i];\n                q[i] +=",
        SKEWED,
    ),
    Mutation(
        "both half steps of the momentum are whole ones",
        "const double half = 0.5 * step;",
        "const double half = step;",
        GAUSSIAN,
        {"max_tree_depth": 6},
    ),
    Mutation(
        "positions move without the metric",
        "q[i] += step * scale[i] * m[i];",
        "q[i] += step * m[i];",
        GAUSSIAN,
        {"max_tree_depth": 6},
    ),
    Mutation(
        "HMC accepts too often",
        "rng.uniform() < result.acceptance",
        "rng.uniform() < 2 * result.acceptance",
        SKEWED,
        {"algorithm": HMC_ALGORITHM, "trajectory_length": 1.5},
    ),
    Mutation(
        "HMC's energy error has the wrong sign",
        "const double gain = initial_energy - energy;",
        "const double gain = energy - initial_energy;",
        SKEWED,
        {"algorithm": HMC_ALGORITHM, "num_steps": 4, "step_size": 0.4},
    ),
)


def check(mutation: Mutation, text: str) -> None:
    density = mutation.target.native()
    values = dict(dim=density.dim, warmup=WARMUP, draws=DRAWS, seed=1, **mutation.settings)
    draws = run_native(
        density,
        make_plan(density, warmup=WARMUP, draws=DRAWS, threads=2),
        make_settings("diag", **values),
        library.open_library(text),
    ).unconstrained
    check_moments(mutation.target.observe(draws), mutation.target.mean, mutation.target.sd)


def check_noticed(mutation: Mutation) -> None:
    source = library.source()
    assert source.count(mutation.old) == 1, "the mutation no longer fits the source"
    check(mutation, source)
    with pytest.raises(AssertionError):
        check(mutation, source.replace(mutation.old, mutation.new))


@pytest.mark.parametrize("mutation", DEFAULT, ids=lambda mutation: mutation.name)
def test_mutation_is_noticed(mutation):
    check_noticed(mutation)


@pytest.mark.slow
@pytest.mark.parametrize("mutation", OTHERS, ids=lambda mutation: mutation.name)
def test_other_mutation_is_noticed(mutation):
    check_noticed(mutation)


def test_wrong_sign_of_the_jacobian_is_noticed():
    """The Beta(5, 3) coordinate alone: Uniform(0, 1) would have no finite mass."""
    right, wrong = (
        native_density(1, BETA_BODY.replace("{1, 5}", "{5, 0}").replace("{1, 3}", "{3, 0}")
                       .replace("SIGN", sign))
        for sign in ("1", "-1")
    )  # fmt: skip
    mean, sd = BOUNDED.mean[1:], BOUNDED.sd[1:]

    def draws_of(density):
        return BOUNDED.observe(run(NUTS(), density, draws=DRAWS).unconstrained)

    check_moments(draws_of(right), mean, sd)
    with pytest.raises(AssertionError, match="mean off"):
        check_moments(draws_of(wrong), mean, sd)


def test_checks_pass_independent_draws_and_fail_shifted_or_stretched_ones():
    draws = np.random.default_rng(1).standard_normal((4, 1000, 2))
    mean, sd = np.zeros(2), np.ones(2)
    check_moments(draws, mean, sd)
    with pytest.raises(AssertionError, match="mean off"):
        check_moments(draws + 0.2, mean, sd)
    with pytest.raises(AssertionError, match="variance off"):
        check_moments(draws * 1.2, mean, sd)
    with pytest.raises(AssertionError, match="ESS"):
        check_moments(np.repeat(draws[:, :50], 20, axis=1), mean, sd)
    with pytest.raises(AssertionError, match="not finite"):
        check_moments(np.where(draws > 3, np.nan, draws), mean, sd)
