"""Penalties at critics and codes for which they are known."""

import math

import pytest
import torch
from torch import nn

import probgen as pg
from probgen.errors import OptionError
from probgen.learn.adversarial.situation import Situation
from probgen.nets.conditioning import ConditionalBatchNorm
from probgen.nets.dense import mlp

P = pg.penalties


def slope(width, norm=1.0, seed=0):
    """A linear critic whose gradient has a norm everywhere, and the direction."""
    direction = torch.randn(width, generator=torch.Generator().manual_seed(seed))
    direction = norm * direction / direction.norm()
    return lambda x: x.flatten(1) @ direction


def sides(rows=64, width=5):
    random = torch.Generator().manual_seed(1)
    return torch.randn(rows, width, generator=random), 3 + torch.randn(
        rows, width, generator=random
    )


def at(critic, *values, **more):
    real, fake = values if values else sides()
    return Situation(critic, (real,), (fake,), **more)


@pytest.mark.parametrize("penalty", [P.GradientPenalty(), P.DRAGAN()])
def test_gradient_penalty_of_an_exactly_1_lipschitz_critic_is_zero(penalty):
    assert penalty.term(at(slope(5))).item() == pytest.approx(0.0, abs=1e-10)


def test_one_norm_over_the_whole_batch_would_not_give_zero():
    """The mistake that the test above is there for: 64 rows of norm 1 have norm 8 together."""
    real, _ = sides()
    x = real.requires_grad_()
    (gradient,) = torch.autograd.grad(slope(5)(x).sum(), x)
    assert (gradient.norm() - 1).square().item() == pytest.approx(49.0, abs=1e-3)


def test_gradient_penalties_by_hand():
    steep = at(slope(5, norm=3.0))
    assert P.GradientPenalty().term(steep).item() == pytest.approx(4.0, rel=1e-5)
    assert P.GradientPenalty(target=3.0).term(steep).item() == pytest.approx(0.0, abs=1e-9)
    assert P.R1().term(steep).item() == pytest.approx(4.5, rel=1e-5)
    assert P.R2().term(at(slope(5, norm=3.0))).item() == pytest.approx(4.5, rel=1e-5)
    flat = at(slope(5, norm=0.5))
    assert P.GradientPenalty(one_sided=True).term(flat).item() == 0.0
    assert P.GradientPenalty().term(flat).item() == pytest.approx(0.25, rel=1e-5)


def test_gradients_of_several_sites_are_one_norm_and_labels_have_none():
    def critic(x, y, z):
        return 3 * x[:, 0] + 4 * z[:, 0] + y

    rows = torch.randn(6, 2), torch.arange(6), torch.randn(6, 3)
    found = Situation(critic, rows, rows)
    assert P.R1().term(found).item() == pytest.approx(12.5)
    assert P.GradientPenalty().term(found).item() == pytest.approx(16.0, rel=1e-5)


@pytest.mark.parametrize("penalty", [P.R1(), P.R2(), P.GradientPenalty(), P.DRAGAN()])
def test_a_site_of_one_number_a_row_has_no_dimension_of_its_own(penalty):
    numbers = torch.randn(64, generator=torch.Generator().manual_seed(0))
    found = penalty.term(at(lambda x: 3 * x, numbers, numbers))
    flat = penalty.term(at(lambda x: 3 * x[:, 0], numbers[:, None], numbers[:, None]))
    torch.testing.assert_close(found, flat)
    assert found.item() == pytest.approx(4.5 if isinstance(penalty, P.R1 | P.R2) else 4.0)


@pytest.mark.parametrize("penalty", [P.R1(), P.R2(), P.GradientPenalty(), P.DRAGAN()])
def test_a_site_that_the_critic_leaves_out_adds_nothing_to_its_gradient(penalty):
    x, z = sides()
    alone = at(slope(5, norm=3.0), x, x)
    beside = Situation(lambda x, z: slope(5, norm=3.0)(x), (x, z), (x, z))
    assert penalty.term(beside).item() == pytest.approx(penalty.term(alone).item(), rel=1e-5)
    assert penalty.term(beside).item() > 1


def test_squares_of_gradients_do_not_overflow_in_half_precision():
    x = torch.ones(4, 50, dtype=torch.float16)
    found = at(lambda x: (100 * x).sum(1), x, x)
    assert P.R1().term(found).item() == pytest.approx(50 * 100**2 / 2)


def test_dragan_of_a_single_number_is_finite():
    x = torch.ones(1, 1)
    assert P.DRAGAN().term(at(lambda x: 3 * x[:, 0], x, x)).item() == pytest.approx(4.0)


def test_lecam_takes_scores_of_half_precision():
    scores = {side: torch.full((4,), 2.0, dtype=torch.bfloat16) for side in ("real", "fake")}
    state = P.LeCam().start(torch.device("cpu"))
    found = P.LeCam(decay=0.5).term(Situation(slope(5), (), (), scored=scores, state=state))
    assert found.item() == pytest.approx(2.0)
    assert state["real"].dtype == torch.float32


def test_consistency_leaves_sites_alone_that_its_augmentation_is_not_for():
    def critic(x, other, z):
        return x.flatten(1).sum(1) + 10 * other.flatten(1).sum(1) + z.sum(1)

    image, z = torch.ones(4, 1, 8, 8), torch.ones(4, 3)
    rows = image, image, z
    found = Situation(critic, rows, rows, sites=("x", "other", "z"))
    moved = P.Consistency(pg.augmentations.DiffAugment("cutout", sites="x")).term(found)
    assert 0 < moved.item() <= 16**2  # the holes are of x, at most 4 by 4 pixels
    with pytest.raises(OptionError, match="the scale of the noise is one number"):
        P.Consistency(pg.augmentations.InstanceNoise(pg.schedules.Linear(1.0, 0.0)))


def test_a_penalty_on_gradients_teaches_the_critic():
    critic = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 1), nn.Flatten(0))
    for penalty in (P.R1(), P.R2(), P.GradientPenalty(), P.DRAGAN()):
        found = torch.autograd.grad(penalty.term(at(critic)), critic[0].weight)[0]
        assert found.abs().sum() > 0


def test_r1_reuses_the_scores_of_leaves():
    calls = []

    def critic(x):
        calls.append(len(x))
        return x.square().sum(1)

    real, fake = sides()
    found = Situation(critic, (real.clone().requires_grad_(),), (fake,))
    found.scores("real")
    term = P.R1().term(found)
    assert len(calls) == 1
    torch.testing.assert_close(term, 2 * real.square().sum(1).mean())


def test_pulling_away_is_zero_for_orthogonal_codes_and_one_for_identical_ones():
    def term(codes):
        return P.PullingAway().term(at(slope(5), *sides(4), encode=lambda fake: codes)).item()

    assert term(torch.eye(4)) == pytest.approx(0.0, abs=1e-6)
    assert term(torch.randn(1, 6).repeat(4, 1)) == pytest.approx(1.0, abs=1e-5)
    assert term(torch.tensor([[1.0, 0.0], [1.0, 1.0]])) == pytest.approx(0.5, abs=1e-5)
    assert term(torch.randn(1, 6)) == 0.0  # one row has no pairs


def orthogonal(module, kept=lambda name: True):
    """The term of a module, of those of its parameters that are the player's."""
    mine = {name: p for name, p in module.named_parameters() if kept(name)}
    return P.Orthogonal().term(at(slope(5), parameters=mine, module=module))


def test_orthogonal_leaves_the_lengths_of_rows_alone():
    turned = nn.Linear(6, 6)
    rotation = torch.linalg.qr(torch.randn(6, 6))[0] * torch.arange(1.0, 7.0)[:, None]
    turned.weight.data = rotation
    assert orthogonal(turned).item() == pytest.approx(0.0, abs=1e-8)
    for equal in (nn.Conv1d(1, 2, 3), nn.ConvTranspose1d(1, 2, 3)):  # 2 filters of 3 ones
        nn.init.ones_(equal.weight)
        assert orthogonal(equal).item() == pytest.approx(18.0)


def test_orthogonal_counts_layers_of_the_player_and_no_tables():
    """Gains of classes are ones at the start: to turn them from each other would be absurd."""
    tables = nn.ModuleList([ConditionalBatchNorm(4, 3), nn.Embedding(3, 4)])
    both = nn.ModuleDict({"mine": mlp(2, 3, ()), "other": mlp(2, 3, (), spectral=True)})
    assert orthogonal(tables).item() == 0.0
    whole = orthogonal(both)
    parts = [orthogonal(both, lambda name, part=part: name.startswith(part)) for part in both]
    assert min(parts) > 0
    torch.testing.assert_close(sum(parts), whole)
    (gradient,) = torch.autograd.grad(whole, both["other"][0].parametrizations.weight.original)
    assert gradient.any()  # the weight that is trained


def test_lecam_follows_the_running_means_of_the_other_side():
    penalty = P.LeCam(decay=0.5)
    state = penalty.start(torch.device("cpu"))
    scores = {"real": torch.full((4,), 2.0), "fake": torch.full((4,), -2.0)}
    first = penalty.term(Situation(slope(5), (), (), scored=dict(scores), state=state))
    assert first.item() == pytest.approx(9.0 + 9.0)  # running means 1 and -1
    assert state == {"real": torch.tensor(1.0), "fake": torch.tensor(-1.0)}
    second = penalty.term(Situation(slope(5), (), (), scored=dict(scores), state=state))
    assert second.item() == pytest.approx(2 * 3.5**2)


def test_drift_and_consistency_by_hand():
    real, _fake = sides()
    scores = slope(5)(real)
    torch.testing.assert_close(P.Drift().term(at(slope(5))), scores.square().mean())
    shifted = P.Consistency(lambda x: x + 1.0)
    by = slope(5)(torch.ones(1, 5)).item()
    assert shifted.term(at(slope(5))).item() == pytest.approx(by**2, rel=1e-4)
    both = P.Consistency(lambda x: x + 1.0, fake=True)
    assert both.term(at(slope(5))).item() == pytest.approx(2 * by**2, rel=1e-4)


@pytest.mark.parametrize("name", [n for n in P.__all__ if n not in ("Penalty", "Situation")])
def test_a_penalty_prints_its_formula_and_refuses_negative_weights(name):
    given = {"Consistency": (abs,), "Diversity": ("n", "z")}.get(name, ())
    kind = getattr(P, name)
    assert f"{name}(" in repr(kind(*given))
    assert " * [" in repr(kind(*given))
    assert "each 4th turn times 4" in repr(kind(*given, every=4))
    for wrong in (-1.0, math.nan, "1"):
        with pytest.raises(OptionError, match=rf"{name}\(weight="):
            kind(*given, weight=wrong)
    with pytest.raises(OptionError, match=rf"{name}\(every=0"):
        kind(*given, every=0)
