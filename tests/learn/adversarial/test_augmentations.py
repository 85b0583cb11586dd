"""Augmentations: what they leave alone, what they move, and gradients through them."""

import pytest
import torch
from torch.nn.functional import softplus

import probgen as pg
from probgen.errors import OptionError
from probgen.learn.adversarial.augmentations.images import KINDS
from probgen.learn.training.schedules import Linear
from tests.learn.adversarial.drive import made_learner, one_step
from tests.learn.adversarial.programs import Pictures, Points, made, normal_points

A = pg.augmentations


def pictures(rows=200, channels=2, side=8):
    random = torch.Generator().manual_seed(0)
    return torch.rand(rows, channels, side, side, generator=random) * 2 - 1


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_keep_their_shape_and_gradients_pass(kind):
    value = pictures().requires_grad_()
    moved = A.DiffAugment(kind)(value)
    assert moved.shape == value.shape
    assert not torch.equal(moved, value)
    (gradient,) = torch.autograd.grad(moved.sum(), value)
    assert gradient.abs().sum() > 0


def test_transformations_differ_from_row_to_row():
    same = pictures(1).expand(50, -1, -1, -1)
    for kind in KINDS:
        moved = A.DiffAugment(kind)(same)
        assert len(moved.flatten(1).unique(dim=0)) > 1


def test_translation_moves_by_up_to_an_eighth():
    dot = torch.zeros(400, 1, 16, 16)
    dot[:, :, 8, 8] = 1.0
    places = A.DiffAugment("translation")(dot).flatten(1).nonzero()[:, 1]
    lines, columns = places // 16 - 8, places % 16 - 8
    assert set(lines.tolist()) == set(columns.tolist()) == {-2, -1, 0, 1, 2}


def test_cutout_takes_at_most_a_quarter_away():
    left = A.DiffAugment("cutout")(torch.ones(400, 1, 8, 8)).mean((1, 2, 3))
    assert left.min() == pytest.approx(0.75)
    assert (left < 1).all()


def test_color_keeps_what_its_names_say():
    value = pictures()
    brighter = A.DiffAugment("brightness")(value) - value
    torch.testing.assert_close(brighter, brighter[:, :1, :1, :1].expand_as(value))
    mean = A.DiffAugment("contrast")(value).mean((1, 2, 3))
    torch.testing.assert_close(mean, value.mean((1, 2, 3)), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(A.DiffAugment("saturation")(value).mean(1), value.mean(1))


def test_adaptive_probability_follows_the_sign_of_real_scores():
    augment = A.ADA("flip", interval=2, ramp=100)
    _, loop = made_learner(pg.Adversarial(), made(Points), {"x": normal_points()})
    state = augment.start(torch.device("cpu"))
    value = pictures()
    assert torch.equal(augment(value, state, loop), value)  # it begins at 0
    for expected in (0.0, 0.2, 0.2, 0.4):
        augment.observe(torch.ones(10), state, loop)
        assert state["probability"].item() == pytest.approx(expected)
    augment.observe(-torch.ones(10), state, loop)
    augment.observe(torch.ones(10), state, loop)  # mean sign 0, below the target
    assert state["probability"].item() == pytest.approx(0.2)
    state["probability"] = torch.tensor(1.0)
    share = (augment(value, state, loop) != value).flatten(1).any(1).float().mean()
    assert 0.35 < share < 0.65  # a flip is one in half of the rows


def test_augmentations_are_on_both_sides_of_the_critic():
    seen = []

    class Watching(Pictures):
        def __init__(self):
            super().__init__()
            self.critic.register_forward_pre_hook(lambda part, given: seen.append(given[0]))

    model, x = made(Watching), {"x": pictures(16, 1)}
    method = pg.Adversarial(augment=(A.DiffAugment("cutout"), A.InstanceNoise(0.0)))
    learner, loop = made_learner(method, model, x, 16)
    seen.clear()
    learner.step(x, loop)
    assert len(seen) == 3
    for value in seen:
        assert (value.abs() == 0).float().mean() > 0.1  # the holes


def test_the_program_learns_through_its_augmentation():
    """Gradients by hand through the same random transformation; cut off, nothing would arrive."""
    model, x = made(Pictures).eval(), {"x": pictures(16, 1)}
    method = pg.Adversarial(augment=A.DiffAugment("translation", "cutout", "color"))
    found, _ = one_step(method, model, x, seed=4)
    parameters = list(model.generator.parameters())
    torch.manual_seed(4)
    fake = model.generator(torch.randn(16, 4)[..., None, None])
    for value in (x["x"], fake.detach()):
        method.augment[0](value)  # what the critic's turn draws
    loss = softplus(-model.critic(method.augment[0](fake))).mean()
    got = found.of("program", parameters)
    wanted = torch.autograd.grad(loss, parameters, retain_graph=True)
    for one, other in zip(got, wanted, strict=True):
        torch.testing.assert_close(one, other)
    plain = softplus(-model.critic(fake)).mean()
    other = torch.autograd.grad(plain, parameters)
    assert not torch.allclose(got[0], other[0], rtol=1e-2)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_augmentations_are_right(kind):
    value = pictures(2, 3, 4).double().requires_grad_()

    def moved(value):
        torch.manual_seed(1)
        return A.DiffAugment(kind)(value)

    assert torch.autograd.gradcheck(moved, value)


def test_noise_has_its_scale_and_follows_a_schedule():
    value = torch.zeros(200, 50)
    assert A.InstanceNoise(0.3)(value).std().item() == pytest.approx(0.3, rel=0.05)
    _, loop = made_learner(pg.Adversarial(), made(Points), {"x": normal_points()})
    fading = A.InstanceNoise(Linear(1.0, 0.0, steps=10))
    loop.clock = 5
    assert fading(value, {}, loop).std().item() == pytest.approx(0.5, rel=0.05)
    loop.clock = 10
    assert torch.equal(fading(value, {}, loop), value)


def test_options_out_of_range():
    for wrong in (lambda: A.DiffAugment("blur"), A.DiffAugment):
        with pytest.raises(OptionError, match="give some of 'brightness'"):
            wrong()
    with pytest.raises(OptionError, match=r"ADA\(target=2\)"):
        A.ADA(target=2)
    with pytest.raises(OptionError, match=r"InstanceNoise\(scale=-1\)"):
        A.InstanceNoise(-1)
    assert repr(A.DiffAugment("cutout", "flip", sites="x")).endswith("T = cutout then flip")
