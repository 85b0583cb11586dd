"""Radon in houses by county: the levels that the radon models are put together from."""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch

from tests.conformance.families.designs import Adapter, arrays, index


def measurements(*columns: str) -> Adapter:
    """The named columns of houses, `log_radon`, and each house's `county` of `counties`."""

    def adapt(raw):
        data = arrays(raw)
        houses = {name: data[name] for name in ("log_radon", *columns)}
        return houses | {"county": index(raw["county_idx"]), "counties": raw["J"]}

    return adapt


def coefficient(name: str) -> torch.Tensor:
    return pyro.sample(name, dist.Normal(0.0, 10.0))


def centred(name: str, counties: int) -> torch.Tensor:
    """A coefficient that varies by county, (county,)."""
    mu, sigma = _hyper(name)
    with pyro.plate(f"county_{name}", counties):
        return pyro.sample(name, dist.Normal(mu, sigma))


def noncentred(name: str, counties: int) -> torch.Tensor:
    """A coefficient that varies by county, (county,), by its standardised values."""
    mu, sigma = _hyper(name)
    with pyro.plate(f"county_{name}", counties):
        raw = pyro.sample(f"{name}_raw", dist.Normal(0.0, 1.0))
        return pyro.deterministic(name, mu + sigma * raw, event_dim=0)


def _hyper(name: str) -> tuple[torch.Tensor, torch.Tensor]:
    sigma = pyro.sample(f"sigma_{name}", dist.HalfNormal(1.0))
    return coefficient(f"mu_{name}"), sigma


def observe(log_radon: torch.Tensor, mean: torch.Tensor) -> None:
    sigma_y = pyro.sample("sigma_y", dist.HalfNormal(1.0))
    with pyro.plate("house", len(log_radon)):
        pyro.sample("log_radon", dist.Normal(mean, sigma_y), obs=log_radon)
