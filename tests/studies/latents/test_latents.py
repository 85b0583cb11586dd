"""Pictures of programs with latents: means decoded, latents gone through, figures drawn."""

from __future__ import annotations

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.nn import PyroModule

import probgen as pg
from probgen.models.conditional_vae import ConditionalVAE
from probgen.models.discrete_vae import DiscreteVAE
from probgen.models.hierarchical_vae import HierarchicalVAE
from probgen.models.vae import VAE, data
from probgen.studies.latents.figures import plot_reconstructions, plot_samples, plot_traversals
from probgen.studies.latents.runs import decoded, drawn_cases, latent_values, reconstructed
from probgen.studies.latents.sheets import sample_sheet, traversal_sheet
from probgen.studies.latents.sites import has_latents, image_of, latents_of


@pytest.fixture
def vae():
    torch.manual_seed(0)
    return VAE(16, 3, (8,))


@pytest.fixture
def cases():
    return {"x": (torch.rand(7, 16, generator=torch.Generator().manual_seed(1)) > 0.5).float()}


def test_reconstructions_are_decoded_means_of_the_guide(vae, cases):
    with torch.no_grad():
        mean = vae.encoder(cases["x"])[:, :3]
        expected = vae.decoder(mean).sigmoid()
    torch.testing.assert_close(latent_values(vae, cases)["z"], mean)
    torch.testing.assert_close(reconstructed(vae, cases, "x"), expected)
    assert vae.training  # as it was


def test_draws_are_means_at_different_latents_and_repeat_by_seed(vae):
    found = drawn_cases(vae, "x", 5, seed=1)
    assert found.shape == (5, 16)
    assert torch.equal(found, drawn_cases(vae, "x", 5, seed=1))
    assert not torch.equal(found, drawn_cases(vae, "x", 5, seed=2))
    assert not set(found.unique().tolist()) <= {0.0, 1.0}
    assert (found[0] - found[1]).abs().max() > 1e-3


def test_a_traversal_moves_one_latent_of_one_case(vae, cases):
    sheet = traversal_sheet(vae, cases, case=2, columns=5)
    assert sheet.images.shape == (3, 5, 4, 4)
    with torch.no_grad():
        means = vae.encoder(cases["x"])[:, :3]
        liveliest = int(means.var(0).argmax())
        z = means[2].clone()
        z[liveliest] = 2.5
        expected = vae.decoder(z).sigmoid().reshape(4, 4)
    assert sheet.rows[0] == f"z[{liveliest}]"
    np.testing.assert_allclose(sheet.images[0, -1], expected, atol=1e-6)
    assert np.abs(sheet.images[0, -1] - sheet.images[0, 0]).max() > 1e-3


def test_states_of_choices_are_gone_through():
    torch.manual_seed(0)
    model = DiscreteVAE(16, 2, 3, hidden=(8,))
    x = {"x": torch.eye(16)}
    assert [(la.site, la.states) for la in latents_of(model, x)] == [("z0", 3), ("z1", 3)]
    sheet = traversal_sheet(model, x, 0, 3)
    assert sheet.rows == ("z0", "z1")
    with torch.no_grad():
        first, second = model.encoder(x["x"])[0].unflatten(-1, (2, 3)).argmax(-1)
        code = torch.cat([torch.eye(3)[2], torch.eye(3)[second]])
        expected = model.decoder(code).sigmoid().reshape(4, 4)
    np.testing.assert_allclose(sheet.images[0, 2], expected, atol=1e-6)
    np.testing.assert_allclose(sheet.images[0, first], sheet.images[1, second], atol=1e-6)


def test_latents_below_follow_the_one_that_moves():
    torch.manual_seed(0)
    model = HierarchicalVAE(16, (3, 2), (8,))
    found = decoded(model, "x", {"z2": torch.ones(1, 2)})
    with torch.no_grad():
        expected = model.down[0](model.down[1](torch.ones(1, 2))[:, :3]).sigmoid()
    torch.testing.assert_close(found, expected)


def test_labels_stay_as_they_are():
    torch.manual_seed(0)
    model = ConditionalVAE(16, 3, 2, (8,))
    given = {"x": torch.eye(16)[:4], "y": torch.tensor([0, 1, 2, 1])}
    with torch.no_grad():
        z = latent_values(model, given)["z"]
        expected = model.decoder(torch.cat([z, torch.eye(3)[given["y"]]], -1)).sigmoid()
    torch.testing.assert_close(reconstructed(model, given, "x"), expected)
    assert traversal_sheet(model, given, 0, 3).images.shape == (2, 3, 4, 4)


def test_images_are_found_or_asked_for(vae):
    assert image_of(vae).shape == (4, 4)
    vae.image_shape = (2, 8)
    assert image_of(vae).shape == (2, 8)
    assert sample_sheet(vae, 2, 3, 0).images.shape == (2, 3, 2, 8)
    with pytest.raises(pg.ProbgenError, match="image_shape"):
        image_of(VAE(6, 2, (4,)))


def test_a_program_without_a_guide_has_no_pictures():
    class Alone(PyroModule):
        def forward(self, x=None):
            return pyro.sample("x", dist.Normal(0, 1), obs=x)

    assert not has_latents(Alone())
    assert has_latents(VAE(6, 2, (4,)))


@pytest.mark.parametrize("name", ["samples", "reconstructions", "traversals"])
def test_figures_can_be_written(vae, cases, name, tmp_path):
    from matplotlib import pyplot

    call = {
        "samples": lambda: plot_samples(vae, 2, 3),
        "reconstructions": lambda: plot_reconstructions(vae, cases["x"].numpy(), 4),
        "traversals": lambda: plot_traversals(vae, cases, case=1, columns=3),
    }[name]
    figure = call()
    figure.savefig(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 1000
    pyplot.close(figure)


def test_the_page_of_a_fit_shows_them(tmp_path):
    torch.manual_seed(0)
    few = {"x": data()["x"][:150]}
    fit = pg.fit(
        VAE(latents=3, hidden=(8,)), pg.SVI(), data=few, validation=0.2, epochs=1, seed=1,
        progress=False,
    )  # fmt: skip
    text = pg.report(fit, tmp_path / "page.html", data=few, validation=0.2).read_text()
    for part in ("IW-200", "Traversals", "Reconstructions", "Samples", "z[0]", "held-out"):
        assert part in text
    assert "could not be drawn" not in text
    without = pg.report(fit, tmp_path / "other.html").read_text()
    assert "the data are not known" in without
    assert "Samples" in without
