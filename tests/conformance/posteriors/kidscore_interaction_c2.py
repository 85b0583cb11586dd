"""A child's score on the mother's school and IQ, less usual values, and their product."""

from tests.conformance.families.designs import design, less, of, times
from tests.conformance.families.regressions import flat_regression as program

__all__ = ["POSTERIORS", "data", "program"]

POSTERIORS = ("kidiq_with_mom_work-kidscore_interaction_c2",)
_HS, _IQ = less("mom_hs", 0.5), less("mom_iq", 100.0)
data = design(of("kid_score"), _HS, _IQ, times(_HS, _IQ))
