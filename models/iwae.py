"""Importance weighted auto-encoder: a VAE by a tighter bound.

Source: Burda, Grosse and Salakhutdinov (2016), "Importance weighted autoencoders", ICLR: the
bound is the mean over cases of log 1/k sum_i p(x, z_i) / q(z_i | x), the Renyi bound of order 0
(Li and Turner 2016, "Renyi divergence variational inference", NeurIPS).
Data: 8x8 digits (Alpaydin and Kaynak 1998, UCI), as bundled with scikit-learn; a pixel is on from
half of full ink.
"""

from __future__ import annotations

from probgen.inference.variational.svi import SVI
from probgen.learn.training.schedules import Cosine
from probgen.learn.variational.objectives import RenyiELBO
from probgen.models import vae

method = SVI(objective=RenyiELBO(alpha=0.0, particles=5), learning_rate=Cosine(5e-3))
data = vae.data


class IWAE(vae.VAE):
    """As `VAE`; what makes it an IWAE is its method, with 5 draws for every case."""
