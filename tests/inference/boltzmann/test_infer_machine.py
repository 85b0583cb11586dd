"""What `infer` takes and gives back for machines: data, draws, groups, words."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import probgen as pg
from probgen.cli.arguments import given_data
from probgen.errors import DataError, OptionError, TooLargeError
from probgen.inference import infer_machine
from probgen.inference.boltzmann import run
from tests.inference.boltzmann.agreement import listed
from tests.inference.boltzmann.likelihood.machines import machine, restricted

SMALL = {"chains": 4, "draws": 20, "warmup": 5, "seed": 1, "progress": False}


def drawn(model, method=None, **options):
    return pg.infer(model, method, **{**SMALL, **options})


def test_a_machine_without_a_method_is_sampled_by_gibbs():
    found = drawn(restricted(5, 3))
    assert found.attrs["method"] == "Gibbs"
    assert "blocks" in found.attrs["method_reason"]
    assert {"posterior", "sample_stats", "marginals"} == set(found.children)


def test_draws_are_small_integers_and_gaussian_ones_single():
    found = drawn(machine("gaussian and classes"))["posterior"]
    assert found["x"].dtype == np.float32
    assert found["y"].dtype == found["h"].dtype == np.int8
    assert found["y"].values.max() <= 2


def test_the_parameters_of_the_machine_are_left_alone():
    model = restricted(5, 3)
    before = [parameter.clone() for parameter in model.parameters()]
    drawn(model)
    drawn(model, pg.Exact())
    assert all(torch.equal(*both) for both in zip(before, model.parameters(), strict=True))
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_names_of_dimensions_are_those_asked_for():
    found = drawn(restricted(5, 3), dims={"x": ["pixel"]}, coords={"pixel": list("abcde")})
    assert found["posterior"]["x"].dims == ("chain", "draw", "pixel")
    assert found["posterior"].coords["pixel"].values.tolist() == list("abcde")


def test_hidden_units_are_kept_when_asked_for_or_small(monkeypatch):
    assert "h" in drawn(restricted(5, 3))["posterior"]
    assert "h" not in drawn(restricted(5, 3), hidden=False)["posterior"]
    monkeypatch.setattr(infer_machine, "SMALL_DRAW_BYTES", 100)
    assert "h" not in drawn(restricted(5, 3))["posterior"]
    assert "h" in drawn(restricted(5, 3), hidden=True)["posterior"]
    given = drawn(restricted(5, 3), data={"x": [1, 0, 1, 0, 0]}, hidden=False)
    assert "posterior" not in given.children
    assert given["marginals"].sizes["entry"] == 6


def test_observed_sites_are_data_and_partly_observed_ones_both():
    data = {"x": [1, 0, np.nan, 1, 1], "y": [1]}
    found = drawn(machine("classes"), data=data)
    assert set(found["posterior"].data_vars) == {"x", "h"}
    assert np.array_equal(found["observed_data"]["x"], data["x"], equal_nan=True)
    assert set(found["marginals"].coords["variable"].values) == {
        "x[2]",
        *(f"h[{i}]" for i in range(4)),
    }


def test_draws_that_do_not_fit_are_thinned(monkeypatch):
    monkeypatch.setattr(infer_machine, "MOST_DRAW_BYTES", 1000)
    found = drawn(restricted(5, 3), draws=64)
    assert found["posterior"].sizes["draw"] < 64
    assert 60 <= found.attrs["sweeps"] - 5 <= 64
    assert "One draw in" in found.attrs["notes"]


def test_thinning_keeps_every_so_manieth_draw():
    every = drawn(restricted(5, 3), draws=60)["posterior"]["x"].values
    third = drawn(restricted(5, 3), pg.Gibbs(thin=3))["posterior"]["x"].values
    assert np.array_equal(every[:, 2::3], third)


@pytest.mark.parametrize("method", [pg.Gibbs(), pg.ParallelTempering()])
def test_draws_do_not_depend_on_threads(monkeypatch, method):
    """The last bits of large products do: one thread makes them, whatever torch is set to."""
    before, found, seen = torch.get_num_threads(), [], set()

    own = run.MachineChains._iterate

    def iterate(self):
        seen.add(torch.get_num_threads())
        own(self)

    monkeypatch.setattr(run.MachineChains, "_iterate", iterate)
    for threads in (1, 2):
        torch.set_num_threads(threads)
        try:
            tree = drawn(restricted(784, 500), method, threads=threads, draws=4, hidden=False)
            assert torch.get_num_threads() == threads
        finally:
            torch.set_num_threads(before)
        found.append(tree["posterior"]["x"].values)
    assert np.array_equal(*found)
    assert seen == {1}


def test_exact_marginals_are_those_of_all_states():
    for name in ("binary", "categorical hidden", "classes", "deep"):
        table = pg.infer(machine(name), pg.Exact(), seed=1)["marginals"].to_dataset()
        labels = [
            f"{v}={s}" for v, s in zip(table.variable.values, table.state.values, strict=True)
        ]
        truth = listed(machine(name))
        assert np.allclose(table.probability, [truth[label] for label in labels], atol=1e-5)


def test_verdicts_of_cases_name_case_and_unit():
    found = drawn(restricted(5, 3), data={"x": np.full((2, 5), np.nan)}, draws=50)
    assert "x[1, 4]" in pg.diagnose(found).table["variable"].tolist()


@pytest.mark.slow
def test_reports_and_pictures_of_cases_are_drawn(tmp_path):
    found = drawn(restricted(5, 3), data={"x": np.full((2, 5), np.nan)}, draws=50)
    pg.report(found, tmp_path / "page.html")
    pg.save_picture(found, tmp_path / "page.svg")
    assert (tmp_path / "page.html").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"pixels": [1, 0]}, "no site 'pixels'"),
        ({"x": [1, 0]}, "shape"),
        ({"x": [255, 0, 0, 0, 0]}, "Binarise"),
        ({"x": [0.5, 0, 0, 0, 0]}, "0 or 1"),
        ({"x": [1, 0, 0, 0, 0], "h": [1, 1, 0]}, "every unit is observed"),
        ({"x": [1, 0, 0, 0, np.nan], "h": np.zeros((2, 3))}, "one case"),
    ],
)
def test_data_that_do_not_fit_are_refused(data, said):
    with pytest.raises(DataError, match=said):
        drawn(restricted(5, 3), data=data)


def test_the_data_that_a_model_file_learns_from_are_no_evidence():
    loaded = pg.load_model("rbm")
    assert len(loaded.data["x"]) > 1000
    assert given_data(loaded, None) == {}
    assert list(given_data(loaded, ["h=1"])) == ["h"]


def test_methods_that_do_not_fit_name_those_that_do():
    with pytest.raises(OptionError, match=r"Gibbs\(\), ParallelTempering\(\)"):
        drawn(restricted(5, 3), pg.BeliefPropagation())
    with pytest.raises(TooLargeError, match=r"Gibbs\(\)"):
        drawn(restricted(40, 30), pg.Exact())


@pytest.mark.slow
def test_compare_puts_all_methods_into_one_table():
    methods = [pg.Gibbs(), pg.NUTS(), pg.HMC(), pg.ParallelTempering()]
    result = pg.compare(restricted(6, 4), methods, reference="exact", seeds=1, progress=False)
    assert set(result.table["standing"]) == {"right"}
    assert (result.table["total_variation_worst"] < 0.05).all()
