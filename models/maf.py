"""Masked autoregressive flow: each entry normal given those before it.

Source: Papamakarios, Pavlakou and Murray (2017), "Masked autoregressive flow for density
estimation", NeurIPS.
Data: 13 chemical measurements of 178 Italian wines from three cultivars (Forina et al. 1988,
UCI), as bundled with scikit-learn.
"""

from __future__ import annotations

import torch

from probgen.learn.networks.maximum_likelihood import MaximumLikelihood
from probgen.nets.flows.model import FlowModel

method = MaximumLikelihood(learning_rate=2e-3, optimiser="adamw", weight_decay=0.1)


class MAF(FlowModel):
    """Rows x of `features` numbers, given a `context` c if there is one."""

    def __init__(
        self,
        features: int = 13,
        context: int = 0,
        transforms: int = 2,
        hidden: tuple[int, ...] = (32,),
    ) -> None:
        settings = {"transforms": transforms, "hidden": hidden}
        super().__init__("maf", features, context=context, **settings)


def data() -> dict[str, torch.Tensor]:
    """Measurements of the wines in their units, (178, 13)."""
    from sklearn.datasets import load_wine

    return {"x": torch.from_numpy(load_wine().data).float()}
