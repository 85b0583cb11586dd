"""Files by ending, bundled networks, one door for both; all without pgmpy."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from probgen.declare.networks import bundled
from probgen.declare.networks.bundled import bundled_names, load_bundled
from probgen.declare.networks.files import read_network_file, write_network_file
from probgen.declare.networks.load import load_network
from probgen.declare.networks.recognise import is_network, is_network_file
from probgen.errors import DataError, ModelError
from tests.inference.graphical.awkward import AWKWARD, grid


@pytest.mark.parametrize("name", ["a.bif", "A.BIF", "b/c.uai.gz", "x.xmlbif", "x.net", "y.xdsl"])
def test_network_files_are_told_by_their_ending(name: str) -> None:
    assert is_network_file(name)
    assert is_network_file(Path(name))


@pytest.mark.parametrize("name", ["a.py", "alarm", "x.uai.evid", "a.bif.txt", "x.gz"])
def test_other_files(name: str) -> None:
    assert not is_network_file(name)


def test_networks_are_told_from_other_models() -> None:
    assert is_network(AWKWARD["chain"])
    assert not is_network(type(AWKWARD["chain"]))
    assert not is_network(lambda: None)
    assert not is_network({"a": 1})


def test_a_subclass_of_a_pgmpy_model_is_one() -> None:
    base = type("DAG", (), {"__module__": "pgmpy.base.DAG"})
    factor = type("TabularCPD", (), {"__module__": "pgmpy.factors.discrete.CPD"})
    assert is_network(type("Mine", (base,), {})())
    assert not is_network(factor())


@pytest.mark.parametrize("ending", [".bif", ".bif.gz", ".uai", ".uai.gz"])
def test_written_files_read_back(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"net{ending}"
    write_network_file(AWKWARD["bayesian"], path)
    network = read_network_file(path)
    assert network.title == "net"
    assert network.kind == "bayesian"
    assert load_network(str(path)).cards.tolist() == network.cards.tolist()


def test_wrong_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"There is no file .*absent.bif"):
        read_network_file(tmp_path / "absent.bif")
    with pytest.raises(DataError, match=r"x\.txt does not end as a network file does: \.bif"):
        read_network_file(tmp_path / "x.txt")
    with pytest.raises(DataError, match=r"not written here. Write .bif or .uai"):
        write_network_file(AWKWARD["bayesian"], tmp_path / "x.net")
    with pytest.raises(DataError, match="does not end as"):
        write_network_file(AWKWARD["bayesian"], tmp_path / "x")
    with pytest.raises(ModelError, match="is a Markov network"):
        write_network_file(grid(2, 2, 1, 1), tmp_path / "x.bif")
    (tmp_path / "folder.bif").mkdir()
    with pytest.raises(DataError, match="cannot be read"):
        read_network_file(tmp_path / "folder.bif")
    (tmp_path / "empty.bif").write_text("")
    with pytest.raises(DataError, match="declares no variable"):
        read_network_file(tmp_path / "empty.bif")


def test_bundled_networks_load_by_name() -> None:
    names = bundled_names()
    assert len(names) == 24
    assert {"alarm", "asia", "munin", "win95pts"} <= set(names)
    alarm = load_bundled("alarm")
    assert (alarm.title, len(alarm.names), alarm.kind) == ("alarm", 37, "bayesian")
    assert alarm.states[alarm.position["HRBP"]] == ("LOW", "NORMAL", "HIGH")
    assert load_network("asia").names[0] == "asia"


def test_nothing_here_imports_pgmpy_or_torch() -> None:
    code = (
        "import sys\n"
        "from probgen.declare.networks.load import load_network\n"
        "from probgen.declare.networks.evidence import resolve_evidence\n"
        "import probgen.declare.networks.pgmpy_models, probgen.declare.networks.to_pgmpy\n"
        "resolve_evidence(load_network('asia'), {'asia': 'yes'})\n"
        "print([m for m in ('pgmpy', 'torch', 'networkx') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_unknown_names_get_the_nearest() -> None:
    with pytest.raises(ModelError, match=r"'alram'. Did you mean alarm\? There are: alarm, andes"):
        load_bundled("alram")
    with pytest.raises(ModelError, match=r"Did you mean asia.*Or give the path of a BIF or UAI"):
        load_network("Asia")


def test_missing_files_get_the_nearest(tmp_path: Path) -> None:
    write_network_file(AWKWARD["bayesian"], tmp_path / "model.bif")
    with pytest.raises(DataError, match=r"no file .*modle\.bif\. Did you mean .*model\.bif"):
        load_network(tmp_path / "modle.bif")
    with pytest.raises(DataError, match=r"no file .*none\.bif\.$"):
        load_network(tmp_path / "none.bif")
    with pytest.raises(DataError, match=r'is bundled: load_network\("alarm"\)'):
        load_network(tmp_path / "alarm.bif")
    with pytest.raises(DataError, match="does not end as a network file"):
        load_network(tmp_path / "model.json")


def test_a_pgmpy_without_networks_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundled, "_FOLDER", ("gone",))
    assert bundled_names() == []
    for load in (load_bundled, load_network):
        with pytest.raises(ModelError, match=r"install `pgmpy<1.3`, or give the path of a BIF"):
            load("alarm")


def test_no_pgmpy_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert bundled_names() == []


@pytest.mark.slow
def test_every_bundled_network_is_a_bayesian_network() -> None:
    for name in bundled_names():
        assert load_bundled(name).kind == "bayesian"
