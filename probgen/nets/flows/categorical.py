"""Neural Bayesian networks: every conditional distribution of a graph put out by one network.

    p(x) = product over variables of p(x_i | x_parents(i)),  softmax of a masked network

The mask lets the logits of a variable see its parents alone. On the complete graph of an order
this is MADE (Germain, Gregor, Murray & Larochelle 2015).
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import networkx as nx
import pyro
import torch
from pyro.distributions import Categorical
from pyro.nn import PyroModule
from torch import Tensor
from torch.nn.functional import one_hot
from zuko.nn import MaskedMLP

from probgen.errors import DataError, ModelError
from probgen.nets.flows.adjacency import adjacency_of

__all__ = ["CategoricalGraph", "complete_graph"]

Columns = Mapping[str, Tensor]


def complete_graph(names: Sequence[Hashable]) -> nx.DiGraph:
    """The graph of an order without restrictions: every variable has all before it as parents."""
    graph = nx.DiGraph()
    graph.add_nodes_from(names)
    graph.add_edges_from(itertools.combinations(names, 2))
    return graph


class CategoricalGraph(PyroModule):
    """Variables with finitely many states, coded 0 ... states - 1; a site for each.

    Args:
        graph: networkx or pgmpy DAG, or a list of edges (parent, child).
        states: number of states of each variable.
        hidden: widths of the hidden layers.
        seed: of the first weights.

    Raises `ModelError` for cycles, and variables without a number of states.

    """

    def __init__(
        self,
        graph: Any,
        states: Mapping[str, int],
        hidden: Sequence[int] = (64, 64),
        seed: int = 0,
    ) -> None:
        super().__init__()
        adjacency, self.names = adjacency_of(graph, list(states))
        self.states = [int(states[name]) for name in self.names]
        if any(count < 2 for count in self.states):
            raise ModelError(f"states={dict(states)}: every variable needs at least 2.")
        directed = nx.DiGraph()
        directed.add_nodes_from(range(len(self.names)))
        directed.add_edges_from((parent, child) for child, parent in adjacency.nonzero().tolist())
        self.generations = [list(level) for level in nx.topological_generations(directed)]
        self.register_buffer("adjacency", adjacency)
        counts = torch.tensor(self.states)
        mask = adjacency.repeat_interleave(counts, 0).repeat_interleave(counts, 1)
        always = torch.ones(len(mask), 1, dtype=torch.bool)  # a constant, which roots can see
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = MaskedMLP(torch.cat([mask, always], 1), hidden)
        places = torch.full((len(counts), int(counts.max())), int(counts.sum()))
        start = 0
        for row, count in zip(places, self.states, strict=True):
            row[:count] = torch.arange(start, start + count)
            start += count
        self.register_buffer("places", places)

    @property
    def data_sites(self) -> list[str]:
        """Arguments that are data: the variables."""
        return list(self.names)

    def forward(self, **columns: Tensor | None) -> dict[str, Tensor]:
        """The program: one site for each variable in a plate of rows, parents first."""
        rows = next((len(v) for v in columns.values() if v is not None), 1)
        codes = torch.zeros(rows, len(self.names), dtype=torch.long, device=self.places.device)
        with pyro.plate("row", rows):
            for generation in self.generations:
                laws = self.log_probabilities(codes)
                codes = codes.clone()
                for v in generation:
                    name = self.names[v]
                    law = Categorical(logits=laws[:, v, : self.states[v]])
                    codes[:, v] = pyro.sample(name, law, obs=columns.get(name)).long()
        return {name: codes[:, v] for v, name in enumerate(self.names)}

    def log_probabilities(self, codes: Tensor) -> Tensor:
        """Log p(variable = state | parents), nats, (..., variable, most states); -inf past all.

        `codes` are states, (..., variable).
        """
        hot = [one_hot(codes[..., v].long(), count) for v, count in enumerate(self.states)]
        hot.append(torch.ones_like(codes[..., :1]))
        weight = next(self.network.parameters())
        out = self.network(torch.cat(hot, -1).to(weight.dtype))
        padded = torch.cat([out, torch.full_like(out[..., :1], -torch.inf)], -1)
        return padded[..., self.places].log_softmax(-1)

    def log_prob(self, **columns: Tensor) -> Tensor:
        """Log probability of complete rows, nats, (row,)."""
        missing = [name for name in self.names if name not in columns]
        if missing:
            raise DataError(f"The data have no column for the variable {missing[0]!r}.")
        return self.log_prob_of(torch.stack([columns[name] for name in self.names], -1))

    def log_prob_of(self, codes: Tensor) -> Tensor:
        """The same of states in one tensor, (..., variable) -> (...)."""
        found = self.log_probabilities(codes)
        return found.gather(-1, codes.long().unsqueeze(-1)).squeeze(-1).sum(-1)

    @torch.no_grad()
    def sample(
        self, n: int, *, do: Mapping[str, int] | None = None, seed: int | None = None
    ) -> dict[str, Tensor]:
        """`n` rows as columns, (n,) each, under the interventions `do`, states by variable."""
        do = do or {}
        if other := [name for name in do if name not in self.names]:
            known = ", ".join(map(repr, self.names))
            raise DataError(f"do names {other[0]!r}, which is none of {known}.")
        device = self.places.device
        random = torch.Generator(device)
        random.manual_seed(seed) if seed is not None else random.seed()
        codes = torch.zeros(n, len(self.names), dtype=torch.long, device=device)
        for generation in self.generations:
            laws = self.log_probabilities(codes).exp()
            for v in generation:
                name = self.names[v]
                if name in do:
                    codes[:, v] = do[name]
                else:
                    drawn = torch.multinomial(laws[:, v], 1, generator=random)
                    codes[:, v] = drawn.squeeze(-1)
        return {name: codes[:, v] for v, name in enumerate(self.names)}

    @torch.no_grad()
    def table(self, name: str) -> tuple[list[str], Tensor]:
        """Parents of a variable, and p(state | parents), axes as parents, then the state."""
        v = self.names.index(name)
        parents = self.adjacency[v].nonzero().flatten().tolist()
        cases = list(itertools.product(*(range(self.states[p]) for p in parents)))
        codes = torch.zeros(len(cases), len(self.names), dtype=torch.long)
        for place, parent in enumerate(parents):
            codes[:, parent] = torch.tensor([case[place] for case in cases])
        found = self.log_probabilities(codes.to(self.places.device))[:, v, : self.states[v]]
        shape = [self.states[p] for p in parents]
        return [self.names[p] for p in parents], found.exp().reshape(*shape, -1)

    def to_pgmpy(self) -> Any:
        """The network with its tables as a model of pgmpy, for exact inference."""
        from pgmpy.factors.discrete import TabularCPD
        from pgmpy.models import DiscreteBayesianNetwork

        model = DiscreteBayesianNetwork()
        model.add_nodes_from(self.names)
        for v, name in enumerate(self.names):
            parents, table = self.table(name)
            model.add_edges_from((parent, name) for parent in parents)
            flat = table.double().reshape(-1, self.states[v])
            columns = (flat / flat.sum(-1, keepdim=True)).T.cpu().numpy()
            cards = [self.states[self.names.index(parent)] for parent in parents]
            model.add_cpds(
                TabularCPD(name, self.states[v], columns, parents or None, cards or None)
            )
        return model
