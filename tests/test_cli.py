"""The command line: arguments in, exit codes and messages out; no heavy import for help."""

from __future__ import annotations

import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

import probgen
from probgen.cli import app
from probgen.cli.arguments import chosen_method, split_pair, value_of
from probgen.cli.show import support_words
from probgen.errors import DataError, ModelError, OptionError

HEAVY = {"torch", "pyro", "arviz_base", "arviz_stats", "pandas", "xarray", "matplotlib", "numpy"}
SLOW = {"torch", "pyro", "pgmpy", "scipy.stats", "matplotlib", "arviz_stats", "networkx"}
MODEL_FILE = '''
"""Coin: the chance of heads."""
import pyro
import pyro.distributions as dist
import torch


def coin(heads, n=20):
    p = pyro.sample("p", dist.Beta(2.0, 2.0))
    odds = pyro.deterministic("odds", p / (1 - p))
    with pyro.plate("toss", n):
        pyro.sample("y", dist.Bernoulli(p), obs=heads)


data = {"heads": torch.tensor([1.0] * 14 + [0.0] * 6)}
'''


def invoke(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


def good_tree(shift: float = 0.0, **attrs: object) -> xr.DataTree:
    rng = np.random.default_rng(0)
    mu = rng.normal(size=(4, 500))
    mu[1] += shift
    energy = rng.normal(size=(4, 500))
    dims = ("chain", "draw")
    stats = {
        "diverging": (dims, np.zeros((4, 500), dtype=bool)),
        "energy": (dims, energy),
        "lp": (dims, -energy),
        "tree_depth": (dims, np.full((4, 500), 3)),
        "acceptance_rate": (dims, np.full((4, 500), 0.8)),
    }
    tree = xr.DataTree.from_dict(
        {"posterior": xr.Dataset({"mu": (dims, mu)}), "sample_stats": xr.Dataset(stats)}
    )
    tree.attrs.update(attrs)
    return tree


@pytest.fixture
def calls(monkeypatch):
    """Replaces loading and sampling; the list of calls to infer, and what it should give."""
    record = SimpleNamespace(infer=[], tree=good_tree(), error=None, method=None)

    def load_model(spec):
        if spec == "nope":
            raise ModelError("No zoo model is called 'nope'.")
        return SimpleNamespace(
            name=spec, program="program", data={"y": 1, "n": 2}, method=record.method,
            description="a model", path="somewhere.py",
        )  # fmt: skip

    def infer(model, method, **options):
        record.infer.append((method, options))
        if record.error is not None:
            raise record.error
        return record.tree

    # vars(): looking the real ones up would import everything
    monkeypatch.setitem(vars(probgen), "load_model", load_model)
    monkeypatch.setitem(vars(probgen), "infer", infer)
    return record


def modules_after(code: str) -> set[str]:
    """Heavy modules in a fresh interpreter after some code."""
    code += f"\nprint('HEAVY', sorted({HEAVY} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", "import sys\n" + code], capture_output=True, text=True, check=True
    )
    last = done.stdout.strip().splitlines()[-1]
    return set(json.loads(last.removeprefix("HEAVY ").replace("'", '"')))


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["list"], ["--version"]])
def test_help_and_list_import_nothing_heavy(arguments):
    code = f"from probgen.cli import app\napp({arguments!r}, standalone_mode=False)"
    assert modules_after(code) == set()


def test_a_network_is_run_without_the_libraries_of_other_work():
    code = (
        "from probgen.cli import app\n"
        "app(['run', 'asia', '-q'], standalone_mode=False)\n"
        f"print(sorted({SLOW} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_the_import_test_can_fail():
    assert "numpy" in modules_after("import numpy")


def test_help_version_and_wrong_usage():
    for command in ("run", "check", "diagnose", "list", "show"):
        assert command in invoke("--help").output
    assert "probgen" in invoke("--version").output
    assert invoke("frobnicate").exit_code == 2
    assert invoke("run").exit_code == 2
    assert invoke("run", "m", "--draws", "many").exit_code == 2


def test_list_names_the_zoo():
    result = invoke("list")
    assert result.exit_code == 0
    assert "eight_schools" in result.output
    assert "Eight schools" in result.output


def test_list_tells_models_to_learn_from_models_to_infer():
    lines = invoke("list").output.splitlines()
    heading = lines.index("To learn (fit)")
    assert lines.index("To infer (run, compare)") < heading
    learned = [line.split()[0] for line in lines[heading + 1 : lines.index("", heading)]]
    assert {"rbm", "class_rbm"} <= set(learned)
    assert "eight_schools" not in learned


def test_run_of_a_model_to_learn_says_to_learn_it():
    result = invoke("run", "rbm")
    assert result.exit_code != 0
    assert "probgen fit rbm" in result.output


def test_run_prints_table_and_verdict(calls):
    result = invoke("run", "m")
    assert result.exit_code == 0
    assert "ess bulk" in result.output
    assert "Trustworthy: no check found a problem." in result.output
    assert calls.infer == [(None, {"data": {"y": 1, "n": 2}, "progress": True})]


def test_run_hands_on_only_what_was_given(calls):
    result = invoke(
        "run", "m", "--chains", "2", "--draws", "50", "--warmup", "60", "--seed", "7",
        "--threads", "1", "--init", "prior", "--quiet",
    )  # fmt: skip
    assert result.exit_code == 0
    options = calls.infer[0][1]
    assert options.pop("data")
    assert options == {
        "chains": 2, "draws": 50, "warmup": 60, "seed": 7, "threads": 1, "init": "prior",
        "progress": False,
    }  # fmt: skip
    assert result.output.strip() == "Trustworthy: no check found a problem."


def test_data_file_replaces_the_models_data_and_set_adds_to_it(calls, tmp_path):
    file = tmp_path / "d.json"
    file.write_text('{"y": [1.5, 2.5]}')
    assert (
        invoke("run", "m", "--data", str(file), "--set", "k=3", "--set", "x=[1, 2]").exit_code == 0
    )
    data = calls.infer[0][1]["data"]
    assert set(data) == {"y", "k", "x"}
    assert data["k"] == 3
    np.testing.assert_array_equal(data["x"], [1, 2])
    assert invoke("run", "m", "--set", "y=9").exit_code == 0
    assert calls.infer[1][1]["data"] == {"y": 9, "n": 2}


def test_untrustworthy_run_exits_3_and_still_saves(calls, tmp_path):
    calls.tree = good_tree(shift=5.0)
    file = tmp_path / "run.nc"
    result = invoke("run", "m", "-o", str(file))
    assert result.exit_code == 3
    assert "Do not trust this posterior" in result.output
    assert "R-hat" in result.output
    assert file.exists()


def test_saved_run_is_whole_and_can_be_diagnosed(calls, tmp_path):
    file, picture = tmp_path / "run.nc", tmp_path / "run.png"
    result = invoke("run", "m", "-o", str(file), "--picture", str(picture))
    assert result.exit_code == 0
    assert "run.nc" in result.output
    assert "run.png" in result.output
    assert picture.read_bytes().startswith(b"\x89PNG")
    with xr.open_datatree(file, engine="h5netcdf") as saved:
        xr.testing.assert_equal(saved.load(), calls.tree)
        assert saved["sample_stats/diverging"].dtype == bool
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.nc", "run.png"]
    again = invoke("diagnose", str(file), "--picture", str(tmp_path / "again.svg"))
    assert again.exit_code == 0
    assert "Trustworthy" in again.output
    assert (tmp_path / "again.svg").exists()


def test_interrupted_run_saves_what_is_there_and_exits_130(calls, tmp_path):
    calls.tree = good_tree(interrupted=1)
    result = invoke("run", "m", "-o", str(tmp_path / "run.nc"))
    assert result.exit_code == 130
    assert "interrupted" in result.output
    assert (tmp_path / "run.nc").exists()
    calls.error = KeyboardInterrupt()
    result = invoke("run", "m")
    assert result.exit_code == 130
    assert "no draws to save" in result.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-o", "missing/run.nc"], "directory missing does not exist"),
        (["-o", "run.csv"], "must end in .nc"),
        (["-o", "folder.nc"], "is a directory"),
        (["-o", "file.txt/run.nc"], "directory file.txt does not exist"),
        (["--picture", "run.docx"], "must end in .png"),
        (["--method", "slice"], "the methods are nuts, hmc"),
        (["--method-option", "target=0.9"], "NUTS has no such option"),
        (["--method-option", "target_accept"], "name=value"),
        (["--set", "=3"], "name=value"),
        (["--set", "x=[[1], [2, 3]]"], "differ in length"),
        (["--set", 'x=["a"]'], "numbers only"),
        (["--data", "missing.json"], "missing.json does not exist"),
    ],
)
def test_wrong_arguments_are_said_before_sampling(calls, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.nc").mkdir()
    (tmp_path / "file.txt").touch()
    result = invoke("run", "m", *arguments)
    assert result.exit_code == 1
    assert words in " ".join(result.output.split())
    assert "Traceback" not in result.output
    assert not calls.infer


def test_no_permission_is_said_before_sampling(calls, tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda *_: False)
    result = invoke("run", "m", "-o", str(tmp_path / "run.nc"))
    assert result.exit_code == 1
    assert "no permission" in " ".join(result.output.split())
    assert not calls.infer


def test_errors_are_one_message_unless_the_traceback_is_asked_for(calls):
    result = invoke("run", "nope")
    assert result.exit_code == 1
    assert "Error: No zoo model is called 'nope'." in result.output
    assert "Traceback" not in result.output
    assert isinstance(invoke("run", "nope", "--traceback").exception, ModelError)
    calls.error = ZeroDivisionError("by nothing")
    result = invoke("run", "m")
    assert result.exit_code == 1
    assert "ZeroDivisionError: by nothing" in result.output
    assert "--traceback" in result.output


def test_brackets_in_messages_survive(calls):
    calls.error = DataError("theta[red] is wrong")
    assert "theta[red] is wrong" in invoke("run", "m").output


def test_diagnose_files_that_are_none(tmp_path):
    assert "There is no file" in invoke("diagnose", str(tmp_path / "no.nc")).output
    text = tmp_path / "text.nc"
    text.write_text("not a file of draws")
    result = invoke("diagnose", str(text))
    assert result.exit_code == 1
    assert "neither a NetCDF file" in " ".join(result.output.split())


def test_check_exits_by_its_report(calls, monkeypatch):
    for ok, code in ((True, 0), (False, 1)):
        report = SimpleNamespace(ok=ok)
        monkeypatch.setitem(vars(probgen), "check", lambda model, data, report=report: report)
        assert invoke("check", "m").exit_code == code


def test_methods_from_text(calls):
    method = chosen_method(None, "NUTS", ["target_accept=0.9", "metric=dense"])
    assert (method.name, method.target_accept, method.metric) == ("NUTS", 0.9, "dense")
    own = probgen.NUTS(target_accept=0.95)
    assert chosen_method(own, None, []) is own
    assert chosen_method(own, None, ["max_tree_depth=12"]).target_accept == 0.95
    assert chosen_method(None, None, []) is None
    assert chosen_method(own, "hmc", []).name == "HMC"
    with pytest.raises(OptionError):
        chosen_method(None, None, ["target_accept=2"])


def test_values_from_text():
    assert value_of("3") == 3
    assert value_of("1e-3") == 1e-3
    assert value_of("[1, 2.5]") == [1, 2.5]
    assert value_of("true") is True
    assert value_of("True") is True
    assert value_of("None") is None
    assert value_of("dense") == "dense"
    assert split_pair("a = b=c", "--set") == ("a", "b=c")


def test_options_may_be_what_a_file_defines(tmp_path):
    file = tmp_path / "own.py"
    file.write_text("def guide(y):\n    return 41 + y\n")
    assert chosen_method(None, "svi", [f"guide={file}:guide"]).guide(1) == 42
    for text, words in ((f"{file}:other", "defines no 'other'"), ("no.py:guide", "no such file")):
        with pytest.raises(OptionError, match=words):
            chosen_method(None, "svi", [f"guide={text}"])


@pytest.mark.parametrize(
    ("support", "words"),
    [
        ("Real()", "real"),
        ("Real", "real"),
        ("GreaterThan(lower_bound=0.0)", "> 0"),
        ("GreaterThanEq(lower_bound=1.5)", ">= 1.5"),
        ("Interval(lower_bound=-1.0, upper_bound=1.0)", "[-1, 1]"),
        ("IndependentConstraint(GreaterThan(lower_bound=0.0), 1)", "> 0"),
        ("IndependentConstraint(Real(), 1)", "real"),
        ("Boolean()", "0 or 1"),
        ("CorrCholesky()", "CorrCholesky"),
        ("", ""),
    ],
)
def test_supports_in_words(support, words):
    assert support_words(support) == words


def test_show_describes_sites_and_dependencies(tmp_path):
    file = tmp_path / "coin.py"
    file.write_text(MODEL_FILE)
    result = invoke("show", str(file), "--graph", str(tmp_path / "coin.png"))
    assert result.exit_code == 0, result.output
    rows = {line.split()[0]: line for line in result.output.splitlines() if line.strip()}
    assert "Beta" in rows["p"]
    assert "[0, 1]" in rows["p"]
    assert rows["odds"].split()[1] == "deterministic"
    assert rows["odds"].split()[-1] == "p"
    assert rows["y"].split()[-1] == "p"
    assert "Plates: toss (20). 1 unconstrained dimension." in result.output
    assert (tmp_path / "coin.png").exists()


def test_show_says_where_no_gradient_flows(tmp_path):
    file = tmp_path / "coin.py"
    file.write_text(MODEL_FILE.replace("Bernoulli(p)", "Bernoulli(p.item())"))
    result = invoke("show", str(file))
    assert result.exit_code == 0, result.output
    assert "No gradient flows along p -> y" in result.output


def test_a_model_file_runs_for_real(tmp_path):
    file, out = tmp_path / "coin.py", tmp_path / "coin.nc"
    file.write_text(MODEL_FILE)
    result = invoke("run", str(file), "--seed", "1", "-o", str(out), "--set", "n=20")
    assert result.exit_code == 0, result.output
    assert "Trustworthy" in result.output
    with xr.open_datatree(out, engine="h5netcdf") as tree:
        mean = float(tree["posterior/p"].mean())
    # Beta(2 + 14, 2 + 6): mean 2/3, sd 0.094; at least 1000 effective draws
    assert abs(mean - 2 / 3) < 5 * 0.094 / np.sqrt(1000)


# --- networks ------------------------------------------------------------------------------


def test_run_answers_a_network_by_name():
    result = invoke("run", "asia", "--data", "dysp=yes", "--data", "xray=no", "--seed", "1")
    assert result.exit_code == 0, result.output
    assert "exact elimination is cheap" in result.output
    assert "Log evidence" in result.output
    quiet = invoke("run", "asia", "-q", "--method", "gibbs", "--seed", "1", "--draws", "200")
    assert quiet.exit_code in (0, 3)
    assert quiet.output.count("\n") == 1


def test_run_answers_a_network_file_with_an_evidence_file(tmp_path):
    (tmp_path / "pair.uai").write_text("MARKOV\n2\n2 2\n1\n2 0 1\n4 1e0 2.0 3.0 .5\n")
    (tmp_path / "pair.uai.evid").write_text("1 0 1\n")
    out = tmp_path / "pair.nc"
    result = invoke(
        "run", str(tmp_path / "pair.uai"), "--evidence", str(tmp_path / "pair.uai.evid"),
        "-o", str(out), "--picture", str(tmp_path / "pair.png"),
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert (tmp_path / "pair.png").stat().st_size > 5000
    with xr.open_datatree(out, engine="h5netcdf") as tree:
        np.testing.assert_allclose(tree["marginals"]["probability"].values, [6 / 7, 1 / 7])
    again = invoke("diagnose", str(out))
    assert again.exit_code == 0
    assert "0 0.8571" in again.output


def test_evidence_from_json(tmp_path):
    (tmp_path / "seen.json").write_text('{"dysp": "yes"}')
    result = invoke("run", "asia", "-q", "--data", str(tmp_path / "seen.json"))
    assert result.exit_code == 0, result.output


def test_most_probable_states():
    result = invoke("run", "asia", "--method", "map", "--data", "dysp=yes")
    assert result.exit_code == 0, result.output
    assert "most probable" in result.output
    assert "nats" in result.output


def test_errors_of_networks_are_one_message():
    wrong = invoke("run", "asia", "--data", "dysp=maybe")
    assert wrong.exit_code == 1
    assert "yes, no" in wrong.output
    impossible = invoke("run", "asia", "--data", "either=no", "--data", "tub=yes")
    assert impossible.exit_code == 1
    assert "either" in impossible.output
    assert invoke("run", "asai").exit_code == 1
    assert "asia" in invoke("run", "asai").output


def test_check_and_show_a_network(tmp_path):
    shown = invoke("show", "asia", "--graph", str(tmp_path / "asia.png"))
    assert shown.exit_code == 0, shown.output
    assert "lung, tub" in shown.output
    assert (tmp_path / "asia.png").exists()
    assert invoke("check", "asia", "-d", "dysp=yes").exit_code == 0
    assert invoke("check", "asia", "-d", "dysp=yea").exit_code == 1


def test_a_model_file_may_hold_a_network(tmp_path):
    (tmp_path / "coin.py").write_text(
        '"""A coin as a network."""\n'
        "import numpy as np\nfrom probgen import Factor, Network\n"
        'toss = Network(("toss",), (("heads", "tails"),),'
        ' (Factor((0,), np.log([0.25, 0.75]), child=0),), "coin")\n'
        "data = {}\n"
    )
    result = invoke("run", str(tmp_path / "coin.py"))
    assert result.exit_code == 0, result.output
    assert "heads 0.2500" in result.output


def test_contradictory_evidence_is_an_error():
    result = invoke("run", "asia", "--data", "smoke=yes", "--data", "smoke=no")
    assert result.exit_code == 1
    assert "smoke as both yes and no" in " ".join(result.output.split())
    assert invoke("run", "asia", "-q", "-d", "smoke=no", "-d", "smoke=no").exit_code == 0
