"""Wells: switching by distance."""

from tests.conformance.families.designs import design, of, per
from tests.conformance.families.regressions import logistic_regression as program

__all__ = ["POSTERIORS", "data", "program"]

POSTERIORS = ("wells_data-wells_dist100_model",)
data = design(of("switched"), per(of("dist"), 100.0))
