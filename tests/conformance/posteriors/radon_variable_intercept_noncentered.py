"""Radon: a height per county, non-centred, one slope."""

from tests.conformance.families.radon import coefficient, measurements, noncentred, observe

POSTERIORS = ("radon_mn-radon_variable_intercept_noncentered",)
data = measurements("floor_measure")


def program(log_radon, floor_measure, county, counties):
    alpha = noncentred("alpha", counties)
    observe(log_radon, alpha[county] + floor_measure * coefficient("beta"))
