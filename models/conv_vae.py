"""Convolutional variational auto-encoder: small images made larger.

Source: Kingma and Welling (2014), "Auto-encoding variational Bayes", ICLR; with the strided
convolutions of Radford, Metz and Chintala (2016), "Unsupervised representation learning with
deep convolutional generative adversarial networks", ICLR.
Data: 8x8 digits (Alpaydin and Kaynak 1998, UCI), as bundled with scikit-learn; a pixel is on from
half of full ink.
"""

from __future__ import annotations

from math import prod

from probgen.inference.variational.svi import SVI
from probgen.learn.training.schedules import Cosine
from probgen.models import vae
from probgen.nets.conv import ConvDecoder, ConvEncoder
from probgen.nets.likelihoods import Bernoulli, Likelihood

method = SVI(learning_rate=Cosine(5e-3))
data = vae.data


class ConvVAE(vae.VAE):
    """As `VAE`, with images of `image` (height, width) and as many layers as `channels`."""

    def __init__(
        self,
        image: tuple[int, int] = (8, 8),
        latents: int = 10,
        channels: tuple[int, ...] = (16, 32),
        likelihood: Likelihood | None = None,
    ) -> None:
        likelihood = likelihood or Bernoulli(prod(image))
        super().__init__(
            prod(image),
            latents,
            likelihood=likelihood,
            encoder=ConvEncoder(image, 2 * latents, channels),
            decoder=ConvDecoder(latents, image, likelihood.each, channels),
        )
        self.image_shape = image
