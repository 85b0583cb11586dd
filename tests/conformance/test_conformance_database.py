"""Both layouts of posteriordb are read alike, and files are found by posterior and by model."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.conformance.__main__ import main
from tests.conformance.database import open_database
from tests.conformance.reference import bound, locate
from tests.conformance.registry import declared, names

DATA = {"N": 20, "K": 1, "encouraged": [0, 1] * 10}
WATCHED = DATA | {"watched": np.random.default_rng(0).normal(size=20).tolist()}
DRAWS = [
    {"beta[1]": [0.1, 0.2], "sigma": [1.0, 1.1]},
    {"beta[1]": [0.3, 0.4], "sigma": [1.2, 1.3]},
]


def _zipped(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path.with_name(f"{path.name}.zip"), "w") as archive:
        archive.writestr(path.name, json.dumps(content))


def _plain(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def _posterior(root: Path, name: str, reference: str | None) -> None:
    data, _, model = name.partition("-")
    described = {"name": name, "data_name": data, "model_name": model}
    _plain(
        root / "posteriors" / f"{name}.json", described | {"reference_posterior_name": reference}
    )
    _plain(root / "data" / "info" / f"{data}.info.json", {"data_file": f"data/data/{data}.json"})
    _zipped(root / "data" / "data" / f"{data}.json", WATCHED)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A small posteriordb in the repository's own layout."""
    root = tmp_path / "posterior_database"
    _posterior(root, "street-sesame_one_pred_a", "street-sesame_one_pred_a")
    _posterior(root, "street-unheard_of", None)
    draws = root / "reference_posteriors" / "draws" / "draws"
    _zipped(draws / "street-sesame_one_pred_a.json", DRAWS)
    return tmp_path


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    folder = tmp_path / "with_reference" / "street-sesame_one_pred_a"
    _plain(folder / "data.json", WATCHED)
    draws = {key: np.array([chain[key] for chain in DRAWS]) for key in DRAWS[0]}
    np.savez(folder / "reference_draws.npz", allow_pickle=False, **draws)
    _plain(tmp_path / "no_reference" / "street-unheard_of" / "data.json", WATCHED)
    return tmp_path


@pytest.mark.parametrize("layout", ["checkout", "folders"])
def test_both_layouts_say_the_same(layout, request):
    database = open_database(request.getfixturevalue(layout))
    found = [(e.name, e.model, e.has_reference) for e in database.entries()]
    assert found == [
        ("street-sesame_one_pred_a", "sesame_one_pred_a", True),
        ("street-unheard_of", "unheard_of", False),
    ]
    assert database.data("street-sesame_one_pred_a") == WATCHED
    draws = database.reference_draws("street-sesame_one_pred_a")
    np.testing.assert_array_equal(draws["beta[1]"], [[0.1, 0.2], [0.3, 0.4]])


def test_a_folder_that_is_no_database_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="is no posteriordb"):
        open_database(tmp_path)


def test_the_command_runs_a_checkout(checkout, tmp_path, capsys):
    report = tmp_path / "report.json"
    options = ["--no-reference", "--database", str(checkout), "--draws", "200"]
    assert main(options) == 2  # the only one without a reference has no program
    assert "Without a program here: street-unheard_of" in capsys.readouterr().out
    # Two draws per chain are no reference that anything could agree with.
    options = ["--with-reference", "--database", str(checkout), "--json", str(report)]
    options += ["--draws", "1000"]
    assert main(options) == 1
    outcome = json.loads(report.read_text())["outcomes"][0]
    assert outcome["name"] == "street-sesame_one_pred_a"
    assert outcome["backend"] == "native"
    assert outcome["rhat"] < 1.01
    assert set(outcome["z_scores"]["sigma"]) == {"mean", "sd", "5%", "50%", "95%"}


def test_a_model_serves_its_other_data_sets():
    assert declared("elsewhere-kidscore_momiq") is declared("kidiq-kidscore_momiq")
    assert declared("elsewhere-unheard_of") is None


def test_enough_posteriors_are_declared():
    assert len(names()) >= 82


@pytest.mark.parametrize(
    ("parameter", "place"),
    [("sigma", ("sigma", ())), ("beta[2]", ("beta", (1,))), ("theta[1,3]", ("theta", (0, 2)))],
)
def test_names_of_stan_become_sites_and_indices(parameter, place):
    assert locate(parameter) == place


def test_the_bound_grows_with_the_number_of_comparisons():
    assert bound(1, 0.05) == pytest.approx(1.959964, abs=1e-6)
    assert bound(1000, 0.05) == pytest.approx(4.055627, abs=1e-6)
