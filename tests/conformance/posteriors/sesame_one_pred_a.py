"""Sesame Street: whether a child watched, on whether it was encouraged."""

from tests.conformance.families.designs import design, of
from tests.conformance.families.regressions import flat_regression as program

__all__ = ["POSTERIORS", "data", "program"]

POSTERIORS = ("sesame_data-sesame_one_pred_a",)
data = design(of("watched"), of("encouraged"))
