"""Results on networks as DataTrees: state names, layouts, marginals, storage."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from probgen.declare.network import distinct_labels
from probgen.errors import DataError
from probgen.results.marginals import Marginals
from probgen.results.network_tree import MOST_VARIABLES, marginals_table, network_tree


def tree_of(labels, states, draws=None, errors=False, observed=None, **attrs):
    offsets = np.concatenate([[0], np.cumsum([len(s) for s in states])])
    probabilities = np.concatenate([np.zeros(0), *(np.full(len(s), 1 / len(s)) for s in states)])
    extra = np.full(offsets[-1], 0.01) if errors else None
    stats = {} if draws is None else {"log_joint": np.zeros(draws.shape[:2])}
    return network_tree(
        labels, states, Marginals(offsets, probabilities, extra, extra, extra), draws, stats,
        observed or {}, {"method": "Gibbs", "seed": 1, **attrs},
    )  # fmt: skip


def small():
    rng = np.random.default_rng(0)
    draws = rng.integers(0, 2, (4, 50, 2)).astype(np.uint8)
    return tree_of(
        ["rain", "A[0]"],
        [("no", "yes"), (0, 1, 2)],
        draws,
        errors=True,
        observed={"wet": (1, "true")},
        notes=["one", "two"],
        interrupted=False,
    )


def test_draws_are_small_integers_with_state_names_as_coordinates():
    posterior = small()["posterior"]
    assert posterior["rain"].dtype == np.int8
    assert posterior["rain"].dims == ("chain", "draw")
    assert list(posterior["rain_state"].values) == ["no", "yes"]
    assert list(posterior["A[0]_state"].values) == [0, 1, 2]
    assert posterior["rain"].attrs["states"] == "rain_state"


def test_marginals_have_one_entry_per_state():
    table = marginals_table(small())
    assert table.index.tolist()[:3] == [("rain", "no"), ("rain", "yes"), ("A[0]", "0")]
    assert table.loc[("rain", "yes"), "probability"] == 0.5
    assert set(table.columns) == {"probability", "mcse", "r_hat", "ess"}
    exact = marginals_table(tree_of(["a"], [("x", "y")]))
    assert list(exact.columns) == ["probability"]
    with pytest.raises(DataError, match="from infer on a network"):
        marginals_table(xr.DataTree())


def test_evidence_and_attributes():
    tree = small()
    assert str(tree["observed_data"]["wet"].values) == "true"
    assert tree["observed_data"]["wet"].attrs["state_number"] == 1
    assert tree.attrs["method"] == "Gibbs"
    assert tree["marginals"].attrs["seed"] == 1
    assert tree.attrs["notes"] == '["one", "two"]'


def test_many_variables_share_one_array():
    n = MOST_VARIABLES + 1
    draws = np.ones((2, 3, n), dtype=np.uint8)
    tree = tree_of([str(v) for v in range(n)], [("off", "on")] * n, draws)
    state = tree["posterior"]["state"]
    assert state.dims == ("chain", "draw", "variable")
    assert state.sizes["variable"] == n
    assert tree["posterior"]["state_name"].sel(variable="7").values.tolist() == ["off", "on"]


def test_large_state_numbers_keep_their_value():
    draws = np.full((1, 1, 1), 200, dtype=np.uint8)
    tree = tree_of(["v"], [tuple(range(250))], draws)
    assert int(tree["posterior"]["v"].values[0, 0]) == 200


def test_no_free_variable():
    tree = tree_of([], [], np.zeros((2, 3, 0), dtype=np.uint8), observed={"a": (0, "x")})
    assert tree["marginals"].sizes["entry"] == 0
    assert tree["posterior"].sizes == {"chain": 2, "draw": 3}


def test_round_trip_through_a_file(tmp_path):
    tree = small()
    tree.to_netcdf(tmp_path / "result.nc", engine="h5netcdf")
    with xr.open_datatree(tmp_path / "result.nc", engine="h5netcdf") as back:
        back.load()
    for group in ("posterior", "marginals", "sample_stats", "observed_data"):
        xr.testing.assert_equal(back[group].to_dataset(), tree[group].to_dataset())


def test_names_that_are_dimensions_or_coordinates_of_others(tmp_path):
    draws = np.zeros((2, 3, 4), dtype=np.uint8)
    names = ["chain", "draw", "a", "a_state"]
    tree = tree_of(names, [("no", "yes")] * 4, draws)
    labels = ["chain~2", "draw~2", "a", "a_state"]
    assert list(tree["posterior"].data_vars) == labels
    assert list(dict.fromkeys(marginals_table(tree).index.get_level_values(0))) == labels
    for label in labels:
        coordinate = tree["posterior"][label].attrs["states"]
        assert list(tree["posterior"][coordinate].values) == ["no", "yes"]
    tree.to_netcdf(tmp_path / "names.nc", engine="h5netcdf")


@pytest.mark.parametrize(
    ("states", "dtype"), [(128, np.int8), (129, np.int16), (32768, np.int16), (40000, np.int32)]
)
def test_the_smallest_type_that_holds_every_state(states, dtype):
    draws = np.full((1, 2, 1), states - 1, dtype=np.uint16)
    tree = tree_of(["a"], [range(states)], draws)
    assert tree["posterior"]["a"].dtype == dtype
    assert (tree["posterior"]["a"] == states - 1).all()


@pytest.mark.parametrize("names", [["a/b", "a|b", "a|b~2"], [1, "1", "1~2"], ["", "_", ("_",)]])
def test_labels_are_distinct(names):
    assert len(set(distinct_labels(names))) == len(names)
