"""Log weight of mesquite bushes on log volume."""

from tests.conformance.families.designs import design, log
from tests.conformance.families.mesquite import VOLUME
from tests.conformance.families.regressions import flat_regression as program

__all__ = ["POSTERIORS", "data", "program"]

POSTERIORS = ("mesquite-logmesquite_logvolume",)
data = design(log("weight"), log(*VOLUME))
