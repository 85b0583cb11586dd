"""A run that was broken off anywhere and gone on with is the run that was not, bit for bit."""

from __future__ import annotations

import json
import sys
import warnings
from types import ModuleType

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
import xarray as xr

import probgen as pg
from probgen.api import infer, resume
from probgen.errors import DataError, ModelError, OptionError, StoreError
from probgen.inference import identity, program_run, provenance, recorder
from probgen.inference.provenance import DifferentMachineWarning
from probgen.results.store import growing
from probgen.results.store.reading import open_store
from tests.inference.walking import Walk

ZOO = pg.load_model("eight_schools")
WALK = Walk()
COMMON = {"data": ZOO.data, "seed": 3, "chains": 3, "draws": 60, "warmup": 20, "progress": False}


def equal(first: xr.DataTree, second: xr.DataTree) -> None:
    """The same groups with the same bits."""
    assert set(first.children) == set(second.children)
    for name, node in first.children.items():
        here, there = node.to_dataset(), second[name].to_dataset()
        assert set(here.variables) == set(there.variables)
        for variable in here.variables:
            assert here[variable].dims == there[variable].dims
            one, other = here[variable].to_numpy(), there[variable].to_numpy()
            assert one.dtype == other.dtype or {one.dtype.kind, other.dtype.kind} == {"U", "O"}
            assert one.shape == other.shape
            same = (one == other) | ((one != one) & (other != other))
            assert same.all(), f"{name}/{variable}"


class BrokenOff(Exception):
    """As if the process had ended."""


@pytest.fixture
def break_after(monkeypatch):
    """Break the run off after so many writes; every piece is one write."""
    monkeypatch.setattr(recorder, "EVERY", 0.0)
    write = recorder.Recorder._write

    def arm(writes: int | None) -> None:
        left = [writes]

        def limited(self: recorder.Recorder, every_node: bool = False) -> None:
            if left[0] == 0:
                raise BrokenOff
            left[0] = None if left[0] is None else left[0] - 1
            write(self, every_node)

        monkeypatch.setattr(recorder.Recorder, "_write", limited)

    return arm


@pytest.fixture(scope="module")
def whole():
    return infer(ZOO.program, WALK, **COMMON)


def test_a_stored_run_is_the_run_in_memory(tmp_path, whole):
    tree = infer(ZOO.program, WALK, store=tmp_path / "s.zarr", **COMMON)
    equal(whole, tree)
    equal(whole, xr.open_datatree(tmp_path / "s.zarr"))
    here, there = (
        {k: v for k, v in found.attrs.items() if not k.startswith("seconds_")}
        for found in (whole, tree)
    )
    assert here == there
    assert whole.attrs.keys() == tree.attrs.keys()
    assert tree["posterior"].attrs == tree.attrs


@pytest.mark.parametrize("writes", [0, 1, 3, 4, 5, 9, 12])
def test_broken_off_and_gone_on_with(tmp_path, whole, break_after, writes):
    break_after(writes)
    with pytest.raises(BrokenOff):
        infer(ZOO.program, WALK, store=tmp_path / "s.zarr", **COMMON)
    so_far = open_store(tmp_path / "s.zarr")
    if "posterior" in so_far.children:
        drawn = so_far["posterior"].sizes["draw"]
        assert 0 < drawn < COMMON["draws"]
        assert so_far.attrs["interrupted"] == 1
        mu = whole["posterior"]["mu"].to_numpy()[:, :drawn]
        np.testing.assert_array_equal(so_far["posterior"]["mu"].to_numpy(), mu)
    break_after(None)
    tree = resume(tmp_path / "s.zarr", method=WALK, progress=False)
    equal(whole, tree)
    assert tree.attrs["interrupted"] == 0


def test_a_wrong_state_would_be_noticed(tmp_path, whole, break_after, monkeypatch):
    break_after(6)
    with pytest.raises(BrokenOff):
        infer(ZOO.program, WALK, store=tmp_path / "s.zarr", **COMMON)
    break_after(None)
    transition = sys.modules["tests.inference.walking"]._Run.transition

    def forgetful(self) -> None:
        if self.plan.state is not None and self.done == self.plan.state.iteration:
            self.at += 1e-12
        transition(self)

    monkeypatch.setattr("tests.inference.walking._Run.transition", forgetful)
    with pytest.raises(AssertionError):
        equal(whole, resume(tmp_path / "s.zarr", method=WALK, progress=False))


def test_a_long_run_is_stored_without_what_follows_from_its_draws(
    tmp_path, break_after, monkeypatch
):
    monkeypatch.setattr(program_run, "_LONG", 100)
    monkeypatch.setattr(program_run, "_LARGEST_DERIVED", 1000)
    whole = infer(ZOO.program, WALK, **COMMON)
    break_after(2)
    with pytest.raises(BrokenOff):
        infer(ZOO.program, WALK, store=tmp_path / "run.zarr", **COMMON)
    break_after(None)
    monkeypatch.undo()  # the decision is the store's, whatever the limits are when it goes on
    tree = resume(tmp_path / "run.zarr", ZOO.program, method=WALK, progress=False)
    assert not {"log_likelihood", "log_prior"} & set(tree.children)
    assert any("complete(tree, model, data)" in note for note in json.loads(tree.attrs["notes"]))
    completed = pg.complete(tree, ZOO.program, ZOO.data)
    for group in ("posterior", "unconstrained_posterior", "log_likelihood", "log_prior"):
        xr.testing.assert_allclose(whole[group].to_dataset(), completed[group].to_dataset())
    monkeypatch.setattr(program_run, "_LONG", 100)
    monkeypatch.setattr(program_run, "_LARGEST_DERIVED", 1000)
    asked = infer(ZOO.program, WALK, store=tmp_path / "all.zarr", log_likelihood=True, **COMMON)
    assert {"log_likelihood", "log_prior"} <= set(asked.children)


def test_blocks_and_chunks_change_nothing(tmp_path, whole, monkeypatch):
    monkeypatch.setattr(recorder, "EVERY", 0.0)
    monkeypatch.setattr(recorder, "_BLOCK_BYTES", 10_000)
    monkeypatch.setattr(growing, "_SHORTEST", 1)
    monkeypatch.setattr(growing, "_CHUNK_BYTES", 11 * 3 * 8 * 8)
    equal(whole, infer(ZOO.program, WALK, store=tmp_path / "s.zarr", **COMMON))


def test_a_finished_run_is_extended(tmp_path):
    infer(ZOO.program, WALK, store=tmp_path / "s.zarr", **COMMON)
    longer = {**COMMON, "draws": 130}
    tree = resume(tmp_path / "s.zarr", method=WALK, draws=130, progress=False)
    equal(infer(ZOO.program, WALK, **longer), tree)
    equal(tree, resume(tmp_path / "s.zarr", method=WALK))
    with pytest.raises(OptionError, match="as many or more"):
        resume(tmp_path / "s.zarr", method=WALK, draws=100)


@pytest.mark.parametrize("method", [pg.NUTS(), pg.HMC(num_steps=4)], ids=["NUTS", "HMC"])
def test_the_method_is_made_again_from_its_settings(tmp_path, method):
    short = {**COMMON, "draws": 40, "warmup": 30, "keep_warmup": True}
    infer(ZOO.program, method, store=tmp_path / "s.zarr", **short)
    tree = resume(tmp_path / "s.zarr", draws=90, progress=False)
    equal(infer(ZOO.program, method, **{**short, "draws": 90}), tree)
    assert tree.attrs["method_settings"] == repr(method)
    with pytest.raises(OptionError, match="another method"):
        resume(tmp_path / "s.zarr", draws=91, method=pg.NUTS(max_tree_depth=3))


@pytest.mark.parametrize(
    "method",
    [
        pg.NeuTra(inner=pg.HMC(num_steps=4)),
        pg.NeuTra(guide=pg.SVI("coupling", hidden=(8,))),
        pg.SVI("mixture", objective=pg.RenyiELBO(0.5), learning_rate=pg.schedules.Cosine(0.1)),
    ],
    ids=["inner", "guide", "objective"],
)
def test_methods_inside_methods_are_made_again(method):
    described = json.loads(json.dumps(provenance.describe_method(method)))
    assert provenance.find_method(described) == method


def test_a_guide_of_ones_own_is_known_by_its_name_in_another_process():
    def guide():
        """Not the same function each time."""

    first, again = pg.SVI(guide), pg.SVI(lambda: None)
    again.guide.__name__ = "guide"
    assert repr(first) == repr(again)
    described = provenance.describe_method(first)
    assert provenance.find_method(described, again) is again
    with pytest.raises(OptionError, match="cannot be made again"):
        provenance.find_method(described)


def test_a_run_is_extended_twice_by_other_threads(tmp_path):
    short = {**COMMON, "draws": 300, "warmup": 60}
    infer(ZOO.program, pg.NUTS(), store=tmp_path / "s.zarr", threads=3, **short)
    resume(tmp_path / "s.zarr", draws=500, threads=1, progress=False)
    tree = resume(tmp_path / "s.zarr", draws=900, threads=2, progress=False)
    equal(infer(ZOO.program, pg.NUTS(), **{**short, "draws": 900}), tree)


def test_methods_that_have_no_pieces_are_run_anew(tmp_path, break_after):
    method = pg.Laplace()
    short = {**COMMON, "draws": 30}
    expected = infer(ZOO.program, method, **{**short, "draws": 50})
    tree = infer(ZOO.program, method, store=tmp_path / "s.zarr", **short)
    equal(infer(ZOO.program, method, **short), tree)
    equal(expected, resume(tmp_path / "s.zarr", draws=50, progress=False))


def mixture(y):
    """Two normals; which one a value is from is summed out and drawn again."""
    where = pyro.sample("where", dist.Normal(0.0, 3.0))
    with pyro.plate("row", len(y)):
        z = pyro.sample("z", dist.Bernoulli(0.3), infer={"enumerate": "parallel"})
        pyro.deterministic("twice", 2 * z)
        pyro.sample("y", dist.Normal(where + 4.0 * z, 1.0), obs=y)


def test_recovered_discrete_sites_do_not_depend_on_pieces(tmp_path, break_after):
    given = {**COMMON, "data": {"y": torch.tensor([0.1, 4.2, 2.0])}, "draws": 30}
    expected = infer(mixture, WALK, **given)
    break_after(6)
    with pytest.raises(BrokenOff):
        infer(mixture, WALK, store=tmp_path / "s.zarr", **given)
    break_after(None)
    tree = resume(tmp_path / "s.zarr", mixture, method=WALK, progress=False)
    equal(expected, tree)
    assert len(np.unique(tree["posterior"]["z"])) == 2


def test_coordinates_and_dimensions_of_the_user_are_kept(tmp_path):
    named = {"coords": {"school": list("ABCDEFGH")}, "dims": {"theta": ["school"]}}
    infer(ZOO.program, WALK, store=tmp_path / "s.zarr", **COMMON, **named)
    tree = resume(tmp_path / "s.zarr", method=WALK, draws=70, progress=False)
    assert list(tree["posterior"]["theta"].coords["school"].values) == list("ABCDEFGH")
    equal(infer(ZOO.program, WALK, **{**COMMON, "draws": 70}, **named), tree)


def test_networks_are_kept_whole_in_the_store(tmp_path, break_after):
    asia = pg.load_network("asia")
    given = {"data": {"dysp": "yes"}, "chains": 4, "draws": 50, "warmup": 10, "seed": 1}
    given["progress"] = False
    method = pg.Gibbs()
    expected = infer(asia, method, **given)
    tree = infer(asia, method, store=tmp_path / "s.zarr", **given)
    equal(expected, tree)
    longer = resume(tmp_path / "s.zarr", draws=90, progress=False)
    np.testing.assert_array_equal(
        longer["posterior"]["bronc"],
        infer(asia, method, **{**given, "draws": 90})["posterior"]["bronc"],
    )
    resume(tmp_path / "s.zarr", asia, data=given["data"])
    with pytest.raises(DataError, match="dysp"):
        resume(tmp_path / "s.zarr", asia, data={"dysp": "no"}, draws=91)
    with pytest.raises(ModelError, match="network"):
        resume(tmp_path / "s.zarr", pg.load_network("cancer"), draws=91)


def test_engines_that_do_not_sample_are_stored_whole(tmp_path):
    tree = infer(pg.load_network("asia"), pg.Exact(), store=tmp_path / "s.zarr", progress=False)
    assert float(tree["marginals"]["probability"].sum()) == pytest.approx(8)
    equal(tree, resume(tmp_path / "s.zarr"))


# --- what is not as it was ---------------------------------------------------------------------


@pytest.fixture
def stored(tmp_path):
    infer(ZOO.program, WALK, store=tmp_path / "s.zarr", **COMMON)
    return tmp_path / "s.zarr"


def test_other_data_are_refused_by_name(stored):
    y = ZOO.data["y"].clone()
    y[3] += 1
    with pytest.raises(DataError, match=r"data\['y'\] differs.*1 of 8 values, at \[3\] 8.0 now"):
        resume(stored, method=WALK, draws=61, data={**ZOO.data, "y": y})
    with pytest.raises(DataError, match=r"data\['y'\] differs.*shape"):
        resume(stored, method=WALK, draws=61, data={**ZOO.data, "y": y[:5]})
    with pytest.raises(DataError, match=r"data\['y'\]: the run was made with it"):
        resume(stored, method=WALK, draws=61, data={"sigma": ZOO.data["sigma"]})


def test_another_program_is_refused(stored):
    def eight_schools(sigma, y=None):
        return ZOO.program(sigma, y)

    with pytest.raises(ModelError, match="source of the program 'eight_schools'"):
        resume(stored, eight_schools, method=WALK, draws=61)


LEVEL = 1.0


def reads_a_global(y):
    x = pyro.sample("x", dist.Normal(LEVEL, 1.0))
    pyro.sample("y", dist.Normal(x, 1.0), obs=y)


def test_a_program_that_reads_something_else_now_is_refused(tmp_path, monkeypatch):
    given = {**COMMON, "data": {"y": 1.0}}
    infer(reads_a_global, WALK, store=tmp_path / "s.zarr", **given)
    resume(tmp_path / "s.zarr", method=WALK, draws=61, progress=False)
    monkeypatch.setitem(globals(), "LEVEL", 1.5)
    with pytest.raises(ModelError, match="log density of 'reads_a_global'"):
        resume(tmp_path / "s.zarr", method=WALK, draws=62)


def test_a_program_that_cannot_be_found_again_is_asked_for(tmp_path):
    def local(y):
        pyro.sample("y", dist.Normal(pyro.sample("x", dist.Normal(0.0, 1.0)), 1.0), obs=y)

    given = {**COMMON, "data": {"y": 1.0}}
    infer(local, WALK, store=tmp_path / "s.zarr", **given)
    with pytest.raises(StoreError, match="Pass it: resume"):
        resume(tmp_path / "s.zarr", method=WALK, draws=61)
    tree = resume(tmp_path / "s.zarr", local, method=WALK, draws=61, progress=False)
    equal(infer(local, WALK, **{**given, "draws": 61}), tree)


def test_a_model_file_is_found_again(tmp_path):
    file = tmp_path / "coin.py"
    file.write_text(
        "import pyro, pyro.distributions as dist\n"
        "def coin(y):\n"
        "    p = pyro.sample('p', dist.Beta(1.0, 1.0))\n"
        "    pyro.sample('y', dist.Bernoulli(p).expand([3]).to_event(1), obs=y)\n"
    )
    given = {**COMMON, "data": {"y": torch.tensor([1.0, 0.0, 1.0])}}
    infer(pg.load_model(file).program, WALK, store=tmp_path / "s.zarr", **given)
    tree = resume(tmp_path / "s.zarr", method=WALK, draws=61, progress=False)
    assert tree["posterior"].sizes["draw"] == 61
    file.write_text(file.read_text().replace("Beta(1.0", "Beta(2.0"))
    with pytest.raises(ModelError, match="source of the program 'coin'"):
        resume(tmp_path / "s.zarr", method=WALK, draws=62)
    file.unlink()
    with pytest.raises(StoreError, match="not found again"):
        resume(tmp_path / "s.zarr", method=WALK, draws=62)


def test_a_store_cannot_have_any_function_called(monkeypatch):
    module = ModuleType("innocent")
    exec("def harmful(**data):\n    raise SystemExit\n", module.__dict__)
    module.harmful.__module__ = "innocent"
    monkeypatch.setitem(sys.modules, "innocent", module)
    for where in ({"module": "innocent", "name": "harmful"}, {"module": "os", "name": "system"}):
        with pytest.raises(StoreError):
            identity.find_program_again({"name": "x", "found": where, "source": None})
    for module_name in ("subprocess", "os", "tests.inference.walking"):
        described = {"module": module_name, "class": "Popen", "settings": {}, "repr": "x"}
        with pytest.raises(OptionError, match="cannot be made again"):
            provenance.find_method(described)


def test_data_that_cannot_be_stored_are_asked_for(tmp_path):
    class Scale:
        value = 2.0

    def scaled(scale, y):
        x = pyro.sample("x", dist.Normal(0.0, scale.value))
        pyro.sample("y", dist.Normal(x, 1.0), obs=y)

    data = {"scale": Scale(), "y": torch.tensor(1.0)}
    infer(scaled, WALK, store=tmp_path / "s.zarr", **{**COMMON, "data": data})
    with pytest.raises(DataError, match=r"data\['scale'\].*not stored"):
        resume(tmp_path / "s.zarr", scaled, method=WALK, draws=61)
    resume(tmp_path / "s.zarr", scaled, data=data, method=WALK, draws=61, progress=False)


def test_another_machine_is_a_warning(stored, monkeypatch):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        resume(stored, method=WALK, draws=61, progress=False)
    monkeypatch.setattr(provenance, "_processor", lambda: "another one")
    with pytest.warns(DifferentMachineWarning, match="another one now"):
        resume(stored, method=WALK, draws=62, progress=False)


def test_no_store_is_told(tmp_path):
    with pytest.raises(StoreError, match="There is no store"):
        resume(tmp_path / "nothing.zarr")
