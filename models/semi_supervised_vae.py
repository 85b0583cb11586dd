"""Semi-supervised variational auto-encoder: few labels, many digits.

Source: Kingma, Mohamed, Rezende and Welling (2014), "Semi-supervised learning with deep
generative models", NeurIPS (model M2 and its objective with the classifier's own term).
Data: 8x8 digits (Alpaydin and Kaynak 1998, UCI), as bundled with scikit-learn; a pixel is on from
half of full ink; 100 of the 1200 labels are known, ten of each digit.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyro
import pyro.distributions as dist
import torch
from pyro.nn import PyroModule
from torch import Tensor
from torch.nn.functional import one_hot

from probgen.inference.variational.svi import SVI
from probgen.learn.training.schedules import Cosine
from probgen.models import _digits
from probgen.models.conditional_vae import join
from probgen.nets.dense import mlp
from probgen.nets.likelihoods import Bernoulli, Gaussian, Likelihood, filled, known

method = SVI(learning_rate=Cosine(5e-3))
_SUMMED = {"enumerate": "parallel"}


class SemiSupervisedVAE(PyroModule):
    """A label "y" of `classes`, latents "z", and "x" given both: log p(x, y) where y is known.

    Where it is not (-1 or NaN) the guide's q(y | x) is summed over its classes. Labelled rows
    teach q(y | x) by `weight` log q(y | x) each while the module trains.

    Args:
        pixels, classes, latents: sizes.
        hidden: widths of the hidden layers.
        weight: of the classifier's own term, nats per nat.
        likelihood: law of "x"; `Bernoulli(pixels)` if left out.

    """

    def __init__(
        self,
        pixels: int = 64,
        classes: int = 10,
        latents: int = 10,
        hidden: tuple[int, ...] = (200,),
        weight: float = 20.0,
        likelihood: Likelihood | None = None,
    ) -> None:
        super().__init__()
        self.classes, self.weight = classes, weight
        self.likelihood = likelihood or Bernoulli(pixels)
        self.posterior = Gaussian(latents)
        self.classifier = mlp(pixels, classes, hidden)
        self.encoder = mlp(pixels + classes, self.posterior.width, hidden)
        self.decoder = mlp(latents + classes, self.likelihood.width, hidden[::-1])
        self.register_buffer("origin", torch.zeros(latents), persistent=False)
        self.register_buffer("codes", torch.eye(classes), persistent=False)

    def forward(self, x: Tensor | None = None, y: Tensor | None = None) -> None:
        """The program; `x`, (row, pixels), and `y`, (row,), 0 to classes-1, or -1 or NaN."""
        for ending, rows, pixels, labels in _parts(x, y):
            there = known(pixels)
            with pyro.plate(f"case{ending}", rows):
                uniform = dist.Categorical(self.origin.new_ones(self.classes))
                label = pyro.sample(f"y{ending}", uniform, obs=labels, infer=_SUMMED)
                z = pyro.sample(f"z{ending}", dist.Normal(self.origin, 1.0).to_event(1))
                code = self.decoder(join(z, self.codes[label.long()]))
                law = self.likelihood.distribution(code, there)
                seen = None if pixels is None else filled(pixels, there)
                pyro.sample(f"x{ending}", law, obs=seen)

    def guide(self, x: Tensor, y: Tensor | None = None) -> None:
        """Labels where they are not known, and latents given pixels and label."""
        for ending, rows, pixels, labels in _parts(x, y):
            seen = filled(pixels, known(pixels))
            with pyro.plate(f"case{ending}", rows):
                law = dist.Categorical(logits=self.classifier(seen))
                if labels is None:
                    labels = pyro.sample(f"y{ending}", law, infer=_SUMMED)
                elif self.training:
                    told = -self.weight * law.log_prob(labels)
                    pyro.factor("classifier", told, has_rsample=True)
                code = self.encoder(join(seen, self.codes[labels.long()]))
                pyro.sample(f"z{ending}", self.posterior.distribution(code))

    def log_probabilities(self, x: Tensor) -> Tensor:
        """Log q(y | x) of every label, nats: (row, pixels) -> (row, classes)."""
        return self.classifier(filled(x, known(x))).log_softmax(-1)


def _parts(
    x: Tensor | None, y: Tensor | None
) -> Iterator[tuple[str, int, Tensor | None, Tensor | None]]:
    """Rows with labels, and rows without: the ending of their sites, their number, "x", "y"."""
    if x is None or y is None:
        given = next((value for value in (x, y) if value is not None), None)
        yield "", 1 if given is None else len(given), x, y
        return
    there = ~y.isnan() if y.is_floating_point() else y >= 0
    for ending, chosen in (("", there), ("_unlabelled", ~there)):
        if rows := int(chosen.sum()):
            pixels = x if rows == len(x) else x[chosen]
            yield ending, rows, pixels, None if ending else y[chosen].long()


def data(part: str = "train") -> dict[str, Tensor]:
    """Pixels and labels of the "train" (1200), "validation" (297) or "test" (300) part.

    In the "train" part the label is -1 but of the first ten of each digit.
    """
    y = _digits.labels(part)
    if part == "train":
        before = one_hot(y, 10).cumsum(0).gather(1, y[:, None])[:, 0]
        y = y.where(before <= 10, -1)
    return {"x": _digits.pixels(part), "y": y}
