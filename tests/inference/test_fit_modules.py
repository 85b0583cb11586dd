"""`fit` finds modules, methods and data in model files, and says what is no program."""

from __future__ import annotations

import pytest
import torch

import probgen as pg
from probgen.errors import DataError, ModelError, OptionError
from tests.learn.training.toys import Gaussian, LikelihoodMethod, normal_data

X = normal_data()
FILE = '''
"""A Gaussian."""

import torch

from tests.learn.training.toys import Gaussian, LikelihoodMethod, normal_data

method = LikelihoodMethod()


class Toy(Gaussian):
    """Starts at random."""

    def __init__(self, size: int = 2) -> None:
        super().__init__(size)
        self.mean.data.normal_()


def data():
    return {"x": normal_data()}
'''


def fit(model, method=None, **options):
    return pg.fit(model, method, **{"seed": 1, "epochs": 1, "progress": False, **options})


@pytest.fixture
def file(tmp_path):
    (tmp_path / "toy.py").write_text(FILE)
    return pg.load_model(str(tmp_path / "toy.py"))


def test_a_model_file_names_method_and_data(file):
    whole = fit(file)
    assert whole.summary["method"] == "likelihood"
    assert whole.summary["rows"] == 500
    assert fit(file.program).summary["rows"] == 500
    assert fit(file, data=X[:100]).summary["rows"] == 100


def test_a_class_is_made_with_the_seed(file):
    kind = type(file.program)
    first, again, other = fit(kind), fit(kind), fit(kind, seed=2)
    assert torch.equal(first.model.mean, again.model.mean)
    assert not torch.equal(first.model.mean, other.model.mean)


def test_what_is_missing_is_said():
    with pytest.raises(OptionError, match="No method is named"):
        fit(Gaussian(), data=X)
    with pytest.raises(DataError, match="fit needs data"):
        fit(Gaussian(), LikelihoodMethod())


def test_classes_that_need_arguments_are_refused():
    class Sized(Gaussian):
        def __init__(self, size):
            super().__init__(size)

    with pytest.raises(ModelError, match="cannot be made without arguments"):
        fit(Sized, LikelihoodMethod(), data=X)


@pytest.mark.parametrize(
    ("method", "words"),
    [
        (LikelihoodMethod, r"class: fit takes a value, LikelihoodMethod\(\)"),
        (pg.NUTS(), "NUTS.*is no method of fit.*infer takes it"),
        ("pcd", "'pcd' is no method of fit: these are CD"),
        (pg.EM(), "EM.*is no method of fit"),
    ],
    ids=["class", "sampler", "text", "of networks"],
)
def test_what_is_no_learner_of_programs(method, words):
    with pytest.raises(OptionError, match=words):
        fit(Gaussian(), method, data=X)


def test_methods_of_programs_do_not_learn_networks_nor_sample():
    with pytest.raises(OptionError, match="is no method of fit"):
        pg.fit([("a", "b")], LikelihoodMethod(), data={"a": [0, 1], "b": [0, 1]})
    with pytest.raises(OptionError, match=r"no method of infer.*fit takes it"):
        pg.infer(lambda: None, LikelihoodMethod())


def test_functions_are_no_modules():
    def program(x):
        pass

    with pytest.raises(ModelError, match="a function has no parameters to learn"):
        fit(program, LikelihoodMethod(), data=X)
    with pytest.raises(ModelError, match="eight_schools is a function"):
        fit(pg.load_model("eight_schools"))
