"""InfoGAN: codes are read off what was made of them, and name kinds that were never labelled."""

from __future__ import annotations

import dataclasses
import math
import statistics

import pyro
import pytest
import torch
from pyro import poutine

import probgen as pg
from probgen.learn.draws import evaluating
from probgen.models.gan import InfoGAN, _points, infogan


def test_codes_of_three_kinds():
    pyro.set_rng_seed(0)
    model = InfoGAN(normals=2, uniforms=3, hidden=(8,))
    nodes = poutine.trace(poutine.uncondition(model)).get_trace(torch.zeros(200, 2)).nodes
    shapes = {name: nodes[name]["value"].shape[1:] for name in ("c", "n", "u", "z", "x")}
    assert shapes == {"c": (), "n": (2,), "u": (3,), "z": (8,), "x": (2,)}
    assert nodes["u"]["value"].min() < -0.9
    assert nodes["u"]["value"].abs().max() <= 1
    guide = poutine.trace(model.guide).get_trace(nodes["x"]["value"]).nodes
    assert all(guide[name]["value"].shape == nodes[name]["value"].shape for name in "cnu")
    assert (guide["n"]["fn"].base_dist.scale > 0).all()


def test_codes_of_which_there_are_none_are_left_out():
    model = InfoGAN(classes=0, uniforms=1, hidden=(8,), deviation=0.5)
    nodes = poutine.trace(model).get_trace(torch.zeros(3, 2)).nodes
    guide = poutine.trace(model.guide).get_trace(torch.zeros(3, 2)).nodes
    assert not {"c", "n"} & (nodes.keys() | guide.keys())
    assert (guide["u"]["fn"].base_dist.scale == 0.5).all()


def test_the_guide_shares_the_critics_body():
    model, x = InfoGAN(hidden=(8,)), torch.randn(4, 2)
    trace = poutine.trace(model.guide).get_trace(x)
    trace.log_prob_sum().backward()
    assert all(p.grad is not None for p in model.critic.layers[:-1].parameters())
    assert all(p.grad is None for p in model.critic.layers[-1].parameters())


@pytest.mark.parametrize(
    ("site", "entropy"), [("n", (1 + math.log(2 * math.pi)) / 2), ("u", math.log(2))]
)
def test_continuous_codes_are_learned(site, entropy):
    """What the guide knows of them, nats: more than nothing, which is their entropy."""
    torch.manual_seed(0)
    method = dataclasses.replace(infogan.method, codes={site: 1.0}, learning_rate=3e-3)
    numbers = {"n": {"normals": 1}, "u": {"uniforms": 1}}[site]
    model = InfoGAN(classes=0, latents=2, hidden=(32,), **numbers)
    x = infogan.data()["x"][:1280]
    fit = pg.fit(
        model, method, data=x, epochs=20, batch_size=128, seed=1, watch=None, progress=False
    )
    surprise = fit.tree["history"][f"code_{site}"].values
    assert surprise[0] > entropy - 0.1
    assert surprise[-1] < entropy - 0.5


def information(model, seed):
    """The bound L_I on the information between code and case, as a share of H(c), on draws."""
    with evaluating(model), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        nodes = poutine.trace(poutine.uncondition(model)).get_trace(torch.zeros(4000, 2)).nodes
        law = poutine.trace(model.guide).get_trace(nodes["x"]["value"]).nodes["c"]["fn"]
        return 1 + float(law.log_prob(nodes["c"]["value"]).mean()) / math.log(4)


def purity(model):
    """Share of new points whose kind is the commonest among those of their likeliest code."""
    points = _points.drawn(_points.ring(4), 0.1, 2560, 3)
    with evaluating(model):
        code = poutine.trace(model.guide).get_trace(points["x"]).nodes["c"]["fn"].logits.argmax(-1)
    table = torch.zeros(4, 4)
    table.index_put_((code, points["mode"]), torch.ones(2560), accumulate=True)
    return float(table.amax(1).sum() / 2560)


def learned(weight, seed):
    torch.manual_seed(seed)
    method = dataclasses.replace(infogan.method, codes={"c": weight})
    fit = pg.fit(
        InfoGAN(), method, data=infogan.data(), epochs=60, batch_size=256, seed=seed, threads=1,
        watch=None, progress=False,
    )  # fmt: skip
    return information(fit.model, seed), purity(fit.model), fit.summary["seconds"]


@pytest.mark.slow
def test_the_code_names_the_kinds():
    runs = [learned(1.0, seed) for seed in range(3)]
    print("InfoGAN: L_I / H(c), purity, seconds", runs)
    share, pure, _ = map(statistics.median, zip(*runs, strict=True))
    assert share >= 0.95
    assert pure >= 0.95


@pytest.mark.slow
def test_without_the_information_term_it_does_not():
    share, pure, seconds = learned(0.0, 0)
    print("InfoGAN, weight 0: L_I / H(c), purity, seconds", share, pure, seconds)
    assert share < 0.5
    assert pure < 0.8
