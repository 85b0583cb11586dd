"""Every form of data comes to the same rows; nothing is copied; what does not fit is refused."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pandas as pd
import pyro.distributions as dist
import pytest
import torch
import xarray as xr

from probgen.errors import DataError, ModelError
from probgen.learn.training.domain import read_domain
from probgen.learn.training.rows import Rows
from probgen.learn.training.source import read_rows
from probgen.models.gan import DCGAN
from tests.learn.training.toys import Gaussian, Likelihoods

X = np.arange(40, dtype=np.float64).reshape(20, 2) / 7
SHAPES = {"x": (2,)}


class Items(torch.utils.data.Dataset):
    """A map-style Dataset that counts what it is asked for."""

    def __init__(self, items) -> None:
        self.items, self.asked = items, 0

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, row):
        self.asked += 1
        return self.items[row]


class Stream(torch.utils.data.IterableDataset):
    """Items one after another."""

    def __iter__(self):
        return iter(torch.zeros(3, 2))


def memmap(folder) -> np.ndarray:
    np.save(folder / "x.npy", X)
    return np.load(folder / "x.npy", mmap_mode="r")


def zarr_array(folder) -> xr.DataArray:
    xr.Dataset({"x": (("row", "unit"), X)}).to_zarr(folder / "x.zarr", consolidated=False)
    return xr.open_zarr(folder / "x.zarr", consolidated=False, chunks=None)["x"]


FORMS = {
    "array": lambda folder: X,
    "float32": lambda folder: X.astype(np.float32),
    "fortran": lambda folder: np.asfortranarray(X),
    "reversed": lambda folder: X[::-1][::-1],
    "big-endian": lambda folder: X.astype(">f8"),
    "read-only": lambda folder: _read_only(X),
    "list": lambda folder: X.tolist(),
    "objects": lambda folder: X.astype(object),
    "tensor": lambda folder: torch.from_numpy(X),
    "parameter": lambda folder: torch.from_numpy(X).requires_grad_(),
    "memmap": memmap,
    "mapping": lambda folder: {"x": X},
    "mapping of memmap": lambda folder: {"x": memmap(folder)},
    "frame": lambda folder: pd.DataFrame(X, columns=["a", "b"]),
    "DataArray": lambda folder: xr.DataArray(X, dims=("row", "unit")),
    "lazy DataArray": zarr_array,
    "xarray Dataset": lambda folder: xr.Dataset({"x": (("row", "unit"), X)}),
    "Dataset of tensors": lambda folder: Items(list(torch.from_numpy(X))),
    "Dataset of tuples": lambda folder: torch.utils.data.TensorDataset(torch.from_numpy(X)),
    "Dataset of mappings": lambda folder: Items([{"x": row} for row in X]),
}


def _read_only(array: np.ndarray) -> np.ndarray:
    copied = array.copy()
    copied.flags.writeable = False
    return copied


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_rows(form, tmp_path):
    rows = read_rows(FORMS[form](tmp_path), ["x"], SHAPES)
    assert len(rows) == 20
    numbers = torch.tensor([3, 19, 0, 3, 7])
    read_domain(Gaussian(), rows, torch.float32, False, "cpu")
    taken = rows.take(numbers)["x"]
    assert taken.dtype == torch.float32
    np.testing.assert_allclose(taken.numpy(), X[numbers.numpy()].astype(np.float32))


def test_a_single_array_goes_to_the_argument_of_its_shape():
    rows = read_rows(X, ["a", "x", "b"], {"a": (3,), "x": (2,), "b": (5,)})
    assert rows.names == ("x",)


def test_columns_of_a_frame_go_to_arguments_of_their_names():
    rows = read_rows(pd.DataFrame({"u": X[:, 0], "v": X[:, 1]}), ["u", "v"], {})
    assert rows.names == ("u", "v")
    assert rows.raw(torch.tensor([4]))["v"].item() == X[4, 1]


def test_arrays_are_not_copied():
    big = np.zeros((1000, 1000), dtype=np.float32)
    tracemalloc.start()
    rows = read_rows({"x": big}, ["x"], {})
    rows.take(torch.arange(10))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < big.nbytes / 10
    big[5, 7] = 3.0
    assert rows.raw(torch.tensor([5]))["x"][0, 7] == 3.0


def test_what_is_read_when_needed_is_not_read_before():
    items = Items(list(torch.randn(5000, 2)))
    rows = read_rows(items, ["x"], SHAPES)
    domain = read_domain(Gaussian(), rows, torch.float32, False, "cpu")
    domain.check_rows(rows, torch.device("cpu"))
    assert rows.lazy
    assert items.asked < 600


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (None, "fit needs data"),
        ("x.npy", "is text: read the file first"),
        (np.zeros((0, 2)), "The data are empty: data.'x'. has no rows"),
        ({}, "The data are empty"),
        (Items([]), "the Dataset has no items"),
        ({"y": X}, "no data called 'y'.*It takes 'x'"),
        ({"x_": X}, "Did you mean 'x'"),
        ({"x": X, "z": X[:5]}, "data.'z'. has 5 rows and data.'x'. has 20"),
        ({"x": 3.0}, "an array with a row for each case"),
        (np.array([["a", "b"]]), "holds <U1 values; the program needs numbers"),
        ([[1.0, 2.0], [3.0]], "ragged"),
        (Items([torch.zeros(2), torch.zeros(3)]), "differ in shape"),
        (Items([(X[0], X[1], X[2])]), "Items of the Dataset have 3 parts"),
        (Stream(), "gives its items in a row"),
    ],
    ids=lambda value: None if not isinstance(value, str) else value[:20],
)
def test_what_is_no_data_is_refused(data, words):
    names = ["x", "z"] if isinstance(data, dict) and "z" in data else ["x"]
    with pytest.raises(DataError, match=words):
        read_rows(data, names, SHAPES).raw(torch.arange(2))


def binary(raw):
    return dist.Bernoulli(logits=raw).to_event(1)


def counts(raw):
    return dist.Poisson(raw.exp()).to_event(1)


def codes(raw):
    return dist.Categorical(logits=raw)


def positive(raw):
    return dist.Exponential(raw.exp()).to_event(1)


def simplex(raw):
    return dist.Dirichlet(raw.exp())


ONES = np.ones((6, 3))


def with_value(value, row=4, column=2, base=ONES):
    changed = np.array(base, dtype=np.float64)
    changed[row, column] = value
    return changed


@pytest.mark.parametrize(
    ("make", "data", "words"),
    [
        (binary, with_value(255), "holds 255 .row 4, entry .2... .*divide by 255 and binarise"),
        (binary, with_value(0.5), "takes values that are 0 or 1: binarise"),
        (binary, with_value(-1), "code the two values as 0 and 1"),
        (binary, with_value(np.nan), r"holds nan \(row 4.*leave those rows out.*infer"),
        (counts, with_value(-3), "holds -3 .*not negative"),
        (counts, with_value(0.5), "values must be whole"),
        (codes, np.array([0, 1, 2, 5]), r"holds 5 \(row 3\).*count codes from 0"),
        (codes, np.array([0, 1, -1, 0]), "look for a code such as -1"),
        (positive, with_value(-2.0), "takes values that are > 0|>= 0"),
        (positive, with_value(np.inf), "holds inf .*logarithm of 0"),
        (simplex, ONES, r"holds \[1.0, 1.0, 1.0\] \(row 0\).*simplex"),
    ],
    ids=lambda value: value.__name__ if callable(value) else None,
)
def test_values_outside_of_the_support_are_refused_with_the_cure(make, data, words):
    model = Likelihoods(make)
    rows = read_rows(data, ["y"], {})
    with pytest.raises(DataError, match=words) as raised:
        read_domain(model, rows, torch.float32, False, "cpu").check_rows(rows, torch.device("cpu"))
    assert "'y'" in str(raised.value)


@pytest.mark.parametrize("make", [binary, counts, positive], ids=lambda make: make.__name__)
def test_values_inside_are_taken(make):
    for data in (ONES, ONES.astype(np.uint8), ONES.astype(bool)):
        rows = read_rows(data, ["y"], {})
        domain = read_domain(Likelihoods(make), rows, torch.float32, False, "cpu")
        domain.check_rows(rows, torch.device("cpu"))
        assert rows.take(torch.arange(2))["y"].dtype == torch.float32


def test_codes_stay_whole_numbers():
    rows = read_rows(np.array([0.0, 1.0, 2.0]), ["y"], {})
    read_domain(Likelihoods(codes), rows, torch.float32, False, "cpu")
    assert rows.take(torch.arange(3))["y"].dtype == torch.int64


def test_missing_values_where_a_method_takes_them():
    rows = read_rows(with_value(np.nan), ["y"], {})
    domain = read_domain(Likelihoods(binary), rows, torch.float32, True, "cpu")
    domain.check_rows(rows, torch.device("cpu"))
    rows = read_rows(with_value(7.0, 0, base=with_value(np.nan)), ["y"], {})
    domain = read_domain(Likelihoods(binary), rows, torch.float32, True, "cpu")
    with pytest.raises(DataError, match="holds 7"):
        domain.check_rows(rows, torch.device("cpu"))


def test_a_support_that_differs_from_row_to_row():
    class Trials(Likelihoods):
        def forward(self, y, trials):
            import pyro

            with pyro.plate("case", len(y)):
                pyro.sample("y", dist.Binomial(trials, logits=self.raw[0]), obs=y)

    model = Trials(binary)
    good = {"y": np.array([1, 2, 3.0]), "trials": np.array([1, 2, 3.0])}
    rows = read_rows(good, ["y", "trials"], {})
    read_domain(model, rows, torch.float32, False, "cpu").check_rows(rows, torch.device("cpu"))
    rows = read_rows({**good, "trials": np.array([1, 2, 2.0])}, ["y", "trials"], {})
    with pytest.raises(DataError, match=r"data\['y'\] holds 3 \(row 2\)"):
        read_domain(model, rows, torch.float32, False, "cpu").check_rows(rows, torch.device("cpu"))


def test_shapes_that_do_not_fit_are_named():
    rows = read_rows(np.zeros((5, 3)), ["x"], {})
    with pytest.raises(DataError, match=r"rows of shape \(3,\), and the site 'x' takes \(2,\)"):
        read_domain(Gaussian(), rows, torch.float32, False, "cpu")
    rows = read_rows(np.zeros((5, 2, 1)), ["x"], {})
    with pytest.raises(DataError, match=r"flatten the rows, x.reshape\(len\(x\), 2\)"):
        read_domain(Gaussian(), rows, torch.float32, False, "cpu")
    rows = read_rows(np.zeros((5, 64)), ["x"], {})
    with pytest.raises(DataError, match=r"reshape the rows, x.reshape\(len\(x\), 1, 8, 8\)"):
        read_domain(DCGAN(), rows, torch.float32, False, "cpu")
    rows = read_rows(np.zeros((5, 7)), ["y"], {})
    with pytest.raises(DataError, match=r"site 'y' has rows of shape \(7,\).*takes \(3,\)"):
        read_domain(Likelihoods(binary), rows, torch.float32, False, "cpu")


def test_a_program_that_observes_nothing_is_refused():
    class Blind(Likelihoods):
        def forward(self, y):
            return self.raw.sum()

    rows = read_rows(ONES, ["y"], {})
    with pytest.raises(ModelError, match="observes nothing of the data"):
        read_domain(Blind(binary), rows, torch.float32, False, "cpu")


def test_looking_at_the_program_leaves_the_generators_alone():
    rows = read_rows(X, ["x"], SHAPES)
    before = torch.get_rng_state()
    read_domain(Gaussian(), rows, torch.float32, False, "cpu")
    assert torch.equal(before, torch.get_rng_state())


def test_rows_name_their_columns():
    rows = read_rows({"x": X}, ["x"], SHAPES)
    assert isinstance(rows, Rows)
    assert rows.names == ("x",)
