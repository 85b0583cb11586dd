"""Log weight of mesquite bushes on logs of volume, area, shape, height and density."""

from tests.conformance.families.designs import design, log, log_ratio, of
from tests.conformance.families.mesquite import AREA, VOLUME
from tests.conformance.families.regressions import flat_regression as program

__all__ = ["POSTERIORS", "data", "program"]

POSTERIORS = ("mesquite-logmesquite_logvas",)
data = design(
    log("weight"),
    log(*VOLUME),
    log(*AREA),
    log_ratio(*AREA),
    log("total_height"),
    log("density"),
    of("group"),
)
