"""Files that go through pgmpy, and our reader of BIF against the one of pgmpy."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pgmpy
import pytest
from pgmpy.models import DiscreteBayesianNetwork
from pgmpy.readwrite import BIFReader, NETWriter, XDSLWriter, XMLBIFWriter

from probgen.declare.networks.bif import parse_bif
from probgen.declare.networks.bundled import bundled_names, load_bundled
from probgen.declare.networks.files import read_network_file
from probgen.declare.networks.pgmpy_models import read_network
from probgen.declare.networks.to_pgmpy import to_pgmpy
from probgen.errors import DataError
from tests.declare.networks.laws import assert_same_law, joint_by_name


def written(model: DiscreteBayesianNetwork, path: Path) -> None:
    writer = {
        ".xmlbif": XMLBIFWriter,
        ".xml": XMLBIFWriter,
        ".net": NETWriter,
        ".xdsl": XDSLWriter,
    }
    writer[path.suffix](model).write(str(path))


@pytest.mark.parametrize("ending", [".xmlbif", ".xml", ".net", ".xdsl"])
def test_other_formats_through_pgmpy(tmp_path: Path, ending: str) -> None:
    network = load_bundled("asia")
    path = tmp_path / f"asia{ending}"
    written(to_pgmpy(network), path)
    again = read_network_file(path)
    assert again.title == "asia"
    assert_same_law(again, network)


def test_comments_in_net_and_encodings_of_xml(tmp_path: Path) -> None:
    net = tmp_path / "x.net"
    net.write_text(
        'net { name = x; }\nnode a { states = ("5%" "b"); }\nnode b { states = ("y" "n"); }\n'
        "potential (a) { data = ( 0.3 0.7 ); }\n"
        "potential (b | a) {\n data = ((0.1 0.9) % a=5%\n  (0.4 0.6)); % a=b\n}\n"
    )
    network = read_network_file(net)
    assert joint_by_name(network)["5%", "n"] == pytest.approx(0.27)
    xml = tmp_path / "x.xmlbif"
    written(to_pgmpy(load_bundled("cancer")), xml)
    text = xml.read_text().replace("Smoker", "Fumé")
    declaration = '<?xml version="1.0" encoding="ISO-8859-1"?>'
    xml.write_bytes((declaration + text[text.index("?>") + 2 :]).encode("latin-1"))
    assert "Fumé" in read_network_file(xml).names


@pytest.mark.parametrize("ending", [".xmlbif", ".xdsl", ".net"])
def test_truncated_files_of_other_formats(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"asia{ending}"
    written(to_pgmpy(load_bundled("asia")), path)
    text = path.read_text()
    path.write_text(text[: len(text) // 2])
    where = r"asia\.net" if ending == ".net" else r", line \d+: the XML is malformed or cut off"
    with pytest.raises(DataError, match=where):
        read_network_file(path)
    path.write_text("")
    with pytest.raises(DataError, match="is empty"):
        read_network_file(path)
    path.write_text("<other/>" if ending != ".net" else "net { )")
    with pytest.raises(DataError, match=rf"asia\{ending}"):
        read_network_file(path)


def same_as_pgmpy(name: str) -> None:
    network = load_bundled(name)
    folder = Path(pgmpy.__file__).parent / "utils" / "example_models"
    text = gzip.decompress((folder / f"{name}.bif.gz").read_bytes()).decode()
    other = read_network(BIFReader(string=text).get_model())
    assert set(other.names) == set(network.names)
    assert parse_bif(text, Path(f"{name}.bif")).names == network.names
    for factor in network.factors:
        assert factor.child is not None
        child = network.names[factor.child]
        place = other.position[child]
        theirs = next(f for f in other.factors if f.child == place)
        scope = [other.position[network.names[v]] for v in factor.scope]
        assert other.states[place] == network.states[factor.child]
        table = np.exp(theirs.log_table.transpose([theirs.scope.index(v) for v in scope]))
        np.testing.assert_allclose(np.exp(factor.log_table), table, atol=1e-15)


@pytest.mark.parametrize("name", ["asia", "survey"])
def test_our_bif_reader_agrees_with_pgmpy(name: str) -> None:
    same_as_pgmpy(name)


# pgmpy reads these in seconds to minutes each.
LARGE = {"barley", "diabetes", "mildew", "munin", "munin1", "munin2", "munin3", "munin4"}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(bundled_names()) - LARGE))
def test_our_bif_reader_agrees_with_pgmpy_on_more(name: str) -> None:
    same_as_pgmpy(name)
