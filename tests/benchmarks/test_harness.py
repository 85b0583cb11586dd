"""The benchmark harness itself, without timing anything: data, statistics, records, tables."""

import subprocess
import sys
import types

import numpy as np
import pytest
import torch
from pyro import poutine
from pyro.poutine.util import site_is_subsample as is_plate

from . import clock, harness, samplers, table, worker
from .convergence import convergence, largest_z
from .models import MODELS
from .outcome import Outcome, Run
from .pyro_programs import PROGRAMS, tensors

# Sums of the simulated data: published numbers refer to these very data.
SUMS = {"a": 170.0, "b": 1611.0, "c": 39276.699059330924, "d": 3955.0, "e": 223.8784118220056}


@pytest.mark.parametrize("name", MODELS)
def test_data_are_the_published_ones(name):
    first, second = MODELS[name].make_data(), MODELS[name].make_data()
    for key in first:
        np.testing.assert_array_equal(first[key], second[key])
    total = sum(np.sum(value) for value in first.values())
    np.testing.assert_allclose(total, SUMS[name], rtol=1e-9)


@pytest.fixture
def double_precision():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


@pytest.mark.parametrize("name", MODELS)
def test_programs_have_the_listed_latent_sites(name, double_precision):
    trace = poutine.trace(PROGRAMS[name]).get_trace(**tensors(MODELS[name]))
    sampled = [site for site in trace.stochastic_nodes if not is_plate(trace.nodes[site])]
    assert tuple(sampled) == MODELS[name].latents
    assert np.isfinite(trace.log_prob_sum().item())


def autoregressive(rho, chains=4, draws=4000):
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(chains, draws)) * np.sqrt(1 - rho**2)
    values = np.empty_like(noise)
    values[:, 0] = rng.normal(size=chains)
    for step in range(1, draws):
        values[:, step] = rho * values[:, step - 1] + noise[:, step]
    return values


def test_effective_sample_size_is_that_of_the_worst_coordinate():
    rho = 0.9
    draws = {
        "independent": np.random.default_rng(1).normal(size=(4, 4000, 2)),
        "slow": autoregressive(rho),
    }
    result = convergence(draws)
    expected = 16000 * (1 - rho) / (1 + rho)
    assert result.ess_bulk == pytest.approx(expected, rel=0.25)
    assert result.ess_tail < 8000
    assert result.rhat < 1.02
    assert len(result.means) == len(result.errors) == 3


def test_rhat_sees_a_chain_elsewhere():
    draws = np.random.default_rng(2).normal(size=(4, 500))
    draws[0] += 2.0
    assert convergence({"x": draws}).rhat > 1.1


def test_largest_z_finds_the_mean_that_differs():
    first = [{"means": [0.0, 1.0], "errors": [0.3, 0.4]}]
    second = [{"means": [0.0, 2.0], "errors": [0.3, 0.3]}]
    assert largest_z(first, second) == pytest.approx(1.0 / 0.5)
    assert largest_z(first * 4, second * 4) == pytest.approx(2 * 1.0 / 0.5)


def test_missing_tool_is_recorded(monkeypatch):
    for module in ("nutpie", "numba"):  # importing the first of them fails, installed or not
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, f"{worker.__package__}.tool_nutpie", raising=False)
    record = worker.measure(worker.Job("nutpie", "tool_nutpie", "a", 1), worker.second_call)
    assert record["status"].startswith("not installed (")
    assert f"- nutpie: {record['status']}" in table.measurements([record], "a")
    assert table.ratios([record], ["a"]).count("-")


def fake_tool(monkeypatch, fail=False):
    """A tool that draws from the standard normal, or raises."""
    calls = []

    def prepare(model):
        def sample(run, seed):
            calls.append(run)
            if fail:
                raise RuntimeError("no luck")
            rng = np.random.default_rng(seed)
            return {site: rng.normal(size=(run.chains, run.draws)) for site in model.latents}

        return sample

    module = types.ModuleType("tool_fake")
    module.PACKAGES = ("numpy", "no-such-package")
    module.prepare = prepare
    module.read = lambda result, model, run: Outcome(result, 30, 40, 1)
    monkeypatch.setitem(sys.modules, f"{worker.__package__}.tool_fake", module)
    return calls


def test_second_call_is_the_full_one_and_first_is_tiny(monkeypatch):
    calls = fake_tool(monkeypatch)
    job = worker.Job("fake", "tool_fake", "a", 1, Run(2, 50, 60))
    record = worker.measure(job, worker.second_call)
    assert record["status"] == "ok"
    assert calls == [worker.TINY, Run(2, 50, 60)]
    assert (record["gradients_warmup"], record["gradients"], record["divergences"]) == (30, 40, 1)
    assert record["versions"] == {"numpy": np.__version__, "no-such-package": "source tree"}
    assert record["ess_bulk"] > 20


def test_failing_tool_is_recorded(monkeypatch):
    fake_tool(monkeypatch, fail=True)
    record = worker.measure(worker.Job("fake", "tool_fake", "a", 1), worker.second_call)
    assert record["status"] == "failed: RuntimeError: no luck"


def test_job_survives_json():
    job = worker.Job("x", "tool_x", "b", 7, Run(1, 2, 3), {"double": False})
    assert worker.Job.from_json(job.to_json()) == job


def test_tools_take_turns_and_the_control_has_seeds_of_its_own():
    tools = ["probgen", harness.CONTROL]
    planned = list(harness.jobs(tools, ["a"], seeds=2, run=Run()))
    assert [job.tool for job in planned] == [*tools, *reversed(tools)]
    assert len({job.seed for job in planned}) == 4


@pytest.mark.parametrize("tool", harness.TOOLS)
def test_every_tool_has_a_file(tool):
    module, _ = harness.TOOLS[tool]
    assert (harness.ROOT / "tests" / "benchmarks" / f"{module}.py").exists()


def record(tool, model, cpu, ess, seed=1, **changes):
    return {
        "tool": tool,
        "module": "tool_probgen" if tool.startswith("probgen") else f"tool_{tool}",
        "model": model,
        "seed": seed,
        "status": "ok",
        "run": {"chains": 4, "warmup": 1000, "draws": 1000},
        "cpu": cpu,
        "cpu_compile": 1.5,
        "wall_compile": 2.5,
        "gradients_warmup": 600,
        "gradients": 400,
        "divergences": 0,
        "ess_bulk": ess,
        "ess_tail": ess / 2,
        "rhat": 1.001,
        "means": [0.0],
        "errors": [0.1],
        "versions": {tool: "1.0"},
    } | changes


def test_tables_show_medians_and_ratios():
    records = [record("probgen", "a", cpu, 1000.0, seed) for seed, cpu in enumerate((1, 2, 8))]
    records += [record("probgen again", "a", 1.0, 1000.0), record("stan", "a", 10.0, 1000.0)]
    records += [record("nutpie", "a", 4.0, 1000.0, gradients_warmup=None)]
    row = next(
        line for line in table.measurements(records, "a").splitlines() if "| probgen  " in line
    )
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == [
        "probgen", "4 x (1000 + 1000)", "2", "2,000", "600 + 400", "1000", "500", "500", "250",
        "1.001", "0", "1.5 (2.5)", "0.0",
    ]  # fmt: skip
    last = table.ratios(records, ["a"]).splitlines()[-1]
    cells = [cell.strip() for cell in last.strip("|").split("|")]
    assert cells == ["a eight schools", "0.5x", "5x", "2x", "2x nutpie", "5x"]


def test_table_is_aligned():
    lines = table.markdown(["a", "bb"], [["long cell", "1"], ["", "22"]]).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[1].strip("|-") == ""


def test_report_names_versions_and_failures():
    records = [record("probgen", "a", 1.0, 100.0), {**record("stan", "a", 1, 1), "status": "bad"}]
    text = samplers.report(records, ["a"])
    assert "probgen 1.0" in text
    assert "- stan: bad" in text


BURN = "import time\nwhile time.process_time() < 0.15: pass\n"


def test_cpu_time_counts_finished_and_running_children():
    before = clock.cpu_seconds()
    subprocess.run([sys.executable, "-c", BURN], check=True)
    assert clock.cpu_seconds() - before > 0.12
    before = clock.cpu_seconds()
    waiting = BURN + "print(flush=True)\ninput()\n"
    with subprocess.Popen(
        [sys.executable, "-c", waiting], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        child.stdout.readline()
        assert clock.cpu_seconds() - before > 0.12
        child.communicate("\n")


def test_unknown_names_are_refused(capsys):
    with pytest.raises(SystemExit):
        samplers.main(["--models", "z"])
    assert "unknown: z" in capsys.readouterr().err
