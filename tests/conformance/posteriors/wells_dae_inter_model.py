"""Wells: switching by distance, arsenic and education, centred, and all products."""

from tests.conformance.families.designs import design, less, of, per, times
from tests.conformance.families.regressions import logistic_regression as program

__all__ = ["POSTERIORS", "data", "program"]

POSTERIORS = ("wells_data-wells_dae_inter_model",)
_DIST, _ARSENIC = per(less("dist"), 100.0), less("arsenic")
_EDUC = per(less("educ"), 4.0)
data = design(
    of("switched"),
    _DIST,
    _ARSENIC,
    _EDUC,
    times(_DIST, _ARSENIC),
    times(_DIST, _EDUC),
    times(_ARSENIC, _EDUC),
)
