"""Wells: switching by distance, arsenic and their product."""

from tests.conformance.families.designs import design, of, per, times
from tests.conformance.families.regressions import logistic_regression as program

__all__ = ["POSTERIORS", "data", "program"]

POSTERIORS = ("wells_data-wells_interaction_model",)
_DIST = per(of("dist"), 100.0)
data = design(of("switched"), _DIST, of("arsenic"), times(_DIST, of("arsenic")))
