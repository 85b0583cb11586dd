"""Log earnings on height, sex and their product."""

from tests.conformance.families.designs import design, log, of, times
from tests.conformance.families.regressions import flat_regression as program

__all__ = ["POSTERIORS", "data", "program"]

POSTERIORS = ("earnings-logearn_interaction",)
data = design(log("earn"), of("height"), of("male"), times(of("height"), of("male")))
