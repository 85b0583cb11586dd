"""Our reader and writer of BIF: syntax, values, lines of errors."""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path

import numpy as np
import pytest

from probgen.declare.network import Factor, Network
from probgen.declare.networks.bif import parse_bif, read_bif
from probgen.declare.networks.bif_writer import write_bif
from probgen.errors import DataError, ModelError
from tests.inference.graphical.awkward import bayesian, grid
from tests.reference_data import reference_data

RAIN = """\
network "a test" {
  property author = "no { one }";
}
// a comment } here
variable rain { // and here
  type discrete [ 2 ] { yes, no };
  property position = (1, 2);
}
variable "wet grass" {
  type discrete[3]{ "very, very" dry damp };
}
/* variable gone {
} */
variable Sun { type discrete [ 2 ] { on, off }; }
probability ( rain ) { table 2e-1, .8; }
probability ( "wet grass" | rain, Sun ) {
  property text = "(yes, on) 1";
  (no, off) 0.1, 0.2, 0.7;
  (yes, off) 0.3 0.3 0.4;
  (yes, on)
     1, 0, 0;
  default 0.25, 0.25, 0.5;
}
probability ( Sun rain ) {
  table 0.1, 0.6,
        0.9, 0.4;
}
"""


def parse(text: str) -> Network:
    return parse_bif(text, Path("rain.bif"))


def table(network: Network, name: str) -> np.ndarray:
    v = network.position[name]
    return np.exp(next(f for f in network.factors if f.child == v).log_table)


def test_everything_the_format_allows() -> None:
    network = parse(RAIN)
    assert network.title == "rain"
    assert network.names == ("rain", "wet grass", "Sun")
    assert network.states == (("yes", "no"), ("very, very", "dry", "damp"), ("on", "off"))
    assert network.kind == "bayesian"
    np.testing.assert_allclose(table(network, "rain"), [0.2, 0.8])
    np.testing.assert_allclose(table(network, "Sun"), [[0.1, 0.6], [0.9, 0.4]])
    wet = table(network, "wet grass")  # child, rain, Sun
    np.testing.assert_allclose(wet[:, 0, 0], [1, 0, 0])
    np.testing.assert_allclose(wet[:, 0, 1], [0.3, 0.3, 0.4])
    np.testing.assert_allclose(wet[:, 1, 0], [0.25, 0.25, 0.5])
    np.testing.assert_allclose(wet[:, 1, 1], [0.1, 0.2, 0.7])


def test_names_that_differ_in_case_only_are_matched() -> None:
    network = parse(RAIN.replace("| rain, Sun", "| RAIN, sun"))
    assert network.parents(1) == (0, 2)


def test_no_properties_no_commas_windows_lines() -> None:
    text = "variable a {type discrete [2] {x y};}\nprobability(a){table 0.5 0.5;}"
    assert parse(text.replace("\n", "\r\n")).states == (("x", "y"),)


def test_the_dialect_of_javabayes() -> None:
    network = parse(
        """// Bayesian Network in the Interchange Format
network "Dog-Problem" { //2 variables and 2 probability distributions
\tproperty "credal-set constant-density-bounded 1.1" ;
}
variable  "light-on" { //2 values
\ttype discrete[2] {  "true"  "false" };
\tproperty "position = (218, 195)" ;
}
variable  "family-out" { //2 values
\ttype discrete[2] {  "true"  "false" };
}
probability (  "light-on"  "family-out" ) { //2 variable(s) and 4 values
\ttable 0.6 0.05 0.4 0.95 ;
}
probability (  "family-out" ) { //1 variable(s) and 2 values
\tdefault 0.15 0.85 ;
}
"""
    )
    assert network.names == ("light-on", "family-out")
    np.testing.assert_allclose(table(network, "light-on"), [[0.6, 0.05], [0.4, 0.95]])
    np.testing.assert_allclose(table(network, "family-out"), [0.15, 0.85])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("rain ) { table 2e-1", "rain ) { table two", "line 15: expected a number, found 'two'"),
        ("2e-1, .8", "0.2, 0.3, 0.5", "line 15: expected 2 probabilities for 'rain', found 3"),
        ("2e-1, .8", "0.2, 0.9", r"line 15: P\(rain\) sums to 1.1, not 1"),
        ("2e-1, .8", "-0.2, 1.2", r"line 15: P\(rain\) has the entry -0.2"),
        ("2e-1, .8", "nan, 0.8", r"line 15: P\(rain\) has the entry nan"),
        ("(no, off) 0.1", "(no, of) 0.1", "line 18: 'of' is no state of 'Sun'.*mean 'off'"),
        ("(no, off) 0.1", "(no) 0.1", r"line 18: the row \(no\) gives 1 states for the 2 par"),
        ("(no, off) 0.1", "(yes, off) 0.1", r"line 19: the row \(yes, off\) is given twice"),
        ("0.7;", "0.7", "line 18: in the probabilities of 'wet grass', expected"),
        ("  default 0.25, 0.25, 0.5;\n", "", r"'wet grass' have no row for \(no, on\)"),
        ("| rain, Sun", "| rian, Sun", "line 16: the variable 'rian' is not declared.*'rain'"),
        ("| rain, Sun", "| rain, rain", "line 16: a variable stands twice"),
        ("discrete [ 2 ] { yes, no }", "discrete [ 3 ] { yes, no }", "line 6: 'rain' is declared"),
        ("{ yes, no }", "{ no, no }", "line 6: 'rain' names a state twice"),
        ("{ yes, no };", "{ yes, no }", "line 6: expected `type discrete"),
        ("variable Sun", "variable rain", "line 14: the variable 'rain' is declared twice"),
        ("variable Sun", "varable Sun", "line 14: expected network, variable or probability"),
        ("( Sun rain )", "( rain )", "line 24: 'rain' has two probability blocks"),
        ("( Sun rain )", "( Sun rain ", "line 24: expected `probability"),
        ("probability ( rain ) { table 2e-1, .8; }", "", "'rain' has no probability block"),
        (
            "probability ( rain ) { table 2e-1, .8; }",
            "probability ( rain | Sun ) { table 1, 1, 0, 0; }",
            "cycle: (rain -> Sun -> rain|Sun -> rain -> Sun)",
        ),
        ("  0.9, 0.4;\n}", "  0.9, 0.4;\n", "line 28: the file ends inside the probability block"),
        ("on, off }; }", "on, off }; ", "line 15: expected `type discrete"),
    ],
)
def test_errors_name_file_line_and_cure(old: str, new: str, message: str) -> None:
    assert RAIN.count(old) == 1
    with pytest.raises(DataError, match=message) as caught:
        parse(RAIN.replace(old, new))
    assert str(caught.value).startswith("rain.bif")


def test_every_truncation_is_an_error() -> None:
    whole = RAIN.rstrip()
    for end in range(len(whole)):
        with pytest.raises(DataError, match=r"rain\.bif"):
            parse(whole[:end])


def test_binary_and_damaged_archives(tmp_path: Path) -> None:
    path = tmp_path / "x.bif"
    path.write_bytes(b"\x00\x01\x02")
    with pytest.raises(DataError, match="binary data"):
        read_bif(path)
    path.write_bytes(gzip.compress(RAIN.encode())[:-20])
    with pytest.raises(DataError, match="damaged or truncated gzip"):
        read_bif(path)
    path.write_bytes(gzip.compress(RAIN.encode()))
    assert len(read_bif(path).names) == 3
    path.write_bytes(RAIN.replace("rain", "r\u00e9n").encode("latin-1"))
    assert read_bif(path).names[0] == "r\u00e9n"


def test_written_networks_read_back(tmp_path: Path) -> None:
    network = parse(RAIN)
    for name in ("again.bif", "again.bif.gz"):
        write_bif(network, tmp_path / name)
        again = read_bif(tmp_path / name)
        assert (again.names, again.states) == (network.names, network.states)
        for a, b in zip(again.factors, network.factors, strict=True):
            assert (a.scope, a.child) == (b.scope, b.child)
            np.testing.assert_allclose(np.exp(a.log_table), np.exp(b.log_table), rtol=1e-14)


def test_names_that_are_no_texts_are_written_as_texts(tmp_path: Path) -> None:
    half = np.log([0.5, 0.5])
    network = Network((("A", 0), 7), ((0, 1), (True, False)), (Factor((0,), half, 0),) * 1)
    network = Network(network.names, network.states, (*network.factors, Factor((1,), half, 1)))
    write_bif(network, tmp_path / "x.bif")
    again = read_bif(tmp_path / "x.bif")
    assert again.names == ("A[0]", "7")
    assert again.states == (("0", "1"), ("True", "False"))


def test_what_bif_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"Markov network: write it to a \.uai file"):
        write_bif(grid(2, 2, 1, 1), tmp_path / "x.bif")
    alike = Network(("a",), ((1, "1"),), (Factor((0,), np.log([0.5, 0.5]), 0),))
    with pytest.raises(ModelError, match="Two states of 'a' read alike"):
        write_bif(alike, tmp_path / "x.bif")
    network = bayesian([2], [()], 1, "x")
    quoted = Network(('say "hi"',), network.states, network.factors)
    with pytest.raises(ModelError, match="cannot be written to BIF"):
        write_bif(quoted, tmp_path / "x.bif")
    with pytest.raises(DataError, match="cannot be written"):
        write_bif(network, tmp_path / "absent" / "x.bif")


def test_all_reference_networks_are_read_in_time() -> None:
    index = json.loads(reference_data("bif", "INDEX.json").read_text())
    spent = 0.0
    for name, facts in index.items():
        path = next(reference_data("bif").glob(f"{name}.bif*"))
        start = time.process_time()
        network = read_bif(path)
        spent += time.process_time() - start
        assert len(network.names) == facts["nodes"]
        assert sum(len(f.scope) - 1 for f in network.factors) == facts["edges"]
        assert int(network.cards.max()) == facts["max_card"]
    assert spent < 8  # about one second when nothing else runs
