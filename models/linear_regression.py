"""Linear regression with normal priors on standardised predictors.

Source: Gelman, Hill and Vehtari, Regression and Other Stories (2020), chapters 9-10.
Data: disease progression of 442 diabetes patients one year after ten measurements (age, sex,
body mass index, blood pressure, six serum values): Efron, Hastie, Johnstone and Tibshirani
(2004), "Least angle regression", Annals of Statistics 32:407-499; as bundled with
scikit-learn (`load_diabetes`).
"""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch


def linear_regression(x: torch.Tensor, y: torch.Tensor | None = None) -> None:
    """`x`: standardised predictors, shape (patient, predictor); `y`: progression scores."""
    alpha = pyro.sample("alpha", dist.Normal(150.0, 100.0))
    with pyro.plate("predictor", x.shape[1]):
        beta = pyro.sample("beta", dist.Normal(0.0, 50.0))
    sigma = pyro.sample("sigma", dist.HalfNormal(100.0))
    with pyro.plate("patient", x.shape[0]):
        pyro.sample("y", dist.Normal(alpha + x @ beta, sigma), obs=y)


def data() -> dict[str, torch.Tensor]:
    """The diabetes data, each predictor to mean 0 and standard deviation 1."""
    from sklearn.datasets import load_diabetes

    predictors, progression = load_diabetes(return_X_y=True, scaled=False)
    x = torch.as_tensor(predictors, dtype=torch.float64)
    return {
        "x": (x - x.mean(0)) / x.std(0),
        "y": torch.as_tensor(progression, dtype=torch.float64),
    }


# Pooled long runs of NUTS and MAMS: mean, its error, standard deviation, its error.
reference = {
    "alpha": (152.1262, 0.0092, 2.609, 0.015),
    "sigma": (54.2819, 0.0067, 1.858, 0.01),
    "beta[1]": (-0.433, 0.011, 2.831, 0.014),
    "beta[2]": (-11.335, 0.011, 2.898, 0.015),
    "beta[3]": (24.82, 0.013, 3.169, 0.016),
}
