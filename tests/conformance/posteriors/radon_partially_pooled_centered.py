"""Radon: a mean per county."""

from tests.conformance.families.radon import centred, measurements, observe

POSTERIORS = (
    "radon_all-radon_partially_pooled_centered",
    "radon_mn-radon_partially_pooled_centered",
)
data = measurements()


def program(log_radon, county, counties):
    observe(log_radon, centred("alpha", counties)[county])
