"""Trainings go on bit for bit; stores that are damaged or of another model are refused."""

from __future__ import annotations

import os
import shutil
import signal

import pytest
import torch

import probgen as pg
from probgen.errors import DataError, ModelError, OptionError, StoreError, TrainingError
from probgen.learn.training.nested import pack_nested, unpack_nested
from probgen.learn.training.store import is_training_store
from probgen.learn.training.values import describe_value, made_again
from tests.learn.training.bits import assert_same_bits
from tests.learn.training.children import METHOD, OPTIONS, X
from tests.learn.training.toys import Gaussian, LikelihoodMethod, normal_data


def fit(store=None, method=METHOD, **options):
    return pg.fit(Gaussian(), method, data=X, store=store, **{**OPTIONS, **options})


def resume(store, model=None, data=X, method=METHOD, **options):
    model = Gaussian() if model is None else model
    return pg.resume(store, model, data=data, method=method, progress=False, **options)


class StoppedAt(LikelihoodMethod):
    """Presses Ctrl-C in a step."""

    step = 0

    def learner(self, model, info, options):
        learner = super().learner(model, info, options)
        step = learner.step

        def pressed(batch, loop):
            if loop.clock == StoppedAt.step:
                os.kill(os.getpid(), signal.SIGINT)
            return step(batch, loop)

        learner.step = pressed
        return learner


@pytest.fixture(scope="module")
def unbroken():
    return fit()


@pytest.mark.parametrize("step", [0, 8, 9, 70])
def test_an_interrupted_training_goes_on_to_the_same_bits(step, tmp_path, unbroken):
    StoppedAt.step = step
    pressed = StoppedAt(METHOD.learning_rate, noise=True)
    part = fit(tmp_path / "run", pressed, checkpoint_steps=None)
    assert part.summary["steps"] == step + 1
    assert_same_bits(resume(tmp_path / "run"), unbroken)


def test_storing_changes_nothing_and_a_finished_training_is_read(tmp_path, unbroken):
    stored = fit(tmp_path / "run")
    assert_same_bits(stored, unbroken)
    assert_same_bits(resume(tmp_path / "run"), unbroken)
    assert len(list((tmp_path / "run").glob("step-*"))) == 1


@pytest.mark.parametrize("finished", [True, False])
def test_more_epochs_are_those_of_a_longer_training(finished, tmp_path):
    """Without a schedule; the checkpoint may be of the end or from before."""
    method = LikelihoodMethod(0.05, noise=True)
    whole = fit(method=method, epochs=5)
    if finished:
        fit(tmp_path / "run", method, epochs=2)
    else:
        StoppedAt.step = 5
        fit(tmp_path / "run", StoppedAt(0.05, noise=True), epochs=2)
    assert_same_bits(resume(tmp_path / "run", method=method, epochs=5), whole)
    assert_same_bits(resume(tmp_path / "run", method=method), whole)  # which knows of them
    with pytest.raises(OptionError, match="as many or more"):
        resume(tmp_path / "run", method=method, epochs=2)


def test_what_patience_has_stopped_gets_no_more_epochs(tmp_path):
    options = {"epochs": 60, "validation": 0.2, "patience": 1}
    assert fit(tmp_path / "run", **options).summary["stopped"] == "patience"
    with pytest.raises(OptionError, match="more patience"):
        resume(tmp_path / "run", epochs=80)


def test_what_is_lost_from_a_checkpoint_is_seen(tmp_path, unbroken, monkeypatch):
    """The comparison is able to fail: without the learner's chain, bits differ."""
    StoppedAt.step = 50
    fit(tmp_path / "run", StoppedAt(METHOD.learning_rate, noise=True))
    from tests.learn.training.toys import MaximumLikelihoodLearner

    monkeypatch.setattr(MaximumLikelihoodLearner, "load_state", lambda self, state: None)
    with pytest.raises(AssertionError):
        assert_same_bits(resume(tmp_path / "run"), unbroken)


def test_a_diverging_training_keeps_its_last_good_checkpoint(tmp_path):
    class Bad(LikelihoodMethod):
        def learner(self, model, info, options):
            learner = super().learner(model, info, options)
            step = learner.step

            def broken(batch, loop):
                metrics = step(batch, loop)
                if loop.clock >= 20:
                    with torch.no_grad():
                        model.mean.fill_(float("nan"))
                return metrics

            learner.step = broken
            return learner

    with pytest.raises(TrainingError, match="keeps the checkpoint of step 18"):
        fit(tmp_path / "run", Bad(), validation=None, patience=None)
    (file,) = (tmp_path / "run").glob("step-*.safetensors")
    state = unpack_nested(file)[0]
    assert state["clock"] == 18
    assert torch.isfinite(state["shared"]["weights"][""]["mean"]).all()
    going_on = resume(tmp_path / "run", method=LikelihoodMethod())
    assert going_on.summary["stopped"] == "epochs"


def test_a_store_is_not_overwritten_unless_asked(tmp_path):
    fit(tmp_path / "run", epochs=1, patience=None)
    with pytest.raises(StoreError, match=r"holds a training already.*overwrite=True"):
        fit(tmp_path / "run")
    fit(tmp_path / "run", epochs=2, patience=None, overwrite=True)
    assert resume(tmp_path / "run").summary["epochs"] == 2
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("years of work")
    with pytest.raises(StoreError, match="is no training of probgen: choose another path"):
        fit(other, overwrite=True)
    assert (other / "thesis.tex").read_text() == "years of work"


def test_trainings_and_sampling_runs_are_told_apart(tmp_path):
    fit(tmp_path / "run", epochs=1, patience=None)
    assert is_training_store(tmp_path / "run")
    model = pg.load_model("eight_schools")
    store = tmp_path / "run.zarr"
    options = {"chains": 1, "draws": 2, "warmup": 2, "seed": 1, "progress": False}
    pg.infer(model.program, data=model.data, store=store, backend="eager", **options)
    assert not is_training_store(store)
    with pytest.raises(StoreError, match="is no training of probgen"):
        fit(store, overwrite=True)
    with pytest.raises(ModelError, match="pass the model that it trains"):
        pg.resume(tmp_path / "run", data=X)


@pytest.fixture(scope="module")
def half(tmp_path_factory):
    """A store of a training that was stopped half-way."""
    StoppedAt.step = 60
    store = tmp_path_factory.mktemp("half") / "run"
    fit(store, StoppedAt(METHOD.learning_rate, noise=True))
    return store


@pytest.fixture
def store(half, tmp_path):
    shutil.copytree(half, tmp_path / "run")
    return tmp_path / "run"


def test_another_architecture_is_refused(store):
    words = r"'mean' is \(2,\) in .*run, \(3,\) in this Gaussian \(2 of 2 tensors differ\)"
    with pytest.raises(ModelError, match=words):
        resume(store, Gaussian(3), data=normal_data(size=3))


def test_other_data_are_refused(store):
    with pytest.raises(DataError, match="not those that"):
        resume(store, data=X[:-1])
    with pytest.raises(DataError, match="not those that"):
        resume(store, data=X + 1)


def test_another_method_is_refused(tmp_path):
    from probgen.learn.training.schedules import Linear

    described = describe_value(Linear(1.0, 0.0))
    with pytest.raises(OptionError, match="going on with another method"):
        made_again(described, Linear(1.0, 0.5))
    with pytest.raises(OptionError, match=r"cannot be made again.*Pass it"):
        made_again(describe_value(METHOD))


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "gone"])
@pytest.mark.parametrize("name", ["step-*", "latest.json", "training.json"])
def test_damaged_files_are_named(store, damage, name):
    (file,) = store.glob(name)
    content = bytearray(file.read_bytes())
    if damage == "cut":
        file.write_bytes(content[: len(content) // 2])
    elif damage == "flip":
        content[len(content) // 2] ^= 0x80
        file.write_bytes(content)
    elif damage == "empty":
        file.write_bytes(b"")
    else:
        file.unlink()
    with pytest.raises(StoreError):
        resume(store)


def test_a_write_that_fails_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    from probgen.learn.training import store as module

    write, calls = module.replace_file, []

    def full(path, content, partial):
        calls.append(path.name)
        if len(calls) > 6:
            partial.write_bytes(content[: len(content) // 2])
            raise OSError(28, "No space left on device")
        write(path, content, partial)

    monkeypatch.setattr(module, "replace_file", full)
    with pytest.raises(StoreError, match="The disk is full: make room"):
        fit(tmp_path / "run")
    monkeypatch.undo()
    assert resume(tmp_path / "run").summary["stopped"] == "epochs"


def test_one_process_at_a_time_writes(store):
    from probgen.results.store.files import Lock

    lock = Lock(store / "lock", store)
    with pytest.raises(StoreError, match="is being written by"):
        resume(store)
    lock.release()
    resume(store)


def test_validation_data_are_given_again(tmp_path):
    options = {**OPTIONS, "validation": X[:50], "epochs": 2}
    whole = pg.fit(Gaussian(), METHOD, data=X, **options)
    StoppedAt.step = 4
    pressed = StoppedAt(METHOD.learning_rate, noise=True)
    pg.fit(Gaussian(), pressed, data=X, store=tmp_path / "run", **options)
    with pytest.raises(OptionError, match="give them again"):
        resume(tmp_path / "run")
    assert_same_bits(resume(tmp_path / "run", validation=X[:50]), whole)


def test_states_of_every_kind_go_through_a_file(tmp_path):
    state = {
        "a": torch.arange(3),
        "b": [torch.ones(2, dtype=torch.bfloat16), (1, None, "text", float("inf"))],
        3: {"x": torch.tensor(2.5, dtype=torch.float64), (1, 2): True},
        "empty": torch.zeros(0, 4),
        "flags": torch.tensor([True, False]),
    }
    (tmp_path / "state").write_bytes(pack_nested(state, {"kind": "test"}))
    read, notes = unpack_nested(tmp_path / "state")
    assert notes == {"kind": "test"}
    assert read["b"][1] == (1, None, "text", float("inf"))
    assert read[3][(1, 2)] is True
    for one, other in ((state["a"], read["a"]), (state["b"][0], read["b"][0])):
        assert one.dtype == other.dtype
        assert torch.equal(one, other)
    assert read[3]["x"].shape == ()
    assert read["empty"].shape == (0, 4)
    with pytest.raises(StoreError, match="deep/0 is a object"):
        pack_nested({"deep": [object()]})


def test_optimisers_with_nested_state_go_on(tmp_path):
    class Newton(LikelihoodMethod):
        """L-BFGS keeps lists of tensors."""

        def learner(self, model, info, options):
            learner = super().learner(model, info, options)
            player = learner.players["model"]
            player.optimiser = torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=2)

            def step(batch, loop):
                def closure():
                    player.optimiser.zero_grad()
                    loss = learner.loss(batch)
                    loss.backward()
                    return loss

                closure()
                player.optimiser.step(closure)
                if loop.clock == StoppedAt.step:
                    os.kill(os.getpid(), signal.SIGINT)
                return {"loss": learner.loss(batch).detach()}

            learner.step = step
            return learner

    options = {"epochs": 3, "validation": None, "patience": None, "ema": None}
    StoppedAt.step = -1
    whole = fit(None, Newton(), **options)
    StoppedAt.step = 7
    fit(tmp_path / "run", Newton(), **options)
    StoppedAt.step = -1
    again = resume(tmp_path / "run", method=Newton())
    assert torch.equal(whole.model.mean, again.model.mean)


def test_saved_fits_are_read_back(tmp_path):
    whole = fit(epochs=3, patience=None)
    whole.save(tmp_path / "fit.safetensors")
    read = pg.load_fit(tmp_path / "fit.safetensors", Gaussian())
    assert_same_bits(whole, read)
    assert read.summary == whole.summary
    assert read.tree.attrs["method"] == "likelihood"
    assert read.tree["history"]["loss"].attrs == whole.tree["history"]["loss"].attrs
    with pytest.raises(ModelError, match=r"'mean' is \(2,\) in .*fit.safetensors, \(5,\) in this"):
        pg.load_fit(tmp_path / "fit.safetensors", Gaussian(5))
    with pytest.raises(ModelError, match="need the model they belong to"):
        pg.load_fit(tmp_path / "fit.safetensors", None)
    with pytest.raises(StoreError, match="There is no file"):
        pg.load_fit(tmp_path / "none", Gaussian())
    (tmp_path / "other").write_bytes(pack_nested({}))
    with pytest.raises(StoreError, match="was not written by"):
        pg.load_fit(tmp_path / "other", Gaussian())
    content = (tmp_path / "fit.safetensors").read_bytes()
    (tmp_path / "cut").write_bytes(content[:-7])
    with pytest.raises(StoreError, match="damaged"):
        pg.load_fit(tmp_path / "cut", Gaussian())
