"""Radon: one line for all counties."""

from tests.conformance.families.radon import coefficient, measurements, observe

POSTERIORS = ("radon_all-radon_pooled", "radon_mn-radon_pooled")
data = measurements("floor_measure")


def program(log_radon, floor_measure, county, counties):
    observe(log_radon, coefficient("alpha") + coefficient("beta") * floor_measure)
