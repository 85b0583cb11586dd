"""A child's score on the mother's work."""

from tests.conformance.families.designs import design, level, of
from tests.conformance.families.regressions import flat_regression as program

__all__ = ["POSTERIORS", "data", "program"]

POSTERIORS = ("kidiq_with_mom_work-kidscore_mom_work",)
data = design(of("kid_score"), *(level("mom_work", code) for code in (2, 3, 4)))
