"""What is shown of a run in flight: a row per chain in a terminal, a line at times in a log."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from probgen import progress
from probgen.inference.method import Progress
from probgen.progress import ProgressDisplay, short_count

SEEN = Progress((150, 90), 200, 100, (2, 0), (12_345, 900))


@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(progress.time, "monotonic", lambda: now.seconds)
    return now


def test_a_log_gets_a_line_every_few_seconds(clock, capsys):
    with ProgressDisplay("NUTS model") as display:
        for clock.seconds in range(17):
            display.show(SEEN)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    said = "2 chains, 60%, warm-up, 2 divergences, 13.2k gradients"
    assert lines[0] == f"NUTS model: {said} [5 s]"


def test_a_method_without_chains_tells_what_it_does(clock, capsys, monkeypatch):
    fitting = Progress((50, 50), 200, 200, (0, 0), (400, 400), doing="ELBO -31.5")
    with ProgressDisplay("SVI model") as display:
        clock.seconds = 6.0
        display.show(fitting)
    assert capsys.readouterr().err == "SVI model: 25%, ELBO -31.5, 800 gradients [6 s]\n"
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert progress._rows(fitting) == [("", 50, 200, "ELBO -31.5, 800 gradients")]


def test_short_and_unwanted_runs_show_nothing(clock, capsys):
    with ProgressDisplay("quick") as display:
        clock.seconds = 0.4
        display.show(SEEN)
    with ProgressDisplay("quiet", enabled=False) as display:
        clock.seconds = 100.0
        display.step(1, 2, "sweeps")
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_a_row_for_every_chain(clock, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("rich.console.Console.is_terminal", True)
    with ProgressDisplay("NUTS model") as display:
        clock.seconds = 1.0
        display.show(SEEN)
        rows = [
            (task.fields["name"], task.completed, task.fields["detail"])
            for task in display._bars.progress.tasks
        ]
        assert rows == [
            ("chain 0", 150, "sampling, 2 divergences, 12.3k gradients"),
            ("chain 1", 90, "warm-up, 0 divergences, 900 gradients"),
        ]
        assert display._bars.progress.tasks[0].description == "NUTS model"


def test_a_notebook_gets_a_table_that_is_replaced_and_taken_away(clock, monkeypatch, capsys):
    shown = []
    handle = SimpleNamespace(update=lambda bundle, raw: shown.append(bundle))
    monkeypatch.setattr(progress, "_in_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", lambda *_, **__: handle)
    with ProgressDisplay("NUTS <model>") as display:
        for clock.seconds in (1.0, 1.1, 1.2, 1.5):
            display.show(SEEN)
    first, second, last = shown  # no more than four a second
    assert "NUTS &lt;model&gt;" in first["text/html"]
    assert '<progress value="150" max="200"' in first["text/html"]
    assert "chain 1  45%  warm-up, 0 divergences, 900 gradients" in second["text/plain"]
    assert not any(last.values())
    assert capsys.readouterr().err == ""


def test_a_narrow_terminal_keeps_the_words(clock, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("rich.console.Console.is_terminal", True)
    with ProgressDisplay("NUTS model") as display:
        clock.seconds = 1.0
        display.show(SEEN)
        bars = display._bars.progress
        with bars.console.capture() as captured:
            bars.console.print(bars.get_renderable())
    assert "sampling, 2 divergences, 12.3k gradients" in captured.get()


def test_many_chains_are_summed_up_and_step_sizes_shown():
    many = Progress((10,) * 50, 20, 5, (1,) * 50, (100,) * 50)
    assert progress._rows(many) == [
        ("50 chains", 500, 1000, "sampling, 50 divergences, 5.0k gradients")
    ]
    one = SimpleNamespace(
        iterations=(6,), total=9, warmup=3, divergences=(0,), gradients=(50,), step_sizes=(0.1234,)
    )
    assert progress._rows(one)[0][3] == "sampling, 0 divergences, 50 gradients, step 0.12"


def test_counts_are_short():
    assert [short_count(n) for n in (7, 1_000, 2_500_000, 3_000_000_000)] == [
        "7", "1.0k", "2.5M", "3.0G",
    ]  # fmt: skip


@pytest.mark.slow
def test_step_sizes_are_known_while_chains_run(monkeypatch):
    import pyro
    import pyro.distributions as dist
    import torch

    import probgen as pg

    def model(x, y=None):
        b = pyro.sample("b", dist.Normal(0, 1).expand([40]).to_event(1))
        with pyro.plate("n", len(x)):
            pyro.sample("y", dist.Bernoulli(logits=x @ b), obs=y)

    torch.manual_seed(0)
    seen = []
    monkeypatch.setattr(ProgressDisplay, "show", lambda self, now: seen.append(now))
    data = {"x": torch.randn(3000, 40), "y": torch.ones(3000)}
    pg.infer(model, pg.NUTS(), data=data, draws=1500, warmup=300, chains=2, seed=1)
    under_way = [now for now in seen if 0 < min(now.iterations) < 1800]
    assert under_way
    assert all(min(now.step_sizes) > 0 for now in under_way)
