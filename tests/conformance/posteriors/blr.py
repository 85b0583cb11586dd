"""Linear regression with normal priors, on correlated and on independent columns."""

from tests.conformance.families.designs import select
from tests.conformance.families.regressions import normal_regression as program

__all__ = ["POSTERIORS", "data", "program"]

POSTERIORS = ("sblrc-blr", "sblri-blr")
data = select("y", x="X")
