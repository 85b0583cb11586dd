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

    The noise of the flow is normal with mean and scale by the encoder, and the flow begins as the
    identity: the guide begins as that of `VAE`, and learns what a normal lacks (Kingma et al.
    2016, figure 2). From standard normal noise and a random flow the decoder learns too late, and
    ends almost a nat worse on the digits.

    Args:
        pixels, latents, hidden, likelihood: as those of `VAE`.
        kind: of the flow, see `probgen.nets.flows.factory.build_flow`; those that draw in one
            pass ("iaf", "nsf_coupling", "realnvp") are fast.
        context: numbers that the encoder hands to the flow beside mean and scale.
        transforms: layers of the flow.
        settings: others of the flow: hidden (by `flow_hidden`), bins.

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
        transforms: int = 1,
        **settings: Any,
    ) -> None:
        from probgen.nets.flows.factory import build_flow

        encoder = mlp(pixels, 2 * latents + context, hidden)
        super().__init__(pixels, latents, hidden, likelihood, encoder=encoder)
        self.sizes = (2 * latents, context)
        settings = {"hidden": flow_hidden, "transforms": transforms, "identity": True, **settings}
        self.flow = build_flow(kind, latents, context=context, **settings)

    def guide(self, x: Tensor) -> None:
        """The flow given each case."""
        from pyro.contrib.zuko import ZukoToPyro
        from zuko.distributions import NormalizingFlow

        with pyro.plate("case", len(x)):
            code, context = self.encoder(filled(x, known(x))).split(self.sizes, -1)
            noise = self.posterior.distribution(code)
            law = NormalizingFlow(self.flow(context).transform, noise)
            pyro.sample("z", ZukoToPyro(law))  # made anew: it keeps its draws
