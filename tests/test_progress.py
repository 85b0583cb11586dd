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
            for task in display._bars.tasks
        ]
        assert rows == [
            ("chain 0", 150, "sampling, 2 divergences, 12.3k gradients"),
            ("chain 1", 90, "warm-up, 0 divergences, 900 gradients"),
        ]
        assert display._bars.tasks[0].description == "NUTS model"


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
