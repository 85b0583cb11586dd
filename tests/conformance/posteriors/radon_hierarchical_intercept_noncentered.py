"""Radon: a height per county, non-centred, uranium in the soil, floor."""

from tests.conformance.families.priors import normals
from tests.conformance.families.radon import measurements, noncentred, observe

POSTERIORS = ("radon_mn-radon_hierarchical_intercept_noncentered",)
data = measurements("log_uppm", "floor_measure")


def program(log_radon, log_uppm, floor_measure, county, counties):
    alpha, beta = noncentred("alpha", counties), normals("beta", 2, 0.0, 10.0)
    observe(log_radon, alpha[county] + log_uppm * beta[0] + floor_measure * beta[1])
