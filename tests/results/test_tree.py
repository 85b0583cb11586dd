import json

import numpy as np
import pytest

from probgen.errors import OptionError
from probgen.results.tree import Labels, Variable, build_tree

SCALAR = Variable(np.zeros((2, 5)))
SCHOOLS = Variable(np.arange(30.0).reshape(2, 5, 3), ("school",))
MATRIX = Variable(np.zeros((2, 5, 3, 4)), ("school", None))


def test_dimensions_come_from_plates_and_are_numbered_elsewhere():
    tree = build_tree({"posterior": {"mu": SCALAR, "theta": SCHOOLS, "slope": MATRIX}})
    posterior = tree["posterior"]
    assert posterior["mu"].dims == ("chain", "draw")
    assert posterior["theta"].dims == ("chain", "draw", "school")
    assert posterior["slope"].dims == ("chain", "draw", "school", "slope_dim_0")
    assert list(posterior.coords["draw"].values) == list(range(5))


def test_users_name_free_dimensions_and_coordinates():
    labels = Labels({"slope": ["feature"]}, {"school": ["A", "B", "C"]})
    posterior = build_tree({"posterior": {"slope": MATRIX}}, labels)["posterior"]
    assert posterior["slope"].dims == ("chain", "draw", "school", "feature")
    assert list(posterior.coords["school"].values) == ["A", "B", "C"]


def test_wrong_names_are_refused():
    with pytest.raises(OptionError, match=r"dims\['slope'\] names 3 dimensions"):
        build_tree({"posterior": {"slope": MATRIX}}, Labels({"slope": ["a", "b", "c"]}))
    with pytest.raises(OptionError, match=r"coords\['school'\] has 2 labels"):
        build_tree({"posterior": {"theta": SCHOOLS}}, Labels({}, {"school": ["A", "B"]}))
    other = Variable(np.zeros((2, 5, 7)), ("school",))
    with pytest.raises(OptionError, match="'school' has length 7 in 'beta'"):
        build_tree({"posterior": {"theta": SCHOOLS, "beta": other}})


def test_names_of_events_do_not_reach_densities_and_unconstrained_values():
    """A log density has the batch of its site, an unconstrained value other dimensions."""
    labels = Labels({"rows": ["kind"], "grid": ["row", "kind"]}, {"kind": ["x", "y", "z"]})
    rows = Variable(np.zeros((2, 5, 4, 3)), ("school",))
    grid = Variable(np.zeros((2, 5, 4, 3)))
    assert labels.of("rows", rows)[2:] == ("school", "kind")
    assert labels.of("grid", grid)[2:] == ("row", "kind")
    batch = Variable(np.zeros((2, 5, 4)), ("school",), rank=2)
    assert labels.of("rows", batch)[2:] == ("school",)
    assert labels.of("grid", Variable(np.zeros((2, 5, 4)), rank=2))[2:] == ("row",)
    unconstrained = Variable(np.zeros((2, 5, 4, 2)), rank=0)
    assert labels.of("rows", unconstrained)[2:] == ("rows_dim_0", "rows_dim_1")
    build_tree({"posterior": {"rows": rows}, "unconstrained": {"rows": unconstrained}}, labels)


def test_entries_that_a_mask_keeps_have_a_dimension_and_labels_of_their_own():
    kept = Variable(np.zeros((2, 5, 2)), ("school",), kept=np.array([0, 2]))
    labels = Labels({}, {"school": ["A", "B", "C"]})
    group = build_tree({"g": {"y": kept, "theta": SCHOOLS}}, labels)["g"]
    assert group["y"].dims == ("chain", "draw", "y_kept")
    assert list(group["y_kept"].values) == ["A", "C"]
    assert list(build_tree({"g": {"y": kept}})["g"]["y_kept"].values) == [0, 2]


def test_a_dimension_may_have_another_length_in_another_group():
    observed = Variable(np.zeros(7), ("school",), sampled=False)
    tree = build_tree({"posterior": {"theta": SCHOOLS}, "observed_data": {"y": observed}})
    assert tree["observed_data"].sizes["school"] == 7
    assert tree["observed_data"]["y"].dims == ("school",)


def test_empty_groups_are_left_out_and_values_kept():
    tree = build_tree({"posterior": {"theta": SCHOOLS}, "log_likelihood": {}})
    assert list(tree.children) == ["posterior"]
    np.testing.assert_array_equal(tree["posterior"]["theta"].values, SCHOOLS.values)


def test_attributes_survive_netcdf(tmp_path):
    attrs = {"seed": 3, "flag": True, "notes": ["a", "b"], "versions": {"torch": "2"}}
    tree = build_tree({"posterior": {"mu": SCALAR}}, attrs=attrs)
    tree.to_netcdf(tmp_path / "tree.nc", engine="h5netcdf")
    import xarray as xr

    read = xr.open_datatree(tmp_path / "tree.nc", engine="h5netcdf")
    assert read.attrs["seed"] == 3
    assert read.attrs["flag"] == 1
    assert json.loads(read.attrs["notes"]) == ["a", "b"]
    assert json.loads(read["posterior"].attrs["versions"]) == {"torch": "2"}
