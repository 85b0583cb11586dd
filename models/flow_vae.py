"""Variational auto-encoder with a flow as its posterior.

Source: Rezende and Mohamed (2015), "Variational inference with normalizing flows", ICML; Kingma,
Salimans, Jozefowicz, Chen, Sutskever and Welling (2016), "Improved variational inference with
inverse autoregressive flow", NeurIPS.
Data: 8x8 digits (Alpaydin and Kaynak 1998, UCI), as bundled with scikit-learn; a pixel is on from
half of full ink.
"""

from __future__ import annotations

from typing import Any

import pyro
from torch import Tensor

from probgen.inference.variational.svi import SVI
from probgen.learn.training.schedules import Cosine
from probgen.models import vae
from probgen.nets.dense import mlp
from probgen.nets.likelihoods import Likelihood, filled, known

method = SVI(learning_rate=Cosine(5e-3))
data = vae.data


class FlowVAE(vae.VAE):
    """As `VAE`, with a flow as the guide, given what the encoder puts out.

    Args:
        pixels, latents, hidden, likelihood: as those of `VAE`.
        kind: of the flow, see `probgen.nets.flows.factory.build_flow`; those that draw in one
            pass ("iaf", "nsf_coupling", "realnvp") are fast.
        context: numbers that the encoder hands to the flow.
        settings: others of the flow: transforms, hidden (by `flow_hidden`), bins.

    """

    def __init__(
        self,
        pixels: int = 64,
        latents: int = 10,
        hidden: tuple[int, ...] = (200,),
        likelihood: Likelihood | None = None,
        kind: str = "iaf",
        context: int = 32,
        flow_hidden: tuple[int, ...] = (64,),
        **settings: Any,
    ) -> None:
        from probgen.nets.flows.factory import build_flow

        super().__init__(pixels, latents, hidden, likelihood, encoder=mlp(pixels, context, hidden))
        self.flow = build_flow(kind, latents, context=context, hidden=flow_hidden, **settings)

    def guide(self, x: Tensor) -> None:
        """The flow given each case."""
        from pyro.contrib.zuko import ZukoToPyro

        with pyro.plate("case", len(x)):
            code = self.encoder(filled(x, known(x)))
            pyro.sample("z", ZukoToPyro(self.flow(code)))  # made anew: it keeps its draws
