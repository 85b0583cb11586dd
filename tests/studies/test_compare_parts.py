"""The parts of a comparison on made-up results: errors, distances, curves, words, references."""

import json
import math
import pickle
import time
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

import probgen as pg
from probgen.errors import DataError, ModelError, OptionError
from probgen.studies.compare.accuracy import accuracy, bound, pooled
from probgen.studies.compare.carry import packed
from probgen.studies.compare.collect import collected
from probgen.studies.compare.costs import Costs, Yield, costs_of
from probgen.studies.compare.curve import budgets, curve_of, first_trusted
from probgen.studies.compare.estimates import STATISTICS, estimates_of, read_scalars
from probgen.studies.compare.isolate import Answer, answer_of
from probgen.studies.compare.joint import floors, joint_distance
from probgen.studies.compare.labels import labelled
from probgen.studies.compare.result import Comparison
from probgen.studies.compare.rows import Run
from probgen.studies.compare.run import Measured
from probgen.studies.reference import reference_from_tree
from probgen.studies.reference_read import read_reference


def tree_of(**draws):
    """A result with draws (chain, draw, ...) by site."""
    dims = {
        n: ("chain", "draw", *(f"{n}_dim_{i}" for i in range(v.ndim - 2)))
        for n, v in draws.items()
    }
    return xr.DataTree.from_dict(
        {"posterior": xr.Dataset({n: (dims[n], v) for n, v in draws.items()})}
    )


def normals(seed, *shape, scale=1.0):
    return scale * np.random.default_rng(seed).standard_normal(shape)


def costs(warmup=1.0, sampling=2.0):
    return Costs(0.0, warmup, sampling, 4.0, 100.0, 200.0)


class TestAccuracy:
    reference = read_reference({"x": (1.0, 2.0)})

    def test_errors_are_in_reference_sds_and_signed(self):
        found = accuracy(
            estimates_of(tree_of(x=1.5 + normals(1, 4, 2500, scale=2.0))), self.reference
        )
        assert found.names == ("x",)
        assert found.errors[0, 0] == pytest.approx(0.25, abs=0.03)
        assert abs(found.errors[0, 1]) < 0.03
        assert np.isnan(found.errors[0, 2:]).all()  # quantiles are not known

    def test_chance_is_not_bias_and_bias_is_not_chance(self):
        for seed in range(5):
            right = tree_of(x=1.0 + normals(seed, 4, 250, scale=2.0))
            assert accuracy(estimates_of(right), self.reference).most_biased()[0] == 0.0
        wrong = tree_of(x=1.0 + normals(1, 4, 2500, scale=2.4))
        assert accuracy(estimates_of(wrong), self.reference).most_biased()[1:] == ("x", "sd")

    def test_the_error_of_the_reference_excuses(self):
        shifted = estimates_of(tree_of(x=1.5 + normals(1, 4, 2500, scale=2.0)))
        rough = read_reference({"x": {"mean": 1.0, "mean_error": 0.4, "sd": 2.0}})
        assert accuracy(shifted, self.reference).most_biased()[0] > 0.1
        assert accuracy(shifted, rough).most_biased()[0] == 0.0

    def test_seeds_pooled_show_a_bias_that_one_seed_does_not(self):
        parts = [
            accuracy(estimates_of(tree_of(x=1.1 + normals(s, 4, 500, scale=2.0))), self.reference)
            for s in range(8)
        ]
        assert np.median([part.most_biased()[0] for part in parts]) == 0.0
        assert pooled(parts).most_biased()[0] > 0.0

    def test_the_error_of_the_reference_does_not_average_out_over_seeds(self):
        rng = np.random.default_rng(3)
        blamed = {"pooled": 0, "as if it did": 0}
        for study in range(20):  # the mean of the reference is itself off by chance
            off = 0.1 * rng.standard_normal()
            rough = read_reference({"x": {"mean": off, "mean_error": 0.1, "sd": 1.0}})
            runs = [tree_of(x=normals((study, seed), 2, 500)) for seed in range(30)]
            parts = [accuracy(estimates_of(run), rough) for run in runs]
            together = pooled(parts)
            shrunk = replace(together, reference_noise=together.reference_noise / 30**0.5)
            blamed["pooled"] += together.most_biased()[0] > 0
            blamed["as if it did"] += shrunk.most_biased()[0] > 0
        assert blamed["pooled"] == 0
        assert blamed["as if it did"] >= 5

    def test_the_bound_grows_with_the_number_of_comparisons(self):
        assert bound(1) == pytest.approx(3.29, abs=0.01)
        assert bound(100) > bound(1)

    def test_total_variation_of_every_variable(self):
        exact = pg.infer(pg.load_network("asia"), pg.Exact(), seed=1, progress=False)
        reference = reference_from_tree(exact, "exact")
        wrong = exact.copy(deep=True)
        at = (wrong["marginals"]["variable"] == "smoke").values
        wrong["marginals"]["probability"].values[at] += [0.1, -0.1]
        distances = accuracy(estimates_of(wrong), reference).of_variables()
        assert distances["smoke"] == pytest.approx(0.1)
        assert distances["asia"] == 0.0

    def test_scalars_that_do_not_meet_are_named(self):
        with pytest.raises(DataError, match="it names x; the posterior has y"):
            accuracy(estimates_of(tree_of(y=normals(1, 2, 50))), self.reference)


def test_monte_carlo_errors_are_those_of_arviz():
    from arviz_stats.base import array_stats

    x = normals(5, 3, 4, 600)
    for draw in range(1, 600):  # correlated, each scalar differently
        x[:, :, draw] += np.array([0.0, 0.6, 0.9])[:, None] * x[:, :, draw - 1]
    found = estimates_of(tree_of(**dict(zip("abc", x, strict=True))))
    squares = (x - x.mean(axis=(1, 2))[:, None, None]) ** 2
    expected = [
        array_stats.mcse(x, method="mean"),
        array_stats.mcse(squares, method="mean") / (2 * x.std(axis=(1, 2), ddof=1)),
        *(array_stats.mcse(x, method="quantile", prob=p) for p in (0.05, 0.5, 0.95)),
    ]
    np.testing.assert_allclose(found.errors[:, :2], np.array(expected[:2]).T, rtol=1e-6)
    np.testing.assert_allclose(found.errors[:, 2:], np.array(expected[2:]).T, rtol=0.05)


class TestJointDistance:
    """Same marginals, different correlation: only joint distances can tell."""

    @staticmethod
    def correlated(seed, correlation):
        x, z = normals(seed, 4, 500), normals(seed + 100, 4, 500)
        return tree_of(x=x, y=correlation * x + (1 - correlation**2) ** 0.5 * z)

    def test_a_wrong_correlation_stands_out_from_the_floor(self):
        reference = reference_from_tree(self.correlated(1, 0.9), "draws")
        floor = floors(reference)
        same = joint_distance(read_scalars(self.correlated(2, 0.9)), reference)
        wrong = joint_distance(read_scalars(self.correlated(3, 0.0)), reference)
        for name in ("sliced_wasserstein", "mmd"):
            assert getattr(same, name) < 2.5 * getattr(floor, name)
            assert getattr(wrong, name) > 3.0 * getattr(same, name)

    def test_distances_are_those_of_other_implementations(self):
        from scipy.spatial.distance import cdist
        from scipy.stats import wasserstein_distance

        x, y = self.correlated(2, 0.8), self.correlated(5, 0.0)
        reference = reference_from_tree(y, "draws")
        found = joint_distance(read_scalars(x), reference)
        known = reference.draws
        ours = np.stack([x["posterior"][n].values.ravel() for n in "xy"], axis=1)
        z, w = ((part - known.mean(axis=0)) / known.std(axis=0) for part in (ours, known))
        angles = np.linspace(0, np.pi, 500, endpoint=False)
        directions = np.stack([np.cos(angles), np.sin(angles)])
        sliced = np.mean([wasserstein_distance(z @ d, w @ d) for d in directions.T])
        assert found.sliced_wasserstein == pytest.approx(sliced, rel=0.08)
        z, w = (part[np.linspace(0, 1999, 1000).round().astype(int)] for part in (z, w))
        width = np.median(cdist(w, w, "sqeuclidean")[np.triu_indices(1000, 1)])
        means = [
            np.exp(-cdist(a, b, "sqeuclidean") / width).mean() for a, b in ((z, z), (w, w), (z, w))
        ]
        assert found.mmd == pytest.approx((means[0] + means[1] - 2 * means[2]) ** 0.5)

    @pytest.mark.parametrize("draws", [100, 500])
    def test_the_floor_is_what_two_samples_are_apart(self, draws):
        def sample(seed):
            x = normals(seed, 4, draws, 2)
            return tree_of(x=x[..., 0], y=x[..., 1])

        reference = reference_from_tree(sample(1), "draws")
        floor = floors(reference)
        apart = [joint_distance(read_scalars(sample(10 + k)), reference) for k in range(8)]
        for name, limit in (("sliced_wasserstein", 0.35), ("mmd", 0.2)):
            mean = np.mean([getattr(each, name) for each in apart])
            assert getattr(floor, name) == pytest.approx(mean, rel=limit)

    def test_moments_alone_have_no_joint_distance(self):
        assert (
            joint_distance(
                read_scalars(tree_of(x=normals(1, 2, 50))), read_reference({"x": (0, 1)})
            )
            is None
        )


class TestCosts:
    def test_all_that_is_not_compiling_is_charged_where_seconds_are_unknown(self):
        tree = tree_of(x=normals(1, 2, 20))
        tree.attrs = {"seconds_compile": 2.0, "seconds_trace": 0.5}
        assert costs_of(tree, 4.0).seconds == 1.5

    def test_of_networks_the_wall_time_of_the_engine_is_charged(self):
        tree = tree_of(x=normals(1, 2, 20))
        tree.attrs = {"seconds_inference": 3.0, "seconds_sampling": 1.0, "seconds_warmup": 0.5}
        assert costs_of(tree, 4.0).seconds == 3.0
        assert costs_of(tree, 4.0).after(0.5)[0] == 2.5

    def test_of_programs_what_a_method_does_not_tell_is_charged_too(self):
        tree = tree_of(x=normals(1, 2, 20))
        clock = {"seconds_method": 3.0, "seconds_start": 0.5}
        tree.attrs = {**clock, "seconds_sampling": 1.0, "seconds_warmup": 0.25}
        found = costs_of(tree, 9.0)
        assert (found.warmup, found.sampling) == (2.5, 1.0)  # not 0.25: the clock ran on
        tree.attrs = clock
        assert (costs_of(tree, 9.0).warmup, costs_of(tree, 9.0).sampling) == (0.5, 3.0)

    def test_starting_points_and_the_method_are_timed(self):
        from tests.studies.compare_programs import Sleeping, data, normal

        class Slow(Sleeping):
            def run(self, density, plan):
                time.sleep(0.3)
                return pg.Laplace().run(density, plan)

        tree = pg.infer(normal, Slow(), data=data(), seed=1, init="map", progress=False)
        assert tree.attrs["seconds_method"] >= 0.3
        assert tree.attrs["seconds_start"] > 0
        assert costs_of(tree, 9.0).seconds >= 0.3


class TestCurve:
    def test_budgets_are_powers_of_two_and_the_end(self):
        assert budgets(100) == [16, 32, 64, 100]
        assert budgets(16) == [16]
        assert budgets(0) == []

    def test_errors_are_those_of_the_first_draws(self):
        x = normals(1, 2, 100)
        curve = curve_of(tree_of(x=x), costs(), read_reference({"x": (0.5, 2.0)}))
        for draws, error in zip(curve.draws, curve.worst, strict=True):
            assert error == pytest.approx(abs(x[:, :draws].mean() - 0.5) / 2.0)
        np.testing.assert_allclose(curve.seconds, 1.0 + 2.0 * curve.draws / 100)

    def test_the_first_trustworthy_budget_is_found_and_charged(self):
        draws, seconds = first_trusted(tree_of(x=normals(1, 4, 1000)), costs())
        assert draws in (128.0, 256.0, 512.0)  # 400 effective draws and a little more
        assert seconds == 1.0 + 2.0 * draws / 1000

    def test_a_run_that_ends_in_disagreement_is_never_trusted(self):
        x = normals(1, 4, 1000)
        x[0, 300:] += 3.0
        assert first_trusted(tree_of(x=x), costs()) == (math.inf, math.inf)


class TestReferences:
    def test_moments_of_sites_and_of_scalars(self):
        found = read_reference({"mu": (1.0, 2.0), "theta": ([0.0, 1.0], [1.0, 1.5])})
        assert found.names == ("mu", "theta[0]", "theta[1]")
        assert found.values[2, :2].tolist() == [1.0, 1.5]

    def test_log_evidence_may_be_given(self):
        found = read_reference({"mu": (1.0, 2.0), "log_evidence": (-12.5, 0.1)})
        assert found.names == ("mu",)
        assert (found.log_evidence, found.log_evidence_error) == (-12.5, 0.1)

    def test_elements_of_model_files_are_counted_from_one(self):
        found = read_reference({"theta[1]": (6.0, 0.1, 5.0, 0.2)})
        theta = normals(1, 4, 250, 3) * 5.0 + [6.0, 60.0, 600.0]
        assert accuracy(estimates_of(tree_of(theta=theta)), found).names == ("theta[0]",)
        posterior = tree_of(theta=theta)["posterior"].to_dataset()
        posterior = posterior.assign_coords(theta_dim_0=list("abc"))
        labelled_tree = xr.DataTree.from_dict({"posterior": posterior})
        by_place = accuracy(estimates_of(labelled_tree), found)
        assert by_place.names == ("theta[a]",)
        assert by_place.most_biased()[0] < 0.1

    def test_files_of_draws_are_read(self, tmp_path):
        draws = {"mu": normals(1, 4, 250), "theta[1]": normals(2, 4, 250)}
        np.savez(tmp_path / "draws.npz", **draws)
        chains = [{name: v[c].tolist() for name, v in draws.items()} for c in range(4)]
        (tmp_path / "draws.json").write_text(json.dumps(chains))
        with zipfile.ZipFile(tmp_path / "draws.json.zip", "w") as archive:
            archive.write(tmp_path / "draws.json", "draws.json")
        tree_of(mu=draws["mu"]).to_netcdf(tmp_path / "draws.nc", engine="h5netcdf")
        read = [read_reference(tmp_path / f"draws.{e}") for e in ("npz", "json", "json.zip")]
        for one in read:
            assert one.names == ("mu", "theta[0]")
            np.testing.assert_allclose(one.values, read[0].values)
        assert read_reference(str(tmp_path / "draws.nc")).values[0] == pytest.approx(
            read[0].values[0]
        )

    def test_a_pickle_is_never_loaded(self, tmp_path):
        class Bomb:
            def __reduce__(self):
                return (pytest.fail, ("it was unpickled",))

        np.savez(tmp_path / "bomb.npz", mu=np.array([Bomb()], dtype=object))
        (tmp_path / "bomb.json").write_bytes(pickle.dumps(Bomb()))
        for name in ("bomb.npz", "bomb.json"):
            with pytest.raises(DataError, match="holds no draws"):
                read_reference(tmp_path / name)

    def test_what_cannot_be_a_reference_says_so(self, tmp_path):
        (tmp_path / "text.nc").write_text("nothing")
        for wrong, words in (
            ({}, "empty"),
            ({"mu": 3.0}, "must be"),
            ({"mu": (1.0, 0.0)}, "sd of 'mu'"),
            ({"mu": {"mean": 0.0, "mode": 1.0}}, "mode"),
            (tmp_path / "absent.json", "no file"),
            (tmp_path / "text.nc", "text.nc"),
        ):
            with pytest.raises(DataError, match=words):
                read_reference(wrong)


class TestLabels:
    def test_namesakes_are_told_apart_by_their_settings(self):
        found = labelled([pg.NUTS(), pg.NUTS(target_accept=0.95), pg.HMC(), None])
        assert list(found) == ["NUTS", "NUTS(target_accept=0.95)", "HMC", "automatic"]

    def test_functions_among_settings_go_by_their_names(self):
        def own_guide():
            """Whatever its address."""

        found = labelled([pg.SVI(own_guide), pg.SVI(own_guide, steps=9), pg.SVI()])
        assert list(found) == ["SVI(guide=own_guide)", "SVI(guide=own_guide, steps=9)", "SVI"]

    def test_what_is_no_method_is_refused(self):
        for wrong in ([], [pg.NUTS], ["NUTS"], [pg.NUTS(), pg.NUTS()]):
            with pytest.raises(OptionError):
                labelled(wrong)


class TestIsolation:
    def test_answers_come_back_and_so_do_errors(self):
        assert answer_of(packed(divmod, 7, 3)).value == (2, 1)
        failed = answer_of(packed(divmod, 7, 0))
        assert (failed.status, failed.kind) == ("failed", "ZeroDivisionError")

    def test_code_beside_a_model_file_travels_with_it(self, tmp_path):
        (tmp_path / "beside_the_model.py").write_text("def scale():\n    return 2.0\n")
        (tmp_path / "own_model.py").write_text(
            "import pyro\nimport pyro.distributions as dist\n"
            "from beside_the_model import scale\n\n\n"
            "def own_model():\n"
            "    return pyro.sample('x', dist.Delta(dist.Normal(scale(), 1.0).loc))\n"
        )
        program = pg.load_model(tmp_path / "own_model.py").program
        assert float(answer_of(packed(program, owners=(program,))).value) == 2.0

    def test_an_interrupted_wait_leaves_nothing_behind(self, monkeypatch):
        import threading

        from probgen.studies.compare import isolate

        answer_of(packed(divmod, 7, 3))
        helper = isolate._of_thread.helper

        def interrupt(stream):
            raise KeyboardInterrupt

        monkeypatch.setattr(isolate, "receive", interrupt)
        with pytest.raises(KeyboardInterrupt):
            answer_of(packed(divmod, 7, 3), 600.0)
        assert helper.process.poll() is not None
        waiting = [t for t in threading.enumerate() if isinstance(t, threading.Timer)]
        assert all(t.daemon and t.finished.is_set() for t in waiting)

    def test_what_cannot_travel_is_said(self):
        import threading

        with pytest.raises(ModelError, match="cannot be sent to another process"):
            packed(print, threading.Lock())

    def test_large_calls_and_answers_pass(self):
        big = np.arange(1_000_000.0)
        assert answer_of(packed(np.negative, big)).value[-1] == -999_999.0

    def test_work_does_not_touch_this_process(self):
        import os

        def change():
            os.environ["PROBGEN_TEST_ISOLATION"] = "1"
            return os.getpid()

        assert answer_of(packed(change, owners=(change,))).value != os.getpid()
        assert "PROBGEN_TEST_ISOLATION" not in os.environ

    def test_helpers_of_the_work_die_with_it(self, tmp_path):
        import subprocess
        import time

        def start(path):
            subprocess.Popen(["sh", "-c", f"sleep 2; touch {path}"])
            time.sleep(60)

        answer = answer_of(packed(start, str(tmp_path / "alive"), owners=(start,)), 0.5)
        assert answer.status == "timeout"
        time.sleep(2.5)
        assert not (tmp_path / "alive").exists()


def measured(
    sampling, *, ess=1000.0, error=0.0, noise=0.01, trustworthy=True, unchecked=False, fallback=""
):
    from probgen.studies.compare.accuracy import Accuracy

    errors = np.full((1, len(STATISTICS)), error)
    return Measured(
        scalars=1,
        chains=4,
        draws=1000,
        costs=Costs(0.1, 1.0, sampling, 9.0, math.nan, math.nan),
        effective=Yield(ess, ess, ess, ess, 1.0),
        memory=(1e8, 1e7),
        accuracy=Accuracy(
            *(("x",), STATISTICS, errors), np.full_like(errors, noise), np.zeros_like(errors)
        ),
        joint=None,
        curve=None,
        evidence=(math.nan, "", math.nan),
        trusted_after=(128.0, 2.0),
        trustworthy=trustworthy,
        headline="",
        findings=() if trustworthy else ("R-hat: above 1.01.",),
        advice="" if trustworthy else "run longer",
        unchecked=unchecked,
        native=not fallback,
        fallback=fallback,
    )


def done(*arguments, **options):
    return [Answer("done", measured(*arguments, **options))] * 3


class TestWords:
    @staticmethod
    def comparison(**answers):
        runs = [
            Run(label, seed, None, a)
            for label, each in answers.items()
            for seed, a in enumerate(each)
        ]
        known = read_reference({"x": (0.0, 1.0)})
        settings = {"jobs": 1, "timeout": 5.0, "seconds": 1.0}
        return Comparison(collected(runs, {}, known, model="m", compiling=1.0, settings=settings))

    def test_fast_and_biased_is_not_the_best(self):
        found = self.comparison(SLOW=done(50.0), FAST=done(1.0, error=0.4))
        assert found.best == "SLOW"
        assert "SLOW serves best: its answer is right" in found.verdict
        assert "21 s to 400 effective draws" in found.verdict  # 1 + 50 * 400 / 1000
        assert "FAST is fast but biased (15 times faster)" in found.verdict
        assert "the mean of x is 0.379 sd off" in found.verdict

    def test_untrusted_failed_and_slow_paths_are_told(self):
        timeout = Answer("timeout", reason="not done after 5 s")
        found = self.comparison(
            GOOD=[Answer("done", measured(1.0))] * 2 + [timeout],
            DOUBTED=[Answer("done", measured(1.0, trustworthy=False))] * 3,
            EAGER=[Answer("done", measured(9.0, fallback="no compiler"))] * 3,
            LATE=[timeout] * 3,
        )
        assert "DOUBTED is not to be trusted by its own diagnosis: R-hat" in found.verdict
        assert "LATE failed: not done after 5 s." in found.verdict
        told = " ".join(found.caveats)
        assert "GOOD finished 2/3 runs; the others: not done after 5 s." in told
        assert "EAGER did not run as compiled code: no compiler." in told

    def test_when_none_is_trusted_the_next_step_is_named(self):
        found = self.comparison(ONE=done(1.0, trustworthy=False), TWO=done(1.0, error=0.5))
        assert found.best is None
        assert "No method gave an answer to be trusted. Next step: run longer." in found.verdict

    def test_an_approximation_that_nothing_measured_does_not_win(self):
        answers = {"BOLD": done(1.0, unchecked=True), "SLOW": done(9.0)}
        measured_too = self.comparison(**answers)
        assert measured_too.best == "BOLD"
        found = Comparison(measured_too.tree.filter(lambda node: node.name != "errors"))
        assert found.best == "SLOW"
        assert "BOLD is an approximation, 3.29 times faster; nothing measured" in found.verdict

    def test_the_picture_of_errors_tells_none_from_unknown(self):
        late = [Answer("timeout", reason="not done after 5 s")]
        found = self.comparison(
            EXACT=done(1.0), LOST=done(1.0, error=math.nan), OFF=done(1.0, error=0.2), LATE=late
        )
        (axes,) = found.plot()["errors"].axes
        labels = [label.get_text() for label in axes.get_yticklabels()]
        written = {labels[round(text.get_position()[1])]: text.get_text() for text in axes.texts}
        assert written == {"EXACT": "no error", "LOST": "unknown", "LATE": "failed"}

    def test_reasons_name_errors_that_are_not_ours(self):
        found = self.comparison(
            FOREIGN=[Answer("failed", reason="name 'x' is not defined", kind="NameError")],
            OURS=[Answer("failed", reason="site 'x': no", kind="ModelError")],
        )
        assert "FOREIGN failed: NameError: name 'x' is not defined." in found.verdict
        assert "OURS failed: site 'x': no." in found.verdict

    def test_the_median_of_two_is_between_them(self):
        found = self.comparison(A=[Answer("done", measured(t)) for t in (1.0, 3.0)])
        assert found.table["seconds"][0] == 3.0  # 1 + 1 and 1 + 3

    def test_timings_that_overlap_are_no_difference(self):
        found = self.comparison(
            A=[Answer("done", measured(t)) for t in (1.0, 5.0, 15.0)],
            B=[Answer("done", measured(t)) for t in (2.0, 7.0, 12.0)],
        )
        assert "B is about as fast" in found.verdict
        assert any("A took" in text for text in found.caveats)
