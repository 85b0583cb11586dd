"""Cases that were measured through a linear map with noise: what the pixels were is inferred.

Blurring, block means (super-resolution), noise (denoising) and masks are linear maps A of a case:
y = A x + noise. Given the latents z the entries of x are independent with known means and
variances, so that y has the mean A E[x | z] and the covariance A diag(var x | z) A' + noise^2 I.
It is taken as normal, which is exact where x is, and near where sums of many entries are seen.
"""

from __future__ import annotations

import inspect
from typing import Any

import pyro
import pyro.distributions as dist
import torch
from pyro.nn import PyroModule
from pyro.poutine.messenger import Messenger
from torch import Tensor, nn

from probgen.errors import DataError, ModelError

__all__ = ["Measured", "block_means", "measured"]


def measured(
    model: nn.Module, operator: Tensor, noise: float, site: str = "x", name: str = "y"
) -> Measured:
    """The program of a measurement of one case of `model`, for `infer`.

    What else `infer` is given goes to `model`, such as the label of the case: one row of each.

    Args:
        model: a trained program; it is in its mode for evaluation from here on.
        operator: A, (measurements, entries).
        noise: standard deviation, 0 where the entries' own variance is all there is.
        site: of the case.
        name: of the measurement; another one than the sites of `model` have.

    Example:
        infer(measured(fit.model, block_means((8, 8), 2), 0.1), NUTS(), data={"y": small})

    """
    return Measured(model.eval(), operator, noise, site, name)


class Measured(PyroModule):
    """A program's case seen as y = A x + noise; see `measured`.

    The site of the case holds E[x | z, y], (entries,), so that its posterior mean is E[x | y].
    """

    def __init__(
        self, model: nn.Module, operator: Tensor, noise: float, site: str, name: str
    ) -> None:
        super().__init__()
        self.model, self.noise, self.site, self.measurement = model, float(noise), site, name
        self.register_buffer("operator", operator.detach())
        seen = (operator != 0).sum(0)
        self.disjoint = bool((seen <= 1).all())

    def forward(self, **data: Tensor | None) -> None:
        """The program; the measurement is (measurements,).

        Raises `DataError` for data that nothing takes, `ModelError` for a site that is not there
        or has the measurement's name.
        """
        y = data.pop(self.measurement, None)
        self._check(data)
        with _Take(self.site, self.measurement) as taken:
            self.model(**data)
        law, a, name = taken.law, self.operator, self.measurement
        if law is None:
            raise ModelError(f"The program has no site {self.site!r} to measure.")
        mean, variance = law.mean.reshape(-1), law.variance.reshape(-1)
        if self.disjoint:
            squares = a.square() @ variance + self.noise**2
            y = pyro.sample(name, dist.Normal(a @ mean, squares.sqrt()).to_event(1), obs=y)
            back = a.T @ ((y - a @ mean) / squares)
        else:
            eye = torch.eye(len(a), dtype=mean.dtype, device=mean.device)
            covariance = (a * variance) @ a.T + self.noise**2 * eye
            y = pyro.sample(name, dist.MultivariateNormal(a @ mean, covariance), obs=y)
            back = a.T @ torch.linalg.solve(covariance, y - a @ mean)
        pyro.deterministic(self.site, mean + variance * back)

    def _check(self, data: dict[str, Any]) -> None:
        parameters = inspect.signature(self.model.forward).parameters
        if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            return
        for name in data.keys() - parameters.keys():
            takes = ", ".join(map(repr, parameters)) or "nothing"
            raise DataError(
                f"The measurement is named {self.measurement!r}, and "
                f"{type(self.model).__name__} takes no {name!r}; it takes {takes}."
            )


def block_means(image: tuple[int, int], size: int) -> Tensor:
    """The map from an image (height * width) to the means of its blocks of `size` x `size`.

    Blocks at the right and lower edge may be smaller.
    """
    height, width = image
    across = -(-width // size)
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    block = (rows // size * across + columns // size).flatten()
    one = torch.nn.functional.one_hot(block).T.to(torch.get_default_dtype())
    return one / one.sum(1, keepdim=True)


class _Take(Messenger):
    """Takes the law of a site away from the program around; the site is at its mean.

    `other` is the name that no site may have. Raises `ModelError`.
    """

    def __init__(self, site: str, other: str) -> None:
        super().__init__()
        self._site, self._other, self.law = site, other, None

    def _pyro_sample(self, msg: Any) -> None:
        if msg["name"] == self._site:
            self.law = msg["fn"]
            msg["value"], msg["done"], msg["stop"] = msg["fn"].mean, True, True
            msg["is_observed"] = True
        elif msg["name"] == self._other:
            raise ModelError(
                f"The program has a site {self._other!r} of its own: give the measurement another "
                'name, measured(..., name="seen"), and the data of that name.'
            )
