"""Flow over a table of mixed types: categories, then numbers given them.

Source: Germain, Gregor, Murray and Larochelle (2015), "MADE", ICML, for the categories; Durkan,
Bekasov, Murray and Papamakarios (2019), "Neural spline flows", NeurIPS, for the numbers.
Data: 442 diabetes patients: age, sex, body mass index, blood pressure, six measurements of blood,
and the progress of the disease a year later (Efron, Hastie, Johnstone and Tibshirani 2004, "Least
angle regression"), as bundled with scikit-learn, in their units.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from probgen.learn.networks.maximum_likelihood import MaximumLikelihood
from probgen.nets.flows.schema import TableSchema
from probgen.nets.flows.table import TableFlow

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

method = MaximumLikelihood(learning_rate=1e-3, optimiser="adamw", weight_decay=0.1)


class MixedTable(TableFlow):
    """Numbers x and categories k of the columns of a `schema`; of the patients when left out."""

    def __init__(
        self,
        schema: TableSchema | None = None,
        kind: str = "maf",
        transforms: int = 2,
        hidden: tuple[int, ...] = (32, 32),
    ) -> None:
        known = TableSchema.of(patients()) if schema is None else schema
        super().__init__(known, kind, hidden, transforms=transforms)


def patients() -> pd.DataFrame:
    """The table, 442 rows and 11 columns; sex as "1" and "2", which is all that is recorded."""
    from sklearn.datasets import load_diabetes

    found = load_diabetes(scaled=False, as_frame=True).frame
    return found.assign(sex=found["sex"].astype(int).astype(str))


def data() -> dict[str, Tensor]:
    """The table as the model takes it: "x" (442, 10) and "k" (442, 1)."""
    table = patients()
    return TableSchema.of(table).encode(table)
