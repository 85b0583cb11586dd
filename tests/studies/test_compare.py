"""Whole comparisons: wrong methods are exposed, failures are rows, nothing depends on luck."""

import json
import time
from dataclasses import replace
from itertools import pairwise

import joblib
import numpy as np
import pytest

import probgen as pg
from probgen.errors import DataError, OptionError, SamplingError
from probgen.studies.compare import study
from probgen.studies.compare.estimates import estimates_of
from probgen.studies.compare.result import Comparison, read_comparison
from probgen.studies.compare.run import Job, measure
from probgen.studies.compare.study import compare
from probgen.studies.reference_read import read_reference
from tests.studies.compare_programs import (
    Dying,
    Independent,
    Raising,
    Sleeping,
    data,
    normal,
    truth,
)

METHODS = {
    "exact": Independent(),
    "too wide": Independent(stretch=1.2),
    "raising": Raising(),
    "dying": Dying(),
}


@pytest.fixture(scope="module")
def compared():
    return compare(
        normal,
        METHODS,
        data=data(),
        reference={"mu": truth()},
        seeds=1,
        budget=2000,
        progress=False,
    )


def line(comparison, method):
    return comparison.table.set_index("method").loc[method]


def test_a_right_method_is_called_right_and_a_wrong_one_biased(compared):
    assert line(compared, "exact")["standing"] == "right"
    assert line(compared, "exact")["bias"] == 0.0
    wide = line(compared, "too wide")
    assert wide["standing"] == "biased"
    assert wide["bias_statistic"] == "sd"
    assert wide["error_sd_worst"] == pytest.approx(0.2, abs=0.04)
    assert "too wide is" in compared.verdict
    assert "biased" in compared.verdict
    assert "the diagnosis called it trustworthy in 1 of 1 runs" in compared.verdict


def test_failures_are_rows_with_their_reason_and_stand_last(compared):
    assert compared.best == "exact"
    assert compared.table["standing"].tolist()[-2:] == ["failed", "failed"]
    runs = compared.runs.set_index("method")
    assert runs.loc["raising", "status"] == "failed"
    assert runs.loc["raising", "reason"] == "ArithmeticError: the sampler fell over"
    assert runs.loc["dying", "status"] == "crashed"
    assert "SIGABRT" in runs.loc["dying", "reason"]
    assert "raising failed: ArithmeticError: the sampler fell over." in compared.verdict


def test_warm_up_is_charged(compared):
    run = compared.runs.set_index("method").loc["exact"]
    worst = min(run["ess_bulk_worst"], run["ess_tail_worst"])
    assert run["seconds"] == pytest.approx(1.5, abs=0.1)  # starting points are charged, too
    assert run["ess_per_second"] == pytest.approx(worst / run["seconds"])  # not worst / 1.0
    assert run["ess_per_gradient"] == pytest.approx(worst / 1500)
    first = compared.curves.query("method == 'exact'").iloc[0]
    assert first["draws"] == 16
    assert first["seconds"] == pytest.approx(run["seconds_warmup"] + 16 / 2000)
    assert first["gradients"] == pytest.approx(500 + 1000 * 16 / 2000)


def test_compiling_counts_in_the_time_to_the_first_trustworthy_answer(compared):
    run = compared.runs.set_index("method").loc["exact"]
    compiling = compared.tree.attrs["seconds_compile_cold"]
    assert compiling > 0
    draws = run["trusted_draws"] / 2000
    expected = run["seconds_compile"] + run["seconds_warmup"] + draws
    assert run["trusted_seconds"] == pytest.approx(expected)
    assert run["seconds_compile"] >= compiling
    assert 16 <= run["trusted_draws"] < 2000


def test_memory_is_measured(compared):
    run = compared.runs.set_index("method").loc["exact"]
    assert run["memory_mb"] > 20
    assert 0 <= run["memory_added_mb"] < run["memory_mb"]


def test_the_same_seed_gives_the_same_numbers_in_and_out_of_a_process(compared):
    job = Job(normal, Independent(), data(), {"seed": 1, "draws": 2000, "threads": 1})
    here = measure(job, read_reference({"mu": truth()}))
    there = compared.tree["errors"].to_dataset().isel(run=0)
    np.testing.assert_array_equal(here.accuracy.errors, there["error"].values)
    other = measure(
        Job(normal, Independent(), data(), {"seed": 2, "draws": 2000}),
        read_reference({"mu": truth()}),
    )
    assert not np.array_equal(here.accuracy.errors, other.accuracy.errors, equal_nan=True)


def test_a_comparison_survives_json_and_netcdf(compared, tmp_path):
    for name in ("saved.json", "saved.nc"):
        again = read_comparison(compared.save(tmp_path / name))
        assert again.verdict == compared.verdict
        assert again.table.equals(compared.table)
    text = (tmp_path / "saved.json").read_text()
    json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert len(compared.save(tmp_path / "saved.csv").read_text().splitlines()) == 5
    with pytest.raises(OptionError, match=r"\.json, \.nc, \.csv or \.html"):
        compared.save(tmp_path / "saved.pkl")


def test_a_run_that_takes_too_long_is_stopped_and_is_a_row():
    slow = compare(normal, [Sleeping()], data=data(), seeds=1, timeout=1.0, progress=False)
    assert slow.runs["status"].tolist() == ["timeout"]
    assert slow.runs["reason"].tolist() == ["not done after 1 s"]
    assert slow.best is None
    assert "No method gave an answer to be trusted." in slow.verdict


def test_every_budget_is_a_run_and_a_line_of_its_own():
    found = compare(
        normal,
        [Independent()],
        data=data(),
        seeds=1,
        budget=(50, 500),
        progress=False,
    )
    assert found.runs["draws"].tolist() == [50, 500]
    assert found.table["budget"].tolist() == [500, 50]  # 50 draws are too few to be trusted
    assert found.table["standing"].tolist() == ["passed", "not trusted"]
    assert "errors were not measured" in found.verdict


def test_an_interrupted_comparison_keeps_what_was_done(monkeypatch):
    calls = iter([study.answer_of] * 2)  # the compiling, and the first run

    def answer_of(call, seconds=None):
        try:
            return next(calls)(call, seconds)
        except StopIteration:
            raise KeyboardInterrupt from None

    monkeypatch.setattr(study, "answer_of", answer_of)
    found = compare(normal, [Independent()], data=data(), seeds=3, budget=300, progress=False)
    assert found.runs["status"].tolist() == ["done", "failed", "failed"]
    assert "interrupted" in found.runs["reason"].iloc[-1]


def test_a_slower_way_than_compiled_code_is_told():
    found = compare(
        normal,
        [Independent()],
        data=data(),
        seeds=1,
        budget=300,
        options={"backend": "eager"},
        progress=False,
    )
    assert any("did not run as compiled code" in text for text in found.caveats)


def test_networks_are_measured_by_exact_inference():
    network = pg.load_network("asia")
    found = compare(
        network,
        [pg.Exact(), pg.Gibbs(), pg.BeliefPropagation()],
        data={"dysp": "yes", "xray": "yes"},
        seeds=1,
        progress=False,
    )
    assert found.tree.attrs["reference"] == "exact"
    assert line(found, "Exact")["total_variation_worst"] < 1e-12
    assert line(found, "Gibbs")["standing"] in ("right", "slightly biased")
    assert line(found, "Gibbs")["total_variation_worst"] < 0.02
    loopy = line(found, "BeliefPropagation")  # the network has a loop
    assert loopy["total_variation_worst"] > 1e-3
    assert loopy["bias"] > 1e-3
    exact = found.curves.query("method == 'Exact'")
    assert exact["worst"].tolist() == pytest.approx([0.0])  # not the error of its draws
    gibbs = found.curves.query("method == 'Gibbs'")
    assert gibbs["worst"].iloc[0] > gibbs["worst"].iloc[-1]
    assert gibbs["worst"].iloc[-1] == pytest.approx(
        line(found, "Gibbs")["total_variation_worst"], abs=1e-3
    )


def test_a_reference_that_cannot_be_made_or_read_is_an_error():
    with pytest.raises(OptionError, match="for networks"):
        compare(normal, [Independent()], data=data(), reference="exact", progress=False)
    with pytest.raises(OptionError, match="reference=int"):
        compare(normal, [Independent()], data=data(), reference=3, progress=False)
    with pytest.raises(SamplingError, match="could not be made"):
        compare(normal, [Independent()], data={}, reference="long", progress=False)
    with pytest.raises(DataError, match="has none of the posterior's scalars: it names mu_typo"):
        compare(
            *(normal, [Independent()]),
            data=data(),
            seeds=1,
            reference={"mu_typo": (0, 1)},
            progress=False,
        )


def test_options_are_checked_before_anything_runs():
    for wrong in (
        *({"seeds": 0}, {"seeds": [1, 1]}, {"seeds": True}, {"budget": 0}),
        *({"options": {"draws": 3}}, {"options": {"initial": 3}}, {"options": {"store": "x"}}),
        *({"timeout": -1.0}, {"timeout": "soon"}, {"jobs": 0}),
    ):
        (name,) = wrong
        with pytest.raises(OptionError, match=name):
            compare(normal, [Independent()], data=data(), progress=False, **wrong)


def test_a_gaussian_network_is_measured_by_its_moments():
    from pgmpy.factors.continuous import LinearGaussianCPD
    from pgmpy.models import LinearGaussianBayesianNetwork

    model = LinearGaussianBayesianNetwork([("a", "b")])
    model.add_cpds(LinearGaussianCPD("a", [1.0], 2.0), LinearGaussianCPD("b", [0, 1], 1, ["a"]))
    found = compare(model, [pg.Exact()], data={"b": 2.5}, seeds=1, progress=False)
    known = found.tree["reference"].to_dataset()
    mean, sd = 1.0 + 0.8 * 1.5, (4.0 - 0.8 * 4.0) ** 0.5
    expected = [mean, sd, mean - 1.6448536 * sd, mean, mean + 1.6448536 * sd]
    np.testing.assert_allclose(known["value"].sel(scalar="a"), expected, rtol=1e-6)
    assert (known["mcse"] == 0).all()  # not the error of draws
    assert line(found, "Exact")["standing"] == "right"
    assert found.tree.attrs["sliced_wasserstein_floor"] > 0


@pytest.mark.parametrize(("low", "high"), [(3.0, 3.3), (2.0, 9.0), (0.004, 0.4), (1e-9, 1e5)])
def test_a_logarithmic_axis_has_some_labels_that_do_not_overlap(low, high):
    from matplotlib.figure import Figure

    from probgen.studies.compare.ticks import log_axis

    figure = Figure(figsize=(4, 3), layout="constrained")
    axes = figure.subplots()
    axes.plot([low, high], [low, high])
    for which in "xy":
        log_axis(axes, which, "{:g}".format)
    figure.draw_without_rendering()
    left, right = axes.get_xlim()
    ticks = [
        t for t in axes.get_xticklabels() if t.get_text() and left <= t.get_position()[0] <= right
    ]
    assert 2 <= len(ticks) <= 8
    assert not any(t.get_text() for t in axes.get_xticklabels(minor=True))
    boxes = sorted((t.get_window_extent().x0, t.get_window_extent().x1) for t in ticks)
    assert all(a[1] < b[0] for a, b in pairwise(boxes))


def test_names_in_backquotes_become_code_on_the_page(compared, tmp_path):
    tree = compared.tree.copy()
    tree["runs"]["reason"] = tree["runs"]["reason"].str.replace("fell", "`fell` <i>")
    page = Comparison(tree).save(tmp_path / "page.html").read_text()
    written = "the sampler <code>fell</code> &lt;i&gt; over"
    assert page.count(written) == 2  # in the verdict, and in the table of runs


def test_what_was_built_for_the_first_run_is_not_charged(monkeypatch, tmp_path):
    """On a machine that never saw an engine its library is built first, which takes seconds."""
    monkeypatch.setenv("PROBGEN_CACHE", str(tmp_path / "cache"))

    class Built(Independent):
        def run(self, density, plan):
            library = tmp_path / "cache" / "engine.so"
            if not library.exists():
                time.sleep(1.2)
                library.touch()
            return replace(super().run(density, plan), summary={})

    found = measure(Job(normal, Built(), data(), {"seed": 1, "draws": 50, "threads": 1}), None)
    assert found.costs.seconds < 1.0


def test_pictures_and_page_show_every_method(compared):
    pictures = compared.plot()
    assert set(pictures) == {"errors", "efficiency", "curves"}
    page = compared.html
    for label in METHODS:
        assert label in page
    assert "<script" not in page
    assert isinstance(compared, Comparison)


def test_a_page_is_self_contained_and_escapes_what_it_quotes(compared, tmp_path):
    tree = compared.tree.copy()
    tree.attrs["model"] = "<script>alert(1)</script>"
    page = Comparison(tree).save(tmp_path / "page.html").read_text()
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    assert "default-src &#39;none&#39;; script-src &#39;sha256-" in page
    for outward in ('src="', "@import", "url(http", 'href="http'):
        assert outward not in page


def test_estimates_of_independent_draws_need_no_autocorrelation():
    tree = pg.infer(normal, Independent(), data=data(), draws=500, seed=3, progress=False)
    tree.attrs["approximation"] = 1
    independent = estimates_of(tree)
    tree.attrs["approximation"] = 0
    np.testing.assert_allclose(independent.errors, estimates_of(tree).errors, rtol=0.5)


@pytest.mark.slow
def test_a_sampler_with_a_reckless_step_is_exposed():
    model = pg.load_model("eight_schools")
    found = compare(
        model.program,
        {"NUTS": pg.NUTS(), "MCLMC, reckless": pg.MCLMC(step_size=8.0, length=20.0)},
        data=model.data,
        reference=model.reference,
        seeds=4,
        progress=False,
    )
    assert found.best == "NUTS"
    assert line(found, "MCLMC, reckless")["standing"] == "biased"
    assert line(found, "MCLMC, reckless")["error_sd_worst"] > 0.1


@pytest.mark.slow
def test_runs_side_by_side_give_the_same_numbers():
    options = {"data": data(), "reference": {"mu": truth()}, "seeds": 3, "budget": 300}
    alone = compare(normal, [Independent()], **options, progress=False)
    together = compare(normal, [Independent()], **options, jobs=2, progress=False)
    np.testing.assert_array_equal(
        alone.tree["errors"]["error"].values, together.tree["errors"]["error"].values
    )
    assert any("shared the machine" in text for text in together.caveats)


@pytest.mark.slow
def test_a_dask_cluster_carries_the_runs():
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with (
        distributed.LocalCluster(**options) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config("dask"),
    ):
        found = compare(
            normal,
            METHODS,
            data=data(),
            reference={"mu": truth()},
            seeds=2,
            budget=500,
            progress=False,
        )
    assert line(found, "exact")["finished"] == "2/2"
    assert sorted(found.runs["status"].unique()) == ["crashed", "done", "failed"]
    alone = compare(
        normal,
        {"exact": Independent()},
        data=data(),
        reference={"mu": truth()},
        seeds=2,
        budget=500,
        progress=False,
    )
    there = found.runs.query("method == 'exact'")["error_mean_worst"].tolist()
    assert there == alone.runs["error_mean_worst"].tolist()


@pytest.mark.slow
def test_ray_carries_the_runs():
    ray = pytest.importorskip("ray")
    from ray.util.joblib import register_ray

    options = {"data": data(), "reference": {"mu": truth()}, "seeds": 2, "budget": 500}
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        register_ray()
        with joblib.parallel_config("ray", n_jobs=2):
            found = compare(normal, METHODS, progress=False, **options)
    finally:
        ray.shutdown()
    alone = compare(normal, {"exact": Independent()}, progress=False, **options)
    there = found.runs.query("method == 'exact'")["error_mean_worst"].tolist()
    assert there == alone.runs["error_mean_worst"].tolist()
    assert any("shared the machine" in text for text in found.caveats)  # it was not done here
