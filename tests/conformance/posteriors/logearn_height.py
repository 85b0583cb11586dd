"""Log earnings on height."""

from tests.conformance.families.designs import design, log, of
from tests.conformance.families.regressions import flat_regression as program

__all__ = ["POSTERIORS", "data", "program"]

POSTERIORS = ("earnings-logearn_height",)
data = design(log("earn"), of("height"))
