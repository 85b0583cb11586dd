"""Model files: finding the program, its data, and what is said when something is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from probgen.declare.modelfile import load_model, load_zoo_model, zoo_descriptions, zoo_names
from probgen.errors import DataError, ModelError

PROGRAM = """
import pyro
import pyro.distributions as dist

def {name}(y=None):
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    pyro.sample("y", dist.Normal(mu, 1.0), obs=y)
"""


@pytest.fixture
def write(tmp_path: Path):
    """Writes a model file and returns its path."""

    def write(text: str, name: str = "coin.py") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


# ---------------------------------------------------------------- which program


def test_the_function_named_like_the_file(write):
    path = write(PROGRAM.format(name="other") + PROGRAM.format(name="coin"))
    loaded = load_model(str(path))
    assert (loaded.name, loaded.program.__name__, loaded.path) == ("coin", "coin", path)


def test_the_function_named_after_the_colon(write):
    path = write(PROGRAM.format(name="other") + PROGRAM.format(name="coin"))
    assert load_model(f"{path}:other").program.__name__ == "other"


def test_the_only_function_that_uses_pyro(write):
    path = write(PROGRAM.format(name="toss") + "\ndef helper(x):\n    return x + 1\n")
    assert load_model(path).program.__name__ == "toss"


@pytest.mark.parametrize(
    "text",
    [
        "from pyro import sample\ndef toss():\n    return sample('x', None)",
        "import pyro as p\ndef toss():\n    return p.sample('x', None)",
        "def toss():\n    import pyro\n    return pyro.sample('x', None)",
        "import pyro\ndef toss():\n    return [pyro.sample(f'x{i}', None) for i in range(2)]",
        "import functools, pyro\n"
        "def same(f):\n"
        "    @functools.wraps(f)\n"
        "    def inner(*a, **k): return f(*a, **k)\n"
        "    return inner\n"
        "@same\ndef toss():\n    pyro.sample('x', None)\n"
        "del same",
    ],
    ids=["from-import", "alias", "inside", "comprehension", "decorated"],
)
def test_ways_to_use_pyro(write, text):
    assert load_model(write(text)).program.__name__ == "toss"


def test_a_function_that_only_makes_distributions_is_no_program(write):
    text = PROGRAM.format(name="toss") + "\ndef prior():\n    return dist.Normal(0.0, 1.0)\n"
    assert load_model(write(text)).program.__name__ == "toss"


def test_guides_main_and_private_parts_do_not_count(write):
    text = """
import pyro
def _prior():
    return pyro.sample("mu", None)
def whole():
    _prior()
def guide():
    pyro.sample("mu", None)
def whole_guide():
    pyro.sample("mu", None)
def main():
    pyro.set_rng_seed(1)
    whole()
"""
    assert load_model(write(text)).program.__name__ == "whole"


def test_a_program_in_public_parts_is_not_guessed(write):
    text = """
import pyro
def prior():
    return pyro.sample("mu", None)
def whole():
    prior()
"""
    with pytest.raises(ModelError, match=r"several .*: prior, whole.*with an underscore"):
        load_model(write(text))
    assert load_model(f"{write(text)}:whole").program.__name__ == "whole"


def test_a_module_instance_can_be_the_program(write):
    text = """
import pyro
from pyro.nn import PyroModule
class Net(PyroModule):
    def forward(self):
        return pyro.sample("x", None)
model = Net()
"""
    assert type(load_model(write(text)).program).__name__ == "Net"
    with pytest.raises(ModelError, match=r"'Net' in coin\.py is a class.*`model = Net\(\)`"):
        load_model(f"{write(text)}:Net")


MACHINE = """
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.boltzmann.units import Units


class Coin(BoltzmannMachine):
    def __init__(self, hidden{default}):
        super().__init__([Units("x", 2), Units("h", hidden)])
"""


def test_of_the_class_named_like_the_file_a_new_instance(write):
    path = write(MACHINE.format(default="=3"))
    one, other = load_model(path).program, load_model(path).program
    assert one.widths == other.widths == [2, 3]
    assert one is not other


def test_a_class_of_another_name_is_no_program(write):
    with pytest.raises(ModelError, match="no Pyro program"):
        load_model(write(MACHINE.format(default="=3").replace("Coin", "Dice")))


def test_a_class_that_needs_arguments_is_refused(write):
    with pytest.raises(ModelError, match=r"class Coin of coin\.py .*'hidden'.* defaults"):
        load_model(write(MACHINE.format(default="")))


def test_several_programs_are_listed(write):
    path = write(PROGRAM.format(name="heads") + PROGRAM.format(name="tails"))
    with pytest.raises(ModelError, match=r"several .*: heads, tails.*coin\.py:heads"):
        load_model(path)


def test_no_program(write):
    with pytest.raises(ModelError, match=r"holds no Pyro program.*def coin\(\.\.\.\)"):
        load_model(write("x = 1\ndef double(x):\n    return 2 * x\n"))


def test_of_a_class_an_instance_is_to_be_made(write):
    """The one that samples, not the critic beside it."""
    text = """
import pyro
from torch import nn
class Critic(nn.Module):
    def forward(self, x):
        return x
class Net(nn.Module):
    def forward(self):
        return pyro.sample("x", None)
"""
    with pytest.raises(
        ModelError, match=r"no Pyro program.*or make an instance, `model = Net\(\)`"
    ):
        load_model(write(text))


def test_a_function_that_is_not_there(write):
    path = write(PROGRAM.format(name="heads") + PROGRAM.format(name="tails"))
    message = r"no function 'head'\. Did you mean 'heads'\? Its functions: heads, tails"
    with pytest.raises(ModelError, match=message):
        load_model(f"{path}:head")


def test_a_name_that_is_no_function(write):
    with pytest.raises(ModelError, match=r"'size' in coin\.py is no function but int"):
        load_model(f"{write(PROGRAM.format(name='coin') + 'size = 3')}:size")


# ---------------------------------------------------------------- the rest of the file


def test_description_method_reference(write):
    text = '"""A coin.\n\nMore."""\n' + PROGRAM.format(name="coin")
    loaded = load_model(write(text + "method = 'NUTS'\nreference = {'mu': {'mean': 0.0}}\n"))
    assert loaded.description == "A coin."
    assert loaded.method == "NUTS"
    assert loaded.reference == {"mu": {"mean": 0.0}}


def test_what_a_file_need_not_have(write):
    loaded = load_model(write(PROGRAM.format(name="coin")))
    assert (loaded.description, loaded.data, loaded.method, loaded.reference) == (
        "",
        {},
        None,
        None,
    )


@pytest.mark.parametrize("text", ["data = {'y': 1}", "def data(n=1):\n    return {'y': n}"])
def test_data_as_mapping_or_function(write, text):
    assert load_model(write(PROGRAM.format(name="coin") + text)).data == {"y": 1}


def test_data_are_made_on_first_use_and_once(write):
    text = "calls = []\ndef data():\n    calls.append(1)\n    return {'y': len(calls)}\n"
    loaded = load_model(write(PROGRAM.format(name="coin") + text))
    assert loaded.program.__globals__["calls"] == []
    assert loaded.data is loaded.data
    assert loaded.data == {"y": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def data(n):\n    return {}", r"`data` of coin\.py needs n"),
        ("def data():\n    return 1 / 0", r"ZeroDivisionError: .* \[coin\.py, line 2\]"),
        ("data = [1, 2]", "must be a mapping .* not list"),
        ("data = {1: 2}", "keys that are no text"),
    ],
)
def test_bad_data(write, text, message):
    loaded = load_model(write(text + PROGRAM.format(name="coin")))
    with pytest.raises(DataError, match=message):
        _ = loaded.data


def test_files_beside_it_can_be_imported(write):
    write("SIZE = 3\n", "coin_neighbour.py")
    loaded = load_model(write("from coin_neighbour import SIZE\n" + PROGRAM.format(name="coin")))
    assert loaded.program.__globals__["SIZE"] == 3


def test_an_edited_file_is_read_again(write):
    load_model(write(PROGRAM.format(name="coin") + "data = {'y': 1}"))
    assert load_model(write(PROGRAM.format(name="coin") + "data = {'y': 22}")).data == {"y": 22}


# ---------------------------------------------------------------- files that cannot be used


def test_a_missing_file_gets_the_closest(write):
    path = write(PROGRAM.format(name="coin"))
    with pytest.raises(ModelError, match=r"does not exist\. Did you mean coin\.py\?"):
        load_model(path.with_name("coins.py"))


def test_a_directory(tmp_path):
    (tmp_path / "folder.py").mkdir()
    with pytest.raises(ModelError, match="is a directory"):
        load_model(tmp_path / "folder.py")


def test_a_path_without_its_suffix(tmp_path):
    with pytest.raises(ModelError, match=r"must end in \.py"):
        load_model(str(tmp_path / "coin"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "import pyro\n\nraise ValueError('no luck')\n",
            r"ValueError: no luck \[coin\.py, line 3\]",
        ),
        ("import no_such_module_at_all\n", r"ModuleNotFoundError: .* \[coin\.py, line 1\]"),
        ("x = (1,\ndef f():\n", r"SyntaxError: .*coin\.py, line 1"),
        ("import sys\nsys.exit('bye')\n", r"SystemExit: bye \[coin\.py, line 2\]"),
    ],
    ids=["raises", "import", "syntax", "exit"],
)
def test_a_file_that_fails_says_where(write, text, message):
    with pytest.raises(ModelError, match=message):
        load_model(write(text))


# ---------------------------------------------------------------- the zoo


def test_a_zoo_name():
    loaded = load_model("eight_schools")
    assert loaded.program.__name__ == "eight_schools"
    assert set(loaded.data) == {"sigma", "y"}
    assert load_zoo_model("eight_schools").program is loaded.program


def test_the_zoo_is_listed_without_its_package():
    assert "eight_schools" in zoo_names()
    assert "__init__" not in zoo_names()
    assert zoo_descriptions()["eight_schools"].startswith("Eight schools")


def test_an_unknown_zoo_name():
    with pytest.raises(ModelError, match=r"Did you mean 'funnel'\?.*`probgen list`"):
        load_model("funel")


def test_a_name_that_is_a_file_here(write, monkeypatch):
    monkeypatch.chdir(write(PROGRAM.format(name="coin")).parent)
    with pytest.raises(ModelError, match=r"file of that name: say coin\.py"):
        load_model("coin")


def test_evidence_of_a_network_is_named_by_anything(tmp_path):
    (tmp_path / "coin.py").write_text(
        "import numpy as np\nfrom probgen import Factor, Network\n"
        "toss = Network(((0, 1),), ((0, 1),), (Factor((0,), np.log([0.25, 0.75]), child=0),))\n"
        "data = {(0, 1): 1}\n"
    )
    assert load_model(tmp_path / "coin.py").data == {(0, 1): 1}
