"""SVI through `fit`: training, validation, stopping, checkpoints, processes, guides."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.nn import PyroModule
from torch import nn
from torch.distributions import constraints

import probgen as pg
from probgen.inference.variational.svi import SVI
from probgen.learn.training.schedules import Linear
from probgen.learn.variational.learner import VariationalLearner
from probgen.learn.variational.objectives import ELBO, RenyiELBO
from tests.learn.training.bits import all_bits, assert_same_bits
from tests.learn.variational import children
from tests.learn.variational.make import gradients, learner_of
from tests.learn.variational.programs import VAE, Mixture, NormalMean, Regression, binary_data

X = binary_data()
METHOD = SVI(learning_rate=5e-3)
OPTIONS = {"epochs": 6, "batch_size": 50, "seed": 3, "validation": 0.1, "ema": 0.9}

PLAIN = {"epochs": 20, "validation": None, "ema": None}


def vae(size: int = 6, **more):
    torch.manual_seed(0)
    return VAE(size, **more)


def fit(model=None, method=METHOD, data=X, **options):
    settings = {**OPTIONS, "progress": False, **options}
    return pg.fit(vae() if model is None else model, method, data=data, **settings)


def test_a_vae_is_trained_and_judged():
    model = vae(20, hidden=32)
    fitted = fit(model, SVI(learning_rate=0.01), binary_data(600, 20), epochs=20, patience=15)
    history = fitted.tree["history"]
    losses = history["validation_loss"].values
    assert losses[-1] < losses[0] - 0.2
    parts = history["reconstruction"].values + history["kl"].values
    np.testing.assert_allclose(history["loss"].values, parts, rtol=1e-5)
    assert history["loss"].attrs["units"] == "nats per row"
    assert fitted.summary["estimator"] == "mean_field"
    assert fitted.summary["guide"] == "own"
    assert fitted.average is not None
    assert torch.equal(
        model.encoder[0].weight, vae(20, hidden=32).encoder[0].weight
    )  # a copy was trained


def test_early_stopping_watches_the_bound():
    fitted = fit(epochs=60, patience=2, method=SVI(learning_rate=0.3))
    assert fitted.summary["stopped"] == "patience"
    losses = fitted.tree["history"]["validation_loss"].values
    assert len(losses) == int(losses.argmin()) + 3


@dataclass(frozen=True)
class Pressed(SVI):
    """Ctrl-C in the middle of an epoch."""

    def learner(self, model, info, options):
        learner = super().learner(model, info, options)
        step = learner.step

        def pressed(batch, loop):
            if loop.clock == 9:
                os.kill(os.getpid(), signal.SIGINT)
            return step(batch, loop)

        learner.step = pressed
        return learner


@pytest.mark.parametrize(
    "objective", [ELBO(kl_weight=Linear(0.0, 1.0)), RenyiELBO(), ELBO(kind="graph")]
)
def test_a_training_that_was_stopped_goes_on_to_the_same_bits(tmp_path, objective):
    method = SVI(objective=objective, learning_rate=5e-3)
    stopped = fit(method=Pressed(objective=objective, learning_rate=5e-3), store=tmp_path / "run")
    assert stopped.summary["interrupted"]
    again = pg.resume(tmp_path / "run", vae(), data=X, method=_pressed(method), progress=False)
    assert_same_bits(again, fit(method=method))


def test_running_baselines_are_part_of_a_checkpoint(tmp_path):
    class Drawn(Mixture):
        """Draws without a gradient, whose noise a running mean of the loss takes down."""

        def guide(self, x):
            with pyro.plate("rows", len(x)):
                mean = {"use_decaying_avg_baseline": True}
                pyro.sample("k", dist.Bernoulli(logits=self.slope * x), infer={"baseline": mean})

    x = torch.randn(100, generator=torch.Generator().manual_seed(0))
    options = {"validation": None, "batch_size": 10}  # the mean is by row: no short batch
    stopped = fit(Drawn(False), Pressed(), x, store=tmp_path / "run", **options)
    assert stopped.summary["estimator"] == "graph"
    again = pg.resume(tmp_path / "run", Drawn(False), data=x, method=Pressed(), progress=False)
    assert_same_bits(again, fit(Drawn(False), SVI(), x, **options))


def _pressed(method):
    return Pressed(objective=method.objective, learning_rate=method.learning_rate)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("children")
    command = [sys.executable, "-m", children.__name__, str(made)]
    home = Path(__file__).parents[3]
    done = subprocess.run(command, cwd=home, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return made


def loaded(folder, name, model):
    return pg.load_fit(folder / f"{name}.safetensors", model)


def test_two_processes_keep_one_model(folder):
    one, other = (loaded(folder, f"vae-{rank}", vae()) for rank in range(2))
    assert_same_bits(one, other)
    alone = fit(**{**children.OPTIONS, "validation": None})
    first, last = (f.tree["history"]["loss"].values[-4:].mean() for f in (one, alone))
    assert first == pytest.approx(last, rel=0.05)


def test_two_processes_learn_what_one_does(folder):
    """Where guides draw points: rows and global sites count alike."""
    alone = pg.fit(Regression(), METHOD, data=children.LINE, **children.OPTIONS)
    two, one = all_bits(loaded(folder, "line-0", Regression())), all_bits(alone)
    for name in ("at", "shift", "log_noise"):
        np.testing.assert_allclose(two[name], one[name], rtol=2e-5, err_msg=name)


def test_a_named_guide_is_handed_back_and_kept_in_a_file(tmp_path):
    x = 3.0 + 2.0 * torch.randn(200, generator=torch.Generator().manual_seed(0))
    fitted = fit(NormalMean(), SVI("mean_field", learning_rate=0.1), x, **PLAIN)
    guide = fitted.parts["guide"]
    assert guide.median()["mean"].item() == pytest.approx(x.mean().item(), abs=0.2)
    assert fitted.summary["guide"] == "mean_field"
    fitted.save(tmp_path / "fit")
    fresh = learner_of(NormalMean(), {"x": x}).parts["guide"]
    read = pg.load_fit(tmp_path / "fit", NormalMean(), {"guide": fresh})
    assert read.parts["guide"].median()["mean"] == guide.median()["mean"]
    with pytest.raises(pg.ProbgenError, match=r"no part 'critic'.*it has: 'guide'"):
        pg.load_fit(tmp_path / "fit", NormalMean(), {"critic": fresh})


@pytest.mark.parametrize("name", ["multivariate", "low_rank", "structured", "iaf"])
def test_guides_by_name(name):
    class Two(PyroModule):
        def forward(self, x=None):
            mean = pyro.sample("mean", dist.Normal(torch.zeros(2), 10.0).to_event(1))
            scale = pyro.sample("scale", dist.Gamma(2.0, 1.0))
            with pyro.plate("rows", 1 if x is None else len(x)):
                pyro.sample("x", dist.Normal(mean, scale).to_event(1), obs=x)

    x = torch.randn(300, 2, generator=torch.Generator().manual_seed(0)) + 1
    fitted = fit(Two(), SVI(name, learning_rate=0.05), x, **PLAIN)
    losses = fitted.tree["history"]["loss"].values
    assert losses[-10:].mean() < losses[:5].mean() - 0.3
    if name == "iaf":
        return  # it takes long
    with torch.no_grad():
        draws = torch.stack([fitted.parts["guide"](x=x)["mean"] for _ in range(50)])
    torch.testing.assert_close(draws.mean(0), x.mean(0), atol=0.25, rtol=0)


def test_functions_with_parameters_are_guides():
    def guide(x=None):
        at = pyro.param("at", torch.tensor(0.0))
        scale = pyro.param("a.scale", torch.tensor(1.0), constraint=constraints.positive)
        pyro.sample("mean", dist.Normal(at, scale))

    pyro.get_param_store().setdefault("at", torch.tensor(77.0))  # of somebody else
    x = 3.0 + torch.randn(200, generator=torch.Generator().manual_seed(0))
    try:
        fitted = fit(NormalMean(), SVI(guide, learning_rate=0.1), x, **PLAIN)
        assert pyro.param("at").item() == 77.0
    finally:
        pyro.clear_param_store()
    kept = dict(fitted.parts["declared"].named_parameters())
    assert kept["at"].item() == pytest.approx(x.mean().item(), abs=0.3)
    assert kept["a/scale"].item() < math.log(0.5)


def test_a_module_as_a_guide_is_copied():
    class Guide(nn.Module):
        def __init__(self):
            super().__init__()
            self.at = nn.Parameter(torch.tensor(0.0))

        def forward(self, x=None):
            pyro.sample("mean", dist.Normal(self.at, 0.1))

    guide = Guide()
    x = 3.0 + torch.randn(100, generator=torch.Generator().manual_seed(0))
    fitted = fit(NormalMean(), SVI(guide, learning_rate=0.1), x, **PLAIN)
    assert guide.at.item() == 0.0
    assert fitted.parts["guide"].at.item() == pytest.approx(3.0, abs=0.3)
    assert fitted.summary["notes"] == []
    assert fitted.summary["guide"] == "given"


def test_an_autoguide_of_another_copy_reads_the_trained_program():
    class Learned(NormalMean):
        def __init__(self):
            super().__init__()
            self.shift = nn.Parameter(torch.tensor(0.0))

        def forward(self, x=None):
            mean = pyro.sample("mean", dist.Normal(self.shift, 1.0))
            with pyro.plate("rows", 1 if x is None else len(x)):
                pyro.sample("x", dist.Normal(mean, self.noise), obs=x)

    model = Learned()
    guide = pyro.infer.autoguide.AutoNormal(model)
    x = 3.0 + torch.randn(100, generator=torch.Generator().manual_seed(0))
    fitted = fit(model, SVI(guide, learning_rate=0.1), x, **{**PLAIN, "ema": 0.9})
    assert fitted.parts["guide"].model is fitted.model
    assert guide.model is not None
    assert fitted.model.shift.item() > 0.1
    assert model.shift.item() == 0.0


def test_sites_summed_out_are_learned():
    random = torch.Generator().manual_seed(0)
    side = torch.bernoulli(torch.full((400,), 0.3), generator=random)
    x = torch.where(side > 0, 2.0, -2.0) + 0.5 * torch.randn(400, generator=random)
    fitted = fit(Mixture(), SVI(learning_rate=0.05), x, epochs=30)
    assert fitted.summary["estimator"] == "enum"
    assert fitted.model.means.tolist() == pytest.approx([-2.0, 2.0], abs=0.2)
    assert fitted.model.logit.sigmoid().item() == pytest.approx(0.3, abs=0.06)


def test_lower_precision_and_other_types():
    mixed = fit(precision="bf16-mixed", epochs=2)
    assert mixed.model.encoder[0].weight.dtype == torch.float32
    double = fit(precision="64", epochs=2)
    assert double.model.encoder[0].weight.dtype == torch.float64
    last = [f.summary["last_validation_loss"] for f in (mixed, double)]
    assert last[0] == pytest.approx(last[1], rel=0.02)


def test_buffers_of_networks_follow_the_training_only():
    """Neither the probes before training nor validation move a running mean."""
    model = vae()
    model.encoder.insert(0, nn.BatchNorm1d(6))
    learner = learner_of(model, {"x": X}, 50)
    assert isinstance(learner, VariationalLearner)
    assert learner.pair.model.encoder[0].num_batches_tracked == 0
    gradients(learner, {"x": X})
    assert learner.pair.model.encoder[0].num_batches_tracked == 1
