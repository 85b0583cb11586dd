"""Adversarial learning through `fit`: history, averages, checkpoints, processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import probgen as pg
from probgen.errors import OptionError
from probgen.learn.training.values import describe_value, made_again
from tests.learn.adversarial import children
from tests.learn.adversarial.children import BUSY, GIVEN, OPTIONS, PICTURES, TOGETHER, Given
from tests.learn.adversarial.programs import (
    Coded,
    Labelled,
    Paired,
    Pictures,
    Points,
    Score,
    made,
    network,
    normal_points,
    ring,
)
from tests.learn.training.bits import all_bits, assert_same_bits

X = normal_points(120)


def fit(model=None, method=None, data=None, **options):
    settings = {
        "epochs": 2,
        "batch_size": 30,
        "seed": 1,
        "watch": False,
        "progress": False,
        **options,
    }
    model = made(Points) if model is None else model
    data = {"x": X} if data is None else data
    return pg.fit(model, method or pg.Adversarial(learning_rate=2e-3), data=data, **settings)


def test_a_program_moves_to_the_data():
    method = pg.Adversarial(penalties=(pg.penalties.R1(0.5),), learning_rate=5e-3)
    away = X * 0.5 + 3.0
    fitted = fit(made(Points), method, {"x": away}, epochs=60)
    with torch.no_grad():
        drawn = fitted.model.generator(torch.randn(2000, 4))
    before = made(Points)
    assert (drawn.mean(0) - 3.0).abs().max() < 0.7
    assert (before.generator(torch.zeros(1, 4)) - 3.0).abs().max() > 2.0
    assert fitted.model.training  # in the mode that it came in


def test_the_history_tells_losses_scores_penalties_and_codes():
    method = pg.Adversarial(
        penalties=(pg.penalties.R1(every=2), pg.penalties.R1(0.1)), codes={"c": 1.0}
    )
    fitted = fit(made(Coded), method)
    history = fitted.tree["history"].to_dataset()
    for name in ("critic", "program", "score_real", "score_fake", "code_c", "r1_1", "r1_2"):
        assert len(history[name].attrs["long_name"]) > 10
    assert history["critic"].attrs["units"] == "nats per row"
    assert history["score_real"].attrs["monitor"] == 1
    assert np.isnan(history["r1_1"].values[1::2]).all()  # applied lazily
    assert np.isfinite(fitted.summary["last_r1_1"])
    assert fitted.summary["game"].startswith("NonSaturating(): critic")
    assert fitted.summary["sites"] == "x"


def test_parts_beside_the_model_are_handed_back_and_kept(tmp_path):
    critic, guide = made(Score, 6), made(Paired).encoder

    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = guide

        def forward(self, x):
            import pyro

            with pyro.plate("case", len(x)):
                pyro.sample("z", pg.Implicit(self.net(x)))

    given = Encoder()
    before = given.net[0].weight.detach().clone()
    method = pg.Adversarial(critic, ("x", "z"), given, pg.games.Bidirectional())
    fitted = fit(method=method)
    assert set(fitted.parts) == {"critic", "guide"}
    assert torch.equal(given.net[0].weight, before)  # copies were trained
    assert not torch.equal(fitted.parts["guide"].net[0].weight, before)
    fitted.save(tmp_path / "fit")
    filled = {"critic": Score(6), "guide": Encoder()}
    again = pg.load_fit(tmp_path / "fit", made(Points), filled)
    for name, part in again.parts.items():
        for one, other in zip(part.parameters(), fitted.parts[name].parameters(), strict=True):
            assert torch.equal(one, other)


def test_a_part_of_the_model_stays_its_own_and_is_the_critics():
    """A critic, or a guide, that is given and is the model's already is no other than none."""
    options = {"learning_rate": 1e-2, "codes": {"c": 1.0}}
    model = made(Coded)
    whole = fit(model, pg.Adversarial(**options))
    given = fit(model, pg.Adversarial(critic=model.critic, **options))
    assert given.parts == {}
    assert_same_bits(given, whole)
    assert not torch.equal(given.model.critic.head.weight, model.critic.head.weight)
    paired = made(Paired)
    options = {"sites": ("x", "z"), "game": pg.games.Bidirectional(), "learning_rate": 1e-2}
    bound = fit(paired, pg.Adversarial(guide=paired.guide, **options))
    assert_same_bits(bound, fit(paired, pg.Adversarial(**options)))


def test_a_critic_on_a_body_of_the_model_shares_it(tmp_path):
    class Head(nn.Module):
        def __init__(self, body):
            super().__init__()
            self.body, self.head = body, nn.Linear(16, 1)

        def forward(self, x):
            return self.head(self.body(x)).squeeze(-1)

    model = made(Coded)
    critic = Head(model.critic.body)
    method = pg.Adversarial(critic=critic, learning_rate=1e-2, codes={"c": 1.0})
    fitted = fit(model, method, store=tmp_path / "run")
    assert fitted.parts["critic"].body is fitted.model.critic.body
    assert not torch.equal(fitted.model.critic.body[0].weight, critic.body[0].weight)
    assert critic.body is model.critic.body
    whole = fit(model, method, epochs=4)
    more = {"data": {"x": X}, "method": method, "epochs": 4, "progress": False}
    assert_same_bits(pg.resume(tmp_path / "run", model, **more), whole)


def test_averages_are_of_the_program():
    fitted = fit(ema=0.5)
    assert not torch.equal(fitted.average.generator[0].weight, fitted.model.generator[0].weight)
    learner = pg.Adversarial(critic=Score)
    assert fit(method=learner, ema=0.5).average is not None


@dataclass(frozen=True, repr=False)
class Pressed(pg.Adversarial):
    """Ctrl-C in the middle of an epoch, and of a cycle of turns."""

    def learner(self, model, info, options):
        learner = super().learner(model, info, options)
        step = learner.step

        def pressed(batch, loop):
            if loop.clock == 5:
                os.kill(os.getpid(), signal.SIGINT)
            return step(batch, loop)

        learner.step = pressed
        return learner


MANY = {
    "busy": (Pictures, {}, BUSY, {"x": PICTURES}),
    "spectral": (
        Pictures,
        {"spectral": True},
        pg.Adversarial(game=pg.games.Hinge()),
        {"x": PICTURES},
    ),
    "guide": (
        Paired,
        {},
        pg.Adversarial(sites=("x", "z"), game=pg.games.Bidirectional()),
        {"x": X},
    ),
    "labels": (
        Labelled,
        {},
        pg.Adversarial(sites=("x",), codes=(pg.Code("y", real=True),), critic_learning_rate=1e-3),
        {"x": X, "y": torch.arange(120) % 4 - 1},
    ),
}


@pytest.mark.parametrize("name", MANY)
def test_a_training_that_was_stopped_goes_on_to_the_same_bits(tmp_path, name):
    kind, options, method, data = MANY[name]
    pressed = Pressed(**{f.name: getattr(method, f.name) for f in fields(method)})
    more = {"data": data, "ema": 0.9, "batch_size": 20, "epochs": 3}
    stopped = fit(made(kind, **options), pressed, store=tmp_path / "run", **more)
    assert stopped.summary["interrupted"]
    again = pg.resume(
        tmp_path / "run", made(kind, **options), data=data, method=pressed, progress=False
    )
    assert_same_bits(again, fit(made(kind, **options), method, **more))


def test_methods_are_made_again_from_a_store():
    described = describe_value(BUSY)
    assert described["value"] is not None
    assert made_again(described) == BUSY
    other = pg.Adversarial(codes=(pg.Code("y", real=True),), game=pg.games.Energy(3.0))
    assert made_again(describe_value(other)) == other
    with pytest.raises(OptionError, match="going on with another method"):
        made_again(described, other)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made_in = tmp_path_factory.mktemp("children")
    command = [sys.executable, "-m", children.__name__, str(made_in)]
    home = Path(__file__).parents[3]
    done = subprocess.run(command, cwd=home, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] == str(children.KILLS)
    return made_in


def loaded(folder, name, model):
    return pg.load_fit(folder / f"{name}.safetensors", model)


def test_killed_trainings_go_on_to_the_same_bits(folder):
    whole = pg.fit(made(Pictures), BUSY, data={"x": PICTURES}, **OPTIONS)
    assert_same_bits(loaded(folder, "killed", made(Pictures)), whole)


@pytest.mark.parametrize(("name", "kind"), [("given", Given), ("busy", Pictures)])
def test_processes_keep_one_program_and_critic(folder, name, kind):
    one, other = (loaded(folder, f"{name}-{rank}", made(kind)) for rank in range(2))
    assert_same_bits(one, other)


def test_the_first_of_two_processes_looks_at_the_whole_model_and_all_data(folder):
    first, second = (loaded(folder, f"watched-{rank}", made(Given)) for rank in range(2))
    assert set(second.tree.children) == {"history"}
    assert "watched_spread" not in second.tree["history"]
    assert len(list((folder / "watched").glob("watched-*-x.png"))) == 3
    history = first.tree["history"].to_dataset()
    plain = loaded(folder, "given-0", made(Given))
    first.tree.children = {"history": type(first.tree)(history.drop_dims("look"))}
    for fitted in (first, second):  # the looks changed nothing
        assert_same_bits(fitted, plain)
    data = {"x": children.X, "u": children.U}
    alone = pg.fit(made(Given), GIVEN, data=data, **{**TOGETHER, "watch": pg.Watch(every=1)})
    for name in ("watched_spread", "watched_coverage"):
        one = alone.tree["history"][name].values
        np.testing.assert_allclose(history[name].values, one, rtol=1e-3, atol=0.02)
    assert np.ptp(history["watched_spread"].values) > 1e-3


def test_two_processes_learn_what_one_does(folder):
    """With second-order penalties, of the same global batches, one of them shared unequally."""
    alone = pg.fit(made(Given), GIVEN, data={"x": children.X, "u": children.U}, **TOGETHER)
    one, two = all_bits(alone), all_bits(loaded(folder, "given-0", made(Given)))
    weights = [name for name in one if "." in name]
    assert len(weights) > 8
    for name in weights:
        np.testing.assert_allclose(two[name], one[name], rtol=2e-4, atol=2e-6, err_msg=name)
    for name in ("critic", "program", "r1"):
        np.testing.assert_allclose(two[name], one[name], rtol=5e-2)


def test_lower_precision_and_other_types():
    for precision in ("64", "bf16-mixed"):
        fitted = fit(method=pg.Adversarial(penalties=(pg.penalties.R1(),)), precision=precision)
        assert np.isfinite(fitted.tree["history"]["critic"].values).all()


def test_optimisers_of_other_kinds():
    def ascent(groups):
        return torch.optim.RMSprop(groups, lr=1e-3)

    for optimiser in ("rmsprop", "adamw", ascent):
        fitted = fit(method=pg.Adversarial(optimiser=optimiser))
        assert np.isfinite(fitted.summary["last_program"])


@pytest.mark.slow
def test_a_ring_of_eight_modes_is_covered():
    """Median of three seeds; the plain game finds fewer."""

    class Wide(Points):
        def __init__(self):
            super().__init__(critic=Deep(), generator=_deep(4, 2, nn.ReLU))

    class Deep(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = _deep(2, 1, lambda: nn.LeakyReLU(0.2))

        def forward(self, x):
            return self.net(x / 2).squeeze(-1)

    method = pg.Adversarial(
        penalties=(pg.penalties.R1(0.1),), learning_rate=1e-3, betas=(0.5, 0.99)
    )
    found = []
    for seed in range(3):
        x, centres = ring(256 * 50, seed=seed)
        model = made(Wide, seed=seed)
        fitted = pg.fit(
            model, method, data={"x": x}, epochs=50, batch_size=256, seed=seed, progress=False
        )
        with torch.no_grad():
            drawn = fitted.model.generator(torch.randn(2500, 4))
        distance, nearest = torch.cdist(drawn, centres).min(1)
        found.append(len(nearest[distance < 0.06].unique()))
    assert sorted(found)[1] == 8, found


def _deep(inputs, outputs, activation):
    layers = []
    for _ in range(3):
        layers += [nn.Linear(inputs, 128), activation()]
        inputs = 128
    return nn.Sequential(*layers, nn.Linear(inputs, outputs))


def test_networks_without_a_seed_are_made_under_that_of_the_fit():
    def critic():
        return Score()

    one, two = (fit(method=pg.Adversarial(critic=critic), seed=7) for _ in range(2))
    assert_same_bits(one, two)
    assert network(2, 1) is not None
