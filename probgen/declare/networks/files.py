"""Networks from and to files, the format told by the ending.

BIF and UAI are read and written by our own code; XMLBIF, NET (Hugin) and XDSL (GeNIe) go through
pgmpy's readers and writers. Every ending may be followed by .gz.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

from probgen.declare.network import Network
from probgen.declare.networks.bif import read_bif
from probgen.declare.networks.recognise import NETWORK_ENDINGS, network_ending
from probgen.declare.networks.text_files import read_text, write_text
from probgen.declare.networks.uai import read_uai
from probgen.errors import DataError, ModelError, ProbgenError

__all__ = ["read_network_file", "write_network_file"]


def read_network_file(path: str | Path) -> Network:
    """The network of a file.

    Raises `DataError` naming the file, and the line where the reader knows it: missing file,
    unknown ending, binary content, malformed or truncated text, tables that are no probabilities.
    """
    path = Path(path)
    ending = _ending(path)
    if ending == ".bif":
        return read_bif(path)
    if ending == ".uai":
        return read_uai(path)
    return _read_by_pgmpy(path, ending)


def write_network_file(network: Network, path: str | Path) -> None:
    """Write a network in the format of the ending.

    BIF, XMLBIF, NET and XDSL hold Bayesian networks; names and states become text. UAI holds
    any network but no names. Raises `ModelError` for a network that the format cannot hold and
    `DataError` for a path that cannot be written.
    """
    path = Path(path)
    ending = _ending(path)
    if ending == ".bif":
        from probgen.declare.networks.bif_writer import write_bif

        write_bif(network, path)
    elif ending == ".uai":
        from probgen.declare.networks.uai_writer import write_uai

        write_uai(network, path)
    else:
        _write_by_pgmpy(network, path, ending)


def _ending(path: Path) -> str:
    ending = network_ending(path)
    if ending is None:
        raise DataError(
            f"{path} does not end as a network file does: {', '.join(NETWORK_ENDINGS)} "
            "(each may be followed by .gz)."
        )
    return ending


def _read_by_pgmpy(path: Path, ending: str) -> Network:
    from dataclasses import replace

    from probgen.declare.networks.pgmpy_models import read_network

    text = read_text(path)
    if not text.strip():
        raise DataError(f"{path} is empty.")
    reader = _pgmpy_class(ending, "Reader")
    try:
        network = read_network(reader(string=text).get_model())
    except ParseError as error:
        line = error.position[0]
        raise DataError(f"{path}, line {line}: the XML is malformed or cut off ({error}).") from error
    except ProbgenError as error:
        raise DataError(f"{path}: {error}") from error
    except Exception as error:
        line_of = getattr(error, "lineno", None)
        place = f"{path}, line {line_of}" if isinstance(line_of, int) else str(path)
        raise DataError(
            f"{place}: pgmpy cannot read this as {ending[1:].upper()} "
            f"({type(error).__name__}: {error}). Check that the file is complete, or convert it "
            "to BIF."
        ) from error
    return replace(network, title=path.name.removesuffix(".gz").removesuffix(ending))


def _write_by_pgmpy(network: Network, path: Path, ending: str) -> None:
    from probgen.declare.networks.bif_writer import as_texts
    from probgen.declare.networks.to_pgmpy import to_pgmpy

    if network.kind != "bayesian":
        raise ModelError(
            f"{ending} files hold Bayesian networks, {network.title!r} is a Markov network: "
            "write it to a .uai file."
        )
    model = to_pgmpy(as_texts(network))
    writer = _pgmpy_class(ending, "Writer")(model)
    write_text(path, str(writer))


def _pgmpy_class(ending: str, kind: str) -> Callable[..., Any]:
    import pgmpy.readwrite

    format_name = {".xmlbif": "XMLBIF", ".xml": "XMLBIF", ".net": "NET", ".xdsl": "XDSL"}[ending]
    found: Callable[..., Any] = getattr(pgmpy.readwrite, format_name + kind)
    return found
