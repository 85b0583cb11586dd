"""Flow over grey pixels: RealNVP on dequantised images, bits per pixel.

Source: Dinh, Sohl-Dickstein and Bengio (2016), "Density estimation using Real NVP",
arXiv:1605.08803, with its logit; noise between grey levels after Theis, van den Oord and Bethge
(2016), "A note on the evaluation of generative models", ICLR.
Data: 1797 handwritten digits, 8x8, grey levels 0 to 16 (Alpaydin and Kaynak 1998, UCI), as
bundled with scikit-learn.
"""

from __future__ import annotations

import torch

from probgen.learn.networks.maximum_likelihood import MaximumLikelihood
from probgen.nets.flows.dequantised import DequantisedFlow

method = MaximumLikelihood(learning_rate=1e-3)


class ImageFlow(DequantisedFlow):
    """Pixels x, (row, pixel), of `levels` grey levels; `noise` is "uniform" or "variational"."""

    def __init__(
        self,
        pixels: int = 64,
        levels: int = 17,
        noise: str = "uniform",
        transforms: int = 8,
        hidden: tuple[int, ...] = (128, 128),
    ) -> None:
        settings = {"transforms": transforms, "hidden": hidden}
        super().__init__("realnvp", pixels, levels, noise=noise, **settings)


def data() -> dict[str, torch.Tensor]:
    """Grey levels of the digits, (1797, 64), 0 to 16."""
    from sklearn.datasets import load_digits

    return {"x": torch.from_numpy(load_digits().data).float()}
