"""What Pyro programs are made of, through the compiler: one small program per construct.

Plates, masks, handlers, missing data and reparametrisations agree with the program itself in
value, gradient and outputs; what cannot be compiled, or cannot be right, says why.
"""

from __future__ import annotations

import math
import re

import pyro
import pyro.distributions as dist
import pyro.infer.reparam as reparam
import pytest
import torch
from pyro import poutine
from pyro.distributions import constraints, transforms

from probgen.declare.program import read_program
from probgen.errors import DataError, ModelError
from probgen.targets.density import compile_density
from tests.targets.agreement import assert_agrees, native
from tests.targets.grouped import groups, together

f64 = torch.float64
GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(8, 3, dtype=f64, generator=GENERATOR)
Y = torch.randn(8, dtype=f64, generator=GENERATOR)
COUNTS = torch.tensor([0.0, 3, 1, 0, 2, 5, 0, 1], dtype=f64)
GROUP = torch.tensor([0, 0, 1, 1, 2, 2, 2, 1])
SEEN = torch.tensor([True, False] * 4)
EYE = torch.eye(3, dtype=f64)

PROGRAMS = {}


def construct(program):
    """Put a program into the table under its name."""
    PROGRAMS[program.__name__] = program
    return program


def _normal(name="a"):
    return pyro.sample(name, dist.Normal(0.0, 1.0))


def _observe(loc, scale=1.0):
    with pyro.plate("n", 8):
        pyro.sample("y", dist.Normal(loc, scale), obs=Y)


# --- plates ------------------------------------------------------------------------------------


@construct
def nested_plates():
    with pyro.plate("i", 3, dim=-2):
        a = _normal()
        with pyro.plate("j", 4, dim=-1):
            b = pyro.sample("b", dist.Normal(a, 1.0))
            pyro.sample("y", dist.Normal(b, 1.0), obs=torch.ones(3, 4))


@construct
def crossed_plates():
    rows, columns = pyro.plate("i", 3, dim=-2), pyro.plate("j", 4, dim=-1)
    with rows:
        a = _normal()
    with columns:
        b = _normal("b")
    with rows, columns:
        pyro.sample("y", dist.Normal(a + b, 1.0), obs=torch.ones(3, 4))


@construct
def plate_without_a_size():
    a = _normal()
    with pyro.plate("n"):
        pyro.sample("y", dist.Normal(a, 1.0), obs=Y)


@construct
def plate_with_indices():
    a = _normal()
    with pyro.plate("n", 8, subsample=torch.arange(8)) as index:
        pyro.sample("y", dist.Normal(a * X[index, 0], 1.0), obs=Y[index])


@construct
def sequential_plates():
    a = _normal()
    for i in pyro.plate("i", 2):
        for j in pyro.plate(f"j{i}", 2):
            b = pyro.sample(f"b{i}{j}", dist.Normal(a, 1.0))
            pyro.sample(f"y{i}{j}", dist.Normal(b * i, 1.0), obs=Y[j])


@construct
def plates_in_a_sequence():
    for i in pyro.plate("i", 2):
        with pyro.plate(f"j{i}", 3):
            _normal(f"b{i}")


@construct
def stacked_plates():
    with pyro.plate_stack("s", (2, 3)):
        pyro.factor("f", _normal())


@construct
def groups_by_index():
    with pyro.plate("g", 3):
        b, s = _normal("b"), pyro.sample("s", dist.HalfNormal(1.0))
    _observe(b[GROUP], s[GROUP])


@construct
def a_markov_chain():
    x = torch.tensor(0.0)
    for t in pyro.markov(range(6)):
        x = pyro.sample(f"x{t}", dist.Normal(0.9 * x, 1.0))
        pyro.sample(f"y{t}", dist.Normal(x, 0.5), obs=Y[t])


# --- masks, scales, factors --------------------------------------------------------------------


@construct
def masks():
    a = _normal()
    with pyro.plate("n", 8):
        with poutine.mask(mask=SEEN):
            pyro.sample("y", dist.Normal(a, 1.0), obs=Y)
            pyro.sample("c", dist.LogNormal(0.0, 1.0))
        pyro.sample("z", dist.Normal(a, 1.0).mask(SEEN), obs=Y)
        pyro.sample("b", dist.Gamma(2.0, 1.0).mask(SEEN))


@construct
def scales():
    a = _normal()
    with poutine.scale(scale=0.5), pyro.plate("n", 8), poutine.scale(scale=COUNTS + 1):
        pyro.sample("y", dist.Normal(a, 1.0), obs=Y)


@construct
def factors_and_deterministic_sites():
    a = _normal()
    with pyro.plate("n", 8):
        pyro.factor("f", -((a - Y) ** 2))
    pyro.deterministic("matrix", a * torch.ones(2, 2))
    pyro.deterministic("whole", (a > 0).long())
    pyro.deterministic("truth", a > 0)
    pyro.sample("point", dist.Delta(a * 2))


def _imputed(make, values):
    def program():
        a = _normal()
        with pyro.plate("n", 8):
            value = pyro.sample("y", make(a.clamp(-3, 3).exp()), obs=values, obs_mask=SEEN)
        pyro.factor("f", -0.1 * (value * value).sum())

    return program


PROGRAMS |= {
    "missing normal": _imputed(lambda a: dist.Normal(a, 1.0), torch.where(SEEN, Y, math.nan)),
    "missing gamma": _imputed(lambda a: dist.Gamma(a, 1.0), Y.exp()),
    "missing beta": _imputed(lambda a: dist.Beta(a, 2.0), Y.sigmoid()),
    "missing simplex": _imputed(lambda a: dist.Dirichlet(a * torch.ones(3)), X.softmax(-1)),
    "missing vector": _imputed(lambda a: dist.MultivariateNormal(a * torch.ones(3), EYE), X),
    "missing factor": _imputed(lambda a: dist.LKJCholesky(3, a), EYE.expand(8, 3, 3)),
}


# --- handlers ----------------------------------------------------------------------------------


def _free():
    a, b = _normal(), pyro.sample("b", dist.HalfNormal(1.0))
    with pyro.plate("n", 8):
        pyro.sample("y", dist.Normal(a, b))


def _conditioned():
    poutine.condition(_free, data={"y": Y})()


PROGRAMS |= {
    "condition": _conditioned,
    "do": poutine.do(_conditioned, data={"b": torch.tensor(2.0)}),
    "block": poutine.block(_conditioned, hide=["nothing"]),
    "infer_config": poutine.infer_config(_conditioned, config_fn=lambda message: {}),
    "mask around": poutine.mask(_conditioned, mask=torch.tensor(True)),
    "scale around": poutine.scale(_conditioned, scale=0.5),
    "seed": poutine.seed(_conditioned, rng_seed=1),
    "substitute": poutine.substitute(_conditioned, data={}),
    "trace": poutine.trace(_conditioned),
    "equalize": poutine.equalize(lambda: [_normal("a1"), _normal("a2")], ["a1", "a2"]),
    "lift": poutine.lift(
        lambda: _observe(pyro.param("w", torch.tensor(2.0))), prior=dist.Normal(0.0, 1.0)
    ),
}


@construct
def parameters_inside():
    w = pyro.param("w", torch.tensor(2.0), constraint=constraints.positive)
    _observe(pyro.sample("a", dist.Normal(w, 1.0)), w)


# --- reparametrisations ------------------------------------------------------------------------


def _school(prior):
    def program():
        with pyro.plate("n", 8):
            x = pyro.sample("x", prior(pyro.sample("scale", dist.LogNormal(0.0, 1.0))))
            pyro.sample("y", dist.Normal(x, 1.0), obs=Y)

    return program


def _vector():
    scale = pyro.sample("scale", dist.LogNormal(0.0, 1.0))
    x = pyro.sample("x", dist.Normal(torch.zeros(8), scale).to_event(1))
    pyro.sample("y", dist.Normal(x, 1.0).to_event(1), obs=Y)


def _stable_data():
    scale = pyro.sample("scale", dist.LogNormal(0.0, 1.0))
    with pyro.plate("n", 8):
        pyro.sample("x", dist.Stable(1.5, 0.2, scale), obs=Y)


def _direction():
    x = pyro.sample("x", dist.ProjectedNormal(torch.zeros(3)))
    pyro.sample("y", dist.Normal(X @ x, 1.0).to_event(1), obs=Y)


def _relaxed():
    x = pyro.sample("x", dist.RelaxedOneHotCategorical(torch.tensor(0.5), logits=torch.zeros(3)))
    pyro.sample("y", dist.Normal(X @ x, 1.0).to_event(1), obs=Y)


def _state_space():
    scale = pyro.sample("scale", dist.LogNormal(0.0, 1.0))
    unit = dist.Normal(torch.zeros(4, 1), 1.0).to_event(1)
    noise = dist.StudentT(4.0, torch.zeros(4, 1), scale).to_event(1)
    start, one = dist.Normal(torch.zeros(1), 1.0).to_event(1), torch.eye(1)
    pyro.sample("x", dist.LinearHMM(start, one, noise, one, unit), obs=Y[:4, None])


def _reparametrised(program, rule):
    config = {"x": rule} if isinstance(rule, reparam.reparam.Reparam) else rule
    return poutine.reparam(program, config=config)


_affine = _school(
    lambda s: dist.TransformedDistribution(
        dist.Normal(0.0, 1.0), [transforms.AffineTransform(0.5, s)]
    )
)
REPARAMETRISED = {
    "LocScale": (_school(lambda s: dist.Normal(0.5, s)), reparam.LocScaleReparam()),
    "LocScale half": (_school(lambda s: dist.Normal(0.5, s)), reparam.LocScaleReparam(0.5)),
    "Transform": (_affine, reparam.TransformReparam()),
    "Auto": (_affine, reparam.AutoReparam()),
    "Minimal": (_affine, reparam.MinimalReparam()),
    "StudentT": (_school(lambda s: dist.StudentT(4.0, 0.0, s)), reparam.StudentTReparam()),
    "SymmetricStable": (
        _school(lambda s: dist.Stable(1.5, 0.0, s)), reparam.SymmetricStableReparam()),
    "LatentStable": (_school(lambda s: dist.Stable(1.5, 0.1, s)), reparam.LatentStableReparam()),
    "Stable": (_stable_data, reparam.StableReparam()),
    "Split": (_vector, reparam.SplitReparam([3, 5], -1)),
    "DiscreteCosine": (_vector, reparam.DiscreteCosineReparam(smooth=1.0)),
    "Haar": (_vector, reparam.HaarReparam(flip=True)),
    "UnitJacobian": (
        _vector, reparam.UnitJacobianReparam(transforms.Permute(torch.arange(7, -1, -1)))),
    "ProjectedNormal": (_direction, reparam.ProjectedNormalReparam()),
    "GumbelSoftmax": (_relaxed, reparam.GumbelSoftmaxReparam()),
    "LinearHMM": (_state_space, reparam.LinearHMMReparam(trans=reparam.StudentTReparam())),
}  # fmt: skip
PROGRAMS |= {
    f"{name} reparam": _reparametrised(program, rule)
    for name, (program, rule) in REPARAMETRISED.items()
}


# --- Python and torch inside -------------------------------------------------------------------


@construct
def written_in_place():
    a = pyro.sample("a", dist.Normal(0.0, 1.0).expand([4]).to_event(1))
    x = torch.zeros(8)
    x[:4], x[4:] = a, a.flip(0)
    x[x > 1] = 0.0
    _observe(x)


@construct
def functions_of_functions():
    a = pyro.sample("a", dist.Normal(0.0, 1.0).expand([8]).to_event(1))
    slopes = torch.func.grad(lambda r: (r**3).sum())(a)
    _observe(torch.vmap(lambda r: r.sin() + r)(a) + slopes)


@construct
def checks_and_prints():
    a = _normal()
    assert (a < 1e9).all(), f"too large: {a}"
    if a > 1e9:
        raise ValueError("too large")
    _observe(torch.tensor([a.detach(), a.detach() * 2]).sum() + a)


@construct
def sparse_neighbours():
    ring = torch.eye(8).roll(1, 0) + torch.eye(8).roll(-1, 0)
    a = pyro.sample("a", dist.Normal(0.0, 1.0).expand([8]).to_event(1))
    pyro.factor("car", 0.4 * a @ torch.mv(ring.to_sparse(), a))
    _observe(torch.sparse.mm(ring.to_sparse(), a[:, None])[:, 0])


@construct
def sorted_sites():
    a = pyro.sample("a", dist.Normal(0.0, 1.0).expand([8]).to_event(1))
    _observe(a.sort()[0] + a.cummax(0)[0] + a.median())


@construct
def censored_data():
    rate = pyro.sample("rate", dist.LogNormal(0.0, 1.0))
    waited = Y.exp()
    survived = 1 - dist.Gamma(torch.tensor(2.0), rate).cdf(waited) + 1e-9
    with pyro.plate("n", 8):
        with poutine.mask(mask=SEEN):
            pyro.sample("y", dist.Gamma(2.0, rate), obs=waited)
        pyro.factor("censored", torch.where(SEEN, 0.0, survived.log()))


@construct
def rates_of_a_jump_process():
    rates = pyro.sample("rates", dist.LogNormal(0.0, 0.5).expand([3, 2]).to_event(2))
    off = torch.cat([rates, torch.zeros(3, 1)], 1)
    moved = torch.matrix_exp(off - torch.diag(off.sum(1)))
    pyro.factor("seen", (moved[0, 1] + 1e-6).log() + (moved[2, 0].abs() + 1e-6).log())


@construct
def missing_values_marked_by_nan():
    loc = pyro.sample("loc", dist.Normal(0.0, 1.0).expand([3]).to_event(1))
    seen = torch.where(torch.tensor([True, False, True]), X[:4], math.nan)
    with pyro.plate("n", 4):
        pyro.sample("y", dist.NanMaskedMultivariateNormal(loc, EYE), obs=seen)


@pytest.mark.parametrize("names", groups(PROGRAMS, 9), ids="-".join)
def test_agrees_with_the_program(names):
    density = native(together({name: PROGRAMS[name] for name in names}))
    assert_agrees(density, scales=(0.5, 1.0, 2.0), rtol=1e-7)


# --- what is left to the program itself --------------------------------------------------------


def _branch():
    a = _normal()
    _observe(a if a > 0 else 2 * a)


def _fourier():
    a = pyro.sample("a", dist.Normal(0.0, 1.0).expand([8]).to_event(1))
    pyro.factor("spectrum", -torch.fft.rfft(a).abs().sum())


def _chosen():
    a = pyro.sample("a", dist.Normal(0.0, 1.0).expand([8]).to_event(1))
    pyro.factor("positive", -a[a > 0].sum())


NOT_NATIVE = {
    "a branch": (_branch, r"test_pyro_coverage.py:\d+ looks at a random value"),
    "a number": (lambda: _observe(math.exp(_normal())), r"coverage.py:\d+ looks at a random"),
    "Fourier transforms": (_fourier, r"coverage.py:\d+ needs aten\._fft_r2c"),
    "shapes by values": (_chosen, r"coverage.py:\d+ makes a tensor whose shape depends"),
    "Stable": (_stable_data, "log density of site 'x' looks at a random value"),
}


@pytest.mark.parametrize(("program", "reason"), NOT_NATIVE.values(), ids=NOT_NATIVE)
@pytest.mark.filterwarnings("ignore::probgen.targets.density.EagerDensityWarning")
@pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad=True")
def test_what_is_not_native_says_why(program, reason):
    density = compile_density(read_program(program))
    assert density.backend != "native"
    assert re.search(reason, density.reason)
    value, gradient = density.value_and_grad(torch.full((density.dim,), 0.3).numpy())
    assert math.isfinite(value)
    assert torch.from_numpy(gradient).isfinite().all()


# --- what cannot be right ----------------------------------------------------------------------


def _latent(distribution):
    return lambda: pyro.sample("x", distribution)


def _dropout():
    _observe(torch.nn.functional.dropout(_normal() * torch.ones(8)))


REFUSED = {
    "a unit vector": (
        _direction, ModelError, r"'x'.*unit vector.*\n?.*ProjectedNormalReparam"),
    "an improper unit vector": (
        _latent(dist.ImproperUniform(constraints.sphere, (), (3,))), ModelError,
        r"Site 'x'.*Sphere, which has no smooth one-to-one map"),
    "no inverse": (
        _latent(dist.TransformedDistribution(
            dist.Normal(torch.zeros(3), 1.0).to_event(1), [transforms.Planar(3)])),
        ModelError, "transform without an inverse"),
    "no Jacobian": (
        _latent(dist.TransformedDistribution(dist.Normal(0.0, 1.0), [transforms.AbsTransform()])),
        ModelError, "AbsTransform does not define log_abs_det_jacobian"),
    "no density": (_state_space, ModelError, "LinearHMM.*not implemented"),
    "uneven parts": (
        _latent(dist.ImproperUniform(
            constraints.cat([constraints.positive, constraints.simplex], -1, [2, 3]), (), (5,))),
        ModelError, r"Latent site 'x'.*cannot be mapped to the real line and back"),
    "hidden randomness": (_dropout, ModelError, r"'y' differs between two runs"),
    "missing data": (
        lambda: pyro.sample("y", dist.Normal(_normal(), 1.0), obs=torch.tensor(math.nan)),
        DataError, r"Observed site 'y'.*missing"),
}  # fmt: skip


@pytest.mark.parametrize(("program", "kind", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_right_names_the_site_and_the_cure(program, kind, message):
    with pytest.raises(kind, match=rf"(?s){message}"):
        read_program(program)
