"""Weight of mesquite bushes on all measurements."""

from tests.conformance.families.designs import design, of
from tests.conformance.families.mesquite import MEASURES
from tests.conformance.families.regressions import flat_regression as program

__all__ = ["POSTERIORS", "data", "program"]

POSTERIORS = ("mesquite-mesquite",)
data = design(of("weight"), *(of(name) for name in MEASURES), of("group"))
