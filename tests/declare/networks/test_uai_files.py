"""Our reader and writer of UAI networks, evidence and result files."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path

import numpy as np
import pytest

from probgen.declare.network import Factor, Network
from probgen.declare.networks.uai import read_uai, read_uai_evidence
from probgen.declare.networks.uai_results import (
    read_explanation,
    read_marginal_explanation,
    read_marginals,
    read_partition_function,
    write_explanation,
    write_marginal_explanation,
    write_marginals,
    write_partition_function,
)
from probgen.declare.networks.uai_writer import write_uai, write_uai_evidence
from probgen.errors import DataError, ModelError
from probgen.targets.factors import condition
from tests.inference.graphical.awkward import AWKWARD, brute_force
from tests.reference_data import reference_data

# The two examples of the specification of the format.
MARKOV = """MARKOV
3
2 2 3
2
2 0 1
3 0 1 2

4
 4.000 2.400
 1.000 0.000

12
 2.2500 3.2500 3.7500
 0.0000 0.0000 10.0000
 1.8750 4.0000 3.3330
 2.0000 2.0000 3.4000
"""
BAYES = """BAYES
3
2 2 3
3
1 0
2 0 1
2 1 2

2
 0.436 0.564

4
 0.128 0.872
 0.920 0.080

6
 0.210 0.333 0.457
 0.811 0.000 0.189
"""


def read(tmp_path: Path, text: str) -> Network:
    (tmp_path / "x.uai").write_text(text)
    return read_uai(tmp_path / "x.uai")


def test_markov_has_its_last_variable_fastest(tmp_path: Path) -> None:
    network = read(tmp_path, MARKOV)
    assert network.names == (0, 1, 2)
    assert network.states == ((0, 1), (0, 1), (0, 1, 2))
    assert [f.scope for f in network.factors] == [(0, 1), (0, 1, 2)]
    assert [f.child for f in network.factors] == [None, None]
    assert math.exp(network.factors[0].log_table[0, 1]) == pytest.approx(2.4)
    assert math.exp(network.factors[1].log_table[0, 1, 2]) == pytest.approx(10)


def test_bayes_has_the_child_last(tmp_path: Path) -> None:
    network = read(tmp_path, BAYES)
    assert network.kind == "bayesian"
    assert [(f.scope, f.child) for f in network.factors] == [((0,), 0), ((0, 1), 1), ((1, 2), 2)]
    assert math.exp(network.factors[1].log_table[0, 1]) == pytest.approx(0.872)
    assert brute_force(condition(network)).log_z == pytest.approx(0, abs=1e-12)


def test_numbers_and_white_space_as_they_come(tmp_path: Path) -> None:
    text = MARKOV.replace("2.2500", "225e-2").replace("10.0000", "1E+1")
    text = text.replace("0.0000", ".0")
    text = "# a comment\n" + text.replace("\n\n", "\n/* two\nlines */\n").replace(" ", "\t  ")
    plain, odd = read(tmp_path, MARKOV), read(tmp_path, text.lower().replace("\n", "\r\n"))
    for a, b in zip(plain.factors, odd.factors, strict=True):
        assert a.scope == b.scope
        np.testing.assert_array_equal(a.log_table, b.log_table)
    on_one_line = read(tmp_path, " ".join(MARKOV.split()))
    np.testing.assert_array_equal(on_one_line.factors[1].log_table, plain.factors[1].log_table)


def test_variables_in_no_factor_and_factors_of_no_variable(tmp_path: Path) -> None:
    network = read(tmp_path, "MARKOV 2 3 1 1 0 1 0.5")
    assert network.cards.tolist() == [3, 1]
    assert brute_force(condition(network)).log_z == pytest.approx(math.log(1.5))
    assert read(tmp_path, "MARKOV 1 2 0").factors == ()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("MARKOV", "MARKUP", "line 1: a UAI file begins with MARKOV or BAYES, not 'MARKUP'"),
        ("3\n2 2 3", "3.5\n2 2 3", "line 2: expected the number of variables .*found 3.5"),
        ("3\n2 2 3", "-3\n2 2 3", "line 2: expected the number of variables, found -3"),
        ("2 2 3\n", "2 0 3\n", "line 3: variable 1 has 0 states"),
        ("2 2 3\n", "2 1e30 3\n", "line 3: variable 1 has 1\\d* states"),
        ("2 0 1", "2 0 3", "line 5: function 0 is over variable 3; variables are 0 to 2"),
        ("2 0 1", "2 1 1", "line 5: function 0 has a variable twice"),
        ("\n4\n", "\n5\n", r"line 8: the table of function 0 over variables \(0, 1\) must have 4"),
        (" 1.000 0.000", " 1.000 zero", "line 10: expected a number, found 'zero'"),
        (
            " 1.000 0.000",
            " 1.000",
            "line 12: the table of function 1 .*must have 12|whole numbers",
        ),
        (" 1.000 0.000", " 1.000 -1", r"line 8: The factor over \(0, 1\) has the entry -1"),
        (" 1.000 0.000", " 1.000 nan", r"line 8: The factor over \(0, 1\) has the entry nan"),
        ("2.0000 2.0000 3.4000", "2.0000", "line 16: the file ends too early: expected the table"),
        ("3.4000\n", "3.4000\n 1 1", "line 17: 2 numbers too many after the last table"),
        (" 4.000 2.400\n 1.000", " 0 0 0", "line 8: .* is zero everywhere"),
    ],
)
def test_malformed_networks(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert MARKOV.count(old) == 1
    with pytest.raises(DataError, match=message) as caught:
        read(tmp_path, MARKOV.replace(old, new))
    assert "x.uai" in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("0.920 0.080", "0.920 0.180", r"line 12: P\(1 \| 0\) given 0=1 sums to 1.1, not 1"),
        ("2 1 2", "2 2 1", "2 tables are conditional tables of variable 1.*begin the file with M"),
        ("1 0\n", "2 2 0\n", "must have 6 entries, but 2"),
    ],
)
def test_malformed_bayes(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, BAYES.replace(old, new))


def test_cycles_in_bayes(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cycle: (0 -> 1 -> 0|1 -> 0 -> 1)"):
        read(tmp_path, "BAYES 2 2 2 2  2 1 0  2 0 1  4 .5 .5 .5 .5  4 .5 .5 .5 .5")


def test_every_truncation_is_an_error(tmp_path: Path) -> None:
    tokens = MARKOV.split()
    for end in range(len(tokens)):
        with pytest.raises(DataError, match=r"x\.uai"):
            read(tmp_path, " ".join(tokens[:end]))


@pytest.mark.parametrize("name", list(AWKWARD))
def test_written_networks_read_back(tmp_path: Path, name: str) -> None:
    network = AWKWARD[name]
    write_uai(network, tmp_path / "x.uai.gz")
    again = read_uai(tmp_path / "x.uai.gz")
    assert again.kind == network.kind
    assert again.cards.tolist() == network.cards.tolist()
    want, got = brute_force(condition(network)), brute_force(condition(again))
    assert got.log_z == pytest.approx(want.log_z, abs=1e-12)
    np.testing.assert_allclose(got.joint, want.joint, atol=1e-14)


@pytest.mark.parametrize("log_potential", [1000.0, -1000.0])
def test_potentials_beyond_float64_are_refused(tmp_path: Path, log_potential: float) -> None:
    network = Network(("a",), ((0, 1),), (Factor((0,), np.array([0.0, log_potential])),))
    with pytest.raises(ModelError, match=r"factor over \(a\) has the potential exp\(-?1000\)"):
        write_uai(network, tmp_path / "x.uai")


# Evidence


@pytest.mark.parametrize(
    ("text", "evidence"),
    [
        ("2 1 0 3 1", {1: 0, 3: 1}),
        ("1\n2 1 0 3 1\n", {1: 0, 3: 1}),
        ("0\n", {}),
        ("1\n0\n", {}),
        ("", {}),
        ("1 4 1", {4: 1}),
        ("/* Evidence */\n1 4 1", {4: 1}),
        ("2\n1 0\n3 1", {1: 0, 3: 1}),
    ],
)
def test_both_layouts_of_evidence(tmp_path: Path, text: str, evidence: dict) -> None:
    (tmp_path / "x.evid").write_text(text)
    assert read_uai_evidence(tmp_path / "x.evid") == evidence


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2 1 0 3", "line 1: 2 observations .* announced, but 3 numbers follow"),
        ("5", "5 observations are announced, none follow"),
        ("2 1 0 0 1 1 0 0 1", "announced, but 8 numbers follow"),
        ("2 2 0 1 1 0 1 1 1", "holds 2 samples of evidence"),
        ("1 4 1.5", "line 1: expected variables and states .*found 1.5"),
        ("1 4 on", "line 1: expected a number, found 'on'"),
        ("2 4 1 4 0", "gives variable 4 two states"),
    ],
)
def test_malformed_evidence(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x.evid").write_text(text)
    with pytest.raises(DataError, match=message):
        read_uai_evidence(tmp_path / "x.evid")


def test_evidence_round_trip(tmp_path: Path) -> None:
    write_uai_evidence({5: 1, 2: 0}, tmp_path / "x.evid")
    assert (tmp_path / "x.evid").read_text() == "2 2 0 5 1\n"
    assert read_uai_evidence(tmp_path / "x.evid") == {2: 0, 5: 1}


# Results


def test_result_files_round_trip(tmp_path: Path) -> None:
    marginals = [np.array([0.25, 0.75]), np.array([1.0, 0.0, 0.0])]
    write_marginals(marginals, tmp_path / "x.MAR")
    assert (tmp_path / "x.MAR").read_text() == "MAR\n2 2 0.25 0.75 3 1 0 0\n"
    for a, b in zip(read_marginals(tmp_path / "x.MAR"), marginals, strict=True):
        np.testing.assert_array_equal(a, b)
    write_partition_function(math.log(1000), tmp_path / "x.PR")
    assert (tmp_path / "x.PR").read_text().split() == ["PR", "3"]
    assert read_partition_function(tmp_path / "x.PR") == pytest.approx(math.log(1000))
    write_explanation(np.array([1, 0, 2]), tmp_path / "x.MPE")
    assert (tmp_path / "x.MPE").read_text() == "MPE\n3 1 0 2\n"
    assert read_explanation(tmp_path / "x.MPE") == [1, 0, 2]
    write_marginal_explanation({3: 1, 0: 2}, tmp_path / "x.MMAP")
    assert read_marginal_explanation(tmp_path / "x.MMAP") == {0: 2, 3: 1}


def test_result_files_of_other_solvers(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("MAR\n1\n2 2 0.25 0.75 2 0.5 0.5")
    assert [m.tolist() for m in read_marginals(path)] == [[0.25, 0.75], [0.5, 0.5]]
    path.write_text("PR\n1\n-2.5\n-BEGIN-\n1\n-2\n")
    assert read_partition_function(path) == pytest.approx(-2 * math.log(10))
    path.write_text("MPE\n1\n2 0 1")
    assert read_explanation(path) == [0, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("PR\n3", "line 1: expected MAR, found 'PR'"),
        ("MAR\n2 2 0.25 0.75 2 0.5", "line 2: the file ends too early: expected the probab"),
        ("MAR\n1 2 0.25 0.75 9", "line 2: 1 numbers too many"),
        ("", "is empty"),
    ],
)
def test_malformed_results(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x.MAR").write_text(text)
    with pytest.raises(DataError, match=message):
        read_marginals(tmp_path / "x.MAR")


def test_all_reference_instances_are_read_in_milliseconds() -> None:
    index = json.loads(reference_data("uai", "INDEX.json").read_text())
    spent = size = 0.0
    for facts in index:
        path = next(reference_data("uai").rglob(f"{facts['name']}.uai"))
        start = time.process_time()
        network = read_uai(path)
        spent += time.process_time() - start
        size += path.stat().st_size
        assert len(network.names) == facts["n_vars"]
        assert len(network.factors) == facts["n_factors"]
        assert len(read_uai_evidence(path.with_suffix(".uai.evid"))) == facts["n_evid"]
        log_z = read_partition_function(path.with_suffix(".uai.PR"))
        if facts.get("verified"):
            assert log_z == pytest.approx(facts["exact_lnZ"], rel=1e-5)
            cards = [len(m) for m in read_marginals(path.with_suffix(".uai.MAR"))]
            assert cards == network.cards.tolist()
    assert spent / (size / 50_000) < 0.1  # about 10 ms for 50 kB when nothing else runs
