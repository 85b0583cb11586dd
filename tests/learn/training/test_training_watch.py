"""Watched trainings: the same bits as unwatched ones, draws kept and measured, collapse told."""

from __future__ import annotations

import contextlib
import os
import signal

import numpy as np
import pytest
import torch
from matplotlib import image

import probgen as pg
from probgen.errors import OptionError, StoreError, TrainingError
from probgen.learn.training import watching
from probgen.learn.training.watch import Watch
from probgen.learn.training.watch_yardstick import Yardstick, occupied_modes
from tests.learn.shaded import Shaded
from tests.learn.training.bits import assert_same_bits
from tests.learn.training.collapsing import CENTRES, Led, LedLearner, Ring, ring
from tests.learn.training.toys import Gaussian, LikelihoodMethod, normal_data

X = ring()
OPTIONS = {"data": X, "seed": 3, "progress": False, "ema": 0.5}


def fit(method=None, model=None, **options):
    return pg.fit(model or Ring(), method or Led(), **{**OPTIONS, **options})


def without_watched(fitted):
    history = fitted.tree["history"].to_dataset().drop_dims("look", errors="ignore")
    fitted.tree.children = {"history": type(fitted.tree)(history)}
    return fitted


@pytest.mark.parametrize("ema", [None, 0.5])
def test_a_look_changes_no_bit_of_the_training(ema):
    watched = fit(watch=Watch(every=0.3), ema=ema)
    assert watched.tree["watched"].sizes["look"] > 20
    assert_same_bits(without_watched(watched), fit(ema=ema))


@pytest.mark.parametrize("taken", ["put_back", "evaluating"])
def test_the_comparison_sees_generators_and_modes_that_are_not_put_back(taken, monkeypatch):
    from probgen.learn import draws

    nothing = lambda *args: contextlib.nullcontext()  # noqa: E731
    if taken == "put_back":
        monkeypatch.setattr(watching, "put_back", nothing)
        monkeypatch.setattr(draws, "isolated", nothing)
    else:
        monkeypatch.setattr(draws, "evaluating", lambda model: torch.no_grad())
    watched = without_watched(fit(watch=Watch(every=0.3), ema=None))
    with pytest.raises(AssertionError):
        assert_same_bits(watched, fit(ema=None))


def test_draws_are_kept_with_their_steps_and_measured():
    watched = fit(watch=Watch(samples=16, every=2, modes=CENTRES))
    kept, history = watched.tree["watched"], watched.tree["history"]
    assert kept["x"].shape == (5, 16, 2)
    assert kept["look"].values.tolist() == history["look"].values.tolist() == [16, 32, 48, 64, 80]
    assert kept["epoch"].values.tolist() == [2, 4, 6, 8, 10]
    assert history["watched_modes"].values.tolist() == [8.0] * 5
    np.testing.assert_allclose(history["watched_spread"], 1.0, atol=0.1)
    assert (history["watched_coverage"] > 0.8).all()
    assert watched.summary["last_watched_modes"] == 8
    first = np.linalg.norm(kept["x"].values, axis=-1)
    np.testing.assert_allclose(first, 1.0, atol=0.15)


def test_averaged_weights_are_drawn_from_where_there_are_any():
    method = LikelihoodMethod()
    options = {"data": normal_data(), "epochs": 2, "watch": Watch(samples=500, every=1)}
    slow = fit(method, Gaussian(), **{**options, "ema": 0.9999})
    quick = fit(method, Gaussian(), **{**options, "ema": None})
    mean = lambda fitted: fitted.tree["watched"]["x"].values[-1].mean()  # noqa: E731
    assert mean(quick) - mean(slow) > 0.5  # the average is still near the first weights


@pytest.mark.parametrize(("how", "fallen"), [("one mode", "spread"), ("two modes", "coverage")])
def test_a_collapse_is_told_once_with_its_step(how, fallen):
    told = []
    from probgen.learn.training.train import Training

    shown = Training._show

    def show(self, now):
        self.show = lambda done, total, detail: told.append(detail)
        shown(self, now)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Training, "_show", show)
        patch.setattr("probgen.learn.training.train._LOOK", 0.0)
        collapsed = fit(Led(at=50, how=how), watch=Watch(modes=CENTRES))
    notes = [note for note in collapsed.summary["notes"] if "collapsed" in note]
    assert any(f"at step 56 their {fallen} was" in note for note in notes)
    assert any("at step 56 their modes was" in note for note in notes)
    assert len(notes) == len({note.split(" was")[0] for note in notes}) <= 3
    assert any("COLLAPSE of" in line and "at step 56" in line for line in told)
    assert not any("COLLAPSE" in line for line in told if "epoch 5/" in line)


def test_two_modes_have_the_spread_of_all():
    """Why the coverage is looked at beside the variance."""
    stick = Yardstick(X)
    both = torch.cat([CENTRES[:1], CENTRES[4:5]]).repeat(100, 1) + 0.01 * torch.randn(200, 2)
    found = stick.measure(both)
    assert found["spread"] > 0.9
    assert found["coverage"] < 0.4
    assert occupied_modes(both, CENTRES) == 2


def test_a_ring_that_stays_is_no_collapse():
    assert fit(watch=Watch(modes=CENTRES)).summary["notes"] == []
    assert fit(Led(how="one mode"), watch=Watch(collapse=0)).summary["notes"] == []


def test_draws_that_never_spread_are_told_at_the_end():
    notes = fit(Led(at=0, how="one mode"), watch=Watch()).summary["notes"]
    assert any("at step 80" in note and "times the data's" in note for note in notes)


def test_numbers_of_a_metric_stand_in_the_history_under_its_names():
    def reach(draws):
        assert draws.shape == (256, 2)
        return {"reach": draws.norm(dim=1).max(), "left": float(draws[:, 0].min())}

    history = fit(watch=Watch(every=5, metric=reach)).tree["history"]
    assert 1.0 < float(history["watched_reach"][-1]) < 1.2
    assert float(history["watched_left"][-1]) < -0.9
    plain = fit(watch=Watch(every=5, metric=lambda draws: draws.mean())).tree["history"]
    assert "watched_lambda" in plain


def test_pictures_are_in_the_store_and_outlive_a_crash(tmp_path):
    class Breaks(Led):
        def learner(self, model, info, options):
            learner = super().learner(model, info, options)
            step = learner.step

            def broken(batch, loop):
                if loop.clock == 30:
                    raise RuntimeError("the machine is on fire")
                return step(batch, loop)

            learner.step = broken
            return learner

    with pytest.raises(RuntimeError, match="on fire"):
        fit(Breaks(), watch=Watch(), store=tmp_path / "run")
    names = sorted(file.name for file in (tmp_path / "run").glob("*.png"))
    assert names == [f"watched-{step:09d}-x.png" for step in (8, 16, 24)]
    pixels = image.imread(tmp_path / "run" / names[-1])
    dark = pixels < 0.1
    assert pixels.shape == (480, 480)
    for x, y in CENTRES.tolist():  # draws at every mode, and none between
        row, column = int((0.5 - y / 2.5) * 480), int((0.5 + x / 2.5) * 480)
        assert dark[row - 30 : row + 30, column - 30 : column + 30].any()
    assert not dark[200:280, 200:280].any()
    fit(watch=Watch(every=5), store=tmp_path / "run", overwrite=True)
    assert len(list((tmp_path / "run").glob("*.png"))) == 2


def shades(path, classes, across):
    """Of the pixels of a grid of squares of 4 pixels: the darkest of every place."""
    pixels = image.imread(path)
    size = pixels.shape[1] // (5 * across + 1)
    assert pixels.shape == (size * (5 * classes + 1), size * (5 * across + 1))
    inner = pixels[::size, ::size][1:, 1:].reshape(classes, 5, across, 5)
    return inner[:, :4, :, :4].mean((1, 3))


@pytest.mark.parametrize("how", ["drawn", "given"])
def test_pictures_of_a_conditional_program_have_a_row_for_each_class(how, tmp_path):
    y = torch.arange(120) % 4 // 2 * 2  # classes 0 and 2 of three
    data = {"x": y[:, None] / 2 + torch.zeros(120, 16), "y": y}
    watch = Watch(samples=9, judged=60)
    watched = fit(Led(at=999), Shaded(how), data=data, watch=watch, store=tmp_path / "run")
    kept = watched.tree["watched"]
    assert kept["x"].shape == (10, 9, 16)  # as they were drawn
    np.testing.assert_allclose(kept["x"].mean("x_dim_0"), kept["y"] / 2, atol=0.05)
    file = sorted((tmp_path / "run").glob("watched-*-x.png"))[-1]
    classes = 3 if how == "drawn" else 2
    found = shades(file, classes, 9 // classes)
    wanted = 1 - np.linspace(0, 1, classes)[:, None]  # dark at the highest
    np.testing.assert_allclose(found, np.broadcast_to(wanted, found.shape), atol=0.05)


def test_places_without_a_draw_of_the_class_are_white(tmp_path):
    y = torch.arange(120) % 3
    data = {"x": y[:, None] / 2 + torch.zeros(120, 16), "y": y}
    model = Shaded()
    model.least = 1.0  # all draws are dark
    model.even = torch.tensor([1.0, 1.0, 0.0])
    watch = Watch(samples=30, judged=30)
    fit(Led(at=999), model, data=data, watch=watch, store=tmp_path / "run", epochs=1)
    found = shades(next((tmp_path / "run").glob("watched-*-x.png")), 3, 10)
    assert (found[2] == 1).all()
    assert (found[:2] < 0.1).any(1).all()


class Pressed(Led):
    """Ctrl-C at step 33."""

    def learner(self, model, info, options):
        learner = super().learner(model, info, options)
        step = learner.step

        def pressed(batch, loop):
            if loop.clock == 33:
                os.kill(os.getpid(), signal.SIGINT)
            return step(batch, loop)

        learner.step = pressed
        return learner


def watched_bits(fitted):
    found = {f"watched {n}": v.values for n, v in fitted.tree["watched"].variables.items()}
    history = fitted.tree["history"]
    return found | {n: v.values for n, v in history.variables.items() if n != "seconds"}


def broken_and_gone_on(store):
    method = Led(at=40, how="two modes")
    pressed = Pressed(at=40, how="two modes")
    fit(pressed, watch=Watch(every=0.4, samples=8), store=store, overwrite=True)
    return pg.resume(store, Ring(), data=X, method=method, progress=False)


def test_what_was_watched_goes_on_bit_for_bit(tmp_path):
    whole = fit(Led(at=40, how="two modes"), watch=Watch(every=0.4, samples=8))
    resumed = broken_and_gone_on(tmp_path / "run")
    assert_same_bits(resumed, whole)
    one, other = watched_bits(resumed), watched_bits(whole)
    assert one.keys() == other.keys()
    assert all(one[name].tobytes() == other[name].tobytes() for name in one)
    assert resumed.summary["notes"] == whole.summary["notes"]
    again = pg.resume(tmp_path / "run", Ring(), data=X, method=Led(40, "two modes"))
    assert watched_bits(again).keys() == one.keys()


def test_looks_that_are_lost_from_a_checkpoint_are_seen(tmp_path, monkeypatch):
    whole = fit(Led(at=40, how="two modes"), watch=Watch(every=0.4, samples=8))
    monkeypatch.setattr(watching.Watching, "load_state", lambda self, state: None)
    resumed = broken_and_gone_on(tmp_path / "run")
    assert watched_bits(resumed)["look"].shape != watched_bits(whole)["look"].shape


def test_a_watch_with_a_function_is_given_again(tmp_path):
    watch = Watch(metric=lambda draws: draws.mean())
    fit(Pressed(), watch=watch, store=tmp_path / "run")
    with pytest.raises(OptionError, match=r"resume\(path, model, watch=\.\.\.\)"):
        pg.resume(tmp_path / "run", Ring(), data=X, method=Led(), progress=False)
    resumed = pg.resume(tmp_path / "run", Ring(), data=X, method=Led(), watch=watch)
    assert resumed.tree["watched"].sizes["look"] == 10
    fit(Pressed(), store=tmp_path / "plain")
    with pytest.raises(OptionError, match="begun without"):
        pg.resume(tmp_path / "plain", Ring(), data=X, method=Led(), watch=watch)


def test_what_was_watched_is_saved_with_the_fit(tmp_path):
    fitted = fit(watch=True)
    fitted.save(tmp_path / "fit.safetensors")
    kept = pg.load_fit(tmp_path / "fit.safetensors", Ring())
    assert kept.tree["watched"].identical(fitted.tree["watched"])
    assert kept.tree["history"].identical(fitted.tree["history"])


def test_a_method_may_declare_that_it_is_watched_and_false_says_no():
    class Declares(Led):
        defaults = {**Led.defaults, "watch": Watch(every=None)}  # noqa: RUF012

    sparing = fit(Declares(), epochs=40)  # 320 steps
    assert sparing.tree["watched"]["look"].values.tolist() == [100, 200, 300, 320]
    assert "watched" not in fit(Declares(), watch=False).tree.children
    long = Watch(every=None)
    assert long.steps_between(1000, 100_000) == 2000


def test_many_looks_are_thinned_and_their_numbers_are_not():
    watched = fit(epochs=20, watch=Watch(every=0.125, samples=2, judged=4))
    assert watched.tree["history"].sizes["look"] == 160
    assert watched.tree["watched"].sizes["look"] <= 100
    steps = watched.tree["watched"]["look"].values
    assert set(np.diff(steps)[:-1]) == {2}
    assert steps[-1] == 160


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"samples": 0}, "samples=0"),
        ({"every": 0}, "every=0"),
        ({"metric": 3}, "metric=3"),
        ({"collapse": 1.0}, "collapse=1.0"),
    ],
)
def test_options_that_cannot_be_are_refused(options, words):
    with pytest.raises(OptionError, match=words):
        Watch(**options)


def test_other_things_than_a_watch_are_refused():
    with pytest.raises(OptionError, match="give Watch"):
        fit(watch=3)
    with pytest.raises(OptionError, match="modes have 3 numbers"):
        fit(watch=Watch(modes=torch.zeros(4, 3)))


def test_a_training_that_diverges_says_so_and_not_the_look(tmp_path):
    class Diverges(Led):
        def learner(self, model, info, options):
            learner = super().learner(model, info, options)
            step = learner.step

            def broken(batch, loop):
                found = step(batch, loop)
                if loop.clock >= 20:
                    with torch.no_grad():
                        model.logits.fill_(float("nan"))
                return found

            learner.step = broken
            return learner

    with pytest.raises(TrainingError, match="diverged"):
        fit(Diverges(), watch=Watch(every=0.125))


def test_a_store_that_is_full_says_what_to_do(tmp_path, monkeypatch):
    from probgen.learn.training import watch_files

    def full(path, content, partial):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(watch_files, "replace_file", full)
    with pytest.raises(StoreError, match="make room"):
        fit(watch=True, store=tmp_path / "run")


def test_led_learners_are_learners():
    assert LedLearner(Ring(), Led()).players["model"].module is not None
