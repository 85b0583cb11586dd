"""Wells: switching by distance, arsenic and education."""

from tests.conformance.families.designs import design, of, per
from tests.conformance.families.regressions import logistic_regression as program

__all__ = ["POSTERIORS", "data", "program"]

POSTERIORS = ("wells_data-wells_dae_model",)
data = design(of("switched"), per(of("dist"), 100.0), of("arsenic"), per(of("educ"), 4.0))
