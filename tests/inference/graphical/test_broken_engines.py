"""Engines broken on purpose fail the check that every engine must pass on awkward networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType

import pytest

from probgen.inference.graphical import annealed_importance
from probgen.inference.graphical.native import library
from probgen.inference.graphical.tempering import replicas as replicas_module
from probgen.inference.graphical.tempering import run as run_module
from probgen.inference.graphical.tempering import walk as walk_module
from tests.inference.graphical.conformance_networks import cases
from tests.inference.graphical.mutants import mutant
from tests.inference.graphical.test_every_engine import ENGINES, serves


@dataclass(frozen=True)
class Fault:
    """`new` stands for `old` in the C++ of `entry`, or in a Python module.

    Of a module, the class `part` of it is put into the module `user`.
    """

    engine: str
    networks: tuple[str, ...]
    old: str
    new: str
    entry: str = ""
    module: ModuleType | None = None
    user: ModuleType | None = None
    part: str = ""


def gibbs(engine: str, old: str, new: str, *networks: str) -> Fault:
    return Fault(engine, networks, old, new, "gibbs.cpp")


def exact(old: str, new: str, *networks: str, engine: str = "Exact") -> Fault:
    return Fault(engine, networks, old, new, "junction_tree.cpp")


def blocks(old: str, new: str) -> Fault:
    return Fault("Gibbs", ("long_copies", "functional"), old, new, "block_sweep.cpp")


def clusters(old: str, new: str, *networks: str) -> Fault:
    return Fault("SwendsenWang", networks, old, new, "swendsen_wang.cpp")


def swaps(old: str, new: str) -> Fault:
    return Fault(
        "ParallelTempering", ("grid", "cards", "functional"), old, new,
        module=replicas_module, user=run_module, part="Replicas",
    )  # fmt: skip


def weights(old: str, new: str) -> Fault:
    return Fault(
        "AnnealedImportance", ("grid", "cards", "functional"), old, new,
        module=walk_module, user=annealed_importance, part="Walk",
    )  # fmt: skip


FAULTS = {
    "gibbs: a factor is left out": gibbs(
        "Gibbs", "group.pieces.push_back(p);", "if (p != 1) group.pieces.push_back(p);", "loop"
    ),
    "gibbs: axes of a merged table are exchanged": gibbs(
        "Gibbs", "stride *= atom.states;", "stride *= network_.cards[0];", "cards", "permuted"
    ),
    "gibbs: weights are not accumulated": gibbs(
        "Gibbs", "total = weights[4 * k + q] = total + weights[4 * k + q];",
        "total = total + weights[4 * k + q];", "hub",
    ),
    "gibbs: odds are taken for a probability": gibbs(
        "Gibbs", "odds[q] * (1.0f - u) > u", "odds[q] > u", "binary_hub"
    ),
    "gibbs: log weights are not accumulated": gibbs(
        "Gibbs", "logs[k * step] = total += exponential(logs[k * step] - top)",
        "total += logs[k * step] = exponential(logs[k * step] - top)", "steep_hub",
    ),
    "ising: lumped neighbours count twice": gibbs(
        "Gibbs", "(ones ? ones * one : 0.0)", "(ones ? 2 * ones * one : 0.0)", "grid3x3"
    ),
    "one chain: thresholds are too high": gibbs(
        "Gibbs, one chain", "state += u >= high;", "state += u >= high + 2000;", "loop", "cards"
    ),
    "one chain: weights are not accumulated": gibbs(
        "Gibbs, one chain", "total = weights[k] = total + weights[k];",
        "total = total + weights[k];", "hub",
    ),
    "one chain: odds are taken for a probability": gibbs(
        "Gibbs, one chain", "odds != odds ? 2 : odds * (1.0f - u) > u",
        "odds != odds ? 2 : odds > u", "binary_hub",
    ),
    "blocks: drawn without what other buckets say": blocks(
        "value[l] *= factor[(int64_t)entry[offset[l]] * LANES + l];", "value[l] *= 1;"
    ),
    "blocks: a factor that reaches outside is left out": blocks(
        "for (int l = 0; l < LANES; ++l) out[e * LANES + l] = table[offset[l] + e];",
        "for (int l = 0; l < LANES; ++l) out[e * LANES + l] = 1;",
    ),
    "tempering: swaps with the wrong sign": swaps("0.0, up - down", "0.0, down - up"),
    "tempering: all swaps are accepted": swaps(
        "uniform[pair] < seen.acceptance[pair]", "uniform[pair] < 2"
    ),
    "tempering: swaps look at one side": swaps(
        "np.exp(np.minimum(0.0, up - down))", "np.exp(np.minimum(0.0, up))"
    ),
    "clusters: unlike ends are joined": clusters(
        "x[a] == x[b] && uniform", "uniform", "grid3x3"
    ),
    "clusters: edges open too rarely": clusters(
        "uniform[e] < m.open", "2 * uniform[e] < m.open", "grid3x3", "potts"
    ),
    "clusters: open edges do not weigh": clusters(
        "if (!m.weight) return;", "return;", "potts"
    ),
    "annealing: weights take the wrong position": weights(
        "log += self.path.statistics(states).step(start, stop)",
        "log += self.path.statistics(states).step(start, 0.5 * (start + stop))",
    ),
    "annealing: sweeps at an earlier position": weights(
        "self.path.sweeper(s).sweep(", "self.path.sweeper(max(0.0, s - 0.2)).sweep("
    ),
    "annealing: the walk back takes the wrong sign": weights(
        "log -= self.path.statistics(states)", "log += self.path.statistics(states)"
    ),
    "exact draws: earlier states are preferred": exact(
        "if (sum > target) break;", "if (sum > 0.8 * target) break;", "cards"
    ),
    "exact draws: separators are not looked at": exact(
        "rows_[i] = rows_[i] * plan_.cards[v] + state[i];",
        "rows_[i] = rows_[i] * plan_.cards[v];", "chain", "copies",
    ),
    "exact: log scales of messages are lost": exact(
        "return std::log(top);", "return 0;", "chain", "grid"
    ),
    "most probable: the separator is not looked at": exact(
        "row = row * plan_.cards[v] + states[v];", "row = row * plan_.cards[v];",
        "chain", "copies", engine="MAP",
    ),
    "messages: what a variable said comes back to it": Fault(
        "BeliefPropagation", ("chain", "star"), "finite[at + x] - own[x];", "finite[at + x];",
        "belief_propagation.cpp",
    ),
    "mean field: the bound counts entropy twice": Fault(
        "MeanField", ("chain", "grid"), "entropy -= q[i] * std::log(q[i]);",
        "entropy -= 2 * q[i] * std::log(q[i]);", "mean_field.cpp",
    ),
}  # fmt: skip
QUICK = (
    "gibbs: a factor is left out",
    "tempering: swaps with the wrong sign",
    "clusters: unlike ends are joined",
    "annealing: weights take the wrong position",
)


@pytest.fixture
def fresh_libraries() -> Iterator[None]:
    """Native engines are opened anew, before and after."""
    library.open_library.cache_clear()
    yield
    library.open_library.cache_clear()


def put_in(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    if fault.module is not None:
        broken = mutant(fault.module, fault.old, fault.new)
        monkeypatch.setattr(fault.user, fault.part, getattr(broken, fault.part))
        return
    monkeypatch.setattr(library, "source", replaced(library.source, fault))


def replaced(source: Callable[[str], str], fault: Fault) -> Callable[[str], str]:
    def changed(entry: str) -> str:
        text = source(entry)
        if entry != fault.entry:
            return text
        assert text.count(fault.old) == 1, f"the fault no longer fits the source: {fault.old!r}"
        return text.replace(fault.old, fault.new)

    changed(fault.entry)
    return changed


@pytest.mark.parametrize(
    "name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in FAULTS]
)
def test_a_broken_engine_fails_the_check(name, monkeypatch, fresh_libraries):
    fault = FAULTS[name]
    with monkeypatch.context() as patch:
        put_in(fault, patch)
        with pytest.raises(AssertionError):
            check(fault)


def check(fault: Fault) -> None:
    """What the test of every engine demands, on networks that the fault shows on."""
    engine = ENGINES[fault.engine]
    for case in (case for network in fault.networks for case in cases(network)):
        if serves(fault.engine, case):
            engine.check(engine.run(case), case)
