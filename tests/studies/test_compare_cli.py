"""`probgen compare`: methods as text, the answer, files and exit codes."""

import json

import pytest
from typer.testing import CliRunner

import probgen as pg
from probgen.cli import app
from probgen.cli.compare import method_named, numbers, split_methods, truth_of
from probgen.errors import OptionError


def test_methods_are_read_with_their_options():
    parts = split_methods("NUTS, belief-propagation,MCLMC(step_size=0.5,length=2.0)")
    assert [method_named(part) for part in parts] == [
        pg.NUTS(),
        pg.BeliefPropagation(),
        pg.MCLMC(step_size=0.5, length=2.0),
    ]
    assert method_named("ParallelTempering") == pg.ParallelTempering()


@pytest.mark.parametrize("text", ["", "NUTS,,HMC", "NUTZ", "NUTS(", "NUTS(depth=3)"])
def test_what_is_no_method_is_said(text):
    with pytest.raises(OptionError):
        [method_named(part) for part in split_methods(text)]


def test_budgets_are_numbers():
    assert numbers("100,1000") == [100, 1000]
    assert numbers(None) is None
    with pytest.raises(OptionError, match="whole numbers"):
        numbers("many")


def test_the_reference_of_a_model_holds_for_its_own_data_only():
    model = pg.load_model("eight_schools")
    assert truth_of(model, None, own_data=True) == model.reference
    assert truth_of(model, None, own_data=False) is None
    assert truth_of(model, "none", own_data=True) is None
    assert truth_of(model, "long", own_data=True) == "long"


def test_a_network_is_compared_and_written(tmp_path):
    path = tmp_path / "asia.html"
    arguments = ["compare", "asia", "--methods", "Exact,MeanField", "--evidence", "dysp=yes"]
    ran = CliRunner().invoke(app, [*arguments, "--seeds", "1", "--quiet", "-o", str(path)])
    assert ran.exit_code == 0, ran.output
    assert "Exact serves best" in ran.output
    assert "<svg" in path.read_text()


def test_no_trustworthy_answer_is_exit_code_3(tmp_path):
    path = tmp_path / "failed.json"
    arguments = ["compare", "asia", "--methods", "NUTS", "--seeds", "1", "-o", str(path)]
    ran = CliRunner().invoke(app, arguments)
    assert ran.exit_code == 3
    assert "NUTS failed" in json.loads(path.read_text())["verdict"]


def test_an_unknown_ending_is_said_before_anything_runs():
    ran = CliRunner().invoke(app, ["compare", "asia", "--methods", "Exact", "-o", "x.pkl"])
    assert ran.exit_code == 1
