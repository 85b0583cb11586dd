"""Log weight of mesquite bushes on logs of all measurements."""

from tests.conformance.families.designs import design, log, of
from tests.conformance.families.mesquite import MEASURES
from tests.conformance.families.regressions import flat_regression as program

__all__ = ["POSTERIORS", "data", "program"]

POSTERIORS = ("mesquite-logmesquite",)
data = design(log("weight"), *(log(name) for name in MEASURES), of("group"))
