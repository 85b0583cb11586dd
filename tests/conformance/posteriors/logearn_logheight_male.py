"""Log earnings on log height and sex."""

from tests.conformance.families.designs import design, log, of
from tests.conformance.families.regressions import flat_regression as program

__all__ = ["POSTERIORS", "data", "program"]

POSTERIORS = ("earnings-logearn_logheight_male",)
data = design(log("earn"), log("height"), of("male"))
