"""`fit` of programs from end to end: what is learned, what is noted, what stops a training."""

from __future__ import annotations

import os
import signal
import threading

import numpy as np
import pytest
import torch
from torch import nn

import probgen as pg
from probgen.errors import DataError, OptionError, TrainingError
from probgen.learn.training.clipping import ClipValue
from probgen.learn.training.schedules import Cosine, Linear
from tests.learn.training.toys import (
    Game,
    Gaussian,
    LikelihoodMethod,
    MaximumLikelihoodLearner,
    adam,
    normal_data,
)

X = normal_data()


def fitted(method=None, data=X, model=None, **options):
    options = {"seed": 1, "progress": False, **options}
    return pg.fit(model or Gaussian(), method or LikelihoodMethod(), data=data, **options)


def weights(fit) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in fit.model.parameters()])


def test_maximum_likelihood_comes_to_the_mean_and_deviation():
    fit = fitted(LikelihoodMethod(Cosine(0.1)), epochs=60)
    np.testing.assert_allclose(fit.model.mean.detach(), X.mean(0), atol=5e-3)
    np.testing.assert_allclose(fit.model.log_scale.exp().detach(), X.std(0), atol=5e-3)


def test_the_callers_module_is_left_as_it_was():
    model = Gaussian()
    fit = fitted(model=model, epochs=1)
    assert not model.mean.any()
    assert fit.model is not model


def test_a_seed_says_it_all_and_the_generators_are_put_back():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    noisy = LikelihoodMethod(noise=True)
    first = fitted(noisy, epochs=3)
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(6)
    assert torch.equal(weights(first), weights(fitted(noisy, epochs=3)))
    assert not torch.equal(weights(first), weights(fitted(noisy, epochs=3, seed=2)))


def test_the_history_has_every_metric_and_says_what_it_is():
    fit = fitted(LikelihoodMethod(Linear(0.1, 0.0)), epochs=4, batch_size=120, validation=0.2)
    history = fit.tree["history"].to_dataset()
    assert history.sizes == {"step": 4 * 4, "epoch": 4}
    assert history["step"].values.tolist() == list(range(1, 17))
    assert history["loss"].attrs == {
        "units": "nats",
        "long_name": "negative log density per case",
    }
    assert history["noise"].attrs["monitor"] == 1
    assert history["validation_loss"].dims == ("epoch",)
    assert "validation" in history["validation_loss"].attrs["long_name"]
    assert history["seconds"].attrs["units"] == "s"
    np.testing.assert_allclose(history["learning_rate"], np.linspace(0.1, 0.0, 16))
    assert fit.tree.attrs["method"] == "likelihood"
    assert fit.tree.attrs["seed"] == 1
    assert fit.summary["rows"] == 400


def test_long_histories_are_means_over_windows(monkeypatch):
    from probgen.learn.training import metrics

    whole = fitted(epochs=3).tree["history"]["loss"].values
    monkeypatch.setattr(metrics, "_MOST_ROWS", 10)
    fit = fitted(epochs=3)
    short = fit.tree["history"]
    assert short["step"].values.tolist() == [3, 6, 9, 12, 15, 18, 21, 24, 27, 30]
    np.testing.assert_allclose(short["loss"], whole.reshape(10, 3).mean(1))


def test_learning_rates_are_those_of_the_schedule_and_groups_keep_their_ratio():
    seen = []

    def optimiser(parameters):
        first, second = parameters
        groups = [{"params": [first], "lr": 1.0}, {"params": [second], "lr": 0.5}]
        made = torch.optim.SGD(groups)
        step = made.step
        made.step = lambda: (seen.append([g["lr"] for g in made.param_groups]), step())
        return made

    fitted(LikelihoodMethod(Linear(0.02, 0.0), optimiser), epochs=1)
    assert seen[0] == [0.02, 0.01]
    assert seen[-1] == [0.0, 0.0]


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=1.0)


def moved(clip) -> torch.Tensor:
    return weights(fitted(LikelihoodMethod(optimiser=sgd), epochs=1, batch_size=500, clip=clip))


def test_gradients_are_clipped():
    assert moved(None).norm() > 1
    assert moved(0.25).norm() == pytest.approx(0.25, rel=1e-4)
    assert moved(ClipValue(0.1)).abs().max() == pytest.approx(0.1, rel=1e-5)


def test_averaged_weights_are_those_of_the_definition():
    path, decay = [], 0.8

    class Watching(LikelihoodMethod):
        def learner(self, model, info, options):
            learner = super().learner(model, info, options)
            step = learner.step

            def watched(batch, loop):
                metrics = step(batch, loop)
                path.append(model.mean.detach().clone())
                return metrics

            learner.step = watched
            return learner

    fit = fitted(Watching(), epochs=2, ema=decay)
    expected = path[0]
    for mean in path[1:]:
        expected = decay * expected + (1 - decay) * mean
    torch.testing.assert_close(fit.average.mean.detach(), expected)
    assert not torch.equal(fit.average.mean, fit.model.mean)
    assert fitted(epochs=1).average is None


def test_patience_ends_training_and_brings_back_the_best_weights():
    ends = []

    class Overfitting(LikelihoodMethod):
        """The validation loss is best after three epochs."""

        def learner(self, model, info, options):
            learner = super().learner(model, info, options)
            learner.validate = lambda batch, loop: {"loss": abs(loop.epoch - 3)}
            step = learner.step

            def watched(batch, loop):
                metrics = step(batch, loop)
                if (loop.clock + 1) % loop.steps_per_epoch == 0:
                    ends.append(model.mean.detach().clone())
                return metrics

            learner.step = watched
            return learner

    fit = fitted(Overfitting(), epochs=20, validation=0.1, patience=2)
    assert len(ends) == 5
    assert fit.summary["stopped"] == "patience"
    assert torch.equal(fit.model.mean, ends[2])
    assert "epoch 3" in fit.summary["notes"][0]


def test_a_criterion_with_a_minus_is_better_when_higher():
    class Rising(LikelihoodMethod):
        def learner(self, model, info, options):
            learner = super().learner(model, info, options)
            learner.criterion = "-score"
            learner.validate = lambda batch, loop: {"loss": 1.0, "score": min(loop.epoch, 4.0)}
            return learner

    fit = fitted(Rising(), epochs=20, validation=0.1, patience=3)
    assert fit.summary["epochs"] == 7


def test_validation_does_not_change_training():
    noisy = LikelihoodMethod(noise=True)

    class Drawing(LikelihoodMethod):
        def learner(self, model, info, options):
            learner = super().learner(model, info, options)

            def validate(batch, loop):
                torch.rand(7), np.random.rand(3), loop.stream.key()
                return {"loss": 0.0}

            learner.validate = validate
            return learner

    alone = fitted(noisy, epochs=3)
    watched = fitted(Drawing(noise=True), epochs=3, validation=X[:50])
    assert torch.equal(weights(alone), weights(watched))


def test_a_game_of_two_players():
    data = 2.0 + 0.1 * torch.randn(400, 1, generator=torch.Generator().manual_seed(0))
    learners = []

    class Watched(Game):
        def learner(self, model, info, options):
            learners.append(super().learner(model, info, options))
            return learners[-1]

    fit = fitted(Watched(), data=data, model=Gaussian(1), epochs=30)
    assert float(fit.model.mean.detach()) == pytest.approx(2.0, abs=0.1)
    assert not any(learners[0].critic_gradients), "the generator's loss reached the critic"
    assert set(fit.tree["history"].data_vars) >= {"generator_loss", "gap"}


def test_mixed_precision_keeps_parameters_in_float32():
    seen = {}

    class Net(LikelihoodMethod):
        def learner(self, model, info, options):
            learner = super().learner(model, info, options)
            layer = nn.Linear(2, 2)
            step = learner.step

            def watched(batch, loop):
                seen["product"] = layer(batch["x"]).dtype
                return step(batch, loop)

            learner.step = watched
            return learner

    fit = fitted(Net(), epochs=1, precision="bf16-mixed")
    assert seen["product"] == torch.bfloat16
    assert fit.model.mean.dtype == torch.float32
    fitted(Net(), epochs=1)
    assert seen["product"] == torch.float32
    assert fitted(epochs=1, precision="64").model.mean.dtype == torch.float64
    assert fitted(epochs=1, precision="bf16").model.mean.dtype == torch.bfloat16
    assert fitted(epochs=1, model=Gaussian().double()).model.mean.dtype == torch.float64


@pytest.mark.parametrize(
    ("rate", "words"),
    [
        (50.0, r"loss is not finite at step \d+"),
        (-50.0, r"Expected parameter scale.* at step \d+"),
    ],
)
def test_a_diverging_training_stops_with_its_last_good_weights(rate, words):
    with pytest.raises(TrainingError, match=f"{words}.*Lower the learning rate") as r:
        fitted(LikelihoodMethod(rate, sgd), epochs=400)
    assert torch.isfinite(weights(r.value.fit)).all()
    assert r.value.fit.summary["stopped"] == "diverged"


def test_the_step_of_divergence_is_told_exactly():
    class Bad(LikelihoodMethod):
        def learner(self, model, info, options):
            learner = super().learner(model, info, options)
            step = learner.step

            def broken(batch, loop):
                metrics = step(batch, loop)
                return {**metrics, "loss": float("nan") if loop.clock == 12 else 1.0}

            learner.step = broken
            return learner

    with pytest.raises(TrainingError, match="loss is not finite at step 13"):
        fitted(Bad(), epochs=20)


def test_parameters_that_are_not_finite_are_seen_without_a_loss():
    class Quiet(LikelihoodMethod):
        def learner(self, model, info, options):
            learner = super().learner(model, info, options)

            def broken(batch, loop):
                with torch.no_grad():
                    model.mean[1] = float("inf")
                return {}

            learner.step = broken
            return learner

    with pytest.raises(TrainingError, match="the parameter 'mean' is not finite"):
        fitted(Quiet(), epochs=1)


def test_monitors_may_be_what_they_like():
    class Odd(LikelihoodMethod):
        def learner(self, model, info, options):
            learner = super().learner(model, info, options)
            step = learner.step
            learner.step = lambda b, loop: {**step(b, loop), "noise": float("nan")}
            return learner

    assert fitted(Odd(), epochs=1).summary["stopped"] == "epochs"


def test_ctrl_c_returns_what_was_learned():
    class Endless(LikelihoodMethod):
        def learner(self, model, info, options):
            learner = super().learner(model, info, options)
            step = learner.step

            def pressed(batch, loop):
                if loop.clock == 30:
                    os.kill(os.getpid(), signal.SIGINT)
                return step(batch, loop)

            learner.step = pressed
            return learner

    fit = fitted(Endless(), epochs=100_000)
    assert fit.summary["interrupted"]
    assert fit.summary["steps"] == 31
    assert fit.tree.attrs["interrupted"] == 1
    assert "Interrupted after 31" in fit.summary["notes"][0]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_progress_is_told_in_lines_where_there_is_no_terminal(monkeypatch, capsys):
    from probgen import progress
    from probgen.learn.training import train

    monkeypatch.setattr(progress, "_DELAY", 0.0)
    monkeypatch.setattr(progress, "_EVERY", 0.0)
    monkeypatch.setattr(train, "_LOOK", 0.0)
    fitted(epochs=2, validation=0.2, progress=True)
    lines = capsys.readouterr().err.splitlines()
    assert "likelihood: 100%, epoch 2/2, loss" in lines[-1]
    assert "validation_loss" in lines[-1]
    assert "steps/s" in lines[-1]
    fitted(epochs=2, progress=False)
    assert capsys.readouterr().err == ""


def test_metrics_hold_no_graphs(monkeypatch):
    class Attached(LikelihoodMethod):
        def learner(self, model, info, options):
            learner = super().learner(model, info, options)
            step = learner.step

            def attached(batch, loop):
                return {**step(batch, loop), "sum": model.mean.sum()}

            learner.step = attached
            return learner

    from probgen.learn.training.metrics import MetricsOfSteps

    kept, read = [], MetricsOfSteps.read

    def reading(self, *arguments):
        kept.extend(self._pending)
        return read(self, *arguments)

    monkeypatch.setattr(MetricsOfSteps, "read", reading)
    fitted(Attached(), epochs=1)
    assert kept
    assert not any(metrics["sum"].requires_grad for metrics in kept)


def test_fit_runs_on_a_thread():
    done = []
    thread = threading.Thread(target=lambda: done.append(fitted(epochs=1)))
    thread.start()
    thread.join()
    assert done[0].summary["stopped"] == "epochs"


def test_lazy_data_are_checked_in_the_first_epoch():
    class Items(torch.utils.data.Dataset):
        def __len__(self):
            return 3000

        def __getitem__(self, row):
            return torch.full((2,), float("nan") if row == 1501 else 1.0)

    with pytest.raises(DataError, match=r"data\['x'\] holds nan \(row 1501"):
        fitted(data=Items(), epochs=1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"epochs": 0}, "epochs=0"),
        ({"batch_size": 2.5}, "batch_size=2.5"),
        ({"ema": 1.5}, "ema=1.5"),
        ({"clip": "much"}, "clip='much'"),
        ({"clip": -1.0}, "norm=-1.0"),
        ({"precision": "8"}, "precision='8'"),
        ({"strategy": "fsdp"}, "strategy='fsdp'.*each has all weights"),
        ({"patience": 3}, "early stopping watches validation data"),
        ({"validation": 1.5}, "validation=1.5"),
        ({"device": "cuda"}, "torch finds no CUDA device"),
        ({"device": "abacus"}, "device='abacus'"),
        ({"checkpoint_seconds": 0}, "checkpoint_seconds=0"),
    ],
    ids=str,
)
def test_impossible_options_are_refused(options, words):
    if options.get("device") == "cuda" and torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(OptionError, match=words):
        fitted(**options)


def test_what_does_not_validate_takes_no_validation_data():
    with pytest.raises(OptionError, match="game has no metrics of validation"):
        fitted(Game(), data=X[:, :1], model=Gaussian(1), validation=0.1)


def test_a_batch_longer_than_the_data_is_all_of_them():
    assert fitted(epochs=2, batch_size=10_000).summary["steps"] == 2


def test_every_optimiser_of_torch_takes_part():
    for make in (torch.optim.SGD, torch.optim.Adagrad, torch.optim.RMSprop):
        fit = fitted(LikelihoodMethod(0.01, make), epochs=1)
        assert weights(fit).any()
    assert isinstance(LikelihoodMethod().learner(Gaussian(), None, None), MaximumLikelihoodLearner)
    assert adam([nn.Parameter(torch.zeros(1))])
