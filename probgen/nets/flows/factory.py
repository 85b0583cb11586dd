"""Flows by name, as zuko modules: the one place that knows how each kind is put together.

A flow maps data x to noise z = f(x), standard normal, and log p(x) = log N(f(x)) + log |det f'|.

| kind | transforms | density | draws |
| --- | --- | --- | --- |
| gaussian | one affine map with a triangular matrix: a normal with all covariances | 1 pass | 1 |
| nice | additive couplings, then scales (Dinh, Krueger & Bengio 2014) | 1 pass | 1 pass |
| realnvp | affine couplings (Dinh, Sohl-Dickstein & Bengio 2016) | 1 pass | 1 pass |
| nsf_coupling | spline couplings (Durkan et al. 2019) | 1 pass | 1 pass |
| maf | affine autoregressive (Papamakarios et al. 2017) | 1 pass | a pass per feature |
| iaf | the inverse of that (Kingma et al. 2016) | a pass per feature | 1 pass |
| nsf | spline autoregressive (Durkan et al. 2019) | 1 pass | a pass per feature |
| cnf | a differential equation (Chen et al. 2018; Grathwohl et al. 2018) | solver | solver |
| gmm | no transport: a mixture of normals with all covariances | 1 pass | 1 pass |

Splines are the identity outside [-5, 5]: standardise first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from zuko.distributions import DiagNormal
from zuko.flows.autoregressive import MaskedAutoregressiveTransform
from zuko.flows.coupling import GeneralCouplingTransform
from zuko.flows.gaussianization import ElementWiseTransform
from zuko.lazy import Flow, LazyDistribution, LazyTransform, UnconditionalDistribution
from zuko.mixtures import GMM
from zuko.transforms import AdditiveTransform, MonotonicAffineTransform, MonotonicRQSTransform

from probgen.errors import OptionError
from probgen.nets.flows.adjacency import checked_adjacency
from probgen.nets.flows.continuous import Continuous
from probgen.nets.flows.triangular import Triangular

__all__ = ["KINDS", "build_flow"]

KINDS = (
    "gaussian", "nice", "realnvp", "nsf_coupling", "maf", "iaf", "nsf", "cnf", "gmm",
)  # fmt: skip
_COUPLINGS = ("nice", "realnvp", "nsf_coupling")
_AUTOREGRESSIVE = ("maf", "iaf", "nsf")
_LAYERS = {"nice": 4, "realnvp": 4, "nsf_coupling": 4, "maf": 3, "iaf": 3, "nsf": 3}


def build_flow(
    kind: str,
    features: int,
    *,
    context: int = 0,
    transforms: int | None = None,
    hidden: Sequence[int] = (64, 64),
    bins: int = 8,
    adjacency: Any = None,
    order: Sequence[int] | Tensor | None = None,
    activation: Callable[[], nn.Module] | None = None,
    components: int = 8,
    identity: bool = False,
) -> LazyDistribution:
    """A lazy distribution p(x | context): called with a context, or None, it is a distribution.

    Every kind but "gmm" is a `zuko.lazy.Flow`, whose `transform` maps x to standard normal noise.

    Args:
        kind: one of `KINDS`.
        features: entries of x.
        context: entries of the context; 0 is none.
        transforms: layers; 3 autoregressive ones or 4 couplings when left out, and one where
            there is an `adjacency`.
        hidden: widths of the hidden layers of every network.
        bins: of the splines.
        adjacency: (features, features), [i, j] true where x_i may depend on x_j, for the
            autoregressive kinds; a graph without cycles. The diagonal does not matter.
        order: places of the features in the order of an autoregressive kind, a permutation of
            0 ... features-1; every second layer takes them backwards.
        activation: of the networks, ReLU when left out (ELU for "cnf").
        components: of "gmm".
        identity: whether to begin as the identity, which is a good start for guides.

    Raises `OptionError`.

    """
    if kind not in KINDS:
        raise OptionError(f"There is no flow {kind!r}: choose one of {', '.join(KINDS)}.")
    layers = _layers(kind, features, context, transforms, adjacency)
    if (adjacency is not None or order is not None) and kind not in _AUTOREGRESSIVE:
        raise OptionError(
            f"A {kind!r} flow has neither adjacency nor order: choose one of "
            f"{', '.join(_AUTOREGRESSIVE)}."
        )
    network: dict[str, Any] = {"hidden_features": tuple(hidden)}
    if activation is not None:
        network["activation"] = activation
    if kind == "gmm":
        return GMM(features, context, components=components, **network)
    made: list[LazyTransform]
    if kind == "gaussian":
        made = [Triangular(features, context, **network)]
    elif kind == "cnf":
        made = [Continuous(features, context, **network)]
    elif kind in _COUPLINGS:
        made = _couplings(kind, features, context, layers, bins, network)
    else:
        graph = None if adjacency is None else checked_adjacency(adjacency, features)
        ranks = _orders(order, features, layers)
        settings = {**_univariate(kind, bins), **network, "adjacency": graph}
        if graph is not None and int(graph.sum()) == features and not context:  # no edges
            made = [ElementWiseTransform(features, **_univariate(kind, bins))]
        else:
            made = [
                MaskedAutoregressiveTransform(features, context, order=rank, **settings)
                for rank in ranks
            ]
    if kind == "iaf":
        made = [layer.inv for layer in made]
    if identity:
        for layer in made:
            _begin_as_identity(layer)
    base = UnconditionalDistribution(
        DiagNormal, torch.zeros(features), torch.ones(features), buffer=True
    )
    return Flow(made, base)


def _layers(kind: str, features: int, context: int, transforms: int | None, graph: Any) -> int:
    """The number of layers, with the sizes checked."""
    for name, value, least in (("features", features, 1), ("context", context, 0)):
        if not isinstance(value, int) or value < least:
            raise OptionError(f"{name}={value!r}: must be an integer of at least {least}.")
    if transforms is None:
        return 1 if graph is not None else _LAYERS.get(kind, 1)
    if not isinstance(transforms, int) or transforms < 1:
        raise OptionError(f"transforms={transforms!r}: must be an integer of at least 1.")
    if graph is not None and transforms > 1:
        raise OptionError(
            f"transforms={transforms} with an adjacency: a chain of layers lets x_i depend on the "
            "parents of its parents too. Take one layer, and splines where it is too stiff."
        )
    if kind not in _LAYERS and transforms > 1:
        raise OptionError(f"transforms={transforms}: {kind!r} has one.")
    return transforms


def _univariate(kind: str, bins: int) -> dict[str, Any]:
    """The map of one feature, and the shapes of its parameters."""
    if kind == "nice":
        return {"univariate": AdditiveTransform, "shapes": [()]}
    if kind in ("nsf", "nsf_coupling"):
        if not isinstance(bins, int) or bins < 2:
            raise OptionError(f"bins={bins!r}: must be an integer of at least 2.")
        return {"univariate": MonotonicRQSTransform, "shapes": [(bins,), (bins,), (bins - 1,)]}
    return {"univariate": MonotonicAffineTransform, "shapes": [(), ()]}


def _couplings(
    kind: str, features: int, context: int, layers: int, bins: int, network: dict[str, Any]
) -> list[LazyTransform]:
    """Couplings; the additive ones keep volumes, so that scales follow (NICE, section 3.3)."""
    settings = {**_univariate(kind, bins), **network}
    made: list[LazyTransform] = [
        GeneralCouplingTransform(features, context, _mask(features, layer), **settings)
        for layer in range(layers)
    ]
    if kind == "nice":
        scales = ElementWiseTransform(features, context, **network)
        if not context:
            for parameter in scales.phi:
                nn.init.zeros_(parameter)
        made.append(scales)
    return made


def _mask(features: int, layer: int) -> Tensor | None:
    """The features that a coupling leaves as they are.

    Two layers share one bit of the features' numbers, one for each of its values; the next two
    take the next bit, so that every pair of features meets.
    """
    if features == 1:
        return None
    bits = (features - 1).bit_length()
    bit = layer // 2 % bits
    return (torch.arange(features) >> bit) % 2 == layer % 2


def _orders(order: Any, features: int, layers: int) -> list[Tensor]:
    ranks = torch.arange(features) if order is None else torch.as_tensor(order)
    if ranks.shape != (features,) or ranks.sort().values.tolist() != list(range(features)):
        raise OptionError(f"order={order!r}: must be a permutation of 0 ... {features - 1}.")
    return [ranks if layer % 2 == 0 else features - 1 - ranks for layer in range(layers)]


@torch.no_grad()
def _begin_as_identity(layer: LazyTransform) -> None:
    """Zero what the networks put out, which every univariate map takes for the identity."""
    for part in layer.modules():
        for name in ("hyper", "ode"):
            network = getattr(part, name, None)
            if isinstance(network, nn.Sequential):
                for parameter in network[-1].parameters():
                    parameter.zero_()
        phi = getattr(part, "phi", None)
        for parameter in [phi] if isinstance(phi, nn.Parameter) else list(phi or []):
            parameter.zero_()
