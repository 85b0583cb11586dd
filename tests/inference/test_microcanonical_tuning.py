"""Step size by energy error, autocorrelation times, what is learnt and taken up again."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from probgen.compile.build import build
from probgen.errors import BuildError, OptionError
from probgen.inference.mams import MAMS
from probgen.inference.mclmc import MCLMC
from probgen.inference.microcanonical import run as run_module
from probgen.inference.microcanonical.decoherence import autocorrelation_time
from probgen.inference.microcanonical.energy_search import EnergySearch
from probgen.inference.microcanonical.settings import (
    MicrocanonicalSettings,
    make_microcanonical,
)
from probgen.inference.native import library, microcanonical
from probgen.inference.native.microcanonical import ENTRY
from tests.inference.conformance import run
from tests.inference.densities import native_density
from tests.inference.targets import CORRELATED, GAUSSIAN, SKEWED

EXPORT = """
using namespace probgen;
#define EXPORT extern "C" __attribute__((visibility("default")))
"""

SEARCH = """
EXPORT double search(const MicrocanonicalSettings* settings, int64_t dim, const double* changes,
                     int64_t count, int64_t settled) {
    EnergySearch search(*settings, dim);
    search.start(1);
    for (int64_t i = 0; i < count; ++i) {
        if (i == settled) search.settle();
        const bool good = changes[i] < 1000;
        search.update(search.step(), changes[i] * std::pow(search.step(), 3), good);
    }
    return search.step();
}
"""

DECOHERENCE = """
EXPORT double decoherence(const double* positions, int64_t count, int64_t dim) {
    Store store(dim);
    History history(dim, count, store);
    double *position = store.vector(), *gradient = store.vector();
    for (int64_t t = 0; t < count; ++t) {
        std::memcpy(position, positions + t * dim, dim * sizeof(double));
        history.add(position, gradient);
    }
    return AutocorrelationTime(count)(history, dim);
}
"""


def native_search(settings: MicrocanonicalSettings, changes: np.ndarray, settled: int) -> float:
    function = build(library.source("energy_search.hpp") + EXPORT + SEARCH, "test-search").search
    function.restype = ctypes.c_double
    function.argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, *[ctypes.c_int64] * 2]
    return function(
        ctypes.addressof(settings), settings.dim, changes.ctypes.data, len(changes), settled
    )


def native_time(positions: np.ndarray) -> float:
    text = library.source("decoherence.hpp") + EXPORT + DECOHERENCE
    function = build(text, "test-decoherence").decoherence
    function.restype = ctypes.c_double
    function.argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64]
    return function(positions.ctypes.data, *positions.shape)


def settings_of(dim: int, **values) -> MicrocanonicalSettings:
    return make_microcanonical("diag", dim=dim, warmup=100, target_energy_error=5e-4, **values)


def searched(settings: MicrocanonicalSettings, changes: np.ndarray, settled: int) -> float:
    """Step size after energy errors that grow as the cube of the step."""
    search = EnergySearch(settings, int(settings.dim), 1.0)
    for i, change in enumerate(changes):
        if i == settled:
            search.settle()
        search.update(search.step, change * search.step**3, bool(change < 1000))
    return search.step


def test_the_search_finds_the_step_of_the_wanted_variance():
    settings, changes = settings_of(10), np.random.default_rng(1).standard_normal(4000)
    expected = (10 * 5e-4) ** (1 / 6)  # a variance of step^6 should be 10 times the target
    assert searched(settings, changes, 500) == pytest.approx(expected, rel=0.02)
    assert searched(settings, 8 * changes, 500) == pytest.approx(expected / 2, rel=0.02)


def test_rare_large_errors_count_once_settled():
    settings, changes = settings_of(10), np.random.default_rng(1).standard_normal(20_000)
    changes[::50] *= 30
    root_mean_square = np.sqrt((changes[500:] ** 2).mean())
    expected = (10 * 5e-4 / root_mean_square**2) ** (1 / 6)
    assert searched(settings, changes, 500) == pytest.approx(expected, rel=0.05)
    assert searched(settings, changes, 20_001) > 1.1 * expected


@pytest.mark.parametrize("settled", [100, 5000])
def test_native_and_numpy_search_alike(settled):
    changes = np.random.default_rng(2).standard_t(3, 1000)
    changes[[20, 700, 701]] = 1e4  # divergences
    native = native_search(settings_of(7), changes, settled)
    assert native == pytest.approx(searched(settings_of(7), changes, settled), rel=1e-9)


def autoregression(rho: float, draws: int, dim: int, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    positions = np.empty((draws, dim))
    positions[0] = rng.standard_normal(dim)
    for t in range(1, draws):
        noise = rng.standard_normal(dim)
        positions[t] = rho * positions[t - 1] + np.sqrt(1 - rho**2) * noise
    return positions


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9, -0.5])
def test_autocorrelation_time_of_autoregressions(rho):
    positions = autoregression(rho, 4000, 40)
    truth = max((1 + rho) / (1 - rho), 1.0)
    assert autocorrelation_time(positions) == pytest.approx(truth, rel=0.1)
    assert native_time(positions) == pytest.approx(autocorrelation_time(positions[::-1]), rel=1e-9)


def test_autocorrelation_time_of_a_constant():
    positions = np.ones((50, 2))
    assert autocorrelation_time(positions) == 1
    assert native_time(positions) == 1


@pytest.mark.parametrize("engine", ["native", "eager"])
def test_the_energy_error_of_a_run_is_what_was_aimed_at(engine):
    density = CORRELATED.native() if engine == "native" else CORRELATED.eager()
    draws = 2000 if engine == "native" else 300
    for target in (5e-5, 5e-3):
        result = run(MCLMC(target_energy_error=target), density, draws=draws, warmup=400)
        measured = np.array(result.summary["energy_error_variance"])
        assert (measured < 2 * target).all()
        assert (measured > target / 3).all()


@pytest.mark.parametrize("engine", ["native", "eager"])
def test_lengths_follow_the_scale_of_the_posterior(engine):
    """In units of the metric all Gaussians are alike: about sqrt(d), a little more or less."""
    density = GAUSSIAN.native() if engine == "native" else GAUSSIAN.eager()
    for method in (MCLMC(), MAMS()):
        result = run(method, density, draws=10, warmup=600)
        lengths = np.array(result.summary["length"]) / np.sqrt(GAUSSIAN.dim)
        assert (lengths > 0.4).all()
        assert (lengths < 2.5).all()
        np.testing.assert_allclose(result.adaptation["scale"], 10.0 ** np.arange(-2, 3) *
                                   np.ones((4, 1)), rtol=0.6)  # fmt: skip


methods = pytest.mark.parametrize("method", [MCLMC(), MAMS()], ids=["MCLMC", "MAMS"])


@methods
@pytest.mark.parametrize("engine", ["native", "eager"])
def test_a_run_goes_on_from_what_was_learnt(engine, method):
    density = SKEWED.native() if engine == "native" else SKEWED.eager()
    first = run(method, density, draws=50, warmup=200)
    assert set(first.adaptation) >= {"position", "step_size", "scale", "length", "steps"}
    again = run(method, density, draws=50, warmup=0, adaptation=first.adaptation)
    assert again.summary["gradient_evaluations_warmup"] <= 8
    for name in ("step_size", "scale", "length"):
        np.testing.assert_array_equal(again.adaptation[name], first.adaptation[name])
    np.testing.assert_array_equal(first.adaptation["position"], first.unconstrained[:, -1])
    np.testing.assert_array_equal(
        again.stats["step_size"], np.repeat(first.adaptation["step_size"][:, None], 50, axis=1)
    )
    # The chains go on where they ended, with other random numbers.
    assert not (again.unconstrained[:, 0] == first.unconstrained[:, 0]).any()
    longer = run(method, density, draws=50, warmup=300, adaptation=first.adaptation)
    assert (longer.adaptation["step_size"] != first.adaptation["step_size"]).all()


@methods
def test_what_does_not_fit_is_refused(method):
    density = SKEWED.native()
    learnt = run(method, density, draws=5, warmup=50).adaptation
    for name in ("length", "steps"):
        with pytest.raises(OptionError, match=f"{method.name}.*positive '{name}'"):
            run(method, density, adaptation={n: v for n, v in learnt.items() if n != name})
        with pytest.raises(OptionError, match=f"positive '{name}'"):
            run(method, density, adaptation={**learnt, name: -learnt[name]})
    with pytest.raises(OptionError, match="does not fit"):
        run(method, density, adaptation={**learnt, "scale": learnt["scale"][:, :1]})


def test_structures_are_compared_with_the_library(monkeypatch):
    class Tuning(ctypes.Structure):
        _fields_ = (("step_size", ctypes.c_double),)

    monkeypatch.setattr(microcanonical, "Tuning", Tuning)
    with pytest.raises(RuntimeError, match="Tuning differs"):
        microcanonical.open_microcanonical(library.source(ENTRY))


@methods
def test_without_a_compiler_the_numpy_engine_serves(monkeypatch, method):
    def no_compiler():
        raise BuildError("no C++ compiler")

    monkeypatch.setattr(run_module, "load_microcanonical", no_compiler)
    result = run(method, SKEWED.native(), draws=20, warmup=20)
    assert result.summary["engine"] == "numpy"
    assert any("could not be built" in note for note in result.summary["notes"])


FAR = """
    // 100 observations of mean 20000 and deviation 18000; q: mean, logarithm of the deviation.
    const double n = 100, gap = 20000 - q[0], precision = std::exp(-2 * q[1]);
    const double squares = n * (18000.0 * 18000.0 + gap * gap);
    grad[0] = n * gap * precision;
    grad[1] = squares * precision - n;
    return -0.5 * squares * precision - n * q[1];"""


@methods
@pytest.mark.parametrize("engine", ["native", "eager"])
def test_far_starts_are_left(engine, method):
    """At the start the log density is -1e10: at constant speed the way would be too long."""
    density = native_density(2, FAR)
    if engine == "eager":
        density.native = None
    result = run(method, density, draws=300, warmup=400)
    np.testing.assert_allclose(result.unconstrained[..., 0].mean(axis=1), 20_000, atol=1500)
    np.testing.assert_allclose(result.unconstrained[..., 1].mean(axis=1), np.log(18_000), atol=0.1)
