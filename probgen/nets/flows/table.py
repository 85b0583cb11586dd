"""A model of tables with mixed types: categories first, then numbers given them.

    log p(row) = sum_j log p(k_j | k_<j)  +  log p(x | k)

Categories k come from one masked network over all columns before (MADE), so that their
probability is exact; numbers x from a flow whose context is k one-hot. Integers are the floors
of numbers with uniform noise, whose likelihood is therefore a lower bound; without integer
columns all is exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyro
import torch
from pyro.nn import PyroModule
from torch import Tensor
from torch.nn.functional import one_hot

from probgen.errors import DataError
from probgen.nets.flows.categorical import CategoricalGraph, complete_graph
from probgen.nets.flows.law import FlowLaw
from probgen.nets.flows.model import FlowModel
from probgen.nets.flows.schema import TableSchema
from probgen.nets.flows.table_imputation import impute_rows_of_table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TableFlow"]


class TableFlow(PyroModule):
    """Rows of numbers x, (row, numeric), and codes k, (row, categorical).

    Args:
        schema: the columns, as `TableSchema.of(table)` reads them.
        kind: of the flow.
        hidden: widths of the hidden layers of both parts.
        settings: of `FlowModel`.

    """

    def __init__(
        self,
        schema: TableSchema,
        kind: str = "nsf",
        hidden: Sequence[int] = (64, 64),
        **settings: Any,
    ) -> None:
        super().__init__()
        self.schema = schema
        self.states = [len(column.states) for column in schema.categorical]
        self.numbers = self.categories = None
        if schema.numeric:
            size, context = len(schema.numeric), sum(self.states)
            self.numbers = FlowModel(kind, size, context=context, hidden=hidden, **settings)
        if schema.categorical:
            named = {f"k{place}": count for place, count in enumerate(self.states)}
            self.categories = CategoricalGraph(complete_graph(list(named)), named, hidden)
        whole = [column.kind == "integer" for column in schema.numeric]
        self.register_buffer("whole", torch.tensor(whole, dtype=torch.bool))

    @property
    def exact(self) -> bool:
        """Whether `log_prob` is the log density itself: there are no integers."""
        return not bool(self.whole.any())

    @property
    def data_sites(self) -> list[str]:
        """Arguments that are data."""
        return [*(["x"] if self.numbers else []), *(["k"] if self.categories else [])]

    def forward(self, x: Tensor | None = None, k: Tensor | None = None) -> dict[str, Tensor]:
        """The program: a site for each categorical column, then the numbers."""
        drawn: dict[str, Tensor] = {}
        if self.categories is not None:
            given = {} if k is None else {f"k{j}": k[:, j] for j in range(len(self.states))}
            if k is None and x is not None:
                raise DataError("The numbers x are given and the categories k are not.")
            drawn["k"] = torch.stack(list(self.categories(**given).values()), -1)
        if self.numbers is not None:
            rows = len(x) if x is not None else len(drawn["k"]) if drawn else 1
            with pyro.plate("row_of_numbers", rows):
                law = FlowLaw(self.numbers, self.context_of(drawn.get("k")))
                drawn["x"] = pyro.sample("x", law, obs=x)
        return drawn

    def log_prob(self, x: Tensor | None = None, k: Tensor | None = None) -> Tensor:
        """Log likelihood of rows, nats, (..., numeric), (..., categorical) -> (...)."""
        if (x is None) == bool(self.numbers) or (k is None) == bool(self.categories):
            raise DataError(f"The model needs {' and '.join(self.data_sites)}.")
        return self.log_density(None if x is None else self.dequantise(x), k)

    def log_density(self, y: Tensor | None, k: Tensor | None) -> Tensor:
        """Log density of numbers with noise, nats, and codes: what is exact."""
        total: Any = 0.0
        if self.categories is not None and k is not None:
            total = total + self.categories.log_prob_of(k)
        if self.numbers is not None and y is not None:
            total = total + self.numbers.log_prob(y, self.context_of(k))
        return total

    def dequantise(self, x: Tensor, random: torch.Generator | None = None) -> Tensor:
        """Numbers with uniform noise on integers."""
        noise = torch.rand(x.shape, dtype=x.dtype, device=x.device, generator=random)
        return torch.where(self.whole, x + noise, x)

    def start_from(self, batches: Iterable[Mapping[str, Tensor]]) -> None:
        """Take means and deviations of the numbers."""
        if self.numbers is None:
            return
        kept = []
        for batch in batches:
            x = torch.where(self.whole, batch["x"] + 0.5, batch["x"])
            context = self.context_of(batch.get("k"))
            kept.append({"x": x} if context is None else {"x": x, "c": context})
        self.numbers.start_from(kept)

    @torch.no_grad()
    def sample(self, n: int, *, seed: int | None = None) -> dict[str, Tensor]:
        """`n` rows as tensors "x" and "k"."""
        drawn: dict[str, Tensor] = {}
        if self.categories is not None:
            columns = self.categories.sample(n, seed=seed)
            drawn["k"] = torch.stack(list(columns.values()), -1)
        if self.numbers is not None:
            later = None if seed is None else seed + 1
            drawn["x"] = self.numbers.sample(n, self.context_of(drawn.get("k")), seed=later)
        return drawn

    def synthesise(self, n: int, *, seed: int | None = None) -> pd.DataFrame:
        """`n` new rows as a data frame with the columns of the schema."""
        return self.schema.decode(self.sample(n, seed=seed))

    @torch.no_grad()
    def log_prob_rows(self, table: pd.DataFrame) -> Tensor:
        """Log likelihood of the rows of a data frame, nats, (row,); its negative tells outliers.

        Raises `DataError` for missing values.
        """
        data = self._encoded(table)
        if any(bool(((v < 0) if n == "k" else v.isnan()).any()) for n, v in data.items()):
            raise DataError("The table has missing values: impute them first.")
        return self.log_prob(**data)

    def impute(
        self, table: pd.DataFrame, *, sweeps: int = 10, steps: int = 20, seed: int = 0
    ) -> pd.DataFrame:
        """One draw of the missing values given the others, as a complete data frame.

        Another `seed` gives another draw. See `impute_rows_of_table`.
        """
        data = self._encoded(table)
        rows = [((v < 0) if n == "k" else v.isnan()).any(-1) for n, v in data.items()]
        holes = torch.stack(rows).any(0)
        if holes.any():
            part = {n: v[holes] for n, v in data.items()}
            drawn = impute_rows_of_table(self, part.get("x"), part.get("k"), sweeps, steps, seed)
            for name, value in drawn.items():
                data[name][holes] = value
        completed = self.schema.decode(data)
        completed.index = table.index
        known = table[completed.columns].notna()
        return completed.where(~known, table[completed.columns]).astype(completed.dtypes)

    def _encoded(self, table: pd.DataFrame) -> dict[str, Tensor]:
        weight = next(self.parameters())
        data = self.schema.encode(table)
        return {n: v.to(weight) if n == "x" else v.to(weight.device) for n, v in data.items()}

    def context_of(self, k: Tensor | None) -> Tensor | None:
        """Codes as the context of the flow, one-hot."""
        if k is None or self.numbers is None:
            return None
        hot = [one_hot(k[..., j].long(), count) for j, count in enumerate(self.states)]
        return torch.cat(hot, -1).to(next(self.numbers.parameters()).dtype)
