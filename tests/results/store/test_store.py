"""The store is Zarr v3 as zarr-python reads it, grows in pieces, and never lies about damage."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

from probgen.errors import StoreError
from probgen.results.store import growing
from probgen.results.store.checkpoint import Checkpoint, read_manifest, read_start
from probgen.results.store.reading import open_store
from probgen.results.store.state import KernelState
from probgen.results.store.store import Store

STATE = KernelState(1, np.zeros((3, 2)), np.zeros((3, 4), np.uint64))
MANIFEST = {"format": 1, "kind": "test", "options": {"draws": 40}}


def a_tree(draws: int = 40, chains: int = 3) -> xr.DataTree:
    rng = np.random.default_rng(0)
    coords = {
        "chain": np.arange(chains),
        "draw": np.arange(draws),
        "school": np.array(["Äb", "c", "longer"]),
        "day": np.array(["2020-01-01", "2020-01-02"], dtype="datetime64[ns]"),
    }
    posterior = xr.Dataset(
        {
            "theta": (("chain", "draw", "school"), rng.normal(size=(chains, draws, 3))),
            "k": (("chain", "draw"), rng.integers(0, 9, (chains, draws)).astype(np.int8)),
            "m": (("chain", "draw", "school", "day"), rng.random((chains, draws, 3, 2))),
        },
        coords,
    ).assign_coords(label=("school", np.array(["x", "y", "zz"])))
    stats = xr.Dataset(
        {"diverging": (("chain", "draw"), rng.random((chains, draws)) < 0.5)},
        {"chain": coords["chain"], "draw": coords["draw"]},
    )
    data = xr.Dataset({"y": ("school", [1.0, np.nan, 3.0]), "text": ((), "HIGH"), "n": ((), 3)})
    return xr.DataTree.from_dict({"posterior": posterior, "sample_stats": stats, "data": data})


def part(tree: xr.DataTree, low: int, high: int) -> xr.DataTree:
    return xr.DataTree.from_dict(
        {
            name: node.dataset.isel(draw=slice(low, high)) if "draw" in node.dims else node.dataset
            for name, node in tree.children.items()
        }
    )


def groups(tree: xr.DataTree) -> dict[str, xr.Dataset]:
    return {name: child.to_dataset() for name, child in tree.children.items()}


def write(path: Path, tree: xr.DataTree, cuts: list[int], **state) -> None:
    with Store.create(path, MANIFEST, {"initial": np.zeros(2)}) as store:
        for low, high in itertools.pairwise(cuts):
            store.append(groups(part(tree, low, high)), 40)
            store.commit({"model": "m", "seed": 1}, state.get("state"), False)


def equal(first: xr.DataTree, second: xr.DataTree) -> None:
    assert set(first.children) == set(second.children)
    for name, node in first.children.items():
        xr.testing.assert_equal(node.to_dataset(), second[name].to_dataset())
        for variable in node.dataset.variables:
            kinds = {tree[name].dataset[variable].dtype.kind for tree in (first, second)}
            assert len(kinds) == 1 or kinds == {"U", "O"}


@pytest.fixture(params=[[0, 40], [0, 1, 7, 8, 30, 40], [*range(41)]], ids=["one", "few", "single"])
def cuts(request):
    return request.param


@pytest.mark.parametrize("chunk", [256, 7, 1])
def test_what_is_read_is_what_was_written(tmp_path, monkeypatch, cuts, chunk):
    monkeypatch.setattr(growing, "_SHORTEST", 1)
    monkeypatch.setattr(growing, "_CHUNK_BYTES", chunk * 3 * 6 * 8)
    tree = a_tree()
    write(tmp_path / "s.zarr", tree, cuts)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        equal(tree, open_store(tmp_path / "s.zarr"))
        equal(tree, xr.open_datatree(tmp_path / "s.zarr"))
        equal(tree, xr.open_datatree(tmp_path / "s.zarr", engine="zarr"))
        one = xr.open_dataset(tmp_path / "s.zarr", engine="zarr", group="posterior")
        xr.testing.assert_equal(one, tree["posterior"].to_dataset())
        group = zarr.open_group(tmp_path / "s.zarr", mode="r")
        np.testing.assert_array_equal(group["posterior/theta"][:], tree["posterior/theta"])
        plain = zarr.open_array(tmp_path / "s.zarr" / "posterior" / "m", mode="r")
        np.testing.assert_array_equal(plain[:], tree["posterior/m"])
        dict(zarr.open_group(tmp_path / "s.zarr", mode="r", use_consolidated=False).members())


def test_the_checkpoint_is_no_group_of_the_tree_but_is_zarr(tmp_path):
    write(tmp_path / "s.zarr", a_tree(), [0, 40])
    assert "checkpoint" not in xr.open_datatree(tmp_path / "s.zarr").children
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        group = zarr.open_group(tmp_path / "s.zarr", mode="r", use_consolidated=False)
        members = dict(group.members())
        assert members["checkpoint"]["state"][:].dtype == np.uint8


@pytest.mark.parametrize(
    "key",
    [
        (0, slice(None)),
        (slice(None), 13),
        (slice(None), -1),
        (slice(1, None), slice(5, 33, 4)),
        (slice(None), slice(33, 5, -3)),
        (slice(None), slice(39, None, -1), 2),
        (slice(None), [3, 3, 39, 0]),
        (slice(None), slice(7, 7)),
        (2, slice(6, 9), slice(None, None, 2)),
    ],
)
def test_lazy_indexing_is_numpys(tmp_path, monkeypatch, key):
    monkeypatch.setattr(growing, "_SHORTEST", 1)
    monkeypatch.setattr(growing, "_CHUNK_BYTES", 7 * 3 * 6 * 8)
    tree = a_tree()
    write(tmp_path / "s.zarr", tree, [0, 40])
    for name in ("theta", "m"):
        expected = tree["posterior"][name].to_numpy()[key]
        np.testing.assert_array_equal(
            open_store(tmp_path / "s.zarr")["posterior"][name][key], expected
        )


def test_chunks_are_of_one_length_and_bounded_by_bytes():
    assert growing.chunk_length(8, 1000) == 1000
    assert growing.chunk_length(8, 10) == 256
    assert growing.chunk_length(256, 100_000) == 50_000
    assert growing.chunk_length(10**9, 1000) == 1
    assert growing.chunk_length(16_000, 1_001) == 501


def test_nothing_is_seen_before_it_is_committed(tmp_path):
    tree = a_tree()
    with Store.create(tmp_path / "s.zarr", MANIFEST, {}) as store:
        assert not open_store(tmp_path / "s.zarr").children
        store.append(groups(part(tree, 0, 10)), 40)
        store.commit({}, None, False)
        store.append(groups(part(tree, 10, 25)), 40)
        assert open_store(tmp_path / "s.zarr")["posterior"].sizes["draw"] == 10
        assert xr.open_datatree(tmp_path / "s.zarr")["posterior"].sizes["draw"] == 10
        store.commit({}, None, False)
        equal(part(tree, 0, 25), open_store(tmp_path / "s.zarr"))


def test_a_store_is_taken_up_where_its_state_stands(tmp_path):
    tree = a_tree()
    state = KernelState(
        20, np.ones((3, 2)), np.arange(6, dtype=np.uint64).reshape(3, 2),
        {"step": np.array([0.1, 0.2, 0.3])}, {"gradients": np.array([5, 6, 7])},
    )  # fmt: skip
    write(tmp_path / "s.zarr", tree, [0, 20], state=state)
    written = (tmp_path / "s.zarr/checkpoint/state/c/0").read_bytes()
    store, _ = Store.reopen(tmp_path / "s.zarr")
    with store:
        store.append(groups(part(tree, 20, 33)), 40)
        store.commit({}, state, False)
    (tmp_path / "s.zarr/checkpoint/state/c/0").write_bytes(
        written
    )  # as if killed before the last file
    store, checkpoint = Store.reopen(tmp_path / "s.zarr")
    with store:
        assert checkpoint.state == state
        assert store.lengths == {"posterior": 20, "sample_stats": 20}
        store.append(groups(part(tree, 20, 40)), 40)
        store.commit({}, state, True)
    equal(tree, open_store(tmp_path / "s.zarr"))
    assert Checkpoint.read(tmp_path / "s.zarr").finished
    assert read_start(tmp_path / "s.zarr")["initial"].shape == (2,)


def test_the_second_writer_is_told_who_the_first_is(tmp_path):
    with (
        Store.create(tmp_path / "s.zarr", MANIFEST, {}),
        pytest.raises(StoreError, match=f"a run of this process .pid {os.getpid()}."),
    ):
        Store.reopen(tmp_path / "s.zarr")
    Store.reopen(tmp_path / "s.zarr")[0].close()


def test_a_killed_writer_leaves_no_lock(tmp_path):
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from probgen.results.store.files import Lock\n"
        "kept = Lock(Path(sys.argv[1]) / 'checkpoint/state/c/lock', Path(sys.argv[1]))\n"
        "print('held', flush=True)\n"
        "signal.pause()\n"
    )
    with Store.create(tmp_path / "s.zarr", MANIFEST, {}):
        pass
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "s.zarr")], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    with pytest.raises(StoreError, match=f"pid {child.pid}"):
        Store.reopen(tmp_path / "s.zarr")
    child.kill()
    child.wait()
    child.stdout.close()
    Store.reopen(tmp_path / "s.zarr")[0].close()


def test_what_is_there_is_never_written_over_unasked(tmp_path):
    write(tmp_path / "s.zarr", a_tree(), [0, 40])
    with pytest.raises(StoreError, match="holds a run already"):
        Store.create(tmp_path / "s.zarr", MANIFEST, {})
    Store.create(tmp_path / "s.zarr", MANIFEST, {}, overwrite=True).close()
    assert not open_store(tmp_path / "s.zarr").children
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    (tmp_path / "file").write_text("text")
    for name in ("mine", "file"):
        with pytest.raises(StoreError, match="no store of probgen"):
            Store.create(tmp_path / name, MANIFEST, {}, overwrite=True)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_damaged_chunks_are_named(tmp_path):
    write(tmp_path / "s.zarr", a_tree(), [0, 40])
    chunk = tmp_path / "s.zarr/posterior/theta/c/0/0/0"
    whole = chunk.read_bytes()
    chunk.write_bytes(whole[:100])
    for act in (open_store, Store.reopen):
        with pytest.raises(StoreError, match="theta/c/0/0/0 is damaged: it has 100 bytes"):
            act(tmp_path / "s.zarr")
    chunk.unlink()
    for act in (open_store, Store.reopen):
        with pytest.raises(StoreError, match="theta/c/0/0/0 is missing"):
            act(tmp_path / "s.zarr")
    chunk.write_bytes(whole)
    Store.reopen(tmp_path / "s.zarr")[0].close()


def test_a_flipped_bit_in_a_draw_is_noticed(tmp_path):
    tree = a_tree()
    write(tmp_path / "s.zarr", tree, [0, 1, 25])
    files = {"theta/c/0/0/0": 8 * 3 * 24, "k/c/0/0": 256, "m/c/0/0/0/0": 8 * 6 * (256 + 9) + 5}
    for file, place in files.items():  # 256 draws are in a chunk
        chunk = tmp_path / "s.zarr/posterior" / file
        whole = chunk.read_bytes()
        broken = bytearray(whole)
        broken[place] ^= 4
        chunk.write_bytes(broken)
        with pytest.raises(StoreError, match=f"posterior/{file[0]}.* is damaged.*not those"):
            Store.reopen(tmp_path / "s.zarr")
        chunk.write_bytes(whole)
    chunk.write_bytes(whole[:-1] + b"\x01")  # behind the last draw: nothing of it counts
    store, _ = Store.reopen(tmp_path / "s.zarr")
    with store:  # the sums go on from there
        store.append(groups(part(tree, 25, 40)), 40)
        store.commit({}, None, True)
    Store.reopen(tmp_path / "s.zarr")[0].close()
    equal(tree, open_store(tmp_path / "s.zarr"))


def test_pages_that_never_reached_the_disk_are_noticed(tmp_path):
    """After a power failure files have their sizes, and zeros in them."""
    write(tmp_path / "s.zarr", a_tree(), [0, 40])
    chunk = tmp_path / "s.zarr/posterior/theta/c/0/0/0"
    chunk.write_bytes(bytes(chunk.stat().st_size))
    with pytest.raises(StoreError, match="power failure"):
        Store.reopen(tmp_path / "s.zarr")


def test_stores_without_sums_are_taken_up(tmp_path):
    write(tmp_path / "s.zarr", a_tree(), [0, 40])
    found = Checkpoint.read(tmp_path / "s.zarr")
    assert found.sums.keys() >= {"posterior/theta", "sample_stats/diverging"}
    packed = Checkpoint(found.state, found.lengths, found.finished).pack()
    (tmp_path / "s.zarr/checkpoint/state/c/0").write_bytes(packed)
    store, _ = Store.reopen(tmp_path / "s.zarr")
    with store:
        store.commit({}, None, False)
    assert Checkpoint.read(tmp_path / "s.zarr").sums == found.sums


@pytest.mark.parametrize("dtype", ["f8", "i4", "?", "i1", "<U3"])
def test_a_sum_is_that_of_the_parts(dtype):
    values = np.random.default_rng(0).normal(size=(2, 9, 5)).astype(dtype)
    parts = [values[:, :4].copy(), values[:, 4:].copy()]
    expected = growing.sum_of(values)
    assert sum(map(growing.sum_of, parts)) % 2**64 == expected
    flipped = values.copy()
    flipped.view(np.uint8).reshape(-1)[-4] ^= 1
    assert growing.sum_of(flipped) != expected


def test_an_append_that_fails_leaves_all_arrays_of_one_length(tmp_path, monkeypatch):
    tree = a_tree()
    write(tmp_path / "s.zarr", tree, [0, 10])
    store, _ = Store.reopen(tmp_path / "s.zarr")
    append = growing.Growing.append

    def full(self, values, twin=None) -> None:
        if self.folder.name == "diverging":
            raise OSError(28, "No space left on device")
        append(self, values, twin)

    with store:
        with monkeypatch.context() as patch:
            patch.setattr(growing.Growing, "append", full)
            with pytest.raises(OSError, match="space"):
                store.append(groups(part(tree, 10, 20)), 40)
        store.commit({}, None, False)
        equal(part(tree, 0, 10), open_store(tmp_path / "s.zarr"))
        store.append(groups(part(tree, 10, 40)), 40)
        store.commit({}, None, True)
    equal(tree, open_store(tmp_path / "s.zarr"))
    Store.reopen(tmp_path / "s.zarr")[0].close()


def test_all_arrays_of_a_group_grow_together(tmp_path):
    write(tmp_path / "s.zarr", a_tree(), [0, 10])
    store, _ = Store.reopen(tmp_path / "s.zarr")
    given = {str(n): v.values[:, :5] for n, v in a_tree()["posterior"].data_vars.items()}
    with store:
        del given["k"]
        with pytest.raises(StoreError, match="posterior/k is not in all draws"):
            store.extend({"posterior": given})


def twins(draws: int) -> dict[str, dict[str, np.ndarray]]:
    values = np.random.default_rng(draws).normal(size=(3, draws, 2))
    return {"posterior": {"theta": values}, "unconstrained_posterior": {"theta": values}}


def datasets(arrays: dict[str, dict[str, np.ndarray]]) -> dict[str, xr.Dataset]:
    dims = ("chain", "draw", "school")
    return {g: xr.Dataset({n: (dims, v) for n, v in a.items()}) for g, a in arrays.items()}


def chunk_links(path: Path) -> set[int]:
    return {os.stat(file).st_nlink for file in path.glob("*/theta/c/*/*/*")}


def test_what_is_the_same_twice_is_one_file(tmp_path, monkeypatch):
    monkeypatch.setattr(growing, "_SHORTEST", 8)
    path, parts = tmp_path / "run.zarr", [twins(n) for n in (3, 9, 5, 1)]
    with Store.create(path, MANIFEST, {}) as store:
        store.append(datasets(parts[0]), 8)
        for arrays in parts[1:]:
            store.extend(arrays)
        store.commit({}, STATE, False)
    whole = np.concatenate([part["posterior"]["theta"] for part in parts], axis=1)
    assert chunk_links(path) == {2}
    for group in twins(1):
        np.testing.assert_array_equal(open_store(path)[group]["theta"], whole)


@pytest.mark.parametrize("why", ["copied", "no links"])
def test_twins_that_are_two_files_both_grow(tmp_path, monkeypatch, why):
    path, parts = tmp_path / "run.zarr", [twins(3), twins(5)]
    if why == "no links":

        def link(*_: object) -> None:
            raise PermissionError(1, "not here")

        monkeypatch.setattr(os, "link", link)
    with Store.create(path, MANIFEST, {}) as store:
        store.append(datasets(parts[0]), 8)
        store.commit({}, STATE, False)
    if why == "copied":
        path = Path(shutil.copytree(path, tmp_path / "copy.zarr"))
    store, _ = Store.reopen(path)
    with store:
        store.extend(parts[1])
        store.commit({}, STATE, False)
    assert chunk_links(path) == {1}
    whole = np.concatenate([part["posterior"]["theta"] for part in parts], axis=1)
    for group in twins(1):
        np.testing.assert_array_equal(open_store(path)[group]["theta"], whole)
    Store.reopen(path)[0].close()  # and the sums are right


def test_nodes_of_their_own_may_lag_behind_the_tree(tmp_path):
    tree = a_tree()
    with Store.create(tmp_path / "s.zarr", MANIFEST, {}) as store:
        for low, high, every_node in ((0, 10, True), (10, 30, False), (30, 40, True)):
            store.append(groups(part(tree, low, high)), 40)
            store.commit({}, None, False, every_node)
            equal(part(tree, 0, high), xr.open_datatree(tmp_path / "s.zarr"))
            alone = zarr.open_array(tmp_path / "s.zarr/posterior/theta", mode="r")
            assert alone.shape[1] == (high if every_node else 10)


def test_a_damaged_state_is_never_gone_on_from(tmp_path):
    state = KernelState(3, np.ones((3, 2)), np.zeros((3, 2), np.uint64))
    write(tmp_path / "s.zarr", a_tree(), [0, 40], state=state)
    file = tmp_path / "s.zarr/checkpoint/state/c/0"
    whole = bytearray(file.read_bytes())
    for place in (len(whole) - 3, 2, len(whole) // 2):
        broken = whole.copy()
        broken[place] ^= 1
        file.write_bytes(broken)
        with pytest.raises(StoreError, match="damaged"):
            Store.reopen(tmp_path / "s.zarr")
    file.write_bytes(whole)
    Store.reopen(tmp_path / "s.zarr")[0].close()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"attributes": {}}', '{"attributes": {"probgen": {}}}']
)
def test_malformed_documents_are_told(tmp_path, text):
    write(tmp_path / "s.zarr", a_tree(), [0, 40])
    (tmp_path / "s.zarr/checkpoint/zarr.json").write_text(text)
    with pytest.raises(StoreError, match="damaged"):
        read_manifest(tmp_path / "s.zarr")
    (tmp_path / "s.zarr/zarr.json").write_text(text)
    with pytest.raises(StoreError, match="damaged"):
        open_store(tmp_path / "s.zarr")


def test_documents_that_name_impossible_arrays_are_told(tmp_path):
    write(tmp_path / "s.zarr", a_tree(), [0, 40])
    root = tmp_path / "s.zarr/zarr.json"
    document = json.loads(root.read_text())
    array = document["consolidated_metadata"]["metadata"]["posterior/theta"]
    for key, value in {
        "codecs": [{"name": "pickle"}],
        "shape": [3, -1, 3],
        "data_type": "object",
    }.items():
        broken = json.loads(json.dumps(document))
        broken["consolidated_metadata"]["metadata"]["posterior/theta"] = {**array, key: value}
        root.write_text(json.dumps(broken))
        with pytest.raises(StoreError, match="not as probgen writes"):
            open_store(tmp_path / "s.zarr")


def test_there_is_no_store(tmp_path):
    with pytest.raises(StoreError, match="There is no store"):
        Store.reopen(tmp_path / "s.zarr")
    (tmp_path / "s.zarr").mkdir()
    with pytest.raises(StoreError, match="no store of a run"):
        Store.reopen(tmp_path / "s.zarr")
    (tmp_path / "s.zarr/checkpoint/state/c").mkdir(parents=True)
    with pytest.raises(StoreError, match="before anything was written"):
        Store.reopen(tmp_path / "s.zarr")


def test_names_that_no_file_can_have_are_refused(tmp_path):
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset({"..": ("x", [1.0])})})
    with (
        Store.create(tmp_path / "s.zarr", MANIFEST, {}) as store,
        pytest.raises(StoreError, match="renam"),
    ):
        store.append(groups(tree), 1)
