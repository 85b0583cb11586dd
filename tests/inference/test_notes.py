"""What is noted on a run that was broken off is what is noted on the same run in one go."""

from __future__ import annotations

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import xarray as xr

import probgen as pg
from probgen.inference import notes
from probgen.inference.notes import Seen, notes_of, seen_in

RUN = {"warmup": 20, "chains": 2, "seed": 4, "progress": False, "backend": "torch"}


def model():
    pyro.sample("x", dist.Normal(0.0, 1.0).expand([3]).to_event(1))
    pyro.sample("y", dist.Gamma(2.0, 1.0))


@pytest.mark.parametrize("method", [pg.NUTS(), pg.ChEES()], ids=["NUTS", "ChEES"])
def test_a_resumed_run_is_noted_as_a_whole(tmp_path, monkeypatch, method):
    monkeypatch.setattr(notes, "RUNAWAY", 0.5)  # the note then tells the largest value of all
    whole = pg.infer(model, method, draws=60, **RUN)
    pg.infer(model, method, draws=59, store=tmp_path / "s.zarr", **RUN)
    resumed = pg.resume(tmp_path / "s.zarr", model, draws=60, progress=False)
    assert "reached" in whole.attrs["notes"]
    assert resumed.attrs["notes"] == whole.attrs["notes"]
    last = pg.infer(model, method, draws=60, **RUN)["unconstrained_posterior"].isel(draw=[59])
    largest = max(float(np.abs(array).max()) for array in last.data_vars.values())
    assert f"{largest:.1e}" not in whole.attrs["notes"]  # so that the last leg would not do


def test_a_store_is_read_in_parts(monkeypatch):
    generator = np.random.default_rng(1)
    x, y = generator.normal(size=(2, 50, 3)), generator.normal(size=(2, 50))
    lp = generator.normal(size=(2, 50))
    tree = xr.DataTree.from_dict(
        {
            "unconstrained_posterior": xr.Dataset(
                {"y": (("chain", "draw"), y), "x": (("chain", "draw", "k"), x)}
            ),
            "sample_stats": xr.Dataset({"lp": (("chain", "draw"), lp)}),
        }
    )
    monkeypatch.setattr(notes, "_READ", 24)
    found, whole = seen_in(tree, ["x", "y"]), Seen()
    whole.add(np.concatenate([x, y[..., None]], axis=2), {"lp": lp})
    assert found.draws == whole.draws == 50
    for name in ("low", "high", "moved", "diverging"):
        np.testing.assert_array_equal(getattr(found, name), getattr(whole, name))
    assert (found.lp_low, found.lp_high) == (whole.lp_low, whole.lp_high)
    assert notes_of(found, ["a"] * 4) == []
    assert seen_in(xr.DataTree(), []).draws == 0
