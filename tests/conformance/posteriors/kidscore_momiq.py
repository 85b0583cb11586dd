"""A child's score on the mother's IQ."""

from tests.conformance.families.designs import design, of
from tests.conformance.families.regressions import cauchy_regression as program

__all__ = ["POSTERIORS", "data", "program"]

POSTERIORS = ("kidiq-kidscore_momiq",)
data = design(of("kid_score"), of("mom_iq"))
