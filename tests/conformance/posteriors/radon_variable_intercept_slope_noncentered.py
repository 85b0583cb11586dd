"""Radon: height and slope per county, non-centred."""

from tests.conformance.families.radon import measurements, noncentred, observe

POSTERIORS = (
    "radon_all-radon_variable_intercept_slope_noncentered",
    "radon_mn-radon_variable_intercept_slope_noncentered",
)
data = measurements("floor_measure")


def program(log_radon, floor_measure, county, counties):
    alpha, beta = noncentred("alpha", counties), noncentred("beta", counties)
    observe(log_radon, alpha[county] + floor_measure * beta[county])
