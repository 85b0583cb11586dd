"""What to tell a user who names a node that is not there."""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Iterable

__all__ = ["unknown_node"]


def unknown_node(title: str, name: Hashable, known: Iterable[Hashable]) -> str:
    """The text of the error: the nearest names, or the first few when none is near."""
    texts = [str(node) for node in known]
    near = difflib.get_close_matches(str(name), texts, n=3)
    if near:
        return f"{title!r} has no node {name!r}; did you mean {' or '.join(near)}?"
    shown = ", ".join(texts[:12]) + (", ..." if len(texts) > 12 else "")
    return f"{title!r} has no node {name!r}; its nodes are {shown}."
