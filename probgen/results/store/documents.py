"""The `zarr.json` files of a store: one for the whole tree, and one for each node in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from probgen.results.store.files import replace_file
from probgen.results.store.metadata import COORDINATES, group_document

__all__ = ["Documents"]

_DESCRIBED = ("posterior", "marginals")
"""Groups that carry the attributes of the run beside the root."""


class Documents:
    """Writes the metadata of the tree below `path`, each file whole or not at all.

    Readers of the tree look at the root alone, which names all nodes; a node's own file serves
    who opens that node by itself.
    """

    def __init__(self, path: Path, partial: Path) -> None:
        self.path, self._partial = path, partial

    def write(self, path: Path, document: Mapping[str, Any]) -> None:
        """One file."""
        try:
            replace_file(path, json.dumps(document).encode(), self._partial)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, json.dumps(document).encode(), self._partial)

    def describe(
        self,
        arrays: Mapping[str, dict[str, Any]],
        attrs: Mapping[str, Any],
        labels: Mapping[str, str],
        every_node: bool,
    ) -> None:
        """Write the documents of the arrays, by path, and of their groups; the root comes last.

        `labels` names the coordinates of a group that are no indexes.
        """
        nodes: dict[str, dict[str, Any]] = {}
        groups: dict[str, dict[str, dict[str, Any]]] = {}
        for key, document in arrays.items():
            group, _, name = key.partition("/")
            if group not in nodes:
                own = {**attrs} if group in _DESCRIBED else {}
                if labels.get(group):
                    own[COORDINATES] = labels[group]
                nodes[group], groups[group] = group_document(own), {}
            nodes[key] = groups[group][name] = document
        if every_node:
            for key in arrays:
                self.write(self.path / key / "zarr.json", nodes[key])
            for group, below in groups.items():
                document = group_document(nodes[group]["attributes"], below)
                self.write(self.path / group / "zarr.json", document)
        self.write(self.path / "zarr.json", group_document(attrs, nodes))
