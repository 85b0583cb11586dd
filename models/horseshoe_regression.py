"""Sparse linear regression with the regularised horseshoe prior.

Source: Piironen and Vehtari (2017), "Sparsity information and regularization in the horseshoe
and other shrinkage priors", Electronic Journal of Statistics 11:5018-5051. The global scale
follows from a guess of three relevant coefficients; non-centred, with a slab of scale two.
Half-t priors of three degrees of freedom stand for the half-Cauchy, whose tails chains do not
follow.
Data: progression of diabetes in 442 patients, ten standardised measurements and their 45
products: Efron, Hastie, Johnstone and Tibshirani (2004), "Least angle regression", Annals of
Statistics 32:407-499; scikit-learn has them.
"""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch

from probgen import NUTS

method = NUTS(target_accept=0.99)


def horseshoe_regression(
    x: torch.Tensor, relevant: float = 3.0, y: torch.Tensor | None = None
) -> None:
    """`x`: standardised predictors, shape (patient, predictor); `y`: shape (patient,)."""
    patients, predictors = x.shape
    sigma = pyro.sample("sigma", dist.HalfNormal(1.0))
    expected = relevant / (predictors - relevant) / patients**0.5
    tau = pyro.sample("tau", dist.FoldedDistribution(dist.StudentT(3.0))) * expected * sigma
    slab = pyro.sample("slab", dist.InverseGamma(2.0, 8.0))
    with pyro.plate("predictor", predictors):
        lambda_ = pyro.sample("lambda", dist.FoldedDistribution(dist.StudentT(3.0)))
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        shrunk = lambda_ * (slab / (slab + (tau * lambda_).square())).sqrt()
        beta = pyro.deterministic("beta", z * tau * shrunk, event_dim=0)
    with pyro.plate("patient", patients):
        pyro.sample("y", dist.Normal(x @ beta, sigma), obs=y)


def data() -> dict[str, torch.Tensor]:
    """The 442 patients; outcome and all 55 predictors standardised."""
    from sklearn.datasets import load_diabetes

    measured, outcome = load_diabetes(return_X_y=True)
    x = standardised(torch.tensor(measured, dtype=torch.float64))
    first, second = torch.triu_indices(x.shape[1], x.shape[1], offset=1)
    products = standardised(x[:, first] * x[:, second])
    y = standardised(torch.tensor(outcome, dtype=torch.float64))
    return {"x": torch.cat([x, products], 1), "y": y}


def standardised(values: torch.Tensor) -> torch.Tensor:
    """Mean zero and deviation one along the first dimension."""
    return (values - values.mean(0)) / values.std(0)


# Pooled long runs of NUTS and MAMS: mean, its error, standard deviation, its error.
reference = {
    "sigma": (0.69321, 0.00013, 0.02468, 0.00013),
    "tau": (19.463, 0.041, 5.881, 0.036),
    "lambda[1]": (0.7867, 0.0039, 0.788, 0.01),
    "lambda[2]": (2.1488, 0.01, 1.624, 0.061),
    "lambda[3]": (6.605, 0.029, 4.135, 0.065),
    "beta[1]": (0.00406, 0.0001, 0.02114, 0.00012),
    "beta[2]": (-0.08604, 0.00032, 0.04473, 0.00021),
    "beta[3]": (0.3357, 0.00023, 0.04447, 0.00019),
}
