"""`probgen report`: the page is written, the exit code tells whether results can be trusted."""

from __future__ import annotations

import textwrap

import pytest
from report_runs import regression
from typer.testing import CliRunner

from probgen.cli import app


@pytest.fixture
def saved(tmp_path):
    for name, shift in (("good", 0.0), ("bad", 3.0)):
        tree = regression(2, shift=shift)
        tree["posterior"] = tree["posterior"].to_dataset()[["mu", "theta"]]
        tree.to_netcdf(tmp_path / f"{name}.nc", engine="h5netcdf")
    return tmp_path


def run(*arguments: object):
    return CliRunner().invoke(app, ["report", *map(str, arguments)])


def test_results_become_a_page(saved, without_pictures):
    page = saved / "page.html"
    done = run(saved / "good.nc", "-o", page, "--title", "All is well")
    assert done.exit_code == 0, done.output
    assert "All is well" in page.read_text()
    done = run(saved / "good.nc", saved / "bad.nc", "-o", page, "--quiet")
    assert done.exit_code == 3
    assert "Report on 2 runs" in page.read_text()


def test_wrong_arguments_are_told_before_anything_is_read(saved):
    assert run(saved / "good.nc", "-o", saved / "page.pdf").exit_code == 1
    assert run(saved / "none.nc", "-o", saved / "page.html").exit_code == 1
    assert not list(saved.glob("page.*"))


def test_the_files_of_cmdstan_chains_are_one_result(tmp_path, without_pictures):
    import numpy as np

    rng = np.random.default_rng(0)
    for chain in range(4):
        rows = [f"{-x * x:.4f},0.9,{x:.5f}" for x in rng.normal(size=150)]
        text = "\n".join(["# num_samples = 150", "lp__,accept_stat__,mu", *rows, ""])
        (tmp_path / f"out_{chain + 1}.csv").write_text(text)
    page = tmp_path / "page.html"
    done = run(*sorted(tmp_path.glob("out_*.csv")), "-o", page)
    assert done.exit_code in (0, 3), done.output
    text = page.read_text()
    assert "4 chains x 150 draws" in text
    assert "Comparison" not in text


@pytest.fixture
def model(tmp_path):
    text = """
        import pyro, torch
        import pyro.distributions as dist

        data = {"x": torch.arange(6.0), "y": torch.tensor([0.0, 0.0, 1.0, 0.0, 1.0, 1.0])}

        def slope(x, y=None):
            b = pyro.sample("b", dist.Normal(0.0, 1.0))
            with pyro.plate("n", len(x)):
                pyro.sample("y", dist.Bernoulli(logits=b * (x - 2.5)), obs=y)
    """
    path = tmp_path / "slope.py"
    path.write_text(textwrap.dedent(text))
    return path


def test_a_model_shows_its_source_and_how_it_predicts(tmp_path, model):
    import probgen as pg

    loaded = pg.load_model(str(model))
    tree = pg.infer(
        loaded.program, pg.NUTS(), data=loaded.data, draws=300, warmup=200, seed=1, chains=2,
        progress=False, backend="torch",
    )  # fmt: skip
    pg.save(tree, tmp_path / "run.nc")
    page = tmp_path / "page.html"
    done = run(tmp_path / "run.nc", "-o", page)
    assert "No posterior predictive check" in page.read_text()
    done = run(tmp_path / "run.nc", "-o", page, "--model", model)
    assert done.exit_code in (0, 3), done.output
    text = page.read_text()
    assert "Predictive distribution of y" in text
    assert "Prior and posterior" in text
    assert "No posterior predictive check" not in text
    assert "logits=b * (x - 2.5)" in text
    done = run(tmp_path / "run.nc", "-o", page, "--model", model, "-d", "y=[1,1,1,1,1,1]")
    assert done.exit_code == 1
    assert "other data" in done.output
    assert run(tmp_path / "run.nc", "-d", "y=[1]").exit_code == 1
