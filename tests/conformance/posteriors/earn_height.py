"""Earnings on height."""

from tests.conformance.families.designs import design, of
from tests.conformance.families.regressions import flat_regression as program

__all__ = ["POSTERIORS", "data", "program"]

POSTERIORS = ("earnings-earn_height",)
data = design(of("earn"), of("height"))
