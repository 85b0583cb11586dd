"""Networks from and to files, the format told by the ending.

BIF and UAI are our own code; XMLBIF, NET (Hugin) and XDSL (GeNIe) go through
pgmpy's readers. Every ending may be followed by .gz.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import ParseError

from probgen.declare.network import Network
from probgen.declare.networks.bif import read_bif
from probgen.declare.networks.bif_writer import write_bif
from probgen.declare.networks.recognise import NETWORK_ENDINGS, network_ending
from probgen.declare.networks.text_files import read_text
from probgen.declare.networks.uai import read_uai
from probgen.declare.networks.uai_writer import write_uai
from probgen.errors import DataError, ProbgenError

__all__ = ["read_network_file", "write_network_file"]

_PGMPY_FORMATS = {".xmlbif": "XMLBIF", ".xml": "XMLBIF", ".net": "NET", ".xdsl": "XDSL"}
_XML_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
_QUOTED_OR_COMMENT = re.compile(r'("[^"\n]*")|%[^\n]*')


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
    """Write a network in the format of the ending, `.bif` or `.uai`, gzipped with `.gz`.

    BIF holds Bayesian networks; names and states become text. UAI holds any network but no
    names. Raises `ModelError` for a network that the format cannot hold, and `DataError` for
    another ending or a path that cannot be written.
    """
    path = Path(path)
    writers = {".bif": write_bif, ".uai": write_uai}
    ending = _ending(path)
    if ending not in writers:
        raise DataError(
            f"{path}: {ending} files are read but not written here. Write .bif or .uai, or use "
            "pgmpy: probgen.declare.networks.to_pgmpy.to_pgmpy(network).save(path)."
        )
    writers[ending](network, path)


def _ending(path: Path) -> str:
    ending = network_ending(path)
    if ending is None:
        raise DataError(
            f"{path} does not end as a network file does: {', '.join(NETWORK_ENDINGS)} "
            "(each may be followed by .gz)."
        )
    return ending


def _read_by_pgmpy(path: Path, ending: str) -> Network:
    import pgmpy.readwrite

    from probgen.declare.networks.pgmpy_models import read_network

    format_name = _PGMPY_FORMATS[ending]
    text = read_text(path)
    if not text.strip():
        raise DataError(f"{path} is empty.")
    text = _without_what_pgmpy_trips_over(text, ending)
    try:
        network = read_network(
            getattr(pgmpy.readwrite, f"{format_name}Reader")(string=text).get_model()
        )
    except ParseError as error:
        raise DataError(
            f"{path}, line {error.position[0]}: the XML is malformed or cut off ({error})."
        ) from error
    except ProbgenError as error:
        raise DataError(f"{path}: {error}") from error
    except Exception as error:  # pgmpy's readers raise whatever the parsing trips over
        line = getattr(error, "lineno", None)
        place = f"{path}, line {line}" if isinstance(line, int) else str(path)
        raise DataError(
            f"{place}: pgmpy cannot read this as {format_name} "
            f"({type(error).__name__}: {error}). Check that the file is complete, or convert it "
            "to BIF."
        ) from error
    if not network.names:
        raise DataError(f"{path}: there is no variable in this {format_name} file.")
    return replace(network, title=path.name.removesuffix(".gz").removesuffix(ending))


def _without_what_pgmpy_trips_over(text: str, ending: str) -> str:
    """The text without comments of NET, or the declared encoding of XML (it is decoded)."""
    if ending == ".net":
        return _QUOTED_OR_COMMENT.sub(lambda found: found[1] or "", text)
    return _XML_DECLARATION.sub("", text)
