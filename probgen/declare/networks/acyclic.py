"""The graph of a Bayesian network has no cycle; if it has, the cycle is named."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping

from probgen.declare.networks.origin import IN_MEMORY, Origin

__all__ = ["check_acyclic"]


def check_acyclic(
    parents: Mapping[Hashable, Iterable[Hashable]], origin: Origin = IN_MEMORY
) -> None:
    """Raise an error that names the variables of a cycle, if the graph has one."""
    done: set[Hashable] = set()
    for root in parents:
        path: list[Hashable] = []
        on_path: set[Hashable] = set()
        stack: list[tuple[Hashable, bool]] = [(root, False)]
        while stack:
            name, leaving = stack.pop()
            if leaving:
                path.pop()
                on_path.discard(name)
                done.add(name)
            elif name in on_path:
                cycle = [*path[path.index(name) :], name]
                arrows = " -> ".join(str(member) for member in reversed(cycle))
                raise origin.error(
                    f"The graph has a cycle: {arrows}. A Bayesian network has none; "
                    "turn or remove one of these edges."
                )
            elif name not in done:
                path.append(name)
                on_path.add(name)
                stack.append((name, True))
                stack.extend((parent, False) for parent in parents.get(name, ()))
