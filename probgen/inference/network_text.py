"""The text that says what a network is, kept with every result: variables, states, parents."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

from probgen.declare.network import Network
from probgen.results.sources import cut

__all__ = ["gaussian_text", "network_text"]


def network_text(network: Network) -> str:
    """Title, and of every variable its states and parents; of a Markov network, its factors."""
    labels = network.labels()
    markov = network.kind == "markov"
    lines = [f"{network.kind.capitalize()} network {network.title}: {len(labels)} variables"]
    above: dict[int | None, list[int]] = {}
    if not markov:
        above = {f.child: [v for v in f.scope if v != f.child] for f in network.factors}
    lines += [
        _line(label, above.get(v, ()), labels, network.states[v]) for v, label in enumerate(labels)
    ]
    if markov:
        lines += [f"factor ({_joined(labels[v] for v in f.scope)})" for f in network.factors]
    return cut("\n".join(lines))


def gaussian_text(title: str, labels: Sequence[str], parents: Sequence[Sequence[int]]) -> str:
    """Title, and the parents of every node of a linear-Gaussian network."""
    lines = [f"Linear-Gaussian network {title}: {len(labels)} nodes"]
    lines += [_line(label, above, labels) for label, above in zip(labels, parents, strict=True)]
    return cut("\n".join(lines))


def _line(
    label: str, parents: Iterable[int], labels: Sequence[str], states: Sequence[Hashable] = ()
) -> str:
    shown = f" ({_joined(states)})" if states else ""
    above = _joined(labels[v] for v in parents)
    return f"{label}{shown}{' <- ' + above if above else ''}"


def _joined(names: Iterable[Hashable]) -> str:
    return ", ".join(str(name) for name in names)
