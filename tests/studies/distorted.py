"""Methods that are right, and the same methods broken on purpose."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from probgen.inference.graphical.method import GraphPlan, GraphResult
from probgen.inference.method import DensityLike, Draws, Plan
from probgen.targets.factors import Factors


@dataclass(frozen=True)
class ExactNormal:
    """Independent draws of a normal density, stretched about the mean, and shifted, in sds.

    With `scale` 1 and `shift` 0 it is right. `of_prior` draws standard normals instead.
    """

    scale: float = 1.0
    shift: float = 0.0
    of_prior: bool = False
    name: ClassVar[str] = "ExactNormal"

    def run(self, density: DensityLike, plan: Plan) -> Draws:
        dim = density.dim
        origin = density.value_and_grad(np.zeros(dim))[1]
        precision = np.stack([origin - density.value_and_grad(e)[1] for e in np.eye(dim)])
        rng = np.random.default_rng(plan.seed)
        z = rng.standard_normal((plan.chains, plan.draws, dim))
        if not self.of_prior:
            root = np.linalg.cholesky(np.linalg.inv(precision))
            z = np.linalg.solve(precision, origin) + (self.scale * z + self.shift) @ root.T
        return Draws(z, {"lp": np.zeros(z.shape[:2])}, summary={"notes": []})


@dataclass(frozen=True)
class ForgetsFactor:
    """An engine that never sees the first factor of the network."""

    engine: Any
    serves: ClassVar[tuple[str, ...]] = ("factors",)
    name: ClassVar[str] = "ForgetsFactor"

    @property
    def defaults(self) -> dict[str, int]:
        return self.engine.defaults

    def run(self, factors: Factors, plan: GraphPlan) -> GraphResult:
        flat = np.zeros_like(factors.log_tables[0])
        return self.engine.run(replace(factors, log_tables=(flat, *factors.log_tables[1:])), plan)
