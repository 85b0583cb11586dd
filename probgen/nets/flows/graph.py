"""Causal flows: a flow whose every entry depends on its parents in a given graph alone.

    z_i = f_i(x_i; x_parents(i)),  z independent standard normals

which is a structural causal model x_i = f_i^-1(z_i; x_parents(i)) (Khemakhem et al. 2021,
"Causal autoregressive flows"; Javaloy, Sanchez-Martin & Valera 2023, "Causal normalizing flows").
The Jacobian of z in x is exactly zero off the graph. Interventions replace equations;
counterfactuals keep the noise of a row.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from probgen.errors import DataError, OptionError
from probgen.nets.flows.adjacency import adjacency_of
from probgen.nets.flows.model import FlowModel

__all__ = ["GraphFlow"]

Do = Mapping[Hashable, float | Tensor]


class GraphFlow(FlowModel):
    """Rows x, (row, features), one entry for each variable of a graph without cycles.

    Args:
        graph: networkx or pgmpy DAG, or a list of edges (parent, child).
        names: order of the columns of x; that of the graph's variables when left out.
        kind: "nsf" or "maf".
        settings: of `FlowModel`.

    """

    def __init__(
        self,
        graph: Any,
        names: Sequence[Hashable] | None = None,
        kind: str = "nsf",
        **settings: Any,
    ) -> None:
        if kind not in ("nsf", "maf"):
            raise OptionError(f"kind={kind!r}: a flow of a graph is 'nsf' or 'maf'.")
        adjacency, known = adjacency_of(graph, names)
        super().__init__(kind, len(known), adjacency=adjacency, **settings)
        self.names = known
        self.register_buffer("adjacency", adjacency)

    def rows(self, table: Any) -> Tensor:
        """Columns of a data frame or mapping in the order of `names`, (row, features)."""
        missing = [name for name in self.names if name not in table]
        if missing:
            raise DataError(f"The data have no column for the variable {missing[0]!r}.")
        weight = self._first_weight()
        columns = [torch.as_tensor(_values(table[name])).to(weight.dtype) for name in self.names]
        return torch.stack(columns, -1).to(weight.device)

    def sample(
        self,
        n: int,
        c: Tensor | None = None,
        *,
        do: Do | None = None,
        seed: int | None = None,
    ) -> Tensor:
        """`n` rows, (n, features), under the interventions `do`, values by variable."""
        if not do:
            return super().sample(n, c, seed=seed)
        weight = self._first_weight()
        random = torch.Generator(weight.device)
        random.manual_seed(seed) if seed is not None else random.seed()
        shape = (n, self.features)
        z = torch.randn(shape, generator=random, dtype=weight.dtype, device=weight.device)
        return self._solve(z, do, c)

    def counterfactual(self, x: Tensor, do: Do, c: Tensor | None = None) -> Tensor:
        """What rows would have been under `do`, their noise the same, (row, features)."""
        with torch.no_grad():
            return self._solve(self.to_noise(x, c), do, c)

    @torch.no_grad()
    def _solve(self, z: Tensor, do: Do, c: Tensor | None) -> Tensor:
        """The equations in the order of the graph, those of `do` replaced by values."""
        fixed = torch.zeros(self.features, dtype=torch.bool, device=z.device)
        values = z.new_zeros(z.shape)
        for name, value in do.items():
            if name not in self.names:
                known = ", ".join(map(repr, self.names))
                raise DataError(f"do names {name!r}, which is none of {known}.")
            fixed[self.names.index(name)] = True
            values[..., self.names.index(name)] = torch.as_tensor(value, dtype=z.dtype)
        given, _ = self.precondition(values)
        layer = self.flow.transform(self._context(c)).transforms[0]
        y = torch.where(fixed, given, 0.0)
        for _ in range(getattr(layer, "passes", 1)):
            now = layer.meta(y) if hasattr(layer, "meta") else layer
            y = torch.where(fixed, given, now.inv(z))
        return torch.where(fixed, values, self.restore(y))


def _values(column: Any) -> Any:
    return column.to_numpy() if hasattr(column, "to_numpy") else column
