"""Words that complaints have in common."""

from __future__ import annotations

from typing import Any

from probgen.learn.variational.run import Message

__all__ = ["family", "listed"]


def family(message: Message) -> str:
    """The name of a site's distribution."""
    distribution = message["fn"]
    while hasattr(distribution, "base_dist"):
        distribution = distribution.base_dist
    return type(distribution).__name__


def listed(names: Any) -> str:
    """Names, in words."""
    return ", ".join(map(repr, names)) or "none"
