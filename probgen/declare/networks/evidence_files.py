"""Evidence files: UAI `.evid`, or a JSON object of variable and state names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from probgen.declare.networks.text_files import read_text
from probgen.declare.networks.uai import read_uai_evidence
from probgen.errors import DataError

__all__ = ["read_evidence_file"]


def read_evidence_file(path: str | Path) -> dict[Any, Any]:
    """Evidence by variable name: numbers from a `.evid` file, names from a `.json` object.

    Raises `DataError`, naming the file, when it is missing, malformed or of another kind.
    """
    file = Path(path).expanduser()
    ending = file.suffix.lower()
    if ending == ".evid":
        return dict(read_uai_evidence(file))
    if ending != ".json":
        raise DataError(
            f"{file.name!r} is no evidence file: these end in .evid (UAI) or .json; single "
            "observations are given as NAME=STATE."
        )
    try:
        content = json.loads(read_text(file))
    except json.JSONDecodeError as error:
        raise DataError(f"{file.name} is no valid JSON: {error}") from error
    if not isinstance(content, dict):
        raise DataError(
            f"{file.name} must hold one JSON object with variables and states, such as "
            f'{{"HRBP": "HIGH"}}, not a {type(content).__name__}.'
        )
    return content
