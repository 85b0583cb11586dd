"""A run in pieces, broken anywhere and gone on with, is the run in one go, bit for bit."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from probgen.errors import OptionError
from probgen.inference import pieces as pieces_module
from probgen.inference.adapt.settings import make_settings
from probgen.inference.chees import ChEES
from probgen.inference.hmc import HMC
from probgen.inference.mams import MAMS
from probgen.inference.mclmc import MCLMC
from probgen.inference.method import Draws
from probgen.inference.native import library, threads
from probgen.inference.native.threads import AHEAD, run_native
from probgen.inference.nuts import NUTS
from probgen.results.store.state import KernelState, Piece
from tests.inference.conformance import make_plan, run
from tests.inference.densities import TestDensity, native_density
from tests.inference.targets import CORRELATED, WIDE
from tests.inference.test_interrupt import Interrupt, slow_native, slow_python

PLAN = {"chains": 3, "draws": 24, "warmup": 60, "thin": 2}
TOTAL = 60 + 24 * 2
BREAKS = (1, 11, 12, 37, 59, 60, 61, 62, 85, TOTAL)
"""In and at the end of the burn-in of microcanonical samplers (12 transitions) and of the warm-up,
within and after a thinned draw, at the end."""

METHODS = (
    NUTS(), NUTS(metric="diag", step_size=0.4), NUTS(metric="dense"), HMC(), MCLMC(),
    MCLMC(step_size=0.5, length=2.0, metric="diag"), MAMS(), ChEES(),
)  # fmt: skip
methods = pytest.mark.parametrize("method", METHODS, ids=repr)
engines = pytest.mark.parametrize("engine", ["native", "eager"])


@pytest.fixture(autouse=True)
def short_pieces(monkeypatch):
    """A few transitions each, whatever the speed."""
    monkeypatch.setattr(pieces_module, "FIRST", 7)
    monkeypatch.setattr(pieces_module, "GROWTH", 1)


@dataclass
class Kept:
    """All that a run handed over."""

    pieces: list[Piece] = field(default_factory=list)

    def __call__(self, piece: Piece) -> None:
        stats = {name: stat.copy() for name, stat in piece.stats.items()}
        self.pieces.append(replace(piece, draws=piece.draws.copy(), stats=stats))

    def draws(self, warm: bool = False) -> np.ndarray:
        return np.concatenate([p.draws for p in self.pieces if p.warm == warm], axis=1)

    def stat(self, name: str, warm: bool = False) -> np.ndarray:
        return np.concatenate([p.stats[name] for p in self.pieces if p.warm == warm], axis=1)

    def state_at(self, iteration: int) -> KernelState:
        return next(p.state for p in self.pieces if p.state.iteration == iteration)


def in_pieces(method, density, **plan) -> tuple[Kept, Draws]:
    kept = Kept()
    return kept, run(method, density, keep=kept, **plan)


def states_of(method, density, **plan) -> dict[int, KernelState]:
    """The state after every transition."""
    return {p.state.iteration: p.state for p in in_pieces(method, density, **plan)[0].pieces}


def density_of(engine: str, target=CORRELATED) -> TestDensity:
    return getattr(target, engine)()


def check_same_run(kept: Kept, result: Draws, plain: Draws) -> None:
    """Pieces, put together, are the draws; what is handed back is the rest."""
    np.testing.assert_array_equal(kept.draws(), plain.unconstrained)
    np.testing.assert_array_equal(kept.draws(warm=True), plain.warmup_unconstrained)
    assert plain.warmup_stats is not None
    for name, stat in plain.stats.items():
        np.testing.assert_array_equal(kept.stat(name), stat, name)
        assert kept.stat(name).dtype == stat.dtype
        np.testing.assert_array_equal(kept.stat(name, warm=True), plain.warmup_stats[name], name)
    assert result.unconstrained.shape == (3, 0, plain.unconstrained.shape[2])
    assert result.stats.keys() == plain.stats.keys() == kept.pieces[-1].stats.keys()
    for name, value in plain.adaptation.items():
        np.testing.assert_array_equal(result.adaptation[name], value, name)
    for name, value in plain.summary.items():
        if "seconds" not in name:
            assert result.summary[name] == value, name


@methods
@engines
def test_pieces_are_the_draws(engine, method):
    density = density_of(engine)
    plain = run(method, density, keep_warmup=True, **PLAN)
    kept, result = in_pieces(method, density, keep_warmup=True, **PLAN)
    check_same_run(kept, result, plain)
    assert len(kept.pieces) > 8
    firsts = {warm: [p.first for p in kept.pieces if p.warm is warm] for warm in (True, False)}
    for warm, first in firsts.items():
        rows = [p.draws.shape[1] for p in kept.pieces if p.warm is warm]
        assert first == np.cumsum([0, *rows[:-1]]).tolist()


def check_resumes(method, density, states: dict[int, KernelState], plan, **others: Any) -> None:
    """From every break on, draws and last state are those of the unbroken run."""
    whole, unbroken = in_pieces(method, density, keep_warmup=True, **plan)
    last = whole.pieces[-1].state
    for stop in BREAKS if density.native else (11, 12, 60, 85):
        kept, result = in_pieces(
            method, density, state=states[stop], keep_warmup=True, **{**plan, **others}
        )
        assert kept.pieces[-1:] == [] if stop == TOTAL else kept.pieces[-1].state == last, stop
        drawn = max(0, stop - plan["warmup"]) // plan["thin"]
        if stop < TOTAL:
            np.testing.assert_array_equal(kept.draws(), whole.draws()[:, drawn:], f"{stop}")
        if stop < plan["warmup"]:
            rest = whole.draws(warm=True)[:, stop:]
            np.testing.assert_array_equal(kept.draws(warm=True), rest, f"{stop}")
        for name, value in unbroken.summary.items():
            if "seconds" not in name and name != "notes":  # which are on this run's own draws
                assert result.summary[name] == value, (stop, name)
        for name, value in unbroken.adaptation.items():
            np.testing.assert_array_equal(result.adaptation[name], value, name)


@methods
@engines
def test_a_broken_run_goes_on_as_if_it_had_not_been(engine, method, monkeypatch):
    density = density_of(engine)
    states = every_state(method, density, monkeypatch)
    check_resumes(method, density, states, PLAN, threads=2)


def every_state(method, density, monkeypatch) -> dict[int, KernelState]:
    """After each transition of the run, by their number."""
    with monkeypatch.context() as patch:
        patch.setattr(pieces_module, "FIRST", 1)
        return states_of(method, density, **{**PLAN, "draws": 48, "thin": 1})


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_neither_threads_nor_lengths_of_pieces_matter(threads, monkeypatch):
    density = density_of("native")
    plain = run(NUTS(), density, keep_warmup=True, **PLAN)
    for first, growth in ((1, 1), (5, 2), (1000, 16)):
        monkeypatch.setattr(pieces_module, "FIRST", first)
        monkeypatch.setattr(pieces_module, "GROWTH", growth)
        kept, result = in_pieces(NUTS(), density, keep_warmup=True, threads=threads, **PLAN)
        check_same_run(kept, result, plain)


@engines
def test_a_finished_run_is_extended(engine):
    density = density_of(engine)
    whole = run(NUTS(), density, **PLAN)
    kept, _ = in_pieces(NUTS(), density, **{**PLAN, "draws": 10})
    more = run(NUTS(), density, state=kept.pieces[-1].state, **PLAN)  # without keep
    np.testing.assert_array_equal(more.unconstrained, whole.unconstrained[:, 10:])
    assert more.summary["gradient_evaluations"] == whole.summary["gradient_evaluations"]
    assert more.summary["seconds_sampling"] > 0


@engines
def test_a_run_that_goes_on_from_what_another_learnt_can_be_broken(engine):
    density, plan = density_of(engine), {**PLAN, "warmup": 30}
    for method in (NUTS(), MCLMC()):
        learnt = run(method, density, chains=3, warmup=60, draws=0).adaptation
        kept, _ = in_pieces(method, density, adaptation=learnt, keep_warmup=True, **plan)
        states = {p.state.iteration: p.state for p in kept.pieces}
        for stop in list(states)[1::2]:
            again, _ = in_pieces(
                method, density, adaptation=learnt, keep_warmup=True, state=states[stop], **plan
            )
            drawn = max(0, stop - 30) // 2
            if again.pieces:
                assert again.pieces[-1].state == kept.pieces[-1].state
                np.testing.assert_array_equal(again.draws(), kept.draws()[:, drawn:])


@pytest.mark.parametrize("method", [NUTS(), MCLMC()], ids=lambda method: method.name)
@engines
def test_one_coordinate_can_be_broken(engine, method, monkeypatch):
    """Microcanonical samplers add a second one to it."""
    one = native_density(1, "grad[0] = -q[0]; return -0.5 * q[0] * q[0];")
    density = one if engine == "native" else replace(one, native=None)
    states = every_state(method, density, monkeypatch)
    check_resumes(method, density, states, PLAN)


@engines
def test_directions_found_before_a_break_count(engine, monkeypatch):
    """With many coordinates they are looked for from where they were, in a unit once found."""
    monkeypatch.setattr(pieces_module, "FIRST", 110)
    plan = {"chains": 2, "draws": 4, "warmup": 230 if engine == "eager" else 450}
    density = density_of(engine, WIDE)
    kept, _ = in_pieces(NUTS(), density, **plan)
    assert len(kept.pieces) > 3
    for piece in kept.pieces[:-1]:
        again, _ = in_pieces(NUTS(), density, state=piece.state, **plan)
        assert again.pieces[-1].state == kept.pieces[-1].state


@pytest.mark.parametrize("make", [slow_native, slow_python])
@pytest.mark.parametrize("method", [HMC(num_steps=1), ChEES(max_steps=1)], ids=lambda m: m.name)
def test_an_interrupt_leaves_a_state_to_go_on_from(make, method, monkeypatch):
    density, plan = make(), {"chains": 2, "warmup": 10, "initial": [0.1, -0.1]}
    kept = Kept()
    with Interrupt(lambda progress: min(progress.iterations) > 30) as interrupt:
        result = run(method, density, draws=20_000, keep=kept, progress=interrupt, **plan)
    state = kept.pieces[-1].state
    drawn = state.iteration - 10
    assert result.summary["interrupted"] is True
    assert kept.draws().shape[1] == drawn > 5
    assert result.summary["gradient_evaluations"] == int(
        (state.counters["gradients"] - state.counters["gradients_warmup"]).sum()
    )
    np.testing.assert_array_equal(result.adaptation["position"], state.position)
    whole = run(method, density, draws=drawn + 5, **plan)
    more = run(method, density, draws=drawn + 5, state=state, **plan)
    np.testing.assert_array_equal(kept.draws(), whole.unconstrained[:, :drawn])
    np.testing.assert_array_equal(more.unconstrained, whole.unconstrained[:, drawn:])


@engines
def test_an_interrupt_in_warmup_is_one(engine):
    def keep(piece: Piece) -> None:
        kept.append(piece.state.iteration)
        if len(kept) == 3:
            raise KeyboardInterrupt

    kept: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        run(NUTS(), density_of(engine), keep=keep, **PLAN)
    assert kept == [7, 14, 21]


def test_warmup_that_is_not_kept_has_no_rows():
    kept, _ = in_pieces(NUTS(), density_of("native"), **PLAN)
    warm = [piece for piece in kept.pieces if piece.warm]
    assert warm[-1].state.iteration == PLAN["warmup"]
    assert {piece.draws.shape for piece in warm} == {(3, 0, 10)}
    assert {stat.shape for piece in warm for stat in piece.stats.values()} == {(3, 0)}


def test_progress_is_shown_between_slow_writes(monkeypatch):
    """Chains that are faster than the writing leave it no pause."""
    monkeypatch.setattr(threads, "POLL_SECONDS", 0.0)
    events: list[str] = []

    def keep(piece: Piece) -> None:
        events.append("piece")
        time.sleep(0.01)

    plan = {"chains": 2, "warmup": 20, "draws": 150, "progress": lambda _: events.append("shown")}
    run(NUTS(), density_of("native"), keep=keep, **plan)
    assert events.count("piece") > 20
    pairs = list(itertools.pairwise(events))
    assert ("piece", "piece") not in pairs


def test_arrays_are_used_again():
    """Memory must not grow with the number of draws."""
    places = set()

    def keep(piece: Piece) -> None:
        if not piece.warm:
            places.add(piece.draws.__array_interface__["data"][0])

    run(NUTS(), density_of("native"), keep=keep, chains=2, warmup=20, draws=400)
    assert 1 <= len(places) <= AHEAD + 1  # one more while pieces still grow


@engines
def test_an_error_in_keep_ends_the_run(engine):
    def full(piece: Piece) -> None:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        run(NUTS(), density_of(engine), keep=full, **PLAN)


def damaged(state: KernelState, name: str, value: Any) -> KernelState:
    """The state with one array's last row set to `value`."""
    parts = {"adaptation": dict(state.adaptation), "counters": dict(state.counters)}
    if name in ("position", "rng"):
        array = getattr(state, name).copy()
        array[-1] = value
        return replace(state, **{name: array})
    for part in parts.values():
        if name in part:
            part[name] = part[name].copy()
            part[name][-1] = value
    return replace(state, **parts)


@pytest.fixture(scope="module")
def in_warmup():
    """A state in the warm-up of native NUTS."""
    kept = Kept()
    run(NUTS(), density_of("native"), keep=kept, chains=2, draws=4, warmup=100)
    return kept.pieces[0].state


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("position", np.nan), ("log_density", np.nan), ("step_size", -1.0), ("scale", 0.0),
        ("history_next", 10**9), ("history_next", -1), ("history_count", 10**9),
        ("stretch_rank", 10**6), ("stretch_rank", -1), ("directions_rank", 99),
        ("warmup_depth", 63), ("warmup_fewer", -5), ("gradients", -1),
    ],
)  # fmt: skip
def test_a_damaged_state_is_refused(in_warmup, name, value):
    state = damaged(in_warmup, name, value)
    with pytest.raises(OptionError, match=f"state: '.*{name}'"):
        run(NUTS(), density_of("native"), state=state, chains=2, draws=4, warmup=100)


@pytest.mark.parametrize("engine", ["native", "eager"])
@pytest.mark.parametrize("method", [NUTS(), MCLMC(), ChEES()], ids=lambda method: method.name)
def test_a_state_that_does_not_fit_is_refused(engine, method):
    density, plan = density_of(engine), {"chains": 2, "draws": 4, "warmup": 50}
    kept, _ = in_pieces(method, density, **plan)
    state = kept.pieces[1].state
    name = next(iter(state.adaptation))
    for broken, what in (
        (replace(state, adaptation={**state.adaptation, "more": np.zeros(2)}), "more"),
        (replace(state, adaptation={**state.adaptation, name: np.zeros((2, 77))}), name),
        (replace(state, adaptation={**state.adaptation, name: np.zeros(3)}), name),
        (replace(state, rng=state.rng[:, 1:]), "rng"),
        (replace(state, position=state.position[:, 1:]), "position"),
        (replace(state, position=state.position[:1]), "position"),
        (replace(state, iteration=0), "iteration"),
        (replace(state, iteration=55), "iteration"),
        (kept.pieces[-1].state, "iteration"),
    ):
        shorter = {"draws": 1} if broken is kept.pieces[-1].state else {}
        with pytest.raises(OptionError, match=f"state: '{what if what != 'iteration' else ''}"):
            run(method, density, state=broken, **{**plan, **shorter})


def rest_of(method, density, state: KernelState) -> tuple[Kept, KernelState]:
    kept, _ = in_pieces(method, density, state=state, **PLAN)
    return kept, kept.pieces[-1].state


@pytest.mark.parametrize(
    ("engine", "method", "names"),
    [
        ("native", NUTS(), ("rng", "force", "step_size", "averaging_error", "history_gradients")),
        ("eager", NUTS(), ("rng", "force", "step_size", "averaging_error", "history_gradients")),
        ("native", MCLMC(), ("rng", "velocity", "length", "search_sum")),
        ("eager", MCLMC(), ("rng", "velocity", "length", "search_total")),
        ("native", MAMS(), ("rng", "phase", "averaging_error")),
        ("eager", MAMS(), ("rng", "phase", "averaging_error")),
        ("eager", ChEES(), ("rng", "length_log_length", "averaging_error", "acceptance")),
    ],
)
def test_what_is_restored_wrongly_is_noticed(engine, method, names):
    """Each of these is part of the next transition: with it changed a little, the rest differs."""
    density = density_of(engine)
    kept, _ = in_pieces(method, density, **PLAN)
    state = next(p.state for p in kept.pieces if p.state.iteration == 28)
    assert rest_of(method, density, state)[1] == kept.pieces[-1].state
    for name in names:
        if name == "rng":
            other = state.rng ^ np.uint64(6) if method == ChEES() else np.roll(state.rng, 1, 0)
            changed = replace(state, rng=other)
        else:
            array = state.adaptation[name] * 1.01 + 1e-3
            changed = replace(state, adaptation={**state.adaptation, name: array})
        again, last = rest_of(method, density, changed)
        assert last != kept.pieces[-1].state, name
        assert (again.draws() != kept.draws()).any(), name


BROKEN = {
    "random numbers are not restored": (
        'archive.words("rng", words_, 4);',
        'uint64_t others[4] = {1, 2, 3, 4}; archive.words("rng", others, 4);',
    ),
    "dual averaging is not restored": ('archive.real("averaging_error", error_);', ""),
    "the force is not restored": ('archive.vector("force", x.force, dim);', ""),
}


def settings_and_plan(density, **plan):
    settings = make_settings("low_rank", dim=10, warmup=60, draws=24, thin=2, seed=1)
    return density, make_plan(density, **PLAN, **plan), settings


def check_broken_run(text: str) -> None:
    library_ = library.open_library(text)
    kept = Kept()
    density, plan, settings = settings_and_plan(density_of("native"), keep=kept)
    run_native(density, plan, settings, library_)
    again = Kept()
    state = kept.pieces[3].state
    _, plan, settings = settings_and_plan(density, keep=again, state=state)
    run_native(density, plan, settings, library_)
    np.testing.assert_array_equal(again.draws(), kept.draws())
    assert again.pieces[-1].state == kept.pieces[-1].state


@pytest.mark.slow
@pytest.mark.parametrize("name", BROKEN)
def test_what_is_not_restored_is_noticed(name):
    old, new = BROKEN[name]
    source = library.source()
    assert source.count(old) == 1, "the mutation no longer fits the source"
    check_broken_run(source)
    with pytest.raises((AssertionError, OptionError)):
        check_broken_run(source.replace(old, new))


@pytest.mark.parametrize("method", [NUTS(), MCLMC(), ChEES()], ids=lambda method: method.name)
@pytest.mark.parametrize("plan", [{"draws": 0, "warmup": 40}, {"draws": 8, "warmup": 0}], ids=str)
@engines
def test_a_run_of_one_phase(engine, method, plan):
    density = density_of(engine)
    plain = run(method, density, chains=2, **plan)
    kept, result = in_pieces(method, density, chains=2, **plan)
    np.testing.assert_array_equal(
        np.concatenate([p.draws for p in kept.pieces if not p.warm] or [plain.unconstrained], 1),
        plain.unconstrained,
    )
    last = kept.pieces[-1].state
    assert last.iteration == plan["draws"] + plan["warmup"]
    nothing, again = in_pieces(method, density, chains=2, state=last, **plan)
    assert nothing.pieces == []
    for found in (result, again, run(method, density, chains=2, state=last, **plan)):
        for name, value in plain.adaptation.items():
            np.testing.assert_array_equal(found.adaptation[name], value, name)
