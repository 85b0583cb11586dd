"""Losses of games against their formulas, and what is known of their equilibria."""

import math

import pytest
import torch
from torch.nn.functional import logsigmoid

import probgen as pg
from probgen.errors import OptionError

GAMES = [getattr(pg.games, name) for name in pg.games.__all__ if name != "Game"]
REAL, FAKE = torch.tensor([1.0, -0.5, 2.0]), torch.tensor([0.3, -1.0, 0.7])


def test_value_of_the_game_is_minus_log_4_where_the_critic_knows_nothing():
    nothing = torch.zeros(5)
    assert -pg.games.Minimax().critic(nothing, nothing).item() == pytest.approx(-math.log(4))


def test_logistic_games_are_log_sigmoids():
    real, fake = logsigmoid(REAL).mean(), logsigmoid(-FAKE).mean()
    for game in (pg.games.Minimax(), pg.games.NonSaturating(), pg.games.Bidirectional()):
        torch.testing.assert_close(game.critic(REAL, FAKE), -real - fake)
    torch.testing.assert_close(pg.games.Minimax().player(REAL, FAKE), fake)
    torch.testing.assert_close(
        pg.games.NonSaturating().player(REAL, FAKE), -logsigmoid(FAKE).mean()
    )
    both = pg.games.Bidirectional()
    torch.testing.assert_close(both.player(REAL, FAKE), both.critic(-REAL, -FAKE))


def test_the_saturating_loss_has_no_slope_where_the_critic_is_sure_of_a_fake():
    fake = torch.tensor([-20.0], requires_grad=True)
    slope = {}
    for game in (pg.games.Minimax(), pg.games.NonSaturating()):
        (slope[type(game).__name__],) = torch.autograd.grad(game.player(fake, fake), fake)
    assert abs(slope["Minimax"].item()) < 1e-6
    assert slope["NonSaturating"].item() == pytest.approx(-1.0, abs=1e-6)


def test_least_squares_hinge_and_wasserstein_by_hand():
    assert pg.games.LeastSquares().critic(torch.ones(3), torch.zeros(3)) == 0
    assert pg.games.LeastSquares().player(REAL, torch.zeros(3)) == 0.5
    assert pg.games.Hinge().critic(torch.ones(3), -torch.ones(3)) == 0
    assert pg.games.Hinge().critic(torch.zeros(3), torch.zeros(3)) == 2
    apart = pg.games.Wasserstein().critic(REAL, FAKE)
    torch.testing.assert_close(apart, FAKE.mean() - REAL.mean())


def test_the_energy_game_comes_to_its_margin_where_the_sides_are_equal():
    game = pg.games.Energy(margin=3.0)
    energy = torch.tensor([0.2, 1.0, 2.5])
    assert game.critic(energy, energy).item() == pytest.approx(3.0)
    assert game.critic(torch.zeros(3), torch.full((3,), 9.0)) == 0  # above the margin: free


@pytest.mark.parametrize("average", [True, False])
@pytest.mark.parametrize("hinge", [True, False])
def test_relativistic_losses_do_not_change_when_all_scores_shift(average, hinge):
    game = pg.games.Relativistic(average, hinge)
    torch.testing.assert_close(game.critic(REAL, FAKE), game.critic(REAL + 5, FAKE + 5))
    torch.testing.assert_close(game.player(REAL, FAKE), game.critic(FAKE, REAL))
    assert game.critic(REAL + 50, FAKE) < 1e-6 < game.player(REAL + 50, FAKE)


def test_feature_matching_is_zero_for_equal_means_whatever_the_rows():
    game = pg.games.FeatureMatching()
    features = torch.randn(6, 4, 2)
    assert game.player(features, features.flip(0)).item() == pytest.approx(0.0, abs=1e-12)
    torch.testing.assert_close(game.player(features, features + 2.0), torch.tensor(4.0))


@pytest.mark.parametrize("game", GAMES)
def test_players_pull_scores_apart_and_together(game):
    """One step down the critic's loss raises real above fake; one down the program's lowers it."""
    chosen = game()
    sign = -1.0 if game is pg.games.Energy else 1.0
    real, fake = (torch.full((4, 3), 0.5).requires_grad_() for _ in range(2))
    loss = chosen.critic(real[:, 0], fake[:, 0])
    up_real, up_fake = torch.autograd.grad(loss, (real, fake))
    assert (sign * up_real[:, 0] < 0).all()
    assert (sign * up_fake[:, 0] > 0).all()
    if not chosen.features:
        (pull,) = torch.autograd.grad(chosen.player(real[:, 0], fake[:, 0]), fake)
        assert (sign * pull[:, 0] < 0).all()


@pytest.mark.parametrize("game", GAMES)
def test_a_game_prints_its_formula(game):
    assert repr(game()).startswith(f"{game.__name__}(): critic E")
    assert "; program" in str(game())


def test_a_margin_is_above_zero():
    with pytest.raises(OptionError, match=r"Energy\(margin=0\)"):
        pg.games.Energy(0)
