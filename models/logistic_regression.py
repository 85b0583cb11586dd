"""Logistic regression, with priors for nearly separable data.

Source: Gelman, Jakulin, Pittau and Su (2008), "A weakly informative default prior
distribution for logistic and other regression models", Annals of Applied Statistics
2:1360-1383 (normal here in place of their Cauchy).
Data: 569 breast masses, malignant or not, with thirty features of the cell nuclei in a
fine-needle aspirate: Street, Wolberg and Mangasarian (1993), Wisconsin diagnostic breast
cancer; as bundled with scikit-learn (`load_breast_cancer`).
"""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch


def logistic_regression(x: torch.Tensor, y: torch.Tensor | None = None) -> None:
    """`x`: standardised predictors, shape (mass, predictor); `y`: 1 where malignant."""
    alpha = pyro.sample("alpha", dist.Normal(0.0, 2.5))
    with pyro.plate("predictor", x.shape[1]):
        beta = pyro.sample("beta", dist.Normal(0.0, 1.0))
    with pyro.plate("mass", x.shape[0]):
        pyro.sample("y", dist.Bernoulli(logits=alpha + x @ beta), obs=y)


def data() -> dict[str, torch.Tensor]:
    """The breast cancer data, each predictor to mean 0 and standard deviation 1."""
    from sklearn.datasets import load_breast_cancer

    features, benign = load_breast_cancer(return_X_y=True)
    x = torch.as_tensor(features, dtype=torch.float64)
    return {
        "x": (x - x.mean(0)) / x.std(0),
        "y": 1.0 - torch.as_tensor(benign, dtype=torch.float64),
    }


# Pooled long runs of NUTS and MAMS: mean, its error, standard deviation, its error.
reference = {
    "alpha": (-0.2415, 0.0021, 0.442, 0.0022),
    "beta[1]": (0.4822, 0.0037, 0.893, 0.0047),
    "beta[2]": (0.4778, 0.0025, 0.5507, 0.0027),
    "beta[3]": (0.4717, 0.0036, 0.9046, 0.0048),
}
