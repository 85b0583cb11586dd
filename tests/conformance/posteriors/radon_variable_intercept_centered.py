"""Radon: a height per county, one slope."""

from tests.conformance.families.radon import centred, coefficient, measurements, observe

POSTERIORS = (
    "radon_all-radon_variable_intercept_centered",
    "radon_mn-radon_variable_intercept_centered",
)
data = measurements("floor_measure")


def program(log_radon, floor_measure, county, counties):
    alpha = centred("alpha", counties)
    observe(log_radon, alpha[county] + floor_measure * coefficient("beta"))
