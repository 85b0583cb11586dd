"""Radon: a mean per county, non-centred."""

from tests.conformance.families.radon import measurements, noncentred, observe

POSTERIORS = (
    "radon_all-radon_partially_pooled_noncentered",
    "radon_mn-radon_partially_pooled_noncentered",
)
data = measurements()


def program(log_radon, county, counties):
    observe(log_radon, noncentred("alpha", counties)[county])
