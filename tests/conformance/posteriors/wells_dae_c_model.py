"""Wells: switching by distance and arsenic, centred, their product, and education."""

from tests.conformance.families.designs import design, less, of, per, times
from tests.conformance.families.regressions import logistic_regression as program

__all__ = ["POSTERIORS", "data", "program"]

POSTERIORS = ("wells_data-wells_dae_c_model",)
_DIST, _ARSENIC = per(less("dist"), 100.0), less("arsenic")
data = design(of("switched"), _DIST, _ARSENIC, times(_DIST, _ARSENIC), per(of("educ"), 4.0))
