"""A vote on income."""

from tests.conformance.families.designs import design, of
from tests.conformance.families.regressions import logistic_regression as program

__all__ = ["POSTERIORS", "data", "program"]

POSTERIORS = ("nes_logit_data-nes_logit_model",)
data = design(of("vote"), of("income"))
