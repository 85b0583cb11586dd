"""Radon: one height, a slope per county, non-centred."""

from tests.conformance.families.radon import coefficient, measurements, noncentred, observe

POSTERIORS = (
    "radon_all-radon_variable_slope_noncentered",
    "radon_mn-radon_variable_slope_noncentered",
)
data = measurements("floor_measure")


def program(log_radon, floor_measure, county, counties):
    alpha, beta = coefficient("alpha"), noncentred("beta", counties)
    observe(log_radon, alpha + floor_measure * beta[county])
