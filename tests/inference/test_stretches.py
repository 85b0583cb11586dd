"""How long the pieces of a run are, and what is noted of draws that are handed over."""

from __future__ import annotations

import numpy as np
import pytest

from probgen.errors import SamplingError
from probgen.inference import pieces
from probgen.inference.method import Draws, Plan
from probgen.inference.notes import Seen, notes_of, notes_on
from probgen.inference.pieces import BYTES, ROWS, Stretch, Stretches


def plan_of(**values) -> Plan:
    options = {"chains": 4, "draws": 1_000_000, "warmup": 1000, "seed": 1, "threads": 2}
    options |= {"keep": lambda piece: None, "initial": np.zeros((4, 10)), **values}
    return Plan(**options)


def cut(plan: Plan, seconds: float, dim: int = 10, most: int = 40) -> list[Stretch]:
    """The first stretches of a run whose chains take `seconds` for a transition."""
    stretches, found = Stretches(plan, dim), []
    while len(found) < most and (stretch := stretches.following()) is not None:
        found.append(stretch)
        stretches.note(seconds * stretch.count, stretch.count)
    return found


def test_a_piece_takes_about_a_second():
    slow = cut(plan_of(), 0.01)
    assert {s.count for s in slow[2:15]} == {50}  # two chains a thread, one after the other
    assert {s.count for s in cut(plan_of(threads=4), 0.01)[2:9]} == {100}
    assert {s.count for s in cut(plan_of(), 3.0)[1:]} == {1}


def test_pieces_grow_from_a_few_transitions_and_end_with_the_warmup():
    fast = cut(plan_of(warmup=100), 1e-9)
    assert [s.count for s in fast[:5]] == [4, 64, 32, 16 * 32, ROWS]
    assert [s.first for s in fast] == np.cumsum([0, *(s.count for s in fast[:-1])]).tolist()


@pytest.mark.parametrize("dim", [10, 3000, 10_000_000])
def test_arrays_stay_small(dim):
    longest = max(s.draws.shape[1] for s in cut(plan_of(), 1e-9, dim=dim, most=8))
    size = 8 * 4 * longest * (dim + 9)
    assert size <= BYTES or longest == 1
    assert size > BYTES / 2 or longest == ROWS


@pytest.mark.parametrize("thin", [1, 3, 7])
def test_all_of_a_run_is_made_in_whole_draws(thin):
    plan = plan_of(draws=101, warmup=50, thin=thin)
    found = cut(plan, 0.02)
    assert sum(s.count for s in found) == 50 + 101 * thin
    assert sum(s.draws.shape[1] for s in found) == 101
    assert all((s.first - 50) % thin == 0 for s in found if s.first >= 50)
    assert all(s.end <= 50 or s.first >= 50 for s in found)


def test_without_keep_there_is_one_stretch():
    (whole,) = cut(plan_of(keep=None, draws=7, keep_warmup=True), 1.0)
    assert whole.count == 1007
    assert whole.draws.shape == (4, 7, 10)
    assert whole.warmup_draws is not None
    assert whole.warmup_draws.shape == (4, 1000, 10)


def test_arrays_are_given_back(monkeypatch):
    monkeypatch.setattr(pieces, "FIRST", 30)
    monkeypatch.setattr(pieces, "GROWTH", 1)
    stretches = Stretches(plan_of(warmup=0), 10)
    first = stretches.following()
    assert first is not None
    stretches.give_back(first)
    second = stretches.following()
    assert second is not None
    assert np.shares_memory(first.draws, second.draws)
    assert np.shares_memory(first.stats, second.stats)


NAMES = ["x", "y"]


def stats_of(draws: np.ndarray, lp=None) -> dict[str, np.ndarray]:
    flat = -(draws**2).sum(-1) if lp is None else np.full(draws.shape[:2], lp)
    return {"lp": flat, "diverging": np.zeros(draws.shape[:2], dtype=bool)}


def strange(kind: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    draws = np.random.default_rng(1).standard_normal((3, 40, 2))
    if kind == "stuck":
        draws[1] = draws[1, :1]
    if kind == "runaway":
        draws[2, 30:, 1] = -1e9
    return draws, stats_of(draws, lp=1.0 if kind == "flat" else None)


@pytest.mark.parametrize("kind", ["plain", "stuck", "runaway", "flat"])
@pytest.mark.parametrize("length", [1, 9, 39, 40])
def test_notes_do_not_depend_on_pieces(kind, length):
    draws, stats = strange(kind)
    seen = Seen()
    for first in range(0, 40, length):
        part = slice(first, first + length)
        seen.add(draws[:, part], {name: stat[:, part] for name, stat in stats.items()})
    notes = notes_of(seen, NAMES)
    assert notes == notes_on(Draws(draws, stats), NAMES)
    assert len(notes) == (kind != "plain")


def test_chains_that_never_moved_over_all_pieces_are_an_error():
    draws = np.ones((2, 6, 2))
    seen = Seen()
    seen.add(draws, stats_of(draws))
    assert notes_of(seen, NAMES) == []
    seen.add(draws, stats_of(draws))
    with pytest.raises(SamplingError, match="No chain ever moved"):
        notes_of(seen, NAMES)
