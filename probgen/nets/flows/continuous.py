"""The continuous transform: dx/dt = f(t, x), its log-determinant the integral of the trace of f'.

Source: Chen et al. (2018), "Neural ordinary differential equations"; Grathwohl et al. (2018),
"FFJORD". The trace is exact and comes forward through the layers together with f, at the cost of
a few matrix products, where one backward pass for each feature would cost many times that. It is
solved more finely where it is judged than where it learns.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Transform
from zuko.flows.continuous import FFJTransform
from zuko.nn import Linear
from zuko.transforms import FreeFormJacobianTransform
from zuko.utils import broadcast, odeint

from probgen.errors import OptionError

__all__ = ["Continuous"]

_LEARNING = 1e-4  # tolerance of a step of the solver: noise of minibatches is larger
_JUDGING = {torch.float64: 1e-7}
_SINGLE = 1e-5  # what single precision can still resolve
_SLOPES: dict[type, Callable[[Tensor, Tensor], Tensor]] = {
    nn.ELU: lambda x, y: torch.where(x > 0, 1.0, y + 1),
    nn.Tanh: lambda x, y: 1 - y.square(),
    nn.Softplus: lambda x, y: x.sigmoid(),
}  # of an activation y(x)


class Continuous(FFJTransform):
    """zuko's free-form transform with the trace from the network itself."""

    def __init__(self, features: int, context: int = 0, **network: Any) -> None:
        super().__init__(features, context, **network)
        self.features = features
        for layer in self.ode:
            if not isinstance(layer, Linear) and type(layer) not in _SLOPES:
                known = ", ".join(f"torch.nn.{kind.__name__}" for kind in _SLOPES)
                raise OptionError(f"activation={type(layer).__name__}: a 'cnf' takes {known}.")

    def forward(self, c: Tensor | None = None) -> Transform:
        """The transform given a context, (..., context)."""
        fine = _JUDGING.get(self.freqs.dtype, _SINGLE)
        tolerance = _LEARNING if self.training else fine
        phi = tuple(self.parameters()) if self.training else ()
        return _Solved(
            f=partial(self.f, c=c),
            t0=self.times[0],
            t1=self.times[1],
            phi=phi if c is None else (c, *phi),
            atol=tolerance,
            rtol=tolerance,
            field=partial(self.field, c=c),
        )

    def field(self, t: Tensor, x: Tensor, c: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """f(t, x), (..., features), and the trace of its Jacobian, (...)."""
        angle = self.freqs * t[..., None]
        parts = [torch.cat([angle.cos(), angle.sin()], -1), x, *([] if c is None else [c])]
        h = torch.cat(broadcast(*parts, ignore=1), -1)
        first = 2 * len(self.freqs)
        outer, *layers = self.ode
        tangent = outer.weight[:, first : first + self.features]
        h = outer(h)
        for layer in layers:
            if isinstance(layer, Linear):
                h, tangent = layer(h), layer.weight @ tangent
            else:
                y = layer(h)
                tangent = _SLOPES[type(layer)](h, y)[..., None] * tangent
                h = y
        trace = tangent.diagonal(dim1=-2, dim2=-1).sum(-1)
        return h, trace.expand(h.shape[:-1])


class _Solved(FreeFormJacobianTransform):
    """The solution from t0 to t1, whose field tells its trace."""

    def __init__(self, *, field: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]], **rest: Any):
        super().__init__(**rest)
        self.field = field

    @property
    def inv(self) -> Transform:
        """From t1 to t0."""
        times = {"t0": self.t1, "t1": self.t0, "atol": self.atol, "rtol": self.rtol}
        return _Solved(f=self.f, phi=self.phi, field=self.field, **times)

    def call_and_ladj(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The image, and the log-determinant."""

        def augmented(t: Tensor, x: Tensor, ladj: Tensor) -> tuple[Tensor, Tensor]:
            dx, trace = self.field(t, x)
            return dx, trace * self.trace_scale

        start = (x, torch.zeros_like(x[..., 0]))
        y, ladj = odeint(augmented, start, self.t0, self.t1, self.phi, self.atol, self.rtol)
        return y, ladj / self.trace_scale
