"""Radon: a height per county without pooling, one slope."""

from tests.conformance.families.priors import normals
from tests.conformance.families.radon import coefficient, measurements, observe

POSTERIORS = ("radon_mn-radon_county_intercept",)
data = measurements("floor_measure")


def program(log_radon, floor_measure, county, counties):
    alpha = normals("alpha", counties, 0.0, 10.0)
    observe(log_radon, alpha[county] + coefficient("beta") * floor_measure)
