"""Beta-VAE: a VAE whose latents pay more for what they say.

Source: Higgins, Matthey, Pal, Burgess, Glorot, Botvinick, Mohamed and Lerchner (2017), "beta-VAE:
learning basic visual concepts with a constrained variational framework", ICLR. A schedule as the
weight, such as `Linear(0, 1, steps=1000)`, anneals it (Bowman, Vilnis, Vinyals, Dai, Jozefowicz
and Bengio 2016, "Generating sentences from a continuous space", CoNLL).
Data: 8x8 digits (Alpaydin and Kaynak 1998, UCI), as bundled with scikit-learn; a pixel is on from
half of full ink.
"""

from __future__ import annotations

from probgen.inference.variational.svi import SVI
from probgen.learn.training.schedules import Cosine
from probgen.learn.variational.objectives import ELBO
from probgen.models import vae

method = SVI(objective=ELBO(kl_weight=4.0), learning_rate=Cosine(5e-3))
data = vae.data


class BetaVAE(vae.VAE):
    """As `VAE`; what makes it a beta-VAE is its method, with a weight of 4."""
