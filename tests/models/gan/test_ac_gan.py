"""AC-GAN: draws are of the class that was asked for, and differ within it."""

from __future__ import annotations

import dataclasses
import statistics

import pyro
import pytest
import torch
from pyro import poutine

import probgen as pg
from probgen.models.gan import ACGAN, ac_gan
from tests.models.gan import recognised


def test_the_classifier_reads_the_critics_features_and_gives_logits():
    pyro.set_rng_seed(0)
    model, x = ACGAN(hidden=(8,)), ac_gan.data("test")["x"][:5]
    law = poutine.trace(model.guide).get_trace(x).nodes["y"]["fn"]
    logits = model.classifier(model.critic.features(x))
    torch.testing.assert_close(law.logits, logits.log_softmax(-1))
    torch.testing.assert_close(model.log_probabilities(x), logits.log_softmax(-1))


def test_a_class_can_be_told_for_sure():
    """A softmax before the cross-entropy would keep ten classes from falling below 1.46 nats."""
    model, y = ACGAN(hidden=(8,)), torch.arange(5)
    with torch.no_grad():
        model.classifier.weight.zero_()
        model.classifier.bias.zero_()[3] = 50.0
    held = poutine.condition(model.guide, {"y": torch.full_like(y, 3)})
    trace = poutine.trace(held).get_trace(torch.randn(5, 64))
    assert float(-trace.log_prob_sum().detach()) < 1e-6


def test_class_losses_of_data_and_of_draws_teach():
    torch.manual_seed(0)
    data = {name: value[:128] for name, value in ac_gan.data().items()}
    method = dataclasses.replace(ac_gan.method, learning_rate=5e-3)
    fit = pg.fit(
        ACGAN(hidden=(32,)), method, data=data, epochs=60, batch_size=32, seed=1, watch=None,
        progress=False,
    )  # fmt: skip
    history = fit.tree["history"]
    for name in ("code_y", "code_y_real"):
        assert history[name].values[0] > 2.0
        assert history[name].values[-1] < 0.5


def learned(seed):
    """Share of the right class; class loss of draws, nats; diversity by class, of the real one."""
    torch.manual_seed(seed)
    fit = pg.fit(
        ACGAN(), ac_gan.method, data=ac_gan.data(), seed=seed, threads=1, watch=None,
        progress=False,
    )  # fmt: skip
    x, y = recognised.of_each_class(fit.model, 100, seed)
    right = float((recognised.digits(x) == y).float().mean())
    loss = -float(fit.model.eval().log_probabilities(x).gather(1, y[:, None]).mean())
    data = ac_gan.data()
    ratio = recognised.diversity(x, y) / recognised.diversity(data["x"], data["y"])
    return right, loss, float(ratio.mean()), float(ratio.min()), fit.summary["seconds"]


@pytest.mark.slow
def test_digits_are_of_their_class_and_differ():
    runs = [learned(seed) for seed in range(3)]
    print("AC-GAN: right class, class loss, diversity mean and least, seconds", runs)
    right, loss, mean, _, _ = map(statistics.median, zip(*runs, strict=True))
    assert right >= 0.9
    assert loss < 0.3
    assert mean >= 0.5
