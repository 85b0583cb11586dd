"""Logistic regression on many genes, the regularised horseshoe."""

import pyro
import pyro.distributions as dist

from probgen import NUTS
from tests.conformance.families.designs import arrays
from tests.conformance.families.priors import normals

POSTERIORS = ("ovarian-logistic_regression_rhs",)
METHOD = NUTS(target_accept=0.95)


def program(x, y, scale_icept, scale_global, nu_global, nu_local, slab_scale, slab_df):
    columns = x.shape[1]
    z, beta0 = normals("z", columns), pyro.sample("beta0", dist.Normal(0.0, scale_icept))
    tau = pyro.sample("tau", _half_student(nu_global, 2.0 * scale_global))
    lam = pyro.sample("lambda", _half_student(nu_local, 1.0).expand([columns]).to_event(1))
    caux = pyro.sample("caux", dist.InverseGamma(0.5 * slab_df, 0.5 * slab_df))
    c2 = slab_scale**2 * caux
    shrunk = (c2 * lam.square() / (c2 + tau.square() * lam.square())).sqrt()
    beta = z * shrunk * tau
    with pyro.plate("patient", len(y)):
        pyro.sample("y", dist.Bernoulli(logits=beta0 + x @ beta), obs=y)


def _half_student(df, scale):
    return dist.FoldedDistribution(dist.StudentT(df, 0.0, scale))


def data(raw):
    return {name: value for name, value in arrays(raw).items() if name not in ("n", "d")}
